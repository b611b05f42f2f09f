// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package diagnosis

import (
	"cmp"

	"github.com/netladder/netladder/controllers/diagnosis/causes"
	"github.com/netladder/netladder/controllers/diagnosis/ladder"
)

// around makes one cause of those of a rung that are between pairs of nodes of
// which all have one node in common.
func around(by map[string]*group) {
	var found []causes.Found
	for _, g := range by {
		found = append(found, causes.Found{Rung: g.first.rung, Nodes: g.first.nodes})
	}
	for rung, node := range causes.Shared(found) {
		whole := &group{unenforced: map[string]struct{}{}, node: node}
		for key, g := range by {
			if g.first.rung != rung || len(g.first.nodes) != 2 {
				continue
			}
			whole.pairs += g.pairs
			if whole.first == nil || g.before(whole) {
				whole.first, whole.source, whole.target = g.first, g.source, g.target
			}
			delete(by, key)
		}
		by[string(rung)+" around "+node] = whole
	}
}

// before orders groups of one rung: what is the cause before what follows from
// it, then always the same.
func (c *group) before(b *group) bool {
	return cmp.Or(ladder.Strength(b.first.reason)-ladder.Strength(c.first.reason), cmp.Compare(c.source, b.source), cmp.Compare(c.target, b.target)) < 0
}
