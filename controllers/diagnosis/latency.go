// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package diagnosis

import (
	"cmp"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/netladder/netladder/api/v1alpha1"
)

// maxMicroseconds is above any timeout; a slower good probe cannot be.
const maxMicroseconds = int64(time.Minute / time.Microsecond)

// sample is one source's median and how many pairs stand behind it.
type sample struct{ p50, pairs int64 }

// addLatency takes a trusted source's distribution into the path's. One that
// cannot be is left out.
func (t *tally) addLatency(c *claim) {
	p50, p99 := c.said.P50Microseconds, c.said.P99Microseconds
	weight := int64(c.said.Pairs.Passing) + int64(c.said.Pairs.Degraded)
	if !c.src.trusted() || weight == 0 || p50 <= 0 || p99 < p50 || p99 > maxMicroseconds {
		return
	}
	t.latencies = append(t.latencies, sample{p50, weight})
	t.p99 = max(t.p99, p99)
}

// latency merges the distributions of all sources. The p50 is the median of
// their medians weighted by their pairs: an estimate. The p99 is the greatest
// of their p99s: an upper bound, since no source has more than 1 in 100 above
// it.
func (t *tally) latency() *v1alpha1.Latency {
	if len(t.latencies) == 0 {
		return nil
	}
	slices.SortFunc(t.latencies, func(a, b sample) int { return cmp.Compare(a.p50, b.p50) })
	all := int64(0)
	for _, s := range t.latencies {
		all += s.pairs
	}
	below, p50 := int64(0), int64(0)
	for _, s := range t.latencies {
		p50 = s.p50
		if below += s.pairs; 2*below >= all {
			break
		}
	}
	return &v1alpha1.Latency{P50: microseconds(p50), P99: microseconds(t.p99)}
}

func microseconds(n int64) metav1.Duration {
	return metav1.Duration{Duration: time.Duration(n) * time.Microsecond}
}
