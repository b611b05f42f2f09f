// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package diagnosis

import (
	"cmp"
	"slices"

	"github.com/netladder/netladder/api/v1alpha1"
)

// maxNamed is how many nodes a sentence names.
const maxNamed = 5

// tally is one path while its pairs are counted.
type tally struct {
	previous *v1alpha1.PathStatus
	status   v1alpha1.PathStatus
	counts   v1alpha1.PairCounts
	// several is true if the path has groups of several kinds; protocol is
	// then that of the group at hand.
	several  bool
	protocol string
	// settling is true if pairs are Pending only because they were changed.
	settling bool
	// unassigned counts sources whose assignment lacks the path.
	unassigned int
	reasons    map[string]*because
	worst      []worst
	failing    involved
	leftOut    []string
	latencies  []sample
	p99        int64
}

// because is how many pairs are Unknown for one reason.
type because struct {
	pairs int
	nodes []string
	more  bool
}

// involved says what the failing pairs have in common. Those that a report
// had no room for are known by their source only.
type involved struct {
	// bySource and byTarget count failing pairs by node name; a target that
	// is no node goes by what is dialled.
	bySource, byTarget, byNode map[string]int
	// mesh is true if the targets are nodes.
	mesh bool
}

// unknown counts n pairs that are Unknown for one reason.
func (t *tally) unknown(m mask, n int) {
	if n <= 0 {
		return
	}
	t.counts.Unknown += int32(n)
	if t.reasons == nil {
		t.reasons = map[string]*because{}
	}
	b := t.reasons[m.reason]
	if b == nil {
		b = &because{}
		t.reasons[m.reason] = b
	}
	b.pairs += n
	switch {
	case m.node == "" || slices.Contains(b.nodes, m.node):
	case len(b.nodes) < maxNamed:
		b.nodes = append(b.nodes, m.node)
	default:
		b.more = true
	}
}

// add counts one pair that does not pass.
func (t *tally) add(b *bad, m mask) {
	switch b.state {
	case v1alpha1.StateFailing:
		t.counts.Failing++
		t.failing.add(b)
	case v1alpha1.StateDegraded:
		t.counts.Degraded++
	default:
		t.unknown(m, 1)
	}
	t.addWorst(b)
}

// failingUnlisted counts failing pairs that the report had no room for.
func (t *tally) failingUnlisted(source string, n int) {
	if n <= 0 {
		return
	}
	t.counts.Failing += int32(n)
	t.failing.init()
	t.failing.bySource[source] += n
	t.failing.byNode[source] += n
}

func (f *involved) init() {
	if f.bySource == nil {
		f.bySource, f.byTarget, f.byNode = map[string]int{}, map[string]int{}, map[string]int{}
	}
}

func (f *involved) add(b *bad) {
	f.init()
	f.bySource[b.source]++
	f.byNode[b.source]++
	if b.pair.node == "" {
		f.byTarget[b.pair.key]++
		return
	}
	f.mesh = true
	f.byTarget[b.pair.node]++
	if b.pair.node != b.source {
		f.byNode[b.pair.node]++
	}
}

// noteLeftOut remembers that a source tests less than it should.
func (t *tally) noteLeftOut(src *source, key string) {
	for _, l := range src.report.LeftOut {
		if l.GroupKey == key && l.Kept < l.Wanted && !slices.Contains(t.leftOut, src.name) {
			t.leftOut = append(t.leftOut, src.name)
		}
	}
}

// mainReason is the reason of most Unknown pairs, by name among equals.
func (t *tally) mainReason() string {
	best := ""
	for reason, b := range t.reasons {
		if best == "" || b.pairs > t.reasons[best].pairs ||
			b.pairs == t.reasons[best].pairs && reason < best {
			best = reason
		}
	}
	return best
}

// sortedReasons are the reasons of Unknown pairs, the most common first.
func (t *tally) sortedReasons() []string {
	reasons := make([]string, 0, len(t.reasons))
	for r := range t.reasons {
		reasons = append(reasons, r)
	}
	slices.SortFunc(reasons, func(a, b string) int {
		return cmp.Or(cmp.Compare(t.reasons[b].pairs, t.reasons[a].pairs), cmp.Compare(a, b))
	})
	return reasons
}
