// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package diagnosis

import (
	"time"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/controllers/plan"
)

// settleTime is added to the interval to give the time that a prober has to
// report on a changed set of pairs before the path loses its state.
const settleTime = 30 * time.Second

// firstWithin is within what time a prober attempts a new pair whose interval
// is longer than that.
const firstWithin = 15 * time.Second

// bad is one pair that does not pass, as it is judged.
type bad struct {
	// source and target as they are shown, and the nodes that they are on.
	source, sourceNode, target, targetNode string
	// hidden is true if only the target's namespace may be shown.
	hidden  bool
	pair    *pair
	state   v1alpha1.State
	reason  string
	verdict v1alpha1.Verdict
	// evidence as reported, not yet made printable; said is the same where it may
	// not be shown.
	evidence, said string
	// streak and cause as reported.
	streak int32
	cause  string
	since  time.Time
	// badSince as reported, by the prober's clock; zero where it does not say.
	badSince time.Time
	// began is when it began to fail, by that clock too, and also if an earlier
	// prober of the node saw that; zero where nobody says.
	began time.Time
	// group and node that the pair is of; nil and empty where it is not named.
	group *v1alpha1.ProbeGroup
	node  string
}

// group adds one source's part of a group to the path.
func (j *judge) group(t *tally, g *plan.Group, src *source) {
	t.protocol = protocolOf(t, g.Kind)
	c := j.claimOf(&j.claim, src, g)
	if c == nil || t.deny != (c.group.Expect == v1alpha1.ExpectDeny) {
		j.unassigned(t, g, src)
		return
	}
	if src.stale && !explained(src.mask) && c.n > 0 {
		j.silent[src.name] = true
	}
	if v1alpha1.ContentHash(c.group.Hash) == g.Content {
		t.noteLeftOut(src, g.Key)
		t.pace.note(src.name, c.group.Interval.Duration)
	}
	if c.basis == basisNone {
		t.unattempted(src, c.n)
		return
	}
	if !j.consistent(c) {
		t.unknown(mask{reason: v1alpha1.ReasonReportInconsistent, node: src.name}, c.n)
		return
	}
	t.fromPods = t.fromPods || c.group.From == v1alpha1.SourcePods
	rest := c.n
	for i := range c.listed {
		j.entry(t, c, &c.listed[i])
		rest--
	}
	if c.basis == basisCurrent {
		rest -= j.unlisted(t, c)
	}
	j.rest(t, c, rest)
	if !t.deny {
		t.addLatency(c)
		t.addQueries(c)
	}
}

// unassigned counts what the plan wants of a source and the source does not
// know yet.
func (j *judge) unassigned(t *tally, g *plan.Group, src *source) {
	if src.report != nil {
		for _, l := range src.report.LeftOut {
			if l.GroupKey == g.Key {
				t.unknown(mask{reason: v1alpha1.ReasonAssignmentTooLarge, node: src.name}, max(l.Wanted, 1))
				return
			}
		}
	}
	// How many pairs there will be is not known before they are assigned.
	t.counts.Pending++
	t.unassigned++
	t.untried = true
}

// unattempted counts pairs about which nothing was ever reported.
func (t *tally) unattempted(src *source, n int) {
	away := src.mask.down && src.mask.reason != v1alpha1.ReasonProberNotReady
	if src.stale || away {
		t.unknown(src.distrust(), n)
		return
	}
	t.counts.Pending += int32(n)
	t.untried = t.untried || n > 0
}

// entry judges one pair that a report lists.
func (j *judge) entry(t *tally, c *claim, l *listed) {
	b := j.name(t, c, &l.pair)
	b.state, b.verdict, b.said, b.streak = l.entry.State, l.entry.Verdict, l.entry.Evidence, l.entry.Streak
	if b.state == v1alpha1.StateFailing {
		b.cause = l.entry.Reason
	}
	if l.entry.BadSince != nil {
		b.badSince = l.entry.BadSince.Time
	}
	b.began = beganAt(l.entry)
	if !b.hidden {
		b.evidence = l.entry.Evidence
	}
	m := j.excuse(t, c, &b)
	switch {
	case b.state == v1alpha1.StateFailing:
		switch {
		case t.deny && b.verdict.Denies():
			// What was denied did not get through.
			m = mask{reason: v1alpha1.ReasonReportInconsistent, node: c.src.name}
			b.state, b.reason = v1alpha1.StateUnknown, m.reason
		case m.active() && !j.wasFailing(t, &b, l.entry, m):
			b.state, b.reason = v1alpha1.StateUnknown, m.reason
		}
	case m.active():
		b.state, b.reason = v1alpha1.StateUnknown, m.reason
	case !c.src.trusted():
		m = c.src.distrust()
		b.state, b.reason = v1alpha1.StateUnknown, m.reason
	case b.state == v1alpha1.StateUnknown:
		b.reason = reasonOf(l.entry.Reason)
		m = mask{reason: b.reason, node: c.src.name}
		t.explain(&b, b.evidence)
	case t.deny: // Degraded: now and then it was open, and else it is to be proven
		if f := j.prove(t, c, &b); !f.proven {
			j.unproven(t, &b, &f)
			return
		}
	}
	b.since = j.since(t, &b, l.entry, m)
	t.add(&b, m)
}

// wasFailing is true if an excused pair failed before its excuse began. The
// persisted status decides, so that an excuse never makes a path Failing that
// was not. Status shows only the worst pairs; for those behind them the
// prober's own time has to do.
func (j *judge) wasFailing(t *tally, b *bad, e *v1alpha1.PairStatus, m mask) bool {
	if t.previous == nil || t.previous.Pairs.Failing == 0 {
		return false
	}
	for i := range t.previous.WorstPairs {
		w := &t.previous.WorstPairs[i]
		if w.State == v1alpha1.StateFailing && w.Source == b.source && w.Target == b.target {
			return true
		}
	}
	if !t.failedUnseen() || e.Since == nil || m.began.IsZero() {
		return false
	}
	return e.Since.Time.Before(m.began)
}

// beganAt is when a pair began to fail, as reported: when it was first bad, or when
// it came to be Failing if that was before. A prober that took over from another
// one does not know the former. Zero where it says neither.
func beganAt(e *v1alpha1.PairStatus) time.Time {
	var at time.Time
	if e.BadSince != nil {
		at = e.BadSince.Time
	}
	if e.Since != nil && (at.IsZero() || e.Since.Time.Before(at)) {
		at = e.Since.Time
	}
	return at
}

// since is when a pair came into its state: by the prober where it says so
// and not of the future, by the cause of an excuse, by what was said before.
// e is nil for a pair that its prober does not list.
func (j *judge) since(t *tally, b *bad, e *v1alpha1.PairStatus, m mask) time.Time {
	switch {
	case e == nil || b.state != e.State:
		if !m.began.IsZero() && !m.began.After(j.in.Now) {
			return seconds(m.began)
		}
	case e.Since != nil && !e.Since.IsZero() && !e.Since.After(j.in.Now):
		return seconds(e.Since.Time)
	}
	if t.previous != nil {
		for i := range t.previous.WorstPairs {
			w := &t.previous.WorstPairs[i]
			if w.Source == b.source && w.Target == b.target && w.State == b.state &&
				!w.Since.IsZero() && !w.Since.After(j.in.Now) {
				return seconds(w.Since.Time)
			}
		}
	}
	return seconds(j.in.Now)
}

// unlisted judges the pairs that the report counts and had no room to list,
// and returns how many. Which they are is not known: as many as could be
// excused are, so that only what is proven counts as Failing.
func (j *judge) unlisted(t *tally, c *claim) int {
	left := c.said.Pairs
	for i := range c.listed {
		switch c.listed[i].entry.State {
		case v1alpha1.StateFailing:
			left.Failing--
		case v1alpha1.StateDegraded:
			left.Degraded--
		default:
			left.Unknown--
		}
	}
	n := int(badOf(left))
	if n == 0 {
		return 0
	}
	excusable, m := n, c.src.mask
	if t.deny || !m.active() {
		excusable, m = j.excusable(t, c)
	}
	excusedFailing := min(excusable, int(left.Failing))
	if t.failedUnseen() {
		excusedFailing = 0
	}
	excusedDegraded := min(excusable-excusedFailing, int(left.Degraded))
	t.unknown(m, excusedFailing+excusedDegraded)
	t.failingUnlisted(c.src.name, int(left.Failing)-excusedFailing)
	switch {
	case !c.src.trusted():
		t.unknown(c.src.distrust(), int(left.Degraded)-excusedDegraded)
	case t.deny:
		// Which they are is not known, hence nothing proves the rest of them.
		t.unknown(mask{reason: v1alpha1.ReasonControlUnavailable, node: c.src.name}, int(left.Degraded)-excusedDegraded)
	default:
		t.counts.Degraded += left.Degraded - int32(excusedDegraded)
	}
	t.unknown(mask{reason: v1alpha1.ReasonProbeFailed, node: c.src.name}, int(left.Unknown))
	return n
}

// failedUnseen is true if more pairs failed than the persisted status shows.
func (t *tally) failedUnseen() bool {
	if t.previous == nil {
		return false
	}
	shown := int32(0)
	for i := range t.previous.WorstPairs {
		if t.previous.WorstPairs[i].State == v1alpha1.StateFailing {
			shown++
		}
	}
	return t.previous.Pairs.Failing > shown
}

// excusable counts the assigned pairs that are not listed and that excuse bad
// results, with one of the excuses.
func (j *judge) excusable(t *tally, c *claim) (int, mask) {
	n, why := 0, mask{}
	pairs := c.all()
	for i := range pairs {
		if c.lists(pairs[i].key) {
			continue
		}
		b := j.name(t, c, &pairs[i])
		if m := j.excuse(t, c, &b); m.active() {
			n, why = n+1, m
		}
	}
	return n, why
}

// rest judges the n pairs that are neither listed nor cut.
func (j *judge) rest(t *tally, c *claim, n int) {
	settled := !j.settling(c)
	switch {
	case !c.src.trusted():
		t.unknown(c.src.distrust(), n)
	case c.basis == basisCurrent:
		j.good(t, c, c.said.Pairs.Passing)
		t.counts.Pending += c.said.Pairs.Pending
		t.settling = t.settling || !settled && c.said.Pairs.Pending > 0
		t.untried = t.untried || c.n > 0 && int(c.said.Pairs.Pending) == c.n
	case settled:
		t.counts.Pending += int32(n)
	default:
		// Until the prober reports on the new pairs, those that are not known
		// to be bad count as they did.
		passing := min(int32(n), c.said.Pairs.Passing)
		j.good(t, c, passing)
		t.counts.Pending += int32(n) - passing
		t.settling = true
	}
}

// good counts n of the pairs that are not listed, which pass at their prober.
func (j *judge) good(t *tally, c *claim, n int32) {
	if t.deny {
		n = j.provenOf(t, c, n)
	}
	t.counts.Passing += n
}

// settling is true while the prober may still be taking up a changed set of
// pairs.
func (j *judge) settling(c *claim) bool {
	until := c.src.report.ChangedAt.Add(c.group.Interval.Duration + settleTime)
	if !j.in.Now.Before(until) {
		return false
	}
	j.wakeAt(until)
	return true
}

// explained is true if a node's own trouble explains its prober's silence.
func explained(m mask) bool {
	return m.reason == v1alpha1.ReasonNodeGone || m.reason == v1alpha1.ReasonNodeNotReady
}

// protocolOf names the protocol of a mesh kind where a path tests several.
func protocolOf(t *tally, k v1alpha1.ProbeKind) string {
	if !t.several {
		return ""
	}
	switch k {
	case v1alpha1.ProbeMeshTCP:
		return string(v1alpha1.MeshTCP)
	case v1alpha1.ProbeMeshUDP:
		return string(v1alpha1.MeshUDP)
	case v1alpha1.ProbeMeshICMP:
		return string(v1alpha1.MeshICMP)
	}
	return ""
}

// seconds is what a time in status can hold.
func seconds(t time.Time) time.Time { return t.UTC().Truncate(time.Second) }
