// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/klog/v2"

	"github.com/netladder/netladder/controllers/diagnosis"
)

// maxNotReporting bounds netladder_node_not_reporting.
const maxNotReporting = 100

// collectNodes exports what is heard of the nodes that should have a prober;
// nothing before all nodes are known.
func (c *collector) collectNodes(w *world, gauge gauges) {
	states, ok := w.probers()
	if !ok {
		return
	}
	counts, shown := map[diagnosis.ProberState]int{}, 0
	for _, name := range slices.Sorted(maps.Keys(states)) {
		state := states[name]
		counts[state]++
		if (state == diagnosis.ProberSilent || state == diagnosis.ProberMissing) && shown < maxNotReporting {
			shown++
			gauge(c.notReporting, 1, name, string(state))
		}
	}
	for _, state := range diagnosis.ProberStates() {
		gauge(c.nodeStates, float64(counts[state]), string(state))
	}
}

// probers says what is heard of each node that should have a prober: those that
// the DaemonSet selects, and those that had one until a moment ago. It is false
// before all nodes are known.
func (w *world) probers() (states map[string]diagnosis.ProberState, ok bool) {
	w.mu.Lock()
	primed := w.primed
	in := diagnosis.Input{
		Reports: maps.Clone(w.reports), Nodes: map[string]*diagnosis.NodeFacts{}, Now: w.clock.Now(), APIAvailableSince: w.available,
		Settings: diagnosis.Settings{Namespace: w.namespace},
	}
	for name, n := range w.nodes {
		if facts := w.facts[name]; facts != nil && n.planned != nil && (n.planned.Prober || !n.repels && w.shouldHaveProber(n.planned.Labels)) {
			in.Nodes[name] = facts
		}
	}
	w.mu.Unlock()
	if !primed {
		return nil, false
	}
	return diagnosis.Probers(in), true
}

// repels says whether some taint is not tolerated. Those that Kubernetes itself
// puts on nodes, such as that one is not Ready, every DaemonSet tolerates.
func repels(taints []corev1.Taint, tolerations []corev1.Toleration) bool {
	return slices.ContainsFunc(taints, func(taint corev1.Taint) bool {
		return !strings.HasPrefix(taint.Key, "node.kubernetes.io/") && taint.Effect != corev1.TaintEffectPreferNoSchedule &&
			!slices.ContainsFunc(tolerations, func(t corev1.Toleration) bool { return t.ToleratesTaint(klog.Logger{}, &taint, false) })
	})
}

func (w *world) shouldHaveProber(labels map[string]string) bool {
	for key, value := range w.runsOn {
		if labels[key] != value {
			return false
		}
	}
	return true
}
