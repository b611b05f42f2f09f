// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package schedule

import (
	"fmt"
	"time"

	"github.com/netladder/netladder/prober/probe"
)

// judgement is what a group's results are measured by.
type judgement struct {
	timeout, maxLatency time.Duration
}

// apply takes from an outcome what the prober's own lag makes worthless. A
// result that is bad or slow may be the prober's own doing; a good one is
// good, only its latency is not to be believed.
func (j judgement) apply(o *Outcome, lag time.Duration) {
	good := o.Verdict == probe.Connected
	o.Timed = good
	if lag <= j.timeout/2 {
		return
	}
	o.Timed = false
	switch slow := j.maxLatency > 0 && o.Latency > j.maxLatency; {
	case good && !slow:
	case o.Verdict == probe.LocalError, o.Verdict == probe.Unsupported, o.Verdict == probe.Unmeasured:
	default:
		o.Evidence = fmt.Sprintf("the prober was %s late and saw %s", lag.Round(time.Millisecond), o.Verdict)
		o.Verdict, o.Reason = probe.Unmeasured, ""
	}
}

// lags remembers how late the scheduler's own timer woke it: what happens to
// that timer happens to the timers of the probes in flight.
type lags struct {
	ring [64]struct {
		at  time.Time
		lag time.Duration
	}
	next int
}

// negligible lags are not remembered: they are below half of any timeout.
const negligible = time.Millisecond

func (l *lags) add(at time.Time, lag time.Duration) {
	if lag < negligible {
		return
	}
	l.ring[l.next].at, l.ring[l.next].lag = at, lag
	l.next = (l.next + 1) % len(l.ring)
}

// since returns for how long the prober was away in all from t on. An exchange
// waits to be woken several times, so that small lags add up to a great one.
func (l *lags) since(t time.Time) time.Duration {
	sum := time.Duration(0)
	for i := range l.ring {
		if e := &l.ring[i]; e.lag > 0 && !e.at.Before(t) {
			sum += min(e.lag, e.at.Sub(t))
		}
	}
	return sum
}
