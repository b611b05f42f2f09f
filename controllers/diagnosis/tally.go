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
	// pace of the path.
	pace     pace
	previous *v1alpha1.PathStatus
	status   v1alpha1.PathStatus
	counts   v1alpha1.PairCounts
	// deny is true for a path that must be blocked; proofs are then what
	// proves that it is.
	deny   bool
	proofs proofs
	// canary is the direction of a path to the canary pods, and enforcement
	// what it says of the nodes; empty and nil for others.
	canary      v1alpha1.PolicyDirection
	enforcement *Enforcement
	// undisclosed are the namespaces whose pods must not be looked at for this
	// check; service is the namespace of to.service.
	undisclosed []string
	service     string
	// foreign is true if targets may be in namespaces of which the check is
	// not shown more than their name.
	foreign bool
	// translated is true if a node may put its own address in the place of the
	// source's.
	translated bool
	// claimed is true if what is known of the nodes of targets is what an
	// EndpointSlice says, unless the target is a pod.
	claimed bool
	// fromPods is true if probes start in workload pods.
	fromPods bool
	// waiting counts pairs whose proof may still come.
	waiting int
	// several is true if the path has groups of several kinds; protocol is
	// then that of the group at hand.
	several  bool
	protocol string
	// settling is true if pairs are Pending only because they were changed.
	settling bool
	// unassigned counts sources whose assignment lacks the path.
	unassigned int
	// untried is true if there is a source none of whose pairs was attempted;
	// fresh if nothing was known of the path as it is now.
	untried, fresh bool
	reasons        map[string]*because
	worst          []worst
	failing        involved
	leftOut        []string
	latencies      []sample
	// queries that a lookup takes, the most of all sources.
	queries int32
	p99     int64
}

// because is how many pairs are Unknown for one reason.
type because struct {
	pairs int
	nodes []string
	more  bool
	// text says more of one of the pairs; source and target are that pair's.
	text, source, target string
}

// involved says what the failing pairs have in common. Those that a report
// had no room for are known by their source's node only.
type involved struct {
	// bySource and byTarget count failing pairs by what is shown of them; a
	// mesh target goes by its node. fromNode, toNode and byNode count them by
	// the nodes they start at, aim at, and involve.
	bySource, byTarget, fromNode, toNode, byNode map[string]int
	// mesh is true if the targets are echo pods; apart if sources or targets
	// are not nodes themselves and yet are on some.
	mesh, apart bool
}

// unknown counts n pairs that are Unknown for one reason.
func (t *tally) unknown(m mask, n int) {
	if n <= 0 {
		return
	}
	t.counts.Unknown += int32(n)
	b := t.because(m.reason)
	b.pairs += n
	b.about(m.node)
}

// about keeps the first few nodes by name, in whatever order they come.
func (b *because) about(node string) {
	at, known := slices.BinarySearch(b.nodes, node)
	if node == "" || known {
		return
	}
	if b.nodes = slices.Insert(b.nodes, at, node); len(b.nodes) > maxNamed {
		b.nodes, b.more = b.nodes[:maxNamed], true
	}
}

func (t *tally) because(reason string) *because {
	if t.reasons == nil {
		t.reasons = map[string]*because{}
	}
	b := t.reasons[reason]
	if b == nil {
		b = &because{}
		t.reasons[reason] = b
	}
	return b
}

// explain keeps what is said of the first of the pairs that are Unknown for
// one reason, by their names.
func (t *tally) explain(b *bad, text string) {
	if text == "" {
		return
	}
	text = printable(text, maxEvidence)
	why := t.because(b.reason)
	first := why.text == "" || cmp.Or(cmp.Compare(b.source, why.source), cmp.Compare(b.target, why.target), cmp.Compare(text, why.text)) < 0
	if first {
		why.text, why.source, why.target = text, b.source, b.target
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

// failingUnlisted counts failing pairs that the report of a node had no room
// for.
func (t *tally) failingUnlisted(node string, n int) {
	if n <= 0 {
		return
	}
	t.counts.Failing += int32(n)
	f := &t.failing
	f.init()
	if !t.fromPods {
		f.bySource[node] += n
	}
	f.apart = f.apart || t.fromPods
	f.fromNode[node] += n
	f.byNode[node] += n
}

func (f *involved) init() {
	if f.bySource == nil {
		f.bySource, f.byTarget = map[string]int{}, map[string]int{}
		f.fromNode, f.toNode, f.byNode = map[string]int{}, map[string]int{}, map[string]int{}
	}
}

func (f *involved) add(b *bad) {
	f.init()
	f.bySource[b.source]++
	f.fromNode[b.sourceNode]++
	f.byNode[b.sourceNode]++
	onNode, mesh := b.targetNode != "", b.pair.target == nil && b.targetNode != ""
	f.mesh = f.mesh || mesh
	f.apart = f.apart || b.pair.pod != nil || onNode && !mesh
	if mesh {
		f.byTarget[b.targetNode]++
	} else {
		f.byTarget[b.target]++
	}
	if onNode {
		f.toNode[b.targetNode]++
	}
	if onNode && b.targetNode != b.sourceNode {
		f.byNode[b.targetNode]++
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
