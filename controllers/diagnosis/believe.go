// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package diagnosis

import (
	"math"
	"strings"
	"time"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/controllers/plan"
)

// maxListed is how many entries a report has at most.
const maxListed = 50

// defaultHeartbeat is assumed where an assignment does not say.
const defaultHeartbeat = time.Minute

// source is one node's prober and what its report is worth.
type source struct {
	name   string
	report *Report
	mask   mask
	// current is true if the report is by the node's present prober pod.
	current bool
	// stale is true if the prober was silent for too long.
	stale bool
}

// trusted is true if what the report says of good results still holds.
func (s *source) trusted() bool { return s.current && !s.stale }

// distrust is why a source that is not trusted is not.
func (s *source) distrust() mask {
	if s.mask.active() && s.mask.down {
		return s.mask
	}
	return mask{reason: v1alpha1.ReasonProberNotReady, node: s.name}
}

// source returns what is known of a node's prober.
func (j *judge) source(name string) *source {
	if s, ok := j.sources[name]; ok {
		return s
	}
	s := &source{name: name, report: j.in.Reports[name]}
	if s.report != nil && s.report.Assignment == nil {
		s.report = nil
	}
	j.sources[name] = s
	f, reporter := j.in.Nodes[name], ""
	if s.report != nil {
		reporter = s.report.Assignment.Status.PodUID
	}
	s.mask = j.sourceMask(name, f, reporter)
	s.current = reporter != "" && f != nil && f.Prober != nil && f.Prober.UID == reporter
	s.stale = j.isStale(s.report)
	return s
}

// isStale is true if a prober was silent for longer than two and a half
// heartbeats and 10 s, by this controller's own clock. While the controller
// could not see the API server nobody was silent.
func (j *judge) isStale(r *Report) bool {
	if r == nil {
		return false
	}
	heartbeat := r.Assignment.Spec.Heartbeat.Duration
	if heartbeat <= 0 {
		heartbeat = defaultHeartbeat
	}
	heard := r.SeenAt
	if heard.IsZero() {
		heard = r.ChangedAt
	}
	if j.in.APIAvailableSince.After(heard) {
		heard = j.in.APIAvailableSince
	}
	limit := heard.Add(heartbeat*5/2 + 10*time.Second)
	if j.in.Now.After(limit) {
		return true
	}
	j.wakeAt(limit.Add(time.Second))
	return false
}

// basis is what a report says about a group.
type basis int

const (
	// basisNone: nothing about this content.
	basisNone basis = iota
	// basisEarlier: the same content with another set of pairs.
	basisEarlier
	// basisCurrent: exactly this group.
	basisCurrent
)

// claim is one source's part of one group: what it was told and what it says.
type claim struct {
	src   *source
	group *v1alpha1.ProbeGroup
	said  *v1alpha1.GroupStatus
	basis basis
	// n is the number of assigned pairs.
	n int
	// listed are the entries about pairs that are assigned now.
	listed []listed
	// pairs, and where they are by key; nil until they are needed.
	pairs []pair
	byKey map[string]int
}

// listed is one believed entry of a report.
type listed struct {
	pair  pair
	entry *v1alpha1.PairStatus
}

// claimOf puts together in c what a source was told and what it says about a
// group. It returns nil while the group is not assigned as the plan wants it.
func (j *judge) claimOf(c *claim, src *source, g *plan.Group) *claim {
	if src.report == nil {
		return nil
	}
	a := src.report.Assignment
	at := findGroup(a.Spec.Groups, g.Key)
	if at < 0 {
		return nil
	}
	*c = claim{src: src, group: &a.Spec.Groups[at], listed: c.listed[:0]}
	c.n = c.count()
	if v1alpha1.ContentHash(c.group.Hash) != g.Content {
		return c
	}
	if a.Status.PodUID == "" {
		return c
	}
	c.said = findSaid(a.Status.Groups, g.Key, at)
	switch {
	case c.said == nil:
	case c.said.Hash == c.group.Hash:
		c.basis = basisCurrent
	case v1alpha1.ContentHash(c.said.Hash) == g.Content:
		c.basis = basisEarlier
	}
	return c
}

func findGroup(groups []v1alpha1.ProbeGroup, key string) int {
	for i := range groups {
		if groups[i].Key == key {
			return i
		}
	}
	return -1
}

// findSaid looks where the group stands in the spec first: probers report in
// the same order.
func findSaid(groups []v1alpha1.GroupStatus, key string, hint int) *v1alpha1.GroupStatus {
	if hint < len(groups) && groups[hint].Key == key {
		return &groups[hint]
	}
	for i := range groups {
		if groups[i].Key == key {
			return &groups[i]
		}
	}
	return nil
}

// consistent is true if the report adds up, as far as this group goes. It
// fills in the pairs that are listed.
func (j *judge) consistent(c *claim) bool {
	sum, ok := total(c.said.Pairs)
	if !ok {
		return false
	}
	if c.basis == basisCurrent && sum != int64(c.n) {
		// Rows that cannot be dialled are no pairs.
		c.n = len(c.all())
		if sum != int64(c.n) {
			return false
		}
	}
	status := &c.src.report.Assignment.Status
	if len(status.NotPassing) == 0 {
		return status.Cut == 0 && badOf(c.said.Pairs) == 0
	}
	if len(status.NotPassing) > maxListed || status.Cut < 0 || j.namesForeign(status) {
		return false
	}
	return c.match(status)
}

// lists is true if the report has an entry about a pair.
func (c *claim) lists(key string) bool {
	for i := range c.listed {
		if c.listed[i].pair.key == key {
			return true
		}
	}
	return false
}

// match finds the pairs of the entries about this group and compares their
// numbers with the counts.
func (c *claim) match(status *v1alpha1.ProbeAssignmentStatus) bool {
	var counted v1alpha1.PairCounts
	for i := range status.NotPassing {
		e := &status.NotPassing[i]
		if e.Group != c.group.Key {
			continue
		}
		p, ok := c.find(e.Target)
		switch {
		case ok && c.lists(p.key), !ok && c.basis == basisCurrent:
			return false
		case ok:
			c.listed = append(c.listed, listed{pair: p, entry: e})
		default:
			// This pair left the assignment, and its result goes with it.
		}
		switch e.State {
		case v1alpha1.StateFailing:
			counted.Failing++
		case v1alpha1.StateDegraded:
			counted.Degraded++
		case v1alpha1.StateUnknown:
			counted.Unknown++
		default:
			return false
		}
	}
	said := c.said.Pairs
	if counted.Failing > said.Failing || counted.Degraded > said.Degraded || counted.Unknown > said.Unknown {
		return false
	}
	return badOf(said)-badOf(counted) <= int64(status.Cut)
}

// namesForeign is true if a report has an entry about a group of this check
// that it does not count.
func (j *judge) namesForeign(status *v1alpha1.ProbeAssignmentStatus) bool {
	last := ""
	for i := range status.NotPassing {
		key := status.NotPassing[i].Group
		if key == last || !strings.HasPrefix(key, j.prefix) {
			continue
		}
		if findSaid(status.Groups, key, 0) == nil {
			return true
		}
		last = key
	}
	return false
}

// total adds counts up; ok is false if one is negative or the sum is absurd.
func total(c v1alpha1.PairCounts) (sum int64, ok bool) {
	for _, n := range [...]int32{c.Pending, c.Passing, c.Degraded, c.Failing, c.Unknown} {
		if n < 0 {
			return 0, false
		}
		sum += int64(n)
	}
	return sum, sum <= math.MaxInt32
}

// badOf is how many pairs have to be listed, or cut.
func badOf(c v1alpha1.PairCounts) int64 {
	return int64(c.Degraded) + int64(c.Failing) + int64(c.Unknown)
}
