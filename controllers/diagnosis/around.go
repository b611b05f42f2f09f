// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package diagnosis

import (
	"time"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/controllers/diagnosis/ladder"
)

// reportSlack is what a report takes from a prober to here, amply.
const reportSlack = 5 * time.Second

// between says what a node's prober reports of its pairs of some kinds to what is
// on a node: Fails if one of them is Failing. Works only if all of them passed for
// so long that a trouble that is older than since would be seen: that no pair is
// listed is old news. The entry is of one that fails.
func (e *explainer) between(src *source, node string, since time.Time, kinds ...v1alpha1.ProbeKind) (ladder.Fact, *v1alpha1.PairStatus) {
	if !src.trusted() {
		return ladder.Unknown, nil
	}
	a := src.report.Assignment
	fact := ladder.Unknown
	for i := range a.Spec.Groups {
		g := &a.Spec.Groups[i]
		said := findSaid(a.Status.Groups, g.Key, i)
		if g.Expect == v1alpha1.ExpectDeny || !isOne(g.Kind, kinds) || said == nil || said.Hash != g.Hash {
			continue
		}
		aims := aimsAt(&a.Spec, g, node)
		if len(aims) == 0 {
			continue
		}
		if entry := failingOf(&a.Status, g.Key, aims); entry != nil {
			return ladder.Fails, entry
		}
		seenBy := since.Add(time.Duration(max(g.FailureThreshold, 1))*g.Interval.Duration + reportSlack)
		switch {
		case a.Status.Cut > 0 || said.Pairs.Pending > 0 || listsAny(&a.Status, g.Key, aims):
		case e.in.Now.Before(seenBy):
			e.wakeAt(seenBy)
		default:
			fact = ladder.Works
		}
	}
	return fact, nil
}

func isOne(k v1alpha1.ProbeKind, kinds []v1alpha1.ProbeKind) bool {
	for _, each := range kinds {
		if k == each {
			return true
		}
	}
	return false
}

// aimsAt are the keys of a group's pairs, of the prober or the host, whose target
// is on a node.
func aimsAt(spec *v1alpha1.ProbeAssignmentSpec, g *v1alpha1.ProbeGroup, node string) map[string]bool {
	if g.From == v1alpha1.SourcePods {
		return nil
	}
	var out map[string]bool
	add := func(key string) {
		if out == nil {
			out = map[string]bool{}
		}
		out[key] = true
	}
	for _, m := range g.Members {
		switch {
		case m < 0:
		case g.Kind.IsMesh() && int(m) < len(spec.Nodes) && spec.Nodes[m].Name == node:
			for _, ip := range addrs(spec.Nodes[m].EchoIPs) {
				add(v1alpha1.MeshPairKey(node, ip))
			}
		case !g.Kind.IsMesh() && int(m) < len(spec.Targets) && spec.Targets[m].Node == node:
			for _, ip := range addrs([]string{spec.Targets[m].IP}) {
				add(ip.String())
			}
		}
	}
	return out
}

// failingOf is the first entry of a report about a group's pairs that is Failing,
// by its key; nil without one.
func failingOf(st *v1alpha1.ProbeAssignmentStatus, group string, aims map[string]bool) *v1alpha1.PairStatus {
	var first *v1alpha1.PairStatus
	for i := range st.NotPassing[:min(len(st.NotPassing), maxListed)] {
		p := &st.NotPassing[i]
		if p.Group == group && p.State == v1alpha1.StateFailing && aims[p.Target] && (first == nil || p.Target < first.Target) {
			first = p
		}
	}
	return first
}

func listsAny(st *v1alpha1.ProbeAssignmentStatus, group string, aims map[string]bool) bool {
	for i := range st.NotPassing[:min(len(st.NotPassing), maxListed)] {
		if p := &st.NotPassing[i]; p.Group == group && aims[p.Target] {
			return true
		}
	}
	return false
}

// pings is true if a node's prober reports that another node answers pings.
func (e *explainer) pings(src *source) bool {
	if !src.trusted() {
		return false
	}
	a := src.report.Assignment
	for i := range a.Spec.Groups {
		g := &a.Spec.Groups[i]
		if g.Kind != v1alpha1.ProbeICMP || g.From != v1alpha1.SourceHost || g.Expect == v1alpha1.ExpectDeny {
			continue
		}
		if said := findSaid(a.Status.Groups, g.Key, i); said != nil && said.Hash == g.Hash && said.Pairs.Passing > 0 {
			return true
		}
	}
	return false
}
