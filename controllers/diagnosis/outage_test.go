// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package diagnosis_test

import (
	"testing"
	"time"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/controllers/diagnosis"
)

// TestNodeGivenUpInAnOutage: when the API server is back, whoever judges nodes
// has heard of none and gives some up. node1 says that node2 fails, and one of
// the two is given up 10 s after the end of an outage.
func TestNodeGivenUpInAnOutage(t *testing.T) {
	for name, tc := range map[string]struct {
		do     func(s *sim, n *simNode)
		masked bool
	}{
		"heard after it":        {func(*sim, *simNode) {}, false},
		"heard before it":       {func(s *sim, n *simNode) { n.report.HeardAt = s.since.Add(-time.Second) }, true},
		"not heard":             {func(_ *sim, n *simNode) { n.report.HeardAt = time.Time{} }, true},
		"without a report":      {func(_ *sim, n *simNode) { n.report.Assignment.Status.PodUID = "" }, true},
		"its prober is deleted": {func(_ *sim, n *simNode) { n.facts.Prober.Terminating = true }, true},
		"its pods are new":      {func(s *sim, n *simNode) { n.facts.Echo.StartedAt = s.now.Add(-5 * time.Second) }, true},
		"gone":                  {func(_ *sim, n *simNode) { n.facts.Gone = true }, true},
		"given up before it":    {func(s *sim, n *simNode) { n.facts.NotReadySince = s.since.Add(-31 * time.Second) }, true},
		"given up long after it": {func(s *sim, n *simNode) {
			s.after(time.Hour)
			n.report.SeenAt, n.report.HeardAt = s.now, s.now
			n.facts.NotReadySince = s.since.Add(31 * time.Second)
		}, true},
		"no outage": {func(s *sim, _ *simNode) { s.since = time.Time{} }, true},
	} {
		for _, node := range []string{"node1", "node2"} {
			t.Run(name+"/"+node, func(t *testing.T) {
				s := newSim("node1", "node2", "node3")
				s.since = s.now.Add(-20 * time.Second)
				s.fail("node1>node2")
				s.giveUp(node, s.since.Add(10*time.Second))
				tc.do(s, s.nodes[node])
				p := diagnosis.Summarize(s.input()).Paths[0]
				if masked := p.State != v1alpha1.StateFailing; masked != tc.masked {
					t.Errorf("got %s %+v, want it excused: %t", p.State, p.Pairs, tc.masked)
				}
			})
		}
	}
}

// A node that was heard after the outage may die all the same: its prober is
// silent then.
func TestNodeGivenUpInAnOutageDies(t *testing.T) {
	s := newSim("node1", "node2", "node3")
	s.since = s.now.Add(-20 * time.Second)
	s.giveUp("node2", s.since.Add(10*time.Second))
	judge := func() (v1alpha1.State, []string) {
		got := diagnosis.Summarize(s.input())
		return got.Paths[0].State, got.Stale
	}
	if state, _ := judge(); state != v1alpha1.StatePassing {
		t.Fatalf("before: %s", state)
	}
	s.after(161 * time.Second)
	s.nodes["node2"].silent = true
	s.fail("node1>node2", "node3>node2")
	if state, stale := judge(); state != v1alpha1.StatePassing || len(stale) > 0 {
		t.Errorf("after: %s, stale: %v; want the node to excuse both", state, stale)
	}
}

// giveUp makes a node, and with it its pods, count as not Ready.
func (s *sim) giveUp(node string, at time.Time) {
	f := s.nodes[node].facts
	f.Ready, f.ReadySince, f.NotReadySince = false, time.Time{}, at
	f.Prober.Ready, f.Prober.ReadySince, f.Echo.Ready, f.Echo.ReadySince = false, time.Time{}, false, time.Time{}
}
