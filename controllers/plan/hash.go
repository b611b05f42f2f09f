// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"crypto/sha256"
	"encoding/hex"
	"net/netip"
)

// hash64 is FNV-1a with a finalizer: node names differ in their last letters
// only, and FNV alone leaves the top bits of such names alike. It must stay
// the same in every version: windows are derived from it.
func hash64(s string) uint64 {
	h := uint64(14695981039346656037)
	for i := range len(s) {
		h = (h ^ uint64(s[i])) * 1099511628211
	}
	return mix(h)
}

// hashAddr hashes an address and port without allocating.
func hashAddr(a netip.AddrPort) uint64 {
	b := a.Addr().As16()
	h := uint64(a.Port()) + 14695981039346656037
	for _, c := range b {
		h = (h ^ uint64(c)) * 1099511628211
	}
	return mix(h)
}

// mix spreads every bit of x over the whole result (splitmix64).
func mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// combine makes one hash of two; the order matters.
func combine(a, b uint64) uint64 {
	return mix(a ^ mix(b+0x9e3779b97f4a7c15))
}

// digest is the first 8 hex digits of the SHA-256 of b.
func digest(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:4])
}

// maxBits bounds the search of binBits.
const maxBits = 16

// bin is the bin of a hash when there are 1<<bits of them.
func bin(h uint64, bits int) uint64 { return h >> (64 - bits) }

// binBits is the smallest number of bits with which the two largest bins
// satisfy fit; false if no number up to maxBits does.
func binBits(hashes []uint64, fit func(largest, second int) bool) (int, bool) {
	for bits := 0; bits <= maxBits; bits++ {
		counts := make([]int, 1<<bits)
		for _, h := range hashes {
			counts[bin(h, bits)]++
		}
		largest, second := 0, 0
		for _, n := range counts {
			switch {
			case n > largest:
				largest, second = n, largest
			case n > second:
				second = n
			}
		}
		if fit(largest, second) {
			return bits, true
		}
	}
	return maxBits, false
}
