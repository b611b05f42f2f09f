// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package ladder

import (
	"github.com/netladder/netladder/api/v1alpha1"
)

// behind says what the endpoints behind one address have in common. All of them
// must have been tried, and what ails each must be known: else whichever was not
// tried may be the one that matters.
type behind struct {
	// known is true if that is so.
	known bool
	// bad are the endpoints that do not answer, good those that do.
	bad, good []*Endpoint
	// findings about those that are bad; for one that is itself the trouble nil.
	findings []*Finding
}

// lookBehind classifies endpoints. own says what is known of one that does not
// answer though the way to its node works; false for nothing.
func (p *Pair) lookBehind(endpoints []Endpoint, own func(*Endpoint) (*Finding, bool)) behind {
	b := behind{known: len(endpoints) > 0}
	for i := range endpoints {
		e := &endpoints[i]
		switch e.Seen.Fact {
		case Works:
			b.good = append(b.good, e)
		case Fails:
			f, ok := p.ofEndpoint(e, own)
			b.known = b.known && ok
			b.bad, b.findings = append(b.bad, e), append(b.findings, f)
		default:
			b.known = false
		}
	}
	return b
}

func (p *Pair) ofEndpoint(e *Endpoint, own func(*Endpoint) (*Finding, bool)) (*Finding, bool) {
	if e.Seen.Verdict != v1alpha1.VerdictRefused && e.Way != nil {
		if f := p.wayOf(e.Way); f != nil {
			return f, true
		}
		if e.Way.Host {
			return own(e)
		}
		if e.Way.Pods.Fact != Works {
			return nil, false
		}
		near := &e.Near
		if p.isDNS() { // of its servers what they answer tells more
			near = &Near{}
		}
		if f := p.near(e.Name, e.Way, e.Seen.Verdict, e.ByNode, near); f != nil {
			return f, true
		}
	}
	return own(e)
}

// first is the finding whose rung comes first, of the network rather than of
// the endpoints themselves; nil without any.
func (b *behind) first() *Finding {
	var first *Finding
	for _, f := range b.findings {
		if f != nil && (first == nil || before(f, first)) {
			first = f
		}
	}
	return first
}

func before(a, b *Finding) bool {
	if x, y := Rank(a.Rung), Rank(b.Rung); x != y {
		return x < y
	}
	return a.Object < b.Object
}

// Rank of a rung, causes before symptoms.
func Rank(r v1alpha1.Rung) int {
	for i, each := range Order() {
		if each == r {
			return i
		}
	}
	return len(Order())
}

// Order of the rungs, causes before symptoms.
func Order() []v1alpha1.Rung {
	return []v1alpha1.Rung{
		v1alpha1.RungNode, v1alpha1.RungEndpoints, v1alpha1.RungPolicy, v1alpha1.RungUnderlay, v1alpha1.RungOverlay, v1alpha1.RungMTU,
		v1alpha1.RungPodNetwork, v1alpha1.RungService, v1alpha1.RungDNS, v1alpha1.RungListener, v1alpha1.RungApplication, v1alpha1.RungUndetermined,
	}
}
