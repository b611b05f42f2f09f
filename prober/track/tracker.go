// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package track

import (
	"slices"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/netladder/netladder/api/v1alpha1"
)

// Change is what an observation changed for a reader of the report.
type Change int

const (
	// NoChange: nothing that is reported at once.
	NoChange Change = iota
	// Progress: a pair was attempted for the first time, or came from Pending
	// to Passing. It may wait until the others were attempted too.
	Progress
	// Transition: a pair came into another state, or fails for another reason.
	Transition
)

// Tracker holds the states of all pairs of one assignment. Its methods may be
// called from any goroutine.
type Tracker struct {
	onChange func(Change)

	mu          sync.Mutex
	order       []*Group
	groups      map[string]*Group
	pairs       int
	unattempted int
}

// Group is the pairs of one ProbeGroup.
type Group struct {
	tracker   *Tracker
	key, hash string
	rules     Rules
	order     []*Pair
	pairs     map[string]*Pair
	counts    v1alpha1.PairCounts
	latencies latencies
	// lookups is true if its pairs look up a name.
	lookups bool
	// news: there is Progress since the last Snapshot.
	news bool
}

// Pair is one pair of a Group. It outlives its place in the assignment
// harmlessly: what is observed of it afterwards is ignored.
type Pair struct {
	tracker *Tracker
	group   *Group // its present one; guarded by tracker.mu
	target  string
	state   pairState
	removed bool
}

// New returns an empty Tracker. onChange is called, without any lock held,
// after each observation that changed something.
func New(onChange func(Change)) *Tracker {
	return &Tracker{onChange: onChange, groups: map[string]*Group{}}
}

// Update makes the tracker hold exactly the pairs of spec. A pair that stays,
// in a group whose content stays, keeps its state; all others are Pending, or
// Failing where seed says that they were: the status that an earlier prober
// left on this node's assignment, nil for none.
func (t *Tracker) Update(spec *v1alpha1.ProbeAssignmentSpec, seed *v1alpha1.ProbeAssignmentStatus, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	seeds := seedsOf(seed)
	previous := t.groups
	t.groups = make(map[string]*Group, len(spec.Groups))
	t.order = t.order[:0:0]
	t.pairs, t.unattempted = 0, 0
	for i := range spec.Groups {
		pg := &spec.Groups[i]
		if _, dup := t.groups[pg.Key]; dup {
			continue
		}
		old := previous[pg.Key]
		if old != nil && v1alpha1.ContentHash(old.hash) != v1alpha1.ContentHash(pg.Hash) {
			old = nil
		}
		g := newGroup(t, pg)
		g.fill(spec.Pairs(pg), old, seeds[seedKey{pg.Key, v1alpha1.ContentHash(pg.Hash)}], now)
		t.groups[pg.Key] = g
		t.order = append(t.order, g)
	}
	for _, g := range previous {
		for _, p := range g.pairs {
			p.removed = p.removed || t.groups[g.key] == nil || t.groups[g.key].pairs[p.target] != p
		}
	}
}

func newGroup(t *Tracker, pg *v1alpha1.ProbeGroup) *Group {
	rules := Rules{FailureThreshold: max(pg.FailureThreshold, 1), SuccessThreshold: max(pg.SuccessThreshold, 1), Expect: pg.Expect}
	if pg.MaxLatency != nil {
		rules.MaxLatency = pg.MaxLatency.Duration
	}
	return &Group{tracker: t, key: pg.Key, hash: pg.Hash, rules: rules, lookups: pg.Kind == v1alpha1.ProbeDNS}
}

func (g *Group) fill(pairs []v1alpha1.Pair, old *Group, seeds map[string]*v1alpha1.PairStatus, now time.Time) {
	g.pairs = make(map[string]*Pair, len(pairs))
	g.order = make([]*Pair, 0, len(pairs))
	if old != nil {
		g.latencies, g.news = old.latencies, old.news
	}
	for i := range pairs {
		target := pairs[i].Key
		var p *Pair
		if old != nil && old.pairs[target] != nil {
			p = old.pairs[target]
			p.group = g
		} else {
			p = &Pair{tracker: g.tracker, group: g, target: target, state: pairState{state: v1alpha1.StatePending, since: now}}
			if s := seeds[target]; s != nil {
				p.state.seed(g.rules, s, now)
			}
		}
		g.pairs[target] = p
		g.order = append(g.order, p)
		*count(&g.counts, p.state.state)++
		g.tracker.pairs++
		if !p.state.attempted {
			g.tracker.unattempted++
		}
	}
}

// Pair returns a pair by the key of its group and its own, nil if there is
// none.
func (t *Tracker) Pair(group, target string) *Pair {
	t.mu.Lock()
	defer t.mu.Unlock()
	if g := t.groups[group]; g != nil {
		return g.pairs[target]
	}
	return nil
}

// Pairs returns how many pairs are held, and how many of them were never
// attempted.
func (t *Tracker) Pairs() (all, unattempted int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.pairs, t.unattempted
}

// EveryRound reports whether the pair is to be tested in every round.
func (p *Pair) EveryRound() bool {
	t := p.tracker
	t.mu.Lock()
	defer t.mu.Unlock()
	return p.state.everyRound()
}

// Denial returns the most telling of the recent verdicts by which a pair that
// must not get through was stopped, with its evidence; empty without any.
func (p *Pair) Denial() (v1alpha1.Verdict, string) {
	t := p.tracker
	t.mu.Lock()
	defer t.mu.Unlock()
	return p.state.denial.verdict, p.state.denial.evidence
}

// Observe takes in one round and returns whether the pair is to be tested in
// every round from now on.
func (p *Pair) Observe(o Observation, now time.Time) (everyRound bool) {
	t := p.tracker
	change, everyRound := t.observe(p, o, now)
	if change != NoChange {
		t.onChange(change)
	}
	return everyRound
}

func (t *Tracker) observe(p *Pair, o Observation, now time.Time) (Change, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if p.removed {
		return NoChange, false
	}
	g := p.group
	before, first := p.state.state, !p.state.attempted
	changed := p.state.observe(g.rules, o, now)
	after := p.state.state
	if before != after {
		*count(&g.counts, before)--
		*count(&g.counts, after)++
	}
	if o.Verdict == v1alpha1.VerdictConnected && o.Timed && g.rules.Expect != v1alpha1.ExpectDeny {
		g.latencies.add(o.Latency)
	}
	if first {
		t.unattempted--
	}
	switch {
	case changed && !(before == v1alpha1.StatePending && after == v1alpha1.StatePassing):
		return Transition, p.state.everyRound()
	case changed || first:
		g.news = true
		return Progress, p.state.everyRound()
	default:
		return NoChange, p.state.everyRound()
	}
}

// News returns the keys of the groups with Progress since the last Snapshot.
func (t *Tracker) News() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	var keys []string
	for _, g := range t.order {
		if g.news {
			keys = append(keys, g.key)
		}
	}
	return keys
}

// Snapshot returns the counts of all groups in the order of the assignment,
// and all pairs that are neither Pending nor Passing in no order.
func (t *Tracker) Snapshot() ([]v1alpha1.GroupStatus, []v1alpha1.PairStatus) {
	t.mu.Lock()
	defer t.mu.Unlock()
	groups := make([]v1alpha1.GroupStatus, 0, len(t.order))
	var notPassing []v1alpha1.PairStatus
	for _, g := range t.order {
		g.news = false
		p50, p99 := g.latencies.quantiles()
		groups = append(groups, v1alpha1.GroupStatus{
			Key: g.key, Hash: g.hash, Pairs: g.counts, P50Microseconds: p50, P99Microseconds: p99, Queries: g.queries(),
		})
		if g.counts.Failing+g.counts.Degraded+g.counts.Unknown == 0 {
			continue
		}
		for _, p := range g.order {
			if s := &p.state; s.state != v1alpha1.StatePending && s.state != v1alpha1.StatePassing {
				notPassing = append(notPassing, v1alpha1.PairStatus{
					Group: g.key, Target: p.target, State: s.state, Streak: s.bad, Verdict: s.fault.verdict,
					Reason: s.reason, Evidence: s.fault.evidence, Since: &metav1.Time{Time: s.since}, BadSince: s.whenBad(),
				})
			}
		}
	}
	return groups, notPassing
}

// queries is the most that a lookup of the group takes; 0 if there was none.
func (g *Group) queries() (most int32) {
	if g.lookups {
		for _, p := range g.order {
			most = max(most, p.state.queries)
		}
	}
	return most
}

func count(c *v1alpha1.PairCounts, s v1alpha1.State) *int32 {
	switch s {
	case v1alpha1.StatePassing:
		return &c.Passing
	case v1alpha1.StateDegraded:
		return &c.Degraded
	case v1alpha1.StateFailing:
		return &c.Failing
	case v1alpha1.StateUnknown:
		return &c.Unknown
	default:
		return &c.Pending
	}
}

// seedKey names a group by its key and the content part of its hash.
type seedKey struct{ group, content string }

// seedsOf indexes the Failing pairs of a status. The status may come from
// anybody who could write it; it can make pairs Failing for a round at most.
func seedsOf(s *v1alpha1.ProbeAssignmentStatus) map[seedKey]map[string]*v1alpha1.PairStatus {
	if s == nil {
		return nil
	}
	content := make(map[string]string, len(s.Groups))
	for i := range s.Groups {
		content[s.Groups[i].Key] = v1alpha1.ContentHash(s.Groups[i].Hash)
	}
	seeds := map[seedKey]map[string]*v1alpha1.PairStatus{}
	for i := range s.NotPassing {
		p := &s.NotPassing[i]
		hash, known := content[p.Group]
		if !known || p.State != v1alpha1.StateFailing {
			continue
		}
		key := seedKey{p.Group, hash}
		if seeds[key] == nil {
			seeds[key] = map[string]*v1alpha1.PairStatus{}
		}
		seeds[key][p.Target] = p
	}
	return seeds
}

// latencies is a ring of the recent good ones of a group.
type latencies struct {
	micros []uint32
	next   int
}

const latencyRing = 256

func (l *latencies) add(d time.Duration) {
	us := uint32(min(max(d.Microseconds(), 1), 1<<32-1))
	if len(l.micros) < latencyRing {
		l.micros = append(l.micros, us)
		return
	}
	l.micros[l.next] = us
	l.next = (l.next + 1) % latencyRing
}

// quantiles returns the median and the 99th percentile in microseconds, by
// nearest rank; 0 without any latency.
func (l *latencies) quantiles() (p50, p99 int64) {
	n := len(l.micros)
	if n == 0 {
		return 0, 0
	}
	var buf [latencyRing]uint32
	sorted := buf[:copy(buf[:], l.micros)]
	slices.Sort(sorted)
	return int64(sorted[(n*50+99)/100-1]), int64(sorted[(n*99+99)/100-1])
}
