// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/controllers/diagnosis"
	"github.com/netladder/netladder/controllers/index"
	"github.com/netladder/netladder/controllers/plan"
)

// observePod takes in a workload pod; nil if it is deleted.
func (w *world) observePod(key types.NamespacedName, p *corev1.Pod) touched {
	w.mu.Lock()
	defer w.mu.Unlock()
	changed := w.setPod(key, p)
	t := w.takeDirty()
	for _, uid := range changed {
		w.addMentioning(t.checks, uid)
	}
	return t
}

// setPod returns the UIDs of the pods whose facts changed: of the given one,
// and of another that had its name before.
func (w *world) setPod(key types.NamespacedName, p *corev1.Pod) (changed []string) {
	if old, ok := w.pods[key]; ok && (p == nil || p.UID != old) {
		delete(w.pods, key)
		delete(w.podFacts, string(old))
		w.deleteWorkload(old)
		changed = append(changed, string(old))
	}
	if p == nil {
		return changed
	}
	w.pods[key] = p.UID
	planned, known := index.Workload(p), w.policies.index.Pod(p.UID)
	switch {
	case planned == nil && known != nil:
		w.deleteWorkload(p.UID)
	case planned != nil && (known == nil || !sameWorkload(known, planned)):
		w.policies.setPod(w.clock.Now(), known, planned)
		if w.workloads {
			w.engine.SetPod(planned)
		}
	}
	if !w.workloads {
		return changed
	}
	uid := string(p.UID)
	facts := index.WorkloadFacts(p)
	if sameWorkloadFacts(w.podFacts[uid], facts) {
		return changed
	}
	if w.podFacts[uid] = facts; facts == nil {
		delete(w.podFacts, uid)
	}
	return append(changed, uid)
}

func (w *world) deleteWorkload(uid types.UID) {
	w.policies.deletePod(w.policies.index.Pod(uid))
	w.engine.DeletePod(uid)
}

// observeNamespace takes in a namespace; nil if it is deleted.
func (w *world) observeNamespace(name string, n *corev1.Namespace) touched {
	w.mu.Lock()
	defer w.mu.Unlock()
	told := w.setNamespace(name, n)
	t := w.takeDirty()
	for key := range w.checks {
		if slices.Contains(told, key.Namespace) {
			t.checks[key] = struct{}{}
		}
	}
	return t
}

// setNamespace returns the namespaces whose checks may now see more of this
// one, or less.
func (w *world) setNamespace(name string, n *corev1.Namespace) (told []string) {
	to := ""
	w.setSilence(name, n)
	if n == nil {
		w.engine.DeleteNamespace(name)
		w.policies.setNamespace(w.clock.Now(), name, nil)
	} else {
		if w.workloads {
			w.engine.SetNamespace(index.Namespace(n))
		}
		w.policies.setNamespace(w.clock.Now(), name, index.Namespace(n))
		to = n.Labels[v1alpha1.LabelDiscloseTo]
	}
	before := w.disclosesTo[name]
	if before == to {
		return nil
	}
	for _, each := range []struct {
		to   string
		does bool
	}{{before, false}, {to, true}} {
		if each.to == "" {
			continue
		}
		told = append(told, each.to)
		// Diagnosis reads the old one yet.
		known := maps.Clone(w.disclosing[each.to])
		if known == nil {
			known = map[string]bool{}
		}
		if known[name] = each.does; !each.does {
			delete(known, name)
		}
		if w.disclosing[each.to] = known; len(known) == 0 {
			delete(w.disclosing, each.to)
		}
	}
	if w.disclosesTo[name] = to; to == "" {
		delete(w.disclosesTo, name)
	}
	return told
}

// podsOf are the facts about the pods that the assignments mention of the
// nodes on which a check is probed or proven.
func (w *world) podsOf(r *plan.Resolved) map[string]*diagnosis.WorkloadPod {
	if r == nil || len(w.podFacts) == 0 {
		return nil
	}
	nodes := map[string]struct{}{}
	for i := range r.Paths {
		for _, g := range r.Paths[i].Groups {
			addAll(nodes, g.Sources)
		}
		for _, g := range r.Paths[i].Proofs {
			addAll(nodes, g.Sources)
		}
	}
	out := map[string]*diagnosis.WorkloadPod{}
	add := func(uid string) {
		if facts := w.podFacts[uid]; facts != nil {
			out[uid] = facts
		}
	}
	for name := range nodes {
		report := w.reports[name]
		if report == nil {
			continue
		}
		for i := range report.Assignment.Spec.Pods {
			add(report.Assignment.Spec.Pods[i].UID)
		}
		for i := range report.Assignment.Spec.Targets {
			add(report.Assignment.Spec.Targets[i].UID)
		}
	}
	return out
}

func addAll(to map[string]struct{}, names []string) {
	for _, name := range names {
		to[name] = struct{}{}
	}
}

// sameWorkload says whether the plan reads the same from both, so that a pod
// that merely became Ready costs the engine nothing.
func sameWorkload(a, b *plan.Pod) bool {
	return a.UID == b.UID && a.Key == b.Key && a.Node == b.Node && a.HostNetwork == b.HostNetwork && a.Sandboxed == b.Sandboxed &&
		slices.Equal(a.IPs, b.IPs) && slices.Equal(a.Ports, b.Ports) && maps.Equal(a.Labels, b.Labels)
}

// sameWorkloadFacts compares by value; nil is no facts.
func sameWorkloadFacts(a, b *diagnosis.WorkloadPod) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Namespace == b.Namespace && a.Name == b.Name && a.Node == b.Node &&
		a.Terminating == b.Terminating && a.StartedAt.Equal(b.StartedAt)
}
