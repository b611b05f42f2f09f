// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/controllers/policy/audit"
)

// audits is what the world knows of the audits of policies. The lock of the
// world guards it.
type audits struct {
	// silence is the annotation of that name, by namespace.
	silence map[string]string
	// found are the numbers of findings that stand, by namespace.
	found map[string][]audit.Count
}

func newAudits() audits {
	return audits{silence: map[string]string{}, found: map[string][]audit.Count{}}
}

// setSilence notes the annotation of a namespace; nil if it is deleted.
func (w *world) setSilence(name string, n *corev1.Namespace) {
	silence := ""
	if n != nil {
		silence = n.Annotations[v1alpha1.AnnotationSilence]
	}
	if w.audits.silence[name] == silence {
		return
	}
	if w.audits.silence[name] = silence; silence == "" {
		delete(w.audits.silence, name)
	}
	w.policies.touched[name] = struct{}{}
}

// auditsOf are the namespaces whose audits depend on what happened in the
// touched ones; all is true if that may be every one.
func (w *world) auditsOf(touched map[string]struct{}, relabelled bool) (namespaces []string, all bool) {
	all = relabelled
	for name := range touched {
		namespaces = append(namespaces, name)
		if to := w.disclosesTo[name]; to != "" && to != name {
			namespaces = append(namespaces, to)
		}
		n := w.policies.labels[name]
		all = all || n != nil && audit.Concerns(n)
	}
	return namespaces, all
}

// audit the policies of a namespace; false while they are not known.
func (w *world) audit(namespace string) (audit.Report, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.policies.known {
		return audit.Report{}, false
	}
	return audit.Audit(audit.Input{Index: w.policies.index, Namespace: namespace, Silence: w.audits.silence[namespace]}), true
}

// audited are the namespaces that have policies, sorted; false while they are
// not known.
func (w *world) audited() ([]string, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.policies.known {
		return nil, false
	}
	return slices.Sorted(maps.Keys(w.policies.counts)), true
}

// policyReference is for events about a policy; false if there is no such.
func (w *world) policyReference(key types.NamespacedName) (corev1.ObjectReference, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	p := w.policies.index.Policy(key)
	if p == nil {
		return corev1.ObjectReference{}, false
	}
	return corev1.ObjectReference{
		APIVersion: "networking.k8s.io/v1", Kind: "NetworkPolicy", Namespace: p.Namespace, Name: p.Name, UID: p.UID, ResourceVersion: p.ResourceVersion,
	}, true
}

// setFindings notes how many findings stand in a namespace, for the metrics.
func (w *world) setFindings(namespace string, counts []audit.Count) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.audits.found[namespace] = counts; len(counts) == 0 {
		delete(w.audits.found, namespace)
	}
}

// findingsForMetrics are the numbers of findings by namespace.
func (w *world) findingsForMetrics() map[string][]audit.Count {
	w.mu.Lock()
	defer w.mu.Unlock()
	return maps.Clone(w.audits.found)
}
