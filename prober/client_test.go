// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package prober

import (
	"testing"
	"testing/synctest"
	"time"
)

// When the API server comes back to a large fleet, not all of it asks within
// the first seconds.
func TestWatchesSpreadWithTheFleet(t *testing.T) {
	for name, c := range map[string]struct {
		client       apiClient
		above, below time.Duration
	}{
		"never failed":         {apiClient{heartbeat: 625 * time.Second}, -1, 1},
		"a small fleet":        {apiClient{away: true, heartbeat: time.Minute}, -1, 1},
		"nothing is known":     {apiClient{away: true}, -1, 1},
		"a fleet of thousands": {apiClient{away: true, heartbeat: 625 * time.Second}, 15 * time.Second, 25 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				longest := time.Duration(0)
				for range 200 {
					start := time.Now()
					c.client.spread(t.Context())
					longest = max(longest, time.Since(start))
				}
				if longest <= c.above || longest >= c.below {
					t.Errorf("the longest pause is %s, want between %s and %s", longest, c.above, c.below)
				}
			})
		})
	}
}
