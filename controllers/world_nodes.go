// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"maps"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/controllers/diagnosis"
	"github.com/netladder/netladder/controllers/index"
	"github.com/netladder/netladder/controllers/plan"
	"github.com/netladder/netladder/controllers/workload"
)

// node is what outlives a gap between two pods of a node.
type node struct {
	// planned is what the engine was told.
	planned *plan.Node
	// repels is true if a taint keeps the probers away.
	repels bool
	// proberSeen, echoSeen and canarySeen are when the node last had such a pod.
	proberSeen, echoSeen, canarySeen time.Time
	// echo is the last echo pod that had IPs, canary the last canary pod.
	echo   *plan.Echo
	canary *plan.Canary
}

// observeNode takes in a node, nil if it is deleted, and Netladder's pods on
// it. hold is when the same must be observed again although nothing changed;
// zero if never.
func (w *world) observeNode(name string, n *corev1.Node, pods []*corev1.Pod) (t touched, hold time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	changed, hold := w.setNode(name, n, pods)
	t = w.takeDirty()
	if changed {
		w.addConcerned(t.checks, name)
	}
	return t, hold
}

// setNode says whether the facts by which diagnosis judges changed.
func (w *world) setNode(name string, n *corev1.Node, pods []*corev1.Pod) (changed bool, hold time.Time) {
	if n == nil {
		_, known := w.facts[name]
		delete(w.nodes, name)
		delete(w.facts, name)
		w.policies.setNode(name, w.engine.Node(name), nil)
		w.engine.DeleteNode(name)
		return known, time.Time{}
	}
	known := w.nodes[name]
	if known == nil || known.planned != nil && known.planned.UID != n.UID {
		known = &node{} // another machine of the same name inherits nothing
		w.nodes[name] = known
	}
	known.repels = w.tolerations != nil && repels(n.Spec.Taints, w.tolerations)
	own := ownPods{
		prober: component(pods, workload.ComponentProber), echo: component(pods, workload.ComponentEcho), canary: component(pods, workload.ComponentCanary),
	}
	hold = known.takePods(w.clock.Now(), own)

	planned := &plan.Node{
		Name: n.Name, UID: n.UID, Labels: n.Labels, IPs: index.NodeIPs(n), Prober: !known.proberSeen.IsZero(), Echo: known.echo, Canary: known.canary,
		Tunnels: index.Tunnels(n),
	}
	if known.planned == nil || !samePlan(known.planned, planned) {
		known.planned = planned
		w.policies.setNode(name, w.engine.Node(name), planned)
		w.engine.SetNode(planned)
	}
	facts := nodeFacts(w.facts[name], n, own)
	if sameFacts(facts, w.facts[name]) {
		return false, hold
	}
	w.facts[name] = facts
	return true, hold
}

// ownPods are Netladder's pods on one node; nil where there is none.
type ownPods struct{ prober, echo, canary *corev1.Pod }

// takePods notes the node's pods, and forgets those that have been missing for
// too long. It returns when to look again.
func (k *node) takePods(now time.Time, own ownPods) (hold time.Time) {
	until := func(seen *time.Time, present bool) bool {
		if present {
			*seen = now
			return true
		}
		if seen.IsZero() {
			return false
		}
		end := seen.Add(podHold)
		if !now.Before(end) {
			*seen = time.Time{}
			return false
		}
		if hold.IsZero() || end.Before(hold) {
			hold = end
		}
		return true
	}
	until(&k.proberSeen, own.prober != nil)
	if !until(&k.echoSeen, own.echo != nil) {
		k.echo = nil
	}
	if !until(&k.canarySeen, own.canary != nil) {
		k.canary = nil
	}
	if own.echo != nil {
		if current := index.Echo(own.echo); current != nil {
			k.echo = current
		}
	}
	if own.canary != nil {
		if current := index.Canary(own.canary); current != nil {
			k.canary = current
		}
	}
	return hold
}

// component is the pod of that component that counts; nil without one that
// has not ended.
func component(pods []*corev1.Pod, name string) *corev1.Pod {
	pod := index.Current(slices.DeleteFunc(slices.Clone(pods), func(p *corev1.Pod) bool {
		return p.Labels[v1alpha1.LabelComponent] != name
	}))
	if pod == nil || index.Finished(pod) {
		return nil
	}
	return pod
}

func nodeFacts(previous *diagnosis.NodeFacts, n *corev1.Node, own ownPods) *diagnosis.NodeFacts {
	facts := &diagnosis.NodeFacts{Gone: n.DeletionTimestamp != nil, CreatedAt: n.CreationTimestamp.Time}
	ready, since := index.NodeReady(n)
	facts.Ready = ready
	// A node that became Ready anew without having been seen otherwise was not
	// Ready at a time that nobody knows.
	missed := previous != nil && ready && previous.Ready && !previous.ReadySince.Equal(since)
	if previous != nil && !missed {
		facts.NotReadySince = previous.NotReadySince
	}
	if ready {
		facts.ReadySince = since
	} else {
		facts.NotReadySince = since
	}
	facts.Prober, facts.Echo, facts.Canary = podFacts(own.prober), podFacts(own.echo), podFacts(own.canary)
	return facts
}

func podFacts(p *corev1.Pod) *diagnosis.PodFacts {
	if p == nil {
		return nil
	}
	return index.Pod(p)
}

// sameFacts compares by value; nil is no facts.
func sameFacts(a, b *diagnosis.NodeFacts) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Ready == b.Ready && a.Gone == b.Gone && a.CreatedAt.Equal(b.CreatedAt) &&
		a.ReadySince.Equal(b.ReadySince) && a.NotReadySince.Equal(b.NotReadySince) &&
		samePod(a.Prober, b.Prober) && samePod(a.Echo, b.Echo) && samePod(a.Canary, b.Canary)
}

func samePod(a, b *diagnosis.PodFacts) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.UID == b.UID && a.Running == b.Running && a.Ready == b.Ready && a.Terminating == b.Terminating &&
		a.StartedAt.Equal(b.StartedAt) && a.ReadySince.Equal(b.ReadySince) && a.NotReadySince.Equal(b.NotReadySince)
}

func samePlan(a, b *plan.Node) bool {
	if (a.Echo == nil) != (b.Echo == nil) {
		return false
	}
	if a.Echo != nil && (a.Echo.UID != b.Echo.UID || !slices.Equal(a.Echo.IPs, b.Echo.IPs)) {
		return false
	}
	if !a.Canary.Equal(b.Canary) {
		return false
	}
	return a.Name == b.Name && a.UID == b.UID && a.Prober == b.Prober && slices.Equal(a.IPs, b.IPs) && slices.Equal(a.Tunnels, b.Tunnels) && maps.Equal(a.Labels, b.Labels)
}

// addConcerned adds the checks that a fact about a node may concern: those
// that its own prober tests, those that mention it or a pod of it as a target,
// and every mesh.
func (w *world) addConcerned(to map[types.NamespacedName]struct{}, name string) {
	if report := w.reports[name]; report != nil {
		addChecksOf(to, &report.Assignment.Spec)
	}
	w.addMentioning(to, name)
	for key, known := range w.checks {
		if known.mesh {
			to[key] = struct{}{}
		}
	}
}

func addChecksOf(to map[types.NamespacedName]struct{}, spec *v1alpha1.ProbeAssignmentSpec) {
	for i := range spec.Groups {
		if key, _, _, ok := plan.ParseGroupKey(spec.Groups[i].Key); ok {
			to[key] = struct{}{}
		}
	}
}

// nodeUID of a node that is there; false for one that is not.
func (w *world) nodeUID(name string) (types.UID, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := w.engine.Node(name)
	if n == nil {
		return "", false
	}
	return n.UID, true
}
