// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"cmp"
	"slices"
	"strings"
)

// ring orders the sources and targets of a mesh in a circle; the window of a
// source is the next targets behind it. See docs/adr/0002-mesh-windows.md.
type ring struct {
	schedule
	// order of all nodes.
	order []ringNode
	// targets alone, in the same order.
	targets []string
	// ips[i] is how many IPs the first i targets have together.
	ips []int64
	// pos of a node in order.
	pos map[string]int32
}

type ringNode struct {
	name           string
	source, target bool
	// first is the index of the next target behind this node.
	first int32
}

// ringKey is what decides the place of a node on a ring.
type ringKey struct {
	block, blockKey, key uint64
	name                 string
}

// ringOrder sorts names into the order of an epoch with 1<<bits bins: the
// bins that belong together in this epoch make a block, the blocks stand in
// an order of their own, and inside each the nodes do; in odd epochs exactly
// reversed, so that of any two nodes of a block each follows the other once.
func ringOrder(names []string, bits int, epoch uint64) []string {
	keys := make([]ringKey, len(names))
	shift := epoch >> 1
	for i, name := range names {
		h := hash64(name)
		g := bin(h, bits)
		block := min(g, g^shift)
		keys[i] = ringKey{block: block, blockKey: combine(block, epoch), key: combine(h, shift), name: name}
	}
	reversed := epoch&1 == 1
	slices.SortFunc(keys, func(a, b ringKey) int {
		if c := cmp.Compare(a.blockKey, b.blockKey); c != 0 {
			return c
		}
		if c := cmp.Compare(a.block, b.block); c != 0 {
			return c
		}
		c := cmp.Compare(a.key, b.key)
		if c == 0 {
			c = strings.Compare(a.name, b.name)
		}
		if reversed {
			return -c
		}
		return c
	})
	out := make([]string, len(keys))
	for i := range keys {
		out[i] = keys[i].name
	}
	return out
}

func newRing(sources, targets *nodeSet, bits int, s schedule) *ring {
	order := ringOrder(union(sources, targets), bits, s.epoch())
	r := &ring{
		schedule: s,
		order:    make([]ringNode, len(order)),
		targets:  make([]string, 0, targets.len()),
		ips:      make([]int64, 1, targets.len()+1),
		pos:      make(map[string]int32, len(order)),
	}
	for i, name := range order {
		n := ringNode{name: name, source: sources.has(name)}
		if t, ok := targets.index[name]; ok {
			n.target = true
			r.targets = append(r.targets, name)
			r.ips = append(r.ips, r.ips[len(r.ips)-1]+int64(targets.ips[t]))
		}
		n.first = int32(len(r.targets) % max(1, targets.len()))
		r.order[i] = n
		r.pos[name] = int32(i)
	}
	return r
}

// windowLen is how many other nodes a source holds.
func (r *ring) windowLen(n ringNode) int {
	peers := len(r.targets)
	if n.target {
		peers--
	}
	return min(WindowSize, peers)
}

// window appends the names of the other nodes that a source holds, in the
// order of their turns. The source itself would be last behind all others,
// and windowLen leaves it out.
func (r *ring) window(source string, dst []string) []string {
	n := r.order[r.pos[source]]
	for i := range r.windowLen(n) {
		dst = append(dst, r.targets[(int(n.first)+i)%len(r.targets)])
	}
	return dst
}

// windowIPs is how many IPs the window of a source has.
func (r *ring) windowIPs(n ringNode) int64 {
	from, to := int(n.first), int(n.first)+r.windowLen(n)
	sum := r.ips[min(to, len(r.targets))] - r.ips[from]
	if to > len(r.targets) {
		sum += r.ips[to-len(r.targets)]
	}
	return sum
}

// holders calls yield with each source that holds a target in its window.
func (r *ring) holders(target string, yield func(source string)) {
	at, ok := r.pos[target]
	if !ok {
		return
	}
	between := 0
	for i := 1; i < len(r.order) && between < WindowSize; i++ {
		n := r.order[(int(at)-i+len(r.order))%len(r.order)]
		if n.source {
			yield(n.name)
		}
		if n.target {
			between++
		}
	}
}

// sameWindow says whether a source that is on both rings holds the same
// nodes in the same order.
func sameWindow(a, b *ring, source string) bool {
	x, y := a.order[a.pos[source]], b.order[b.pos[source]]
	n := a.windowLen(x)
	if n != b.windowLen(y) {
		return false
	}
	for i := range n {
		if a.targets[(int(x.first)+i)%len(a.targets)] != b.targets[(int(y.first)+i)%len(b.targets)] {
			return false
		}
	}
	return true
}
