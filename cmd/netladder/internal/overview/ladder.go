// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package overview

import (
	"cmp"
	"slices"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/controllers/diagnosis/causes"
)

// Mark is what is known of a rung.
type Mark string

// The marks.
const (
	Works  Mark = "Works"
	Broken Mark = "Broken"
	// Suspect rungs may be broken: one of them is.
	Suspect Mark = "Suspect"
	// NotKnown is all that was not seen.
	NotKnown Mark = "NotKnown"
	// Slow is no mark of a rung but of a path.
	Slow Mark = "Slow"
)

// Step of a ladder.
type Step struct {
	Rung v1alpha1.Rung `json:"rung"`
	Mark Mark          `json:"mark"`
	// Why the mark is what it is; empty for NotKnown.
	Why string `json:"why,omitempty"`
}

// rungs from the top, what an application sees, to the bottom.
func rungs() []v1alpha1.Rung {
	return []v1alpha1.Rung{
		v1alpha1.RungApplication, v1alpha1.RungDNS, v1alpha1.RungEndpoints, v1alpha1.RungService, v1alpha1.RungListener, v1alpha1.RungPolicy,
		v1alpha1.RungPodNetwork, v1alpha1.RungMTU, v1alpha1.RungOverlay, v1alpha1.RungUnderlay, v1alpha1.RungNode,
	}
}

// wire is what pods of two nodes need to reach each other.
func wire() []v1alpha1.Rung {
	return []v1alpha1.Rung{v1alpha1.RungNode, v1alpha1.RungUnderlay, v1alpha1.RungOverlay, v1alpha1.RungPodNetwork}
}

// stands are the rungs that a path stands on.
func stands(p *v1alpha1.Path) []v1alpha1.Rung {
	out := wire()
	to := &p.To
	switch {
	case to.Canary != nil:
		return []v1alpha1.Rung{v1alpha1.RungPolicy}
	case to.Nodes != nil:
		out = out[:2]
	case to.Overlay != nil:
		out = append(out[:3], v1alpha1.RungMTU)
	case to.Mesh != nil:
		return out
	case to.DNS != nil:
		out = append(out, v1alpha1.RungPolicy, v1alpha1.RungService, v1alpha1.RungDNS)
	case to.Service != nil, to.APIServer != nil:
		out = append(out, v1alpha1.RungPolicy, v1alpha1.RungListener, v1alpha1.RungService, v1alpha1.RungEndpoints)
	default:
		out = append(out, v1alpha1.RungPolicy, v1alpha1.RungListener)
	}
	if to.Host != nil && to.Host.Hostname != "" {
		out = append(out, v1alpha1.RungDNS)
	}
	if p.HTTP != nil || p.TLS != nil || p.GRPC != nil {
		out = append(out, v1alpha1.RungApplication)
	}
	return out
}

// proofs are rungs of the whole cluster that checks show to work, with the path
// that does.
type proofs map[v1alpha1.Rung]string

// proofsOf are those of the paths between all nodes that pass, and of which no
// pair fails.
func proofsOf(lists ...[]v1alpha1.ConnectivityCheck) proofs {
	out := proofs{}
	for _, list := range lists {
		for i := range list {
			for _, e := range entries(&list[i]) {
				if e.status == nil || e.status.State != v1alpha1.StatePassing || e.status.Pairs.Unknown > 0 {
					continue
				}
				for _, rung := range proves(e.spec) {
					text := e.check.Namespace + "/" + e.check.Name + " " + e.spec.Name + " passes"
					if known := out[rung]; known == "" || text < known {
						out[rung] = text
					}
				}
			}
		}
	}
	return out
}

// proves are the rungs that work everywhere if a path does.
func proves(p *v1alpha1.Path) []v1alpha1.Rung {
	from, to := &p.From, &p.To
	all := from.Probers != nil && from.Probers.NodeSelector == nil || from.Nodes != nil && from.Nodes.NodeSelector == nil
	switch {
	case !all || p.Expect == v1alpha1.ExpectDeny:
		return nil
	case to.Mesh != nil && to.Mesh.NodeSelector == nil:
		if to.Mesh.Scope == v1alpha1.MeshScopeSameNode {
			return []v1alpha1.Rung{v1alpha1.RungPodNetwork}
		}
		return wire()
	case to.Overlay != nil:
		return []v1alpha1.Rung{v1alpha1.RungNode, v1alpha1.RungUnderlay, v1alpha1.RungOverlay, v1alpha1.RungMTU}
	case to.Nodes != nil && to.Nodes.NodeSelector == nil && from.Nodes != nil:
		return []v1alpha1.Rung{v1alpha1.RungNode, v1alpha1.RungUnderlay}
	}
	return nil
}

// ladderOf a cause: the rungs that its paths stand on, and what is known of each.
// A rung works only where what was seen says so.
func ladderOf(c *causes.Cause, list []*entry, proven proofs) []Step {
	marks := map[v1alpha1.Rung]Step{}
	for _, e := range list {
		for _, rung := range stands(e.spec) {
			marks[rung] = Step{Rung: rung, Mark: NotKnown}
		}
	}
	for rung, why := range proven {
		if _, ok := marks[rung]; ok {
			marks[rung] = Step{rung, Works, why}
		}
	}
	for _, rung := range sound(c.Rung, c.Reason) {
		if _, ok := marks[rung]; ok {
			marks[rung] = Step{rung, Works, "seen to work"}
		}
	}
	if c.Rung != v1alpha1.RungUndetermined {
		marks[c.Rung] = Step{c.Rung, Broken, cmp.Or(c.Reason, "it fails")}
	}
	for _, e := range list {
		if d := e.status.Diagnosis; d != nil && c.Rung == v1alpha1.RungUndetermined {
			for _, rung := range d.Candidates {
				marks[rung] = Step{rung, Suspect, "may be broken"}
			}
		}
	}
	var out []Step
	for _, rung := range rungs() {
		if s, ok := marks[rung]; ok {
			out = append(out, s)
		}
	}
	return out
}

// sound are the rungs that a diagnosis says work, by what its rule asks for:
// docs/ladder.md.
func sound(rung v1alpha1.Rung, reason string) []v1alpha1.Rung {
	reached := append(wire(), v1alpha1.RungPolicy)
	switch rung {
	case v1alpha1.RungApplication:
		return append(reached, v1alpha1.RungListener, v1alpha1.RungService, v1alpha1.RungEndpoints, v1alpha1.RungDNS)
	case v1alpha1.RungListener, v1alpha1.RungMTU:
		return reached
	case v1alpha1.RungService:
		return append(reached, v1alpha1.RungListener, v1alpha1.RungEndpoints)
	case v1alpha1.RungPolicy:
		if reason == v1alpha1.ReasonNoPolicyIsolates || reason == v1alpha1.ReasonPolicyAdmits || reason == v1alpha1.ReasonPolicyNotEnforced {
			return append(wire(), v1alpha1.RungListener) // it is open, and must not be
		}
	case v1alpha1.RungOverlay:
		// What a node's own kernel lacks is found without trying anything else.
		switch reason {
		case v1alpha1.ReasonTunnelBroken, v1alpha1.ReasonCrossNodeBroken, v1alpha1.CauseTunnelWayThere, v1alpha1.CauseTunnelNotHeard:
			return []v1alpha1.Rung{v1alpha1.RungNode, v1alpha1.RungUnderlay}
		}
	case v1alpha1.RungPodNetwork:
		if reason == v1alpha1.ReasonPodRouteMissing {
			return []v1alpha1.Rung{v1alpha1.RungNode, v1alpha1.RungUnderlay, v1alpha1.RungOverlay}
		}
	case v1alpha1.RungDNS:
		if slices.Contains([]string{v1alpha1.ReasonDNSNameNotFound, v1alpha1.ReasonDNSNoRecord, v1alpha1.ReasonDNSWrongAnswer, v1alpha1.ReasonDNSServerFailure}, reason) {
			return append(reached, v1alpha1.RungService)
		}
		if reason == v1alpha1.ReasonDNSServersDown || reason == v1alpha1.ReasonDNSServerDown {
			return wire()
		}
	}
	return nil
}

// One is how the only path of a check is: the ladder under it, and the cause
// where it fails, which is nil elsewhere. The checks around are as for Of; seen
// is what is known of rungs besides.
func One(check *v1alpha1.ConnectivityCheck, around []v1alpha1.ConnectivityCheck, seen map[v1alpha1.Rung]string) ([]Step, *Cause) {
	only := *check
	only.Annotations = nil
	proven := proofsOf(around)
	for rung, why := range seen {
		proven[rung] = why
	}
	list := entries(&only)
	if len(list) == 0 {
		return nil, nil
	}
	e := &list[0]
	if e.status != nil && e.status.State == v1alpha1.StateFailing {
		if all := causesOf(list[:1], proven); len(all) > 0 {
			return all[0].Ladder, &all[0]
		}
	}
	c := causes.Cause{Rung: v1alpha1.RungUndetermined}
	if e.status == nil {
		e.status = &v1alpha1.PathStatus{}
	}
	steps := ladderOf(&c, []*entry{e}, proven)
	if e.status.State != v1alpha1.StatePassing && e.status.State != v1alpha1.StateDegraded {
		return steps, nil
	}
	for i := range steps {
		switch deny := e.spec.Expect == v1alpha1.ExpectDeny; {
		case deny && steps[i].Rung == v1alpha1.RungPolicy:
			steps[i].Mark, steps[i].Why = Works, "nothing gets through, as declared"
		case !deny && slices.Contains(wire()[:3], steps[i].Rung):
			steps[i].Mark, steps[i].Why = Works, cmp.Or(steps[i].Why, "as far as the path needs it")
		case !deny && steps[i].Rung != v1alpha1.RungMTU:
			steps[i].Mark, steps[i].Why = Works, ""
		case slices.Contains(wire(), steps[i].Rung), steps[i].Rung == v1alpha1.RungListener:
			steps[i].Mark, steps[i].Why = Works, "proven: see docs/deny.md"
		}
	}
	return steps, nil
}
