// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package echo

import (
	"hash/maphash"
	"net/netip"

	"golang.org/x/time/rate"
)

// Limits bound what the server does for the network.
type Limits struct {
	// Total is how many requests of all sources are answered per second, and
	// three times as many at once.
	Total int
	// PerSource is the same for one source address.
	PerSource int
	// Sources is how many sources are told apart; above that some share one
	// limit.
	Sources int
	// Connections of TCP at once, and as many of HTTP.
	Connections int
}

// DefaultLimits are generous for a mesh and harmless for a node: 192-byte
// answers at 5,000 per second are 8 Mbit/s.
func DefaultLimits() Limits {
	return Limits{Total: 5000, PerSource: 200, Sources: 4096, Connections: 512}
}

// healthLimits are those of the listener for health, which the kubelet asks a
// few times a minute. Anybody can reach it, so no source gets more than a few
// of its connections.
func healthLimits() Limits {
	return Limits{Total: 5000, PerSource: 5, Sources: 4096, Connections: 512}
}

// burstFactor: mesh rounds come in bursts.
const burstFactor = 3

// limiter is a token bucket for everybody and a fixed table of token buckets
// for sources. A forged source can share a bucket with others but can neither
// grow the table nor push anybody out of it, and which others is not
// predictable.
type limiter struct {
	total   *rate.Limiter
	sources []*rate.Limiter
	seed    maphash.Seed
}

func newLimiter(l Limits) *limiter {
	lim := &limiter{
		total:   newBucket(l.Total),
		sources: make([]*rate.Limiter, max(1, l.Sources)),
		seed:    maphash.MakeSeed(),
	}
	for i := range lim.sources {
		lim.sources[i] = newBucket(l.PerSource)
	}
	return lim
}

func newBucket(perSecond int) *rate.Limiter {
	return rate.NewLimiter(rate.Limit(perSecond), burstFactor*perSecond)
}

// admit takes a token for one request, the source's first: who floods must
// not use up everybody's. The reason is empty if the request is admitted.
func (l *limiter) admit(source netip.Addr) (reason string) {
	slot := maphash.Comparable(l.seed, source.Unmap().WithZone("")) % uint64(len(l.sources))
	if !l.sources[slot].Allow() {
		return reasonSource
	}
	if !l.total.Allow() {
		return reasonTotal
	}
	return ""
}
