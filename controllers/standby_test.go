// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// A controller that does not lead bears what a leader bears of an outage.
func TestStandbyBeginsAnewAfterAnOutage(t *testing.T) {
	for name, c := range map[string]struct {
		away, elected time.Duration
		ends          bool
	}{
		"no outage":             {0, time.Hour, false},
		"a short one":           {renewDeadline / 2, time.Hour, false},
		"a long one":            {3 * renewDeadline, time.Hour, true},
		"it is the leader then": {time.Hour, time.Second, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				elected, start := make(chan struct{}), time.Now()
				const begins = time.Minute
				s := &standby{elected: elected, ask: func(context.Context) error {
					if at := time.Since(start); at >= begins && at < begins+c.away {
						return errors.New("connection refused")
					}
					return nil
				}}
				time.AfterFunc(c.elected, func() { close(elected) })
				err := s.Start(t.Context())
				if took := time.Since(start); (err != nil) != c.ends || c.ends && took > begins+2*renewDeadline {
					t.Errorf("after %s: %v", took, err)
				}
			})
		})
	}
}
