// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"k8s.io/apimachinery/pkg/types"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/controllers/plan"
)

// mentions says in which nodes' assignments a pod, by its UID, or a node, by
// its name, stands as a source or a target: a fact about it concerns the
// checks that put it there. Meshes are left out, for they concern every node.
type mentions map[string]map[string]struct{}

// replace notes what the assignment of a node is instead of what it was; each
// may be nil.
func (m mentions) replace(node string, before, after *v1alpha1.ProbeAssignmentSpec) {
	if before == after {
		return
	}
	for subject := range subjects(before) {
		delete(m[subject], node)
		if len(m[subject]) == 0 {
			delete(m, subject)
		}
	}
	for subject := range subjects(after) {
		if m[subject] == nil {
			m[subject] = map[string]struct{}{}
		}
		m[subject][node] = struct{}{}
	}
}

// subjects of an assignment.
func subjects(spec *v1alpha1.ProbeAssignmentSpec) map[string]struct{} {
	out := map[string]struct{}{}
	if spec == nil {
		return out
	}
	for i := range spec.Groups {
		eachSubject(spec, &spec.Groups[i], func(subject string) { out[subject] = struct{}{} })
	}
	return out
}

// eachSubject calls f for the pods and nodes of one group, some of them more
// than once. Rows that do not exist are left out.
func eachSubject(spec *v1alpha1.ProbeAssignmentSpec, g *v1alpha1.ProbeGroup, f func(subject string)) {
	for _, row := range g.Sources {
		if row >= 0 && int(row) < len(spec.Pods) {
			f(spec.Pods[row].UID)
		}
	}
	for _, row := range g.Members {
		switch {
		case row < 0 || g.Kind.IsMesh() && !g.Kind.Proves():
		case g.Kind.IsMesh() && int(row) < len(spec.Nodes):
			f(spec.Nodes[row].Name)
		case !g.Kind.IsMesh() && int(row) < len(spec.Targets):
			for _, subject := range []string{spec.Targets[row].UID, spec.Targets[row].Node} {
				if subject != "" {
					f(subject)
				}
			}
		}
	}
}

// addMentioning adds the checks whose groups mention a pod or a node.
func (w *world) addMentioning(to map[types.NamespacedName]struct{}, subject string) {
	for name := range w.mentions[subject] {
		report := w.reports[name]
		if report == nil {
			continue
		}
		spec := &report.Assignment.Spec
		for i := range spec.Groups {
			g := &spec.Groups[i]
			eachSubject(spec, g, func(mentioned string) {
				if mentioned != subject {
					return
				}
				if key, _, _, ok := plan.ParseGroupKey(g.Key); ok {
					to[key] = struct{}{}
				}
			})
		}
	}
}
