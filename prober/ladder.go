// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package prober

import (
	"context"
	"time"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/prober/climb"
	"github.com/netladder/netladder/prober/probe"
)

// ladder is what the pairs of one group climb while they are bad.
type ladder struct {
	agent    *agent
	spec     *v1alpha1.ProbeAssignmentSpec
	group    *v1alpha1.ProbeGroup
	interval time.Duration
}

// ladder returns nil for a group whose silence is no fault: a proof, and what
// must be blocked.
func (a *agent) ladder(spec *v1alpha1.ProbeAssignmentSpec, pg *v1alpha1.ProbeGroup, interval time.Duration) *ladder {
	if pg.Kind.Proves() || pg.Expect == v1alpha1.ExpectDeny || a.can.unsupported(pg) != "" {
		return nil
	}
	return &ladder{agent: a, spec: spec, group: pg, interval: interval}
}

// saw takes in what a probe of a pair saw, and whether the pair still is to be
// tested in every round: whoever does not, and is Inconclusive, fails no more.
func (l *ladder) saw(pair string, v v1alpha1.Verdict, every bool) {
	switch {
	case l == nil:
	case v.IsBad():
		ref := climb.Ref{Group: l.group.Key, Pair: pair}
		l.agent.climber.Bad(ref, l.interval, func() []climb.Step { return l.agent.steps(l.spec, ref) })
	case v == v1alpha1.VerdictConnected, v == v1alpha1.VerdictInconclusive && !every:
		l.agent.climber.Good(climb.Ref{Group: l.group.Key, Pair: pair})
	}
}

// steps returns those of a pair of an assignment, nil for one that is not in it.
func (a *agent) steps(spec *v1alpha1.ProbeAssignmentSpec, ref climb.Ref) []climb.Step {
	here := climb.Here{Node: a.node, Host: a.can.enter, HalfOpen: a.can.enter && a.can.raw, ResolvConf: a.resolvConf}
	for i := range spec.Groups {
		pg := &spec.Groups[i]
		if pg.Key != ref.Group {
			continue
		}
		for _, p := range spec.Pairs(pg) {
			if p.Key == ref.Pair {
				return append([]climb.Step{}, here.Steps(spec, pg, &p)...)
			}
		}
	}
	return nil
}

// climb makes one step.
func (a *agent) climb(ctx context.Context, s climb.Step, timeout time.Duration) probe.Result {
	t := s.To
	t.Timeout = timeout
	if s.Source != "" {
		if a.spaces == nil {
			return probe.Result{Verdict: probe.Unsupported, Evidence: a.can.lack}
		}
		in := a.spaces.Host
		if s.Source != climb.SourceHost {
			in = func() (namespace, error) { return a.spaces.Pod(s.Source) }
		}
		n, err := in()
		if err != nil {
			return cannotEnter(err)
		}
		t.Entry = n
	}
	f := a.probe(probe.Kind(s.Probe))
	switch s.Probe {
	case v1alpha1.ProbeTunnel:
		f = a.probeTunnel
	case v1alpha1.ProbeMTU:
		f = a.probeMTU
	}
	r := f(ctx, t)
	a.metrics.climbed(s.Rung, r.Verdict)
	return r
}
