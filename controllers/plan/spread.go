// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"net/netip"
	"slices"
	"time"
)

// spread deals many addresses out to sources: the addresses are put into bins
// by their hash, none larger than a window; each source holds one bin in an
// epoch and the next one in the next. An address that comes or goes touches
// only the sources that hold its bin, and each source has held all of them
// after as many epochs as there are bins.
type spread struct {
	schedule
	// bins that are not empty, in order; together all addresses.
	bins [][]netip.AddrPort
	// turned is true if each source begins elsewhere in its bin, so that not
	// all of them dial the same address in the same round.
	turned bool
}

// fixed holds few addresses, all of which each source holds.
func fixed(addrs []netip.AddrPort) *spread {
	return &spread{schedule: still(), bins: [][]netip.AddrPort{addrs}}
}

// newSpread deals out addrs, sorted and not empty, in epochs of at least the
// given length.
func newSpread(addrs []netip.AddrPort, length time.Duration, now time.Time) *spread {
	if len(addrs) <= WindowSize {
		return &spread{schedule: still(), bins: [][]netip.AddrPort{addrs}, turned: true}
	}
	hashes := make([]uint64, len(addrs))
	for i, a := range addrs {
		hashes[i] = hashAddr(a)
	}
	bits, full := binBits(hashes, func(largest, _ int) bool { return largest <= WindowSize })
	bins := make([][]netip.AddrPort, 1<<bits)
	for i, a := range addrs {
		b := bin(hashes[i], bits)
		if len(bins[b]) < WindowSize {
			bins[b] = append(bins[b], a)
		}
	}
	bins = slices.DeleteFunc(bins, func(b []netip.AddrPort) bool { return len(b) == 0 })
	return &spread{schedule: moving(uint64(len(bins)), length, full, now), bins: bins, turned: true}
}

// held is the index of the bin that a source holds.
func (t *spread) held(source uint64) int {
	return int((t.epoch() + source%uint64(len(t.bins))) % uint64(len(t.bins)))
}

// window appends the addresses that a source holds, in the order of turns.
func (t *spread) window(source uint64, dst []netip.AddrPort) []netip.AddrPort {
	b := t.bins[t.held(source)]
	if !t.turned {
		return append(dst, b...)
	}
	start := int((source >> 32) % uint64(len(b)))
	return append(append(dst, b[start:]...), b[:start]...)
}

// has says whether an address is among all.
func (t *spread) has(a netip.AddrPort) bool {
	for _, b := range t.bins {
		if slices.Contains(b, a) {
			return true
		}
	}
	return false
}

// len is the number of all addresses.
func (t *spread) len() int {
	n := 0
	for _, b := range t.bins {
		n += len(b)
	}
	return n
}

// changed calls yield for each source of a set that holds other addresses in
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
		if !equal {
			yield(sources.names[i])
		}
	}
}

// equal says whether every source holds the same of both.
func (t *spread) equal(b *spread) bool {
	return t.turned == b.turned && t.epoch() == b.epoch() &&
		slices.EqualFunc(t.bins, b.bins, slices.Equal[[]netip.AddrPort])
}

// pairs counts source and address: those held now, all, and the most that
// one source holds.
func (t *spread) pairs(sources *nodeSet) (assigned, possible int64, largest int) {
	for _, b := range t.bins {
		largest = max(largest, len(b))
	}
	possible = int64(sources.len()) * int64(t.len())
	if len(t.bins) == 1 {
		return possible, possible, largest
	}
	for _, h := range sources.hashes {
		assigned += int64(len(t.bins[t.held(h)]))
	}
	return assigned, possible, largest
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
