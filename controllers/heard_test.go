// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	testingclock "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/controllers/plan"
	"github.com/netladder/netladder/test/builders"
)

// TestNotReadyProberIsHeard: a prober's pod is not Ready while it cannot
// report. What it then tells is told, before its pod is Ready again.
func TestNotReadyProberIsHeard(t *testing.T) {
	h, nodes := readyMesh(t)
	h.clock.Step(2 * time.Minute)
	h.reportAll(nodes)
	var pod corev1.Pod
	must(t, h.client.Get(t.Context(), client.ObjectKey{Namespace: h.namespace, Name: "prober-" + nodes[0]}, &pod))
	for i := range pod.Status.Conditions {
		pod.Status.Conditions[i].Status = corev1.ConditionFalse
	}
	must(t, h.client.Status().Update(t.Context(), &pod))
	h.pass(2 * time.Second)
	h.report(nodes[0], "cross")
	h.readyIs("mesh", metav1.ConditionFalse, v1alpha1.ReasonPathsFailing)
}

// TestFirstWordAfterAnOutageIsJudged: a heartbeat with nothing new in it is news
// all the same if its prober, or its node, was given up.
func TestFirstWordAfterAnOutageIsJudged(t *testing.T) {
	for name, c := range map[string]struct {
		node, prober corev1.ConditionStatus
		want         bool
	}{
		"all is well":             {corev1.ConditionTrue, corev1.ConditionTrue, false},
		"the node was given up":   {corev1.ConditionUnknown, corev1.ConditionTrue, true},
		"its prober is not ready": {corev1.ConditionTrue, corev1.ConditionFalse, true},
	} {
		t.Run(name, func(t *testing.T) {
			clock := testingclock.NewFakeClock(time.Now())
			w := newWorld(clock, plan.Settings{Namespace: "netladder-system"})
			long := clock.Now().Add(-time.Hour)
			pods := []*corev1.Pod{builders.MakeProberPod("prober", "node0").Namespace("netladder-system").Ready(c.prober, long).Obj()}
			w.observeNode("node0", builders.MakeNode("node0").Ready(c.node, long).Obj(), pods)
			// The check's sources are elsewhere: it knows of the node as a target.
			check := builders.MakeCheck("mesh").Namespace("netladder-system").Path("cross", builders.ToMesh(v1alpha1.MeshScopeAny)).Obj()
			key := client.ObjectKeyFromObject(check)
			w.observeCheck(key, check)
			heartbeat := func(at time.Time) map[types.NamespacedName]struct{} {
				a := &v1alpha1.ProbeAssignment{ObjectMeta: metav1.ObjectMeta{Name: "node0"}}
				a.Spec.Heartbeat.Duration = time.Minute
				a.Status = v1alpha1.ProbeAssignmentStatus{PodUID: string(pods[0].UID), Heartbeat: &metav1.Time{Time: at}}
				return w.observeReport("node0", a).checks
			}
			heartbeat(clock.Now())
			clock.Step(10 * time.Second)
			if _, got := heartbeat(clock.Now())[key]; got != c.want {
				t.Errorf("the check is judged at the first word: %t, want %t", got, c.want)
			}
			clock.Step(10 * time.Second)
			if _, got := heartbeat(clock.Now())[key]; got {
				t.Error("the check is judged at the second word")
			}
		})
	}
}

// TestSameResults: that a rung was seen once more changes no judgement, unless
// what was seen of it before was too old to count.
func TestSameResults(t *testing.T) {
	at := func(s int) *metav1.MicroTime {
		return &metav1.MicroTime{Time: time.Date(2026, 11, 2, 9, 0, s, 0, time.UTC)}
	}
	report := func(bad, seen *metav1.MicroTime, evidence string) *v1alpha1.ProbeAssignmentStatus {
		return &v1alpha1.ProbeAssignmentStatus{
			NotPassing: []v1alpha1.PairStatus{{Group: "a", Target: "x", State: v1alpha1.StateFailing, BadSince: at(1)}, {Group: "a", Target: "y", State: v1alpha1.StateFailing, BadSince: bad}},
			Rungs:      []v1alpha1.RungStatus{{Rung: v1alpha1.RungUnderlay, Verdict: v1alpha1.VerdictDropped, Evidence: evidence, At: seen}},
		}
	}
	for name, c := range map[string]struct {
		before, after *v1alpha1.ProbeAssignmentStatus
		want          bool
	}{
		"nothing new":                     {report(at(5), at(6), ""), report(at(5), at(6), ""), true},
		"seen again":                      {report(at(5), at(6), ""), report(at(5), at(16), ""), true},
		"seen again, of no time":          {report(nil, at(6), ""), report(nil, at(16), ""), true},
		"seen again, otherwise":           {report(at(5), at(6), ""), report(at(5), at(16), "by a hop"), false},
		"seen at last since it is bad":    {report(at(5), at(4), ""), report(at(5), at(6), ""), false},
		"seen again, and still too early": {report(at(9), at(4), ""), report(at(9), at(6), ""), false},
		"seen by an older prober":         {report(at(5), nil, ""), report(at(5), at(6), ""), false},
		"bad anew":                        {report(at(5), at(6), ""), report(at(7), at(6), ""), false},
		"nothing is seen":                 {report(at(5), at(6), ""), &v1alpha1.ProbeAssignmentStatus{NotPassing: report(at(5), nil, "").NotPassing}, false},
	} {
		if got := sameResults(c.before, c.after); got != c.want {
			t.Errorf("%s: the same: %t", name, got)
		}
	}
}
