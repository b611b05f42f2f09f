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
	ground   *climb.Ground
	group    *v1alpha1.ProbeGroup
	interval time.Duration
}

// ladder returns nil for a group whose silence is no fault: a proof, and what
// must be blocked.
func (a *agent) ladder(ground *climb.Ground, pg *v1alpha1.ProbeGroup, interval time.Duration) *ladder {
	if pg.Kind.Proves() || pg.Expect == v1alpha1.ExpectDeny || a.can.unsupported(pg) != "" {
		return nil
	}
	return &ladder{agent: a, ground: ground, group: pg, interval: interval}
}

// saw takes in what a probe of a pair saw, which began at that time, and whether
// the pair still is to be tested in every round: whoever does not, and is
// Inconclusive, fails no more.
func (l *ladder) saw(pair string, v v1alpha1.Verdict, began time.Time, every bool) {
	switch {
	case l == nil:
	case v.IsBad():
		ref := climb.Ref{Group: l.group.Key, Pair: pair}
		l.agent.climber.Bad(ref, began, l.interval, func() []climb.Step { return l.agent.steps(l.ground, ref) })
	case v == v1alpha1.VerdictConnected, v == v1alpha1.VerdictInconclusive && !every:
		l.agent.climber.Good(climb.Ref{Group: l.group.Key, Pair: pair})
	}
}

// steps returns those of a pair of an assignment, nil for one that is not in it.
func (a *agent) steps(ground *climb.Ground, ref climb.Ref) []climb.Step {
	here := climb.Here{Node: a.node, Host: a.can.enter, HalfOpen: a.can.enter && a.can.raw, ResolvConf: a.resolvConf}
	pg, p := ground.Pair(ref)
	if p == nil {
		return nil
	}
	return append([]climb.Step{}, here.Steps(ground, pg, p)...)
}

// nearTimeout is within what time a pod has to answer its own node.
const nearTimeout = 500 * time.Millisecond

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
	case v1alpha1.ProbeListener:
		f, t.Entry, t.Timeout = a.probeListener, &origin{spaces: a.spaces, listener: s.Pod}, min(timeout, nearTimeout)
	case v1alpha1.ProbePodRoute:
		f = a.probePodRoute
	case v1alpha1.ProbeTunnel:
		f = a.probeTunnel
		if _, _, announced := a.overlay.ends(t.Addr.Addr()); !announced {
			f = a.inspect
		}
	case v1alpha1.ProbeMTU:
		f = a.probeMTU
	}
	r := f(ctx, t)
	a.metrics.climbed(s.Rung, r.Verdict)
	return r
}
