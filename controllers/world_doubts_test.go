// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	testingclock "k8s.io/utils/clock/testing"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/controllers/plan"
)

// doubting is a report of node1 that does not reach a pod on node2, though it
// reaches what is beside it; or that reaches it.
func doubting(fails bool) *v1alpha1.ProbeAssignment {
	a := &v1alpha1.ProbeAssignment{ObjectMeta: metav1.ObjectMeta{Name: "node1"}, Spec: v1alpha1.ProbeAssignmentSpec{
		Targets: []v1alpha1.AssignedTarget{{IP: "10.0.2.5", Port: 80, Node: "node2", UID: "db"}},
		Groups:  []v1alpha1.ProbeGroup{{Key: "shop/a/pods/TCP", Kind: v1alpha1.ProbeTCP, Members: []int32{0}}},
	}}
	if fails {
		a.Status.NotPassing = []v1alpha1.PairStatus{{Group: "shop/a/pods/TCP", Target: "10.0.2.5:80", State: v1alpha1.StateFailing, Verdict: v1alpha1.VerdictDropped}}
		a.Status.Rungs = []v1alpha1.RungStatus{{Rung: v1alpha1.RungPodNetwork, Probe: v1alpha1.ProbeMeshTCP, Target: "node2/IPv4", Verdict: v1alpha1.VerdictConnected}}
	}
	return a
}

// TestDoubtsThatComeAndGo: what comes and goes makes a target doubtful once a
// minute and no more, however often it is reported, and what stays, once.
func TestDoubtsThatComeAndGo(t *testing.T) {
	clock := testingclock.NewFakeClock(time.Now())
	w := newWorld(clock, plan.Settings{Namespace: "netladder-system"})
	w.workloads = true
	w.engine.SetPod(&plan.Pod{UID: "db", Key: types.NamespacedName{Namespace: "shop", Name: "db"}, Node: "node2", IPs: []netip.Addr{netip.MustParseAddr("10.0.2.5")}})
	w.takeDirty()
	writes := func(a *v1alpha1.ProbeAssignment) int {
		n := 0
		if slices.Contains(w.observeReport("node1", a).nodes, "node2") {
			n++
		}
		return n
	}
	for _, c := range []struct {
		name string
		// every so often for so long; it fails, or every other time it does not.
		every, during time.Duration
		stays         bool
		want          int
	}{
		{"comes and goes", 5 * time.Second, 4 * time.Minute, false, 8},
		{"stays", 5 * time.Second, 10 * time.Minute, true, 1},
		{"comes and goes slowly", 2 * time.Minute, 12 * time.Minute, false, 6},
	} {
		clock.Step(time.Hour)
		writes(doubting(false))
		clock.Step(time.Hour)
		got, fails := 0, true
		for range int(c.during / c.every) {
			got += writes(doubting(fails))
			fails = c.stays || !fails
			clock.Step(c.every)
		}
		if got != c.want {
			t.Errorf("%s: %d writes, want %d", c.name, got, c.want)
		}
		if got := writes(doubting(false)) + len(w.engine.Doubtful("node2")); got != map[bool]int{true: 1}[c.stays] {
			t.Errorf("%s: afterwards %d", c.name, got)
		}
		clock.Step(time.Hour)
		if writes(doubting(false)); len(w.doubts) != 0 {
			t.Errorf("%s: %d reports are remembered", c.name, len(w.doubts))
		}
	}
	writes(doubting(true))
	if w.observeReport("node1", nil); len(w.engine.Doubtful("node2")) != 0 {
		t.Error("a report that is gone makes doubts")
	}
}

// TestNoDoubtsWithoutWorkloads: probers of level Restricted cannot look.
func TestNoDoubtsWithoutWorkloads(t *testing.T) {
	w := newWorld(testingclock.NewFakeClock(time.Now()), plan.Settings{Namespace: "netladder-system"})
	if w.observeReport("node1", doubting(true)); len(w.doubts) != 0 {
		t.Errorf("%+v", w.doubts)
	}
}
