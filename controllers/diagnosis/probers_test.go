// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package diagnosis_test

import (
	"slices"
	"testing"
	"time"

	"github.com/netladder/netladder/controllers/diagnosis"
)

// heardOf is the state of node2 in a world of three, of which the others report.
func heardOf(t *testing.T, s *sim) diagnosis.ProberState {
	t.Helper()
	states := diagnosis.Probers(s.input())
	for _, name := range []string{"node1", "node3"} {
		if states[name] != diagnosis.ProberReporting {
			t.Errorf("%s is %s", name, states[name])
		}
	}
	return states["node2"]
}

// TestProbers follows one node through what happens to nodes and probers.
func TestProbers(t *testing.T) {
	const heartbeat = 30 * time.Second
	for name, steps := range map[string][]struct {
		do    func(s *sim, n *simNode)
		after time.Duration
		want  diagnosis.ProberState
	}{
		"silent, and heard again": {
			{func(_ *sim, n *simNode) { n.silent = true }, 155 * time.Second, diagnosis.ProberReporting},
			{nil, 15 * time.Second, diagnosis.ProberSilent},
			{func(_ *sim, n *simNode) { n.silent = false }, 0, diagnosis.ProberReporting},
		},
		"its container is started again and again": {
			{func(s *sim, n *simNode) {
				n.silent = true
				n.facts.Prober.Ready, n.facts.Prober.NotReadySince, n.facts.Prober.Running = false, s.now, false
			}, 155 * time.Second, diagnosis.ProberReporting},
			{nil, 15 * time.Second, diagnosis.ProberMissing},
			{func(s *sim, n *simNode) { n.facts.Prober.StartedAt, n.facts.Prober.Running = s.now, true }, time.Second, diagnosis.ProberMissing},
			{nil, time.Minute, diagnosis.ProberSilent},
			{func(_ *sim, n *simNode) { n.facts.Prober.Running = false }, time.Second, diagnosis.ProberMissing},
		},
		"a rollout": {
			{func(_ *sim, n *simNode) { n.facts.Prober.Terminating, n.facts.Prober.Ready = true, false }, time.Second, diagnosis.ProberReporting},
			{func(_ *sim, n *simNode) { n.facts.Prober = nil }, 0, diagnosis.ProberMissing},
			{func(s *sim, n *simNode) {
				n.facts.Prober = s.pod("prober", s.now)
				n.facts.Prober.Ready, n.facts.Prober.Running, n.facts.Prober.NotReadySince = false, false, s.now
			}, time.Second, diagnosis.ProberMasked},
			{func(s *sim, n *simNode) { n.facts.Prober.StartedAt, n.facts.Prober.Running = s.now, true }, time.Second, diagnosis.ProberMasked},
			{func(s *sim, n *simNode) { n.facts.Prober.Ready, n.facts.Prober.ReadySince = true, s.now }, 0, diagnosis.ProberReporting},
		},
		"its image cannot be pulled": {
			{func(s *sim, n *simNode) {
				n.facts.Prober = s.pod("prober", s.now)
				n.facts.Prober.Ready, n.facts.Prober.Running, n.facts.Prober.NotReadySince = false, false, s.now
			}, 29 * time.Second, diagnosis.ProberMasked},
			{nil, 2 * time.Second, diagnosis.ProberMissing},
			{func(s *sim, n *simNode) { n.facts.Prober.StartedAt, n.facts.Prober.Running = s.now, true }, 0, diagnosis.ProberMissing},
			{func(_ *sim, n *simNode) { n.facts.Prober.Ready = true }, 0, diagnosis.ProberReporting},
		},
		"the node is not Ready": {
			{func(s *sim, n *simNode) {
				n.silent, n.facts.Ready, n.facts.NotReadySince, n.facts.ReadySince = true, false, s.now, time.Time{}
			}, time.Hour, diagnosis.ProberMasked},
			{func(s *sim, n *simNode) { n.facts.Ready, n.facts.ReadySince = true, s.now }, 29 * time.Second, diagnosis.ProberMasked},
			{nil, 2 * time.Second, diagnosis.ProberSilent},
		},
		"the node is not Ready, and heard": {
			{func(s *sim, n *simNode) {
				n.facts.Ready, n.facts.NotReadySince, n.facts.ReadySince = false, s.now, time.Time{}
			}, time.Hour, diagnosis.ProberReporting},
		},
		"the node leaves": {
			{func(_ *sim, n *simNode) { n.facts.Gone, n.facts.Prober = true, nil }, time.Hour, diagnosis.ProberMasked},
		},
		"a node that never had one": {
			{func(_ *sim, n *simNode) { n.facts.Prober, n.report.Assignment = nil, nil }, 0, diagnosis.ProberMissing},
		},
		"the API server is away": {
			{func(_ *sim, n *simNode) { n.silent = true }, 170 * time.Second, diagnosis.ProberSilent},
			{func(s *sim, _ *simNode) { s.since = s.now }, time.Minute, diagnosis.ProberReporting},
			{nil, 2 * time.Minute, diagnosis.ProberSilent},
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSim("node1", "node2", "node3")
			for _, n := range s.nodes {
				n.facts.Prober.Running = true
			}
			for i, step := range steps {
				if step.do != nil {
					step.do(s, s.nodes["node2"])
				}
				s.heartbeat()
				for left := step.after; left > 0; left -= heartbeat {
					s.after(min(left, heartbeat))
					s.heartbeat()
				}
				got := heardOf(t, s)
				if got != step.want {
					t.Errorf("step %d: %s, want %s", i, got, step.want)
				}
				// Checks must not say that a prober is heard which is not, nor that
				// one is silent whose node explains it.
				stale := slices.Contains(diagnosis.Summarize(s.input()).Stale, "node2")
				if stale && (got == diagnosis.ProberReporting || got == diagnosis.ProberMasked) || !stale && got == diagnosis.ProberSilent {
					t.Errorf("step %d: %s, and that its report is stale is %t", i, got, stale)
				}
			}
		})
	}
}
