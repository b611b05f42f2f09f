// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package track

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"

	"github.com/netladder/netladder/api/v1alpha1"
)

var (
	good = Observation{Verdict: v1alpha1.VerdictConnected, Latency: time.Millisecond, Timed: true}
	bad  = Observation{Verdict: v1alpha1.VerdictDropped, Evidence: "silence"}
)

// assignment has one TCP group "g" with targets 10.0.0.N:80.
func assignment(hash string, hosts ...int) *v1alpha1.ProbeAssignmentSpec {
	s := &v1alpha1.ProbeAssignmentSpec{}
	g := v1alpha1.ProbeGroup{Key: "g", Hash: hash, Kind: v1alpha1.ProbeTCP, FailureThreshold: 2, SuccessThreshold: 1}
	for i, h := range hosts {
		s.Targets = append(s.Targets, v1alpha1.AssignedTarget{IP: fmt.Sprintf("10.0.0.%d", h), Port: 80})
		g.Members = append(g.Members, int32(i))
	}
	s.Groups = []v1alpha1.ProbeGroup{g}
	return s
}

func target(host int) string { return fmt.Sprintf("10.0.0.%d:80", host) }

func counts(t *Tracker) v1alpha1.PairCounts {
	groups, _ := t.Snapshot()
	return groups[0].Pairs
}

// News names the groups of which a reader does not know everything yet.
func TestNews(t *testing.T) {
	want := func(tr *Tracker, keys ...string) {
		t.Helper()
		if diff := cmp.Diff(keys, tr.News()); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
	tr := New(func(Change) {})
	spec := assignment("a-1", 1, 2)
	other := spec.Groups[0]
	other.Key = "h"
	spec.Groups = append(spec.Groups, other)
	tr.Update(spec, nil, epoch)
	want(tr)
	tr.Pair("h", target(1)).Observe(good, epoch)
	want(tr, "h")
	tr.Update(assignment("a-2", 1), nil, epoch)
	want(tr)
	tr.Update(spec, nil, epoch)
	tr.Pair("g", target(1)).Observe(good, epoch)
	tr.Pair("h", target(2)).Observe(bad, epoch)
	want(tr, "g", "h")
	tr.Snapshot()
	want(tr)
	tr.Pair("g", target(1)).Observe(good, epoch)
	want(tr)
}

func TestUpdateKeepsWhatStays(t *testing.T) {
	tr := New(func(Change) {})
	tr.Update(assignment("a-1", 1, 2), nil, epoch)
	leaving := tr.Pair("g", target(1))
	tr.Pair("g", target(2)).Observe(bad, epoch)
	tr.Pair("g", target(2)).Observe(bad, epoch)
	leaving.Observe(good, epoch)

	tr.Update(assignment("a-2", 2, 3), nil, epoch)
	leaving.Observe(bad, epoch)
	leaving.Observe(bad, epoch)
	if diff := cmp.Diff(v1alpha1.PairCounts{Failing: 1, Pending: 1}, counts(tr)); diff != "" {
		t.Errorf("only pairs changed (-want +got):\n%s", diff)
	}
	if all, unattempted := tr.Pairs(); all != 2 || unattempted != 1 {
		t.Errorf("%d pairs, %d not attempted", all, unattempted)
	}

	stale := tr.Pair("g", target(2))
	tr.Update(assignment("b-2", 2, 3), nil, epoch)
	stale.Observe(bad, epoch)
	if diff := cmp.Diff(v1alpha1.PairCounts{Pending: 2}, counts(tr)); diff != "" {
		t.Errorf("content changed (-want +got):\n%s", diff)
	}
	tr.Update(&v1alpha1.ProbeAssignmentSpec{}, nil, epoch)
	if all, unattempted := tr.Pairs(); all != 0 || unattempted != 0 {
		t.Errorf("%d pairs, %d not attempted after all left", all, unattempted)
	}
}

func TestSeed(t *testing.T) {
	since := metav1.NewTime(epoch.Add(-time.Hour))
	seed := &v1alpha1.ProbeAssignmentStatus{
		Groups: []v1alpha1.GroupStatus{{Key: "g", Hash: "a-1"}},
		NotPassing: []v1alpha1.PairStatus{
			{Group: "g", Target: target(1), State: v1alpha1.StateFailing, Streak: 9, Verdict: v1alpha1.VerdictRejected, Evidence: "3/13", Since: &since},
			{Group: "g", Target: target(2), State: v1alpha1.StateDegraded},
			{Group: "other", Target: target(3), State: v1alpha1.StateFailing},
		},
	}
	for hash, want := range map[string]v1alpha1.PairCounts{
		"a-2": {Failing: 1, Pending: 2},
		"b-1": {Pending: 3},
	} {
		tr := New(func(Change) {})
		tr.Update(assignment(hash, 1, 2, 3), seed, epoch)
		if diff := cmp.Diff(want, counts(tr)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", hash, diff)
		}
		if _, unattempted := tr.Pairs(); unattempted != 3 {
			t.Errorf("%s: %d not attempted: a seed is no attempt", hash, unattempted)
		}
	}

	tr := New(func(Change) {})
	tr.Update(assignment("a-1", 1), seed, epoch)
	p := tr.Pair("g", target(1))
	if !p.EveryRound() {
		t.Error("a seeded pair waits for its turn")
	}
	p.Observe(Observation{Verdict: v1alpha1.VerdictUnmeasured}, epoch)
	p.Observe(bad, epoch)
	_, not := tr.Snapshot()
	if len(not) != 1 || not[0].Streak != 10 || !not[0].Since.Equal(&since) || not[0].Verdict != v1alpha1.VerdictRejected {
		t.Errorf("the failure began anew: %+v", not)
	}
	p.Observe(good, epoch)
	if diff := cmp.Diff(v1alpha1.PairCounts{Passing: 1}, counts(tr)); diff != "" {
		t.Errorf("recovery (-want +got):\n%s", diff)
	}
}

func TestChanges(t *testing.T) {
	var got []Change
	tr := New(func(c Change) { got = append(got, c) })
	tr.Update(assignment("a-1", 1), nil, epoch)
	p := tr.Pair("g", target(1))
	for _, o := range []Observation{bad, good, good, bad, bad, bad, good} {
		p.Observe(o, epoch)
	}
	// First attempt; Pending to Passing; Passing to Failing; and back.
	if diff := cmp.Diff([]Change{Progress, Progress, Transition, Transition}, got); diff != "" {
		t.Errorf("changes (-want +got):\n%s", diff)
	}
}

func TestQuantiles(t *testing.T) {
	var l latencies
	if p50, p99 := l.quantiles(); p50 != 0 || p99 != 0 {
		t.Error("latency of nothing")
	}
	for i := 1; i <= 1000; i++ {
		l.add(time.Duration(i) * time.Microsecond)
	}
	// The ring holds 745 to 1000.
	if p50, p99 := l.quantiles(); p50 != 872 || p99 != 998 {
		t.Errorf("p50 %d p99 %d", p50, p99)
	}
	l = latencies{}
	l.add(0)
	if p50, p99 := l.quantiles(); p50 != 1 || p99 != 1 {
		t.Errorf("one sample: p50 %d p99 %d", p50, p99)
	}
}

// Counts always add up to the pairs of the assignment, and the list of pairs
// that do not pass agrees with them.
func TestCountsAddUp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tr := New(func(Change) {})
		var handles []*Pair
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			if len(handles) == 0 || rapid.IntRange(0, 9).Draw(t, "step") == 0 {
				hosts := rapid.SliceOfNDistinct(rapid.IntRange(1, 6), 0, 6, rapid.ID[int]).Draw(t, "hosts")
				tr.Update(assignment(rapid.SampledFrom([]string{"a-1", "a-2", "b-1"}).Draw(t, "hash"), hosts...), nil, epoch)
				for _, h := range hosts {
					handles = append(handles, tr.Pair("g", target(h)))
				}
				if groups, _ := tr.Snapshot(); int(groups[0].Pairs.Total()) != len(hosts) {
					t.Fatalf("%+v for %d pairs", groups[0].Pairs, len(hosts))
				}
				continue
			}
			o := rapid.SampledFrom([]Observation{good, bad, {Verdict: v1alpha1.VerdictLocalError}}).Draw(t, "observation")
			handles[rapid.IntRange(0, len(handles)-1).Draw(t, "pair")].Observe(o, epoch)
			groups, not := tr.Snapshot()
			c := groups[0].Pairs
			all, unattempted := tr.Pairs()
			if int(c.Total()) != all || len(not) != int(c.Failing+c.Degraded+c.Unknown) || unattempted > all || unattempted < 0 {
				t.Fatalf("%+v with %d listed of %d, %d not attempted", c, len(not), all, unattempted)
			}
		}
	})
}
