// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/types"
)

// target is an address to probe, and what it belongs to.
type target struct {
	// addr to dial; port 0 for one that is pinged.
	addr netip.AddrPort
	// node that it is on, where it is a pod or a node.
	node string
	// uid of the pod, where it is one.
	uid types.UID
	// tunnel is the hash of the end of an overlay that it is; zero for others.
	tunnel uint64
}

// hash covers what a prober reads of a target.
func (t target) hash() uint64 {
	h := hashAddr(t.addr)
	if t.node != "" {
		h = combine(h, hash64(t.node))
	}
	if t.uid != "" {
		h = combine(h, hash64(string(t.uid)))
	}
	if t.tunnel != 0 {
		h = combine(h, t.tunnel)
	}
	return h
}

// sortTargets sorts targets by address and leaves one of each address. Two
// pods have the same one only for the moment in which one takes it over from
// the other, or in the host network of their node.
func sortTargets(targets []target) []target {
	slices.SortFunc(targets, func(a, b target) int {
		return cmp.Or(a.addr.Compare(b.addr), strings.Compare(string(a.uid), string(b.uid)))
	})
	return slices.CompactFunc(targets, func(a, b target) bool { return a.addr == b.addr })
}

// spread deals many targets out to sources: the targets are put into bins by
// the hash of their address, none larger than a window; each source holds one
// bin in an epoch and the next one in the next. A target that comes or goes
// touches only the sources that hold its bin, and each source has held all of
// them after as many epochs as there are bins.
type spread struct {
	schedule
	// bins that are not empty, in order; together all targets.
	bins [][]target
	// own are the targets on each node that the node itself always holds; nil
	// where that is left to the bins.
	own map[string][]target
	// turned is true if each source begins elsewhere in its bin, so that not
	// all of them dial the same target in the same round.
	turned bool
	// mirrored is true where a node holds the bin of those that hold its own;
	// its bins are 1<<bits, and some may be empty.
	mirrored bool
	bits     int
}

// fixed holds few targets, all of which each source holds.
func fixed(targets []target) *spread {
	return &spread{schedule: still(), bins: [][]target{targets}}
}

// newSpread deals out targets, sorted and not empty, in epochs of at least the
// given length.
func newSpread(targets []target, length time.Duration, now time.Time) *spread {
	if len(targets) <= WindowSize {
		return &spread{schedule: still(), bins: [][]target{targets}, turned: true}
	}
	bins, _, full := inBins(targets, func(t target) uint64 { return hashAddr(t.addr) })
	bins = slices.DeleteFunc(bins, func(b []target) bool { return len(b) == 0 })
	return &spread{schedule: moving(uint64(len(bins)), length, full, now), bins: bins, turned: true}
}

// inBins puts targets by their hashes into 1<<bits bins, some of which may be
// empty and none of which is larger than a window. full is false where some found
// no room.
func inBins(targets []target, hash func(target) uint64) (bins [][]target, bits int, full bool) {
	hashes := make([]uint64, len(targets))
	for i := range targets {
		hashes[i] = hash(targets[i])
	}
	bits, full = binBits(hashes, func(largest, _ int) bool { return largest <= WindowSize })
	bins = make([][]target, 1<<bits)
	for i := range targets {
		b := bin(hashes[i], bits)
		if len(bins[b]) < WindowSize {
			bins[b] = append(bins[b], targets[i])
		}
	}
	return bins, bits, full
}

// held is the index of the bin that a source holds.
func (t *spread) held(source uint64) int {
	if t.mirrored {
		return int(bin(source, t.bits) ^ t.epoch())
	}
	return int((t.epoch() + source%uint64(len(t.bins))) % uint64(len(t.bins)))
}

// window appends the targets that a source holds, in the order of turns.
func (t *spread) window(source uint64, dst []target) []target {
	b := t.bins[t.held(source)]
	if !t.turned || len(b) == 0 {
		return append(dst, b...)
	}
	start := int((source >> 32) % uint64(len(b)))
	return append(append(dst, b[start:]...), b[:start]...)
}

// extra are the targets on a node itself that are not in the bin that it holds.
func (t *spread) extra(node string, held int) []target {
	own := t.own[node]
	if len(t.bins) == 1 || len(own) == 0 {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(own), func(o target) bool { return slices.Contains(t.bins[held], o) })
}

// find the target with an address.
func (t *spread) find(a netip.AddrPort) (target, bool) {
	for _, b := range t.bins {
		for _, found := range b {
			if found.addr == a {
				return found, true
			}
		}
	}
	return target{}, false
}

// each calls yield with each target that some source holds now.
func (t *spread) each(sources *nodeSet, yield func(t target)) {
	held := map[int]bool{}
	for _, h := range sources.hashes {
		if i := t.held(h); !held[i] {
			held[i] = true
			for _, found := range t.bins[i] {
				yield(found)
			}
		}
	}
}

// largest bin.
func (t *spread) largest() int {
	n := 0
	for _, b := range t.bins {
		n = max(n, len(b))
	}
	return n
}

// len is the number of all targets.
func (t *spread) len() int {
	n := 0
	for _, b := range t.bins {
		n += len(b)
	}
	return n
}

// changed calls yield for each source of a set that holds other targets in
// b than in a.
func (t *spread) changed(b *spread, sources *nodeSet, yield func(name string)) {
	if t.equal(b) {
		return
	}
	type held struct{ old, new int }
	same := map[held]bool{}
	for i, h := range sources.hashes {
		k := held{t.held(h), b.held(h)}
		equal, ok := same[k]
		if !ok {
			equal = t.turned == b.turned && slices.Equal(t.bins[k.old], b.bins[k.new])
			same[k] = equal
		}
		if name := sources.names[i]; !equal || !slices.Equal(t.extra(name, k.old), b.extra(name, k.new)) {
			yield(sources.names[i])
		}
	}
}

// equal says whether every source holds the same of both.
func (t *spread) equal(b *spread) bool {
	return t.turned == b.turned && t.epoch() == b.epoch() &&
		slices.EqualFunc(t.bins, b.bins, slices.Equal[[]target]) && maps.EqualFunc(t.own, b.own, slices.Equal[[]target])
}

// pairs counts source and target: those held now, and all; without those of
// which both are the same node where notOwn.
func (t *spread) pairs(sources *nodeSet, notOwn bool) (assigned, possible int64) {
	possible = int64(sources.len()) * int64(t.len())
	for i, h := range sources.hashes {
		held := t.held(h)
		assigned += int64(len(t.bins[held]) + len(t.extra(sources.names[i], held)))
	}
	if !notOwn {
		return assigned, possible
	}
	for i, b := range t.bins {
		for _, own := range b {
			at, ok := sources.index[own.node]
			if !ok {
				continue
			}
			possible--
			if t.held(sources.hashes[at]) == i {
				assigned--
			}
		}
	}
	return assigned, possible
}

// deal is the length of epochs that dealing out to many sources needs, for
// the write budget: two writes per second, in powers of two so that it seldom
// changes as sources come and go.
func deal(sources int) time.Duration {
	d := epochUnit
	for d < time.Duration(sources)*500*time.Millisecond {
		d *= 2
	}
	return d
}
