// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package diagnosis

import (
	"fmt"
	"slices"
	"time"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/controllers/plan"
)

// proofSlack is added to two intervals to give the time that the reports of
// two nodes on a changed set of pairs may be apart.
const proofSlack = 5 * time.Second

// proofs are the groups that prove one Deny path, and what was heard of them.
// A report is read once for each path, when the first pair asks for it.
type proofs struct {
	groups   []*plan.Group
	heard    map[heardAt]*heard
	services map[serviceAt]proof
}

type heardAt struct {
	kind v1alpha1.ProbeKind
	node string
}

// serviceAt is what the proof of a Service depends on.
type serviceAt struct {
	node string
	from v1alpha1.SourceKind
	ipv4 bool
	aim  string
}

// has is true if the plan has proofs of a kind.
func (p *proofs) has(kind v1alpha1.ProbeKind) bool {
	return slices.ContainsFunc(p.groups, func(g *plan.Group) bool { return g.Kind == kind })
}

// group of a kind that a node holds; nil if it holds none.
func (p *proofs) group(kind v1alpha1.ProbeKind, node string) *plan.Group {
	for _, g := range p.groups {
		if g.Kind != kind {
			continue
		}
		if _, ok := slices.BinarySearch(g.Sources, node); ok {
			return g
		}
	}
	return nil
}

// heard is what one node's prober says of the proofs of one kind that it was
// assigned. Of others it may say what it likes.
type heard struct {
	src *source
	// pairs that are assigned, by key.
	pairs map[string]heardPair
	// reason why nothing, or nothing of what is not listed, is believed, and
	// the sentence's beginning and end about it; empty if it is believed.
	reason, lack, next string
	// soon is true if the lack may be due to a report that is on its way.
	soon bool
	// changed is when the group last changed.
	changed time.Time
}

type heardPair struct {
	pair pair
	// entry of the report; nil if it lists none.
	entry *v1alpha1.PairStatus
}

// answer is what a report says of one proof. Without an entry, and not proven,
// it says nothing.
type answer struct {
	proven bool
	entry  *v1alpha1.PairStatus
	// assigned is true if the node was told to prove it.
	assigned bool
}

// holds is true if the node was told to prove this.
func (h *heard) holds(key string) bool {
	_, ok := h.pairs[key]
	return ok
}

// answer about a pair; uid is that of the target pod, where it is one.
func (h *heard) answer(key, uid string) answer {
	p, ok := h.pairs[key]
	switch {
	case !ok || p.pair.targetPod() != uid:
		return answer{}
	case p.entry == nil:
		return answer{proven: h.reason == "", assigned: true}
	case p.entry.State == v1alpha1.StateDegraded:
		return answer{proven: true, assigned: true}
	}
	return answer{entry: p.entry, assigned: true}
}

// inconclusive is true if the target need not have answered.
func (a *answer) inconclusive() bool {
	return a.entry.Verdict == v1alpha1.VerdictInconclusive || a.entry.Reason == v1alpha1.ReasonInconclusive
}

// notMade is true if the proof was not even tried.
func (a *answer) notMade() bool {
	return a.entry.State != v1alpha1.StateFailing && !a.inconclusive()
}

// hear reads what a node says of the proofs of a kind.
func (j *judge) hear(t *tally, kind v1alpha1.ProbeKind, src *source) *heard {
	at := heardAt{kind, src.name}
	if h, ok := t.proofs.heard[at]; ok {
		return h
	}
	if t.proofs.heard == nil {
		t.proofs.heard = map[heardAt]*heard{}
	}
	h := &heard{src: src}
	t.proofs.heard[at] = h
	g := t.proofs.group(kind, src.name)
	if g == nil {
		h.doubt(v1alpha1.ReasonControlUnavailable, "node %s has no prober that could tell", runsThere, true)
		return h
	}
	if c := j.claimOf(&j.proof, src, g); c == nil {
		h.notAssigned(g.Key)
	} else {
		j.read(h, c)
	}
	return h
}

const (
	runsThere = "see whether the DaemonSet " + v1alpha1.ProberName + " runs there"
	willCome  = "it is to come with one of the next reports"
)

// doubt notes why what is not listed is not believed.
func (h *heard) doubt(reason, lack, next string, soon bool) {
	h.reason, h.lack, h.next, h.soon = reason, fmt.Sprintf(lack, h.src.name), next, soon
}

func (h *heard) notAssigned(key string) {
	if h.src.report != nil {
		h.changed = h.src.report.changed(key)
		for _, l := range h.src.report.LeftOut {
			if l.GroupKey == key {
				h.doubt(v1alpha1.ReasonAssignmentTooLarge, "the assignment of node %s has no room for it", "test fewer pairs", false)
				return
			}
		}
	}
	h.doubt(v1alpha1.ReasonControlUnavailable, "the prober on node %s was not told to look yet", willCome, true)
}

// read takes a claim about proofs by the same rules as one about pairs.
func (j *judge) read(h *heard, c *claim) {
	h.changed = c.src.report.changed(c.group.Key)
	pairs := c.all()
	h.pairs = make(map[string]heardPair, len(pairs))
	for i := range pairs {
		h.pairs[pairs[i].key] = heardPair{pair: pairs[i]}
	}
	if c.src.stale && !explained(c.src.mask) && c.n > 0 {
		j.silent[c.src.name] = true
	}
	switch {
	case !c.src.trusted():
		h.doubt(v1alpha1.ReasonControlUnavailable, "the prober on node %s does not report", runsThere, false)
		return
	case c.basis == basisNone:
		h.doubt(v1alpha1.ReasonControlUnavailable, "the prober on node %s has not looked yet", willCome, true)
		return
	case !j.consistent(c):
		h.doubt(v1alpha1.ReasonReportInconsistent, "the report of the prober on node %s does not add up", "look at its log", false)
		return
	}
	said := badOf(c.said.Pairs)
	for _, l := range c.listed {
		h.pairs[l.pair.key] = heardPair(l)
		said--
	}
	switch {
	case c.basis != basisCurrent, c.said.Pairs.Pending > 0:
		h.doubt(v1alpha1.ReasonControlUnavailable, "the prober on node %s has not looked at all of its targets yet", willCome, true)
	case said > 0:
		h.doubt(v1alpha1.ReasonControlUnavailable, "the report of the prober on node %s has no room for it", "repair what it lists first", false)
	}
}

// changed is when a group of this assignment last changed.
func (r *Report) changed(key string) time.Time {
	if r.GroupsChangedAt == nil {
		return r.ChangedAt
	}
	return r.GroupsChangedAt[key]
}

// silence is what becomes of a pair about whose proof nothing is said. For two
// intervals and a little after the pairs or their proofs changed, the report
// is on its way.
func (j *judge) silence(h *heard, c *claim, target string) proof {
	reason, lack, next, soon := h.reason, h.lack, h.next, h.soon
	if reason == "" {
		reason, soon = v1alpha1.ReasonControlUnavailable, true
		lack, next = "the prober on node "+h.src.name+" was not told to look yet", willCome
	}
	f := proof{reason: reason, why: mask{node: h.src.name}}
	f.text = lack + ", so nothing proves that a policy blocks " + target + ": " + next
	f.waiting = soon && (j.justChanged(h.changed, c) || j.justChanged(c.src.report.changed(c.group.Key), c))
	return f
}

// justChanged is true while a report may not yet know of a change.
func (j *judge) justChanged(at time.Time, c *claim) bool {
	if at.IsZero() {
		return false
	}
	until := at.Add(2*c.group.Interval.Duration + proofSlack)
	if !j.in.Now.Before(until) {
		return false
	}
	j.wakeAt(until)
	return true
}
