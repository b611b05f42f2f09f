// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

// Package track turns the results of probes into the states of pairs: it
// counts streaks against thresholds, remembers the last rounds and the
// strongest evidence. It makes no I/O and has no clock.
package track

import (
	"math/bits"
	"time"

	"github.com/netladder/netladder/api/v1alpha1"
)

const (
	// windowSize is how many of the last measured rounds decide on losses.
	windowSize = 20
	// minSamples and minLosses keep one lost packet among few from counting
	// as a tenth of all.
	minSamples = 10
	minLosses  = 2
	// slowWindow is how many of the last good rounds decide on slowness; the
	// majority of them does.
	slowWindow = 3
	// verdictMemory is for how many bad rounds a stronger verdict outlives
	// weaker ones: ICMP errors are rate-limited, so a hop that rejects is
	// often silent, and that must read as the same fault.
	verdictMemory = 5
	// maxStreak bounds what is counted and what a seed may claim.
	maxStreak = 1_000_000
)

// Rules by which the pairs of one group are judged.
type Rules struct {
	// FailureThreshold: bad rounds in a row until Failing, at least 1.
	FailureThreshold int32
	// SuccessThreshold: good rounds in a row until no longer Failing, at
	// least 1.
	SuccessThreshold int32
	// MaxLatency: slower is slow; 0 means nothing is.
	MaxLatency time.Duration
	// Expect Deny turns the judgement; empty means Allow.
	Expect v1alpha1.Expectation
}

// Observation is what one round saw of one pair.
type Observation struct {
	// Verdict of the probe.
	Verdict v1alpha1.Verdict
	// Latency of the exchange; only where Timed.
	Latency time.Duration
	// Timed is false where the latency says nothing about the path.
	Timed bool
	// Evidence in one line.
	Evidence string
}

// pairState is the state machine of one pair.
type pairState struct {
	state     v1alpha1.State
	since     time.Time
	reason    string
	attempted bool

	// streaks of rounds in a row; a neutral round ends neither of the others.
	bad, good, neutral int32

	// The last measured rounds, the latest in bit 0: lost and slow ones.
	losses  uint32
	samples int
	slow    uint32
	timed   int

	verdict  v1alpha1.Verdict
	evidence string
	// unseen is for how many bad rounds verdict was not seen.
	unseen int
}

// observe takes in one round and returns whether what a reader is told about
// the pair changed: its state, or the verdict for which it fails.
func (p *pairState) observe(r Rules, o Observation, now time.Time) bool {
	p.attempted = true
	before, beforeVerdict := p.state, p.verdict
	switch {
	case o.Verdict.IsNeutral():
		p.observeNeutral(r, o)
	case o.Verdict.IsBad():
		p.observeBad(r, o)
	default:
		p.observeGood(r, o)
	}
	if p.state != before {
		p.since = now
		return true
	}
	return p.state == v1alpha1.StateFailing && !sameFault(beforeVerdict, p.verdict)
}

func (p *pairState) observeNeutral(r Rules, o Observation) {
	p.neutral = increment(p.neutral)
	if p.state == v1alpha1.StateFailing || p.neutral < r.FailureThreshold {
		return
	}
	p.state, p.reason = v1alpha1.StateUnknown, reasonOf(o.Verdict)
	p.verdict, p.evidence, p.unseen = o.Verdict, o.Evidence, 0
}

func (p *pairState) observeBad(r Rules, o Observation) {
	p.showVerdict(o)
	p.bad, p.good, p.neutral = increment(p.bad), 0, 0
	p.remember(true)
	switch {
	case p.bad >= r.FailureThreshold:
		p.state, p.reason = v1alpha1.StateFailing, ""
	case p.state == v1alpha1.StatePassing || p.state == v1alpha1.StateDegraded:
		p.state = p.working()
	}
}

func (p *pairState) observeGood(r Rules, o Observation) {
	p.good, p.bad, p.neutral = increment(p.good), 0, 0
	p.remember(false)
	if o.Timed {
		p.slow = p.slow << 1 & (1<<slowWindow - 1)
		p.timed = min(p.timed+1, slowWindow)
		if r.MaxLatency > 0 && o.Latency > r.MaxLatency {
			p.slow |= 1
		}
	}
	if p.state == v1alpha1.StateFailing {
		if p.good < r.SuccessThreshold {
			return
		}
		// The outage was told as Failing; it must not be told again as losses.
		p.losses, p.samples = 0, 0
	}
	p.state, p.reason = p.working(), ""
}

// working is the state of a pair that works: Passing or Degraded.
func (p *pairState) working() v1alpha1.State {
	lost := bits.OnesCount32(p.losses)
	lossy := p.samples >= minSamples && lost >= minLosses && lost*10 >= p.samples
	slow := p.timed == slowWindow && 2*bits.OnesCount32(p.slow) > slowWindow
	if lossy || slow {
		return v1alpha1.StateDegraded
	}
	return v1alpha1.StatePassing
}

func (p *pairState) remember(lost bool) {
	p.losses = p.losses << 1 & (1<<windowSize - 1)
	if lost {
		p.losses |= 1
	}
	p.samples = min(p.samples+1, windowSize)
}

// showVerdict keeps the strongest verdict of the recent bad rounds with its
// latest evidence.
func (p *pairState) showVerdict(o Observation) {
	fresh := p.bad == 0 && p.state != v1alpha1.StateFailing
	switch {
	case fresh, o.Verdict == p.verdict, strength(o.Verdict) > strength(p.verdict), p.unseen+1 >= verdictMemory:
		p.verdict, p.evidence, p.unseen = o.Verdict, o.Evidence, 0
	default:
		p.unseen++
	}
}

// everyRound reports whether the pair is to be tested in every round,
// whosever turn it is: until a bad one recovered, and until it is certain
// that the probe cannot be made.
func (p *pairState) everyRound() bool {
	doubtful := p.neutral > 0 && p.state != v1alpha1.StateUnknown
	return p.state == v1alpha1.StateFailing || p.bad > 0 || doubtful
}

// seed makes a pair Failing as an earlier prober on this node left it.
func (p *pairState) seed(r Rules, s *v1alpha1.PairStatus, now time.Time) {
	p.state = v1alpha1.StateFailing
	p.bad = min(max(s.Streak, r.FailureThreshold), maxStreak)
	p.verdict, p.evidence = s.Verdict, s.Evidence
	p.since = now
	if s.Since != nil && s.Since.Time.Before(now) {
		p.since = s.Since.Time
	}
}

// strength says how much a verdict tells: silence tells least.
func strength(v v1alpha1.Verdict) int {
	switch v {
	case "", v1alpha1.VerdictUnmeasured, v1alpha1.VerdictUnsupported, v1alpha1.VerdictLocalError:
		return 0
	case v1alpha1.VerdictDropped, v1alpha1.VerdictDNSTimeout:
		return 1
	case v1alpha1.VerdictUnreachable:
		return 2
	default:
		return 3
	}
}

// sameFault: a hop that rejects and one that drops are the same to a reader,
// because the first often reads as the second.
func sameFault(a, b v1alpha1.Verdict) bool {
	return a == b || (isBlocked(a) && isBlocked(b))
}

func isBlocked(v v1alpha1.Verdict) bool {
	return v == v1alpha1.VerdictRejected || v == v1alpha1.VerdictDropped
}

func reasonOf(v v1alpha1.Verdict) string {
	switch v {
	case v1alpha1.VerdictUnmeasured:
		return v1alpha1.ReasonUnmeasured
	case v1alpha1.VerdictUnsupported:
		return v1alpha1.ReasonUnsupported
	default:
		return v1alpha1.ReasonProbeFailed
	}
}

func increment(n int32) int32 { return min(n+1, maxStreak) }
