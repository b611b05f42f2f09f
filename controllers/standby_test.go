// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"k8s.io/utils/clock"
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
				exports := false
				follow := func(context.Context) (func(), error) {
					exports = true
					return func() { exports = false }, nil
				}
				s := &standby{elected: elected, clock: clock.RealClock{}, follow: follow, ask: func(context.Context) (lease, error) {
					if !exports {
						t.Error("it exports nothing")
					}
					if at := time.Since(start); at >= begins && at < begins+c.away {
						return lease{}, errors.New("connection refused")
					}
					return lease{}, nil
				}}
				time.AfterFunc(c.elected, func() { close(elected) })
				err := s.Start(t.Context())
				if took := time.Since(start); (err != nil) != c.ends || c.ends && took > begins+2*renewDeadline {
					t.Errorf("after %s: %v", took, err)
				}
				if exports {
					t.Error("it still exports")
				}
			})
		})
	}
}

// Who else leads is known by the Lease being renewed, whatever the clock of who
// does it says.
func TestRenewalsOfTheLease(t *testing.T) {
	start := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	r := renewals{self: "me"}
	for _, step := range []struct {
		at      time.Duration
		holder  string
		renewed time.Duration
		asked   bool
		want    bool
	}{
		{0, "other", -time.Hour, true, false}, // it may be old
		{4 * time.Second, "other", -time.Hour, true, false},
		{8 * time.Second, "other", time.Hour, true, true}, // another clock
		{30 * time.Second, "other", time.Hour, true, true},
		{8*time.Second + leaseDuration, "", 0, false, true},
		{9*time.Second + leaseDuration, "", 0, false, false},
		{50 * time.Second, "other", time.Hour + time.Second, true, true},
		{54 * time.Second, "third", time.Minute, true, true},
		{58 * time.Second, "", time.Minute, true, false}, // it was given up
		{62 * time.Second, "third", time.Minute, true, false},
		{66 * time.Second, "third", 2 * time.Minute, true, true},
		{70 * time.Second, "me", 3 * time.Minute, true, false},
	} {
		now := start.Add(step.at)
		if step.asked {
			r.note(lease{holder: step.holder, renewed: start.Add(step.renewed)}, now)
		}
		if got := r.alive(now); got != step.want {
			t.Errorf("after %s: alive is %t", step.at, got)
		}
	}
}
