// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"slices"
	"strings"
)

// differ finds the nodes whose assignment differs between what a check meant
// and what it means now. It remembers which sets and rings it has compared,
// since many checks share them.
type differ struct {
	mark  func(node string)
	rings map[[2]*ring]bool
	sets  map[[2]*nodeSet]bool
	whole map[*nodeSet]bool
}

func newDiffer(mark func(node string)) *differ {
	return &differ{
		mark:  mark,
		rings: map[[2]*ring]bool{}, sets: map[[2]*nodeSet]bool{}, whole: map[*nodeSet]bool{},
	}
}

// resolved compares two meanings of one check, either of which may be nil.
func (d *differ) resolved(old, now *Resolved) {
	var a, b []*Group
	if old != nil {
		a = old.groups
	}
	if now != nil {
		b = now.groups
	}
	for len(a) > 0 || len(b) > 0 {
		switch {
		case len(b) == 0 || len(a) > 0 && a[0].Key < b[0].Key:
			d.all(a[0].sources)
			a = a[1:]
		case len(a) == 0 || b[0].Key < a[0].Key:
			d.all(b[0].sources)
			b = b[1:]
		default:
			d.group(a[0], b[0])
			a, b = a[1:], b[1:]
		}
	}
}

func (d *differ) all(s *nodeSet) {
	if d.whole[s] {
		return
	}
	d.whole[s] = true
	for _, name := range s.names {
		d.mark(name)
	}
}

func (d *differ) group(a, b *Group) {
	if a.Content != b.Content || a.perRound != b.perRound || a.stretch != b.stretch || a.scope != b.scope ||
		(a.ring == nil) != (b.ring == nil) || (a.spread == nil) != (b.spread == nil) || a.notOwn != b.notOwn || a.hostname != b.hostname ||
		!samePointee(a.service, b.service) {
		d.all(a.sources)
		d.all(b.sources)
		return
	}
	d.set(a.sources, b.sources)
	if a.mesh != b.mesh {
		// Whether the own node is a target decides about scopes SameNode and Any.
		d.set(a.mesh.same, b.mesh.same)
	}
	if a.ring != b.ring {
		d.ring(a.ring, b.ring)
	}
	if a.spread != b.spread {
		a.spread.changed(b.spread, b.sources, d.mark)
	}
	if a.pods != nil && b.pods != nil {
		for _, name := range b.sources.names {
			if a.sources.has(name) && !a.pods.equal(b.pods, name) {
				d.mark(name)
			}
		}
	}
	for _, name := range b.sources.names {
		if b.listeners != nil && !a.listeners[name].equal(b.listeners[name]) {
			d.mark(name)
		}
	}
	for name, own := range b.own {
		if !own.equal(a.own[name]) {
			d.mark(name)
		}
	}
	if b.wire != nil && !slices.Equal(a.wire.always, b.wire.always) {
		d.all(b.sources)
	}
}

func samePointee[T comparable](a, b *T) bool { return a == b || a != nil && b != nil && *a == *b }

func (d *differ) set(a, b *nodeSet) {
	key := [2]*nodeSet{a, b}
	if a == b || d.sets[key] {
		return
	}
	d.sets[key] = true
	symmetricDifference(a, b, d.mark)
}

func (d *differ) ring(a, b *ring) {
	key := [2]*ring{a, b}
	if d.rings[key] {
		return
	}
	d.rings[key] = true
	for _, n := range b.order {
		if !n.source {
			continue
		}
		if at, ok := a.pos[n.name]; !ok || !a.order[at].source || !sameWindow(a, b, n.name) {
			d.mark(n.name)
		}
	}
}

// symmetricDifference calls yield with the names that are in one set only.
func symmetricDifference(a, b *nodeSet, yield func(name string)) {
	i, j := 0, 0
	for i < a.len() || j < b.len() {
		switch {
		case j == b.len() || i < a.len() && strings.Compare(a.names[i], b.names[j]) < 0:
			yield(a.names[i])
			i++
		case i == a.len() || strings.Compare(a.names[i], b.names[j]) > 0:
			yield(b.names[j])
			j++
		default:
			i++
			j++
		}
	}
}
