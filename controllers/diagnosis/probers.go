// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package diagnosis

import (
	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/controllers/plan"
)

// ProberState is what is heard of a node that should have a prober.
type ProberState string

const (
	// ProberReporting: what its prober says counts.
	ProberReporting ProberState = "reporting"
	// ProberSilent: a prober runs, nothing was heard of it for so long that what
	// it said counts no more, and nothing excuses it.
	ProberSilent ProberState = "silent"
	// ProberMissing: no prober runs, or it is started again and again, and nothing
	// excuses that.
	ProberMissing ProberState = "missing"
	// ProberMasked: none is heard, and that is excused: the node is not Ready,
	// or just became so, or leaves; or the prober is new and has yet to speak.
	ProberMasked ProberState = "masked"
)

// ProberStates are all of them.
func ProberStates() []ProberState {
	return []ProberState{ProberReporting, ProberSilent, ProberMissing, ProberMasked}
}

// Probers says of each of in.Nodes what is heard of its prober, by the rules by
// which the results of checks are believed and excused. Of the input it needs
// Reports, Nodes, Now, APIAvailableSince and Settings.
func Probers(in Input) map[string]ProberState {
	// What depends on a check's interval has that of most.
	in.Check = &v1alpha1.ConnectivityCheck{}
	in.Check.Spec.Interval.Duration = plan.DefaultInterval
	j := newJudge(&in)
	out := make(map[string]ProberState, len(in.Nodes))
	for name, f := range in.Nodes {
		out[name] = j.prober(name, f)
	}
	return out
}

func (j *judge) prober(name string, f *NodeFacts) ProberState {
	src := j.source(name)
	if src.trusted() {
		return ProberReporting
	}
	if j.nodeMask(name, f).active() {
		return ProberMasked
	}
	p := f.Prober
	switch {
	case p == nil || p.Terminating:
		return ProberMissing
	case j.young(p):
		return ProberMasked
	case !p.Running, !p.Ready && j.recent(p.StartedAt):
		// One that is started again and again is missing all along, so that an
		// alert which waits for that is not put off each time.
		return ProberMissing
	case src.stale:
		return ProberSilent
	}
	// It has yet to speak, or what it is asked is new.
	return ProberMasked
}

// young is true of a pod that is about to begin. One whose container is started
// again and again, and that is never Ready, is not.
func (j *judge) young(p *PodFacts) bool {
	return j.recent(p.StartedAt) && (p.Ready || p.NotReadySince.IsZero() || j.recent(p.NotReadySince))
}
