// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	testingclock "k8s.io/utils/clock/testing"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/controllers/plan"
	"github.com/netladder/netladder/test/builders"
)

// scraped are the series of some metrics of a world's leader, as "name{labels} value".
func scraped(t *testing.T, w *world, names ...string) (out []string) {
	t.Helper()
	m := newMetrics()
	defer m.leading(w)()
	registry := prometheus.NewRegistry()
	_, err := m.register(registry)
	must(t, err)
	families, err := registry.Gather()
	must(t, err)
	for _, family := range families {
		for _, metric := range family.GetMetric() {
			var labels []string
			for _, l := range metric.GetLabel() {
				labels = append(labels, fmt.Sprintf("%s=%q", l.GetName(), l.GetValue()))
			}
			for _, name := range names {
				if family.GetName() == name {
					out = append(out, fmt.Sprintf("%s{%s} %v", name, strings.Join(labels, ","), metric.GetGauge().GetValue()))
				}
			}
		}
	}
	return out
}

// Nodes whose taint the probers do not tolerate lack nothing either.
func TestTaintedNodesNeedNoProber(t *testing.T) {
	some := []corev1.Toleration{{Key: "dedicated", Operator: corev1.TolerationOpEqual, Value: "gpu", Effect: corev1.TaintEffectNoSchedule}}
	for name, tc := range map[string]struct {
		taint       corev1.Taint
		tolerations []corev1.Toleration
		want        bool
	}{
		"tolerated":     {corev1.Taint{Key: "dedicated", Value: "gpu", Effect: corev1.TaintEffectNoSchedule}, some, false},
		"another value": {corev1.Taint{Key: "dedicated", Value: "db", Effect: corev1.TaintEffectNoSchedule}, some, true},
		"none":          {corev1.Taint{Key: "dedicated", Effect: corev1.TaintEffectNoExecute}, nil, true},
		"soft":          {corev1.Taint{Key: "dedicated", Effect: corev1.TaintEffectPreferNoSchedule}, nil, false},
		"not ready":     {corev1.Taint{Key: corev1.TaintNodeNotReady, Effect: corev1.TaintEffectNoExecute}, nil, false},
	} {
		if got := repels([]corev1.Taint{tc.taint}, tc.tolerations); got != tc.want {
			t.Errorf("%s: repels is %t", name, got)
		}
	}
}

// Nodes that a DaemonSet leaves out lack nothing, and before all nodes are known
// nothing is said of any.
func TestNodesThatShouldHaveAProber(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	w := newWorld(testingclock.NewFakeClock(now), plan.Settings{Namespace: system})
	w.runsOn = map[string]string{corev1.LabelOSStable: "linux"}
	names := []string{"netladder_nodes", "netladder_node_not_reporting"}
	if got := scraped(t, w, names...); len(got) > 0 {
		t.Errorf("before anything is known: %s", got)
	}
	old := now.Add(-time.Hour)
	var s snapshot
	for i, os := range []string{"linux", "linux", "linux", "windows"} {
		name := fmt.Sprint("node", i)
		node := builders.MakeNode(name).UID(name).Label(corev1.LabelOSStable, os).Ready(corev1.ConditionTrue, old)
		if i == 2 {
			node.Ready(corev1.ConditionFalse, old)
		}
		s.nodes.Items = append(s.nodes.Items, *node.Obj())
	}
	prober := builders.MakeProberPod("prober", "node0").UID("prober").Started(old).Ready(corev1.ConditionTrue, old).Obj()
	s.pods.Items = []corev1.Pod{*prober}
	a := v1alpha1.ProbeAssignment{Status: v1alpha1.ProbeAssignmentStatus{PodUID: "prober"}}
	a.Name = "node0"
	s.assignments.Items = []v1alpha1.ProbeAssignment{a}
	w.prime(&s, false)
	want := []string{
		`netladder_node_not_reporting{node="node1",state="missing"} 1`,
		`netladder_nodes{state="masked"} 1`,
		`netladder_nodes{state="missing"} 1`,
		`netladder_nodes{state="reporting"} 1`,
		`netladder_nodes{state="silent"} 0`,
	}
	if diff := cmp.Diff(want, scraped(t, w, names...)); diff != "" {
		t.Error(diff)
	}
}

func TestNodesNotReportingAreBounded(t *testing.T) {
	w := newWorld(testingclock.NewFakeClock(time.Now()), plan.Settings{Namespace: system})
	var s snapshot
	for i := range maxNotReporting + 20 {
		name := fmt.Sprintf("node%03d", i)
		s.nodes.Items = append(s.nodes.Items, *builders.MakeNode(name).UID(name).Ready(corev1.ConditionTrue, time.Now().Add(-time.Hour)).Obj())
	}
	w.prime(&s, false)
	if got := scraped(t, w, "netladder_node_not_reporting"); len(got) != maxNotReporting {
		t.Errorf("%d series", len(got))
	}
}

// Only the one that leads says so, and exports the world.
func TestLeaderIsTheOneThatLeads(t *testing.T) {
	m := newMetrics()
	registry := prometheus.NewRegistry()
	_, err := m.register(registry)
	must(t, err)
	leads := func() (value float64, world bool) {
		families, err := registry.Gather()
		must(t, err)
		for _, f := range families {
			switch f.GetName() {
			case "netladder_controller_leader":
				value = f.GetMetric()[0].GetGauge().GetValue()
			case "netladder_plan_nodes":
				world = true
			}
		}
		return value, world
	}
	if value, world := leads(); value != 0 || world {
		t.Errorf("before: %v, its world %t", value, world)
	}
	end := m.leading(newWorld(testingclock.NewFakeClock(time.Now()), plan.Settings{}))
	if value, world := leads(); value != 1 || !world {
		t.Errorf("while it leads: %v, its world %t", value, world)
	}
	end()
	if value, world := leads(); value != 0 || world {
		t.Errorf("after: %v, its world %t", value, world)
	}
}
