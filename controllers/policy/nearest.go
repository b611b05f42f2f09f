// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"iter"
	"math/bits"
	"net/netip"
	"slices"

	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/selection"
)

// tier orders what a peer of a rule missed by, the nearest first.
type tier int

const (
	tierNone tier = iota
	tierPods
	tierNamespace
	tierExcept
	tierBothSelectors
	tierCIDR
	// tierNever: no label or address of this far end would do.
	tierNever
	// tierBroken: the API server should not have let it in.
	tierBroken
)

// distance of a rule, with one of its peers, from admitting. The smaller is the
// nearer, by the first field that differs.
type distance struct {
	// clauses: first those where the ports alone missed, then those where the
	// peer alone did, then those where both did.
	clauses int
	// tier of what the peer missed by.
	tier tier
	// unmet requirements of selectors, or bits by which an address is outside of
	// a block.
	unmet int
	// edits is how much values would have to change.
	edits int
}

func (d distance) less(o distance) bool {
	switch {
	case d.clauses != o.clauses:
		return d.clauses < o.clauses
	case d.tier != o.tier:
		return d.tier < o.tier
	case d.unmet != o.unmet:
		return d.unmet < o.unmet
	}
	return d.edits < o.edits
}

// candidate for the nearest miss.
type candidate struct {
	rule *rule
	// peer; nil where the rule has none.
	peer  *peer
	ports Clause
	tier  tier
}

// nearest of the rules that missed; nil if there are none. Among equals it is
// the first.
func (q *question) nearest(policies []*compiled) *Miss {
	var best candidate
	var least distance
	asked := q
	try := func(by *question, c candidate) {
		if d := by.distance(&c); best.rule == nil || d.less(least) {
			best, least, asked = c, d, by
		}
	}
	before := q.beforeTranslation()
	for _, p := range policies {
		rules := p.side(q.direction).rules
		for i := range rules {
			r := &rules[i]
			clause := q.portClause(r)
			if len(r.peers) == 0 {
				try(q, candidate{rule: r, ports: clause})
			}
			for j := range r.peers {
				try(q, candidate{rule: r, peer: &r.peers[j], ports: clause})
				if before != nil && r.peers[j].block != nil {
					try(before, candidate{rule: r, peer: &r.peers[j], ports: before.portClause(r)})
				}
			}
		}
	}
	if best.rule == nil {
		return nil
	}
	return asked.miss(&best)
}

// beforeTranslation is the question as ipBlocks may be asked it: about the
// Service; nil where none is dialled, or where it is not seen.
func (q *question) beforeTranslation() *question {
	if q.direction != Egress || !q.service.IsValid() {
		return nil
	}
	before := *q
	before.ip, before.port, before.target = q.service.Addr(), int32(q.service.Port()), nil
	return &before
}

// portClause that missed; empty if the ports match.
func (q *question) portClause(r *rule) Clause {
	if portsMatch(r.ports, q.protocol, q.port, q.target) {
		return ""
	}
	if slices.ContainsFunc(r.ports, q.otherProtocol) {
		return ClauseProtocol
	}
	return ClausePort
}

// otherProtocol says whether an entry has the port for another protocol, or a
// name that the port has for the protocol that is dialled.
func (q *question) otherProtocol(p port) bool {
	return p.protocol != q.protocol && (p.has(p.protocol, q.port, q.target) || p.has(q.protocol, q.port, q.target))
}

// distance of a candidate, whose tier it finds out.
func (q *question) distance(c *candidate) distance {
	var d distance
	if c.peer != nil {
		d = q.peerDistance(c.peer)
		c.tier = d.tier
	}
	switch {
	case c.ports != "" && d.tier != tierNone:
		d.clauses = 2
	case d.tier != tierNone:
		d.clauses = 1
	case c.ports == ClausePort:
		d.unmet++
	}
	return d
}

func (q *question) peerDistance(p *peer) distance {
	switch {
	case p.broken != "":
		return distance{tier: tierBroken}
	case p.block != nil:
		return q.blockDistance(p.block)
	case q.pod == nil:
		return distance{tier: tierNever}
	}
	var d distance
	inNamespace := q.inNamespace(p)
	switch podsMatch := podsMatch(p.pods, q.pod); {
	case inNamespace && podsMatch:
		return d
	case inNamespace:
		d.tier = tierPods
	case podsMatch:
		d.tier = tierNamespace
	default:
		d.tier = tierBothSelectors
	}
	if !inNamespace && p.namespaces == nil {
		d.unmet, d.edits = 1, absent
	}
	for _, s := range []struct {
		selector labels.Selector
		labels   labels.Set
	}{{p.namespaces, q.namespace}, {p.pods, q.pod.Labels}} {
		d.add(s.selector, s.labels)
	}
	return d
}

// blockDistance is none where the block has the address, which is where only
// the ports missed.
func (q *question) blockDistance(b *block) distance {
	ip := q.ip
	switch {
	case b.contains(ip), q.hidden() && sameFamily(b.Addr(), ip):
		return distance{unmet: 1}
	case b.exception(ip) >= 0 && b.Contains(ip):
		return distance{tier: tierExcept}
	case !ip.IsValid() || ip.Is4() != b.Addr().Is4():
		return distance{tier: tierNever}
	}
	return distance{tier: tierCIDR, unmet: b.Bits() - commonBits(b.Addr(), ip)}
}

// commonBits of two addresses of one family, from the left.
func commonBits(a, b netip.Addr) int {
	x, y := a.As16(), b.As16()
	before := 8*len(x) - a.BitLen()
	for i := range x {
		if differ := x[i] ^ y[i]; differ != 0 {
			return 8*i + bits.LeadingZeros8(differ) - before
		}
	}
	return a.BitLen()
}

// add the requirements of a selector that are not met.
func (d *distance) add(s labels.Selector, set labels.Set) {
	for r := range unmet(s, set) {
		d.unmet++
		d.edits += edits(r, set)
	}
}

// unmet requirements of a selector.
func unmet(s labels.Selector, set labels.Set) iter.Seq[*labels.Requirement] {
	return func(yield func(*labels.Requirement) bool) {
		if s == nil {
			return
		}
		all, _ := s.Requirements()
		for i := range all {
			if !all[i].Matches(set) && !yield(&all[i]) {
				return
			}
		}
	}
}

// absent counts for what no change of a value would meet: more than the longest
// value of a label.
const absent = 64

// edits is how much a label's value would have to change to meet a requirement:
// the length of the part in which it differs from the most similar value.
func edits(r *labels.Requirement, set labels.Set) int {
	got, ok := set[r.Key()]
	if !ok || r.Operator() != selection.In && r.Operator() != selection.Equals {
		return absent
	}
	least := absent
	for _, want := range r.ValuesUnsorted() {
		least = min(least, differing(want, got))
	}
	return least
}

// differing is the length of what is left of the longer text without what both
// begin and end with.
func differing(a, b string) int {
	if len(a) < len(b) {
		a, b = b, a
	}
	same := 0
	for same < len(b) && a[same] == b[same] {
		same++
	}
	rest := 0
	for rest < len(b)-same && a[len(a)-1-rest] == b[len(b)-1-rest] {
		rest++
	}
	return len(a) - same - rest
}
