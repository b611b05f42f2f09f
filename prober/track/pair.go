// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

// Package track turns the results of probes into the states of pairs: it
// counts streaks against thresholds, remembers the last rounds and the
// strongest evidence. It makes no I/O and has no clock.
package track

import (
	"math/bits"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

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
	// maxQueries bounds what a lookup is said to take.
	maxQueries = 64
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
	// Reason why the verdict says nothing, where the verdict alone does not
	// tell it; of a bad one, what was found to be its cause. Empty otherwise.
	Reason string
	// Evidence in one line.
	Evidence string
	// Queries that a lookup took; 0 for other kinds.
	Queries int
	// Began is when the probe began.
	Began time.Time
}

// judgement is what a round means for a pair.
type judgement int

const (
	// judgedNeutral: neither for nor against what the path is to do.
	judgedNeutral judgement = iota
	judgedGood
	judgedBad
)

// judge says what a verdict means by the rules. What must not get through is
// good only where a filter can have stopped it: a target that cannot be
// reached at all proves nothing.
func (r *Rules) judge(v v1alpha1.Verdict) judgement {
	switch {
	case v.IsNeutral():
		return judgedNeutral
	case r.Expect != v1alpha1.ExpectDeny && v.IsBad(), r.Expect == v1alpha1.ExpectDeny && v.Opens():
		return judgedBad
	case r.Expect != v1alpha1.ExpectDeny, v.Denies():
		return judgedGood
	default:
		return judgedNeutral
	}
}

// pairState is the state machine of one pair.
type pairState struct {
	state     v1alpha1.State
	since     time.Time
	reason    string
	attempted bool

	// streaks of rounds in a row; a neutral round ends neither of the others.
	bad, good, neutral int32
	// doubted is how many Inconclusive rounds there were since the last that was
	// bad or good.
	doubted int32
	// badSince is when the first of the bad rounds began.
	badSince time.Time

	// The last measured rounds, the latest in bit 0: lost and slow ones.
	losses  uint32
	samples int
	slow    uint32
	timed   int

	// queries that the last good lookup took.
	queries int32

	// fault is what the report says: the most telling of the bad rounds, or
	// why the pair is Unknown.
	fault telling
	// denial is by what a Deny pair was last stopped. It is in no report.
	denial telling
}

// telling is the strongest verdict of the recent rounds of one kind, with its
// latest evidence.
type telling struct {
	verdict  v1alpha1.Verdict
	evidence string
	// cause that was found; empty for none.
	cause string
	// unseen is for how many rounds the verdict was not seen.
	unseen int
}

// see takes in one more round; afresh forgets those before.
func (t *telling) see(o Observation, afresh bool) {
	switch {
	case afresh, o.Verdict == t.verdict, strength(o.Verdict) > strength(t.verdict), t.unseen+1 >= memoryOf(t.verdict, o.Verdict):
		*t = telling{verdict: o.Verdict, evidence: o.Evidence, cause: o.Reason}
	default:
		t.unseen++
	}
}

// observe takes in one round and returns whether what a reader is told about
// the pair changed: its state, or the verdict for which it fails.
func (p *pairState) observe(r Rules, o Observation, now time.Time) bool {
	p.attempted = true
	if o.Queries > 0 {
		p.queries = int32(min(o.Queries, maxQueries))
	}
	before, beforeVerdict := p.state, p.fault.verdict
	switch r.judge(o.Verdict) {
	case judgedNeutral:
		p.observeNeutral(r, o)
	case judgedBad:
		p.observeBad(r, o)
	case judgedGood:
		p.observeGood(r, o)
	}
	if p.state != before {
		p.since = now
		return true
	}
	return p.state == v1alpha1.StateFailing && !sameFault(beforeVerdict, p.fault.verdict)
}

func (p *pairState) observeNeutral(r Rules, o Observation) {
	p.neutral = increment(p.neutral)
	if o.Verdict == v1alpha1.VerdictInconclusive {
		p.doubted = increment(p.doubted)
	}
	if p.refuted(r) {
		if p.state == v1alpha1.StateFailing {
			p.losses, p.samples = 0, 0 // told as Failing, and not to be told again
		}
		p.bad = 0
	} else if p.state == v1alpha1.StateFailing || p.neutral < r.FailureThreshold {
		return
	}
	p.state, p.reason = v1alpha1.StateUnknown, reasonOf(o)
	p.fault.see(o, true)
}

// refuted is true for a pair of which nothing bad is seen any more: where even
// a good probe is Inconclusive it would fail for ever. That does not prove that
// it works. What is open stays so until it is seen closed.
func (p *pairState) refuted(r Rules) bool {
	return r.Expect != v1alpha1.ExpectDeny && p.doubted >= max(verdictMemory, r.FailureThreshold, r.SuccessThreshold)
}

func (p *pairState) observeBad(r Rules, o Observation) {
	// An outage that begins forgets the one before.
	p.fault.see(o, p.bad == 0 && p.state != v1alpha1.StateFailing)
	if p.bad == 0 {
		p.badSince = o.Began
	}
	p.bad, p.good, p.neutral, p.doubted = increment(p.bad), 0, 0, 0
	p.remember(true)
	switch {
	case p.bad >= r.FailureThreshold:
		p.state, p.reason = v1alpha1.StateFailing, p.fault.cause
	case p.state == v1alpha1.StatePassing || p.state == v1alpha1.StateDegraded:
		p.state = p.working()
	}
}

func (p *pairState) observeGood(r Rules, o Observation) {
	if r.Expect == v1alpha1.ExpectDeny {
		p.denial.see(o, p.good == 0)
	}
	p.good, p.bad, p.neutral, p.doubted = increment(p.good), 0, 0, 0
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

// whenBad is when the first of the bad rounds began; nil while there is none.
func (p *pairState) whenBad() *metav1.MicroTime {
	if p.bad == 0 || p.badSince.IsZero() {
		return nil
	}
	return &metav1.MicroTime{Time: p.badSince}
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
	p.fault = telling{verdict: s.Verdict, evidence: s.Evidence, cause: s.Reason}
	p.since, p.badSince = now, now // what an earlier prober saw is not known any more
	if s.Since != nil && s.Since.Time.Before(now) {
		p.since = s.Since.Time
	}
}

// strength says how much a verdict tells: silence tells least.
func strength(v v1alpha1.Verdict) int {
	switch {
	case v == "", v.IsNeutral():
		return 0
	case v == v1alpha1.VerdictDropped, v == v1alpha1.VerdictDNSTimeout:
		return 1
	case v == v1alpha1.VerdictUnreachable:
		return 2
	default:
		return 3
	}
}

// memoryOf is for how many bad rounds a stronger verdict outlives a weaker one.
// One round alone may be chance; two in a row are another fault.
func memoryOf(stronger, weaker v1alpha1.Verdict) int {
	// Whoever limits its ICMP errors says only now and then what does not fit.
	if sameFault(stronger, weaker) || stronger == v1alpha1.VerdictTooBig && weaker == v1alpha1.VerdictDropped {
		return verdictMemory
	}
	return 2
}

// sameFault: a hop that rejects and one that drops are the same to a reader,
// because the first often reads as the second.
func sameFault(a, b v1alpha1.Verdict) bool {
	return a == b || (isBlocked(a) && isBlocked(b))
}

func isBlocked(v v1alpha1.Verdict) bool {
	return v == v1alpha1.VerdictRejected || v == v1alpha1.VerdictDropped
}

// reasonOf says why nothing can be said. A verdict that would mean something
// on another path, such as Unreachable where the path must be denied, proves
// nothing on this one.
func reasonOf(o Observation) string {
	switch {
	case o.Reason != "":
		return o.Reason
	case o.Verdict == v1alpha1.VerdictUnmeasured:
		return v1alpha1.ReasonUnmeasured
	case o.Verdict == v1alpha1.VerdictUnsupported:
		return v1alpha1.ReasonUnsupported
	case o.Verdict == v1alpha1.VerdictIntercepted:
		return v1alpha1.ReasonIntercepted
	case o.Verdict == v1alpha1.VerdictInconclusive:
		return v1alpha1.ReasonInconclusive
	case o.Verdict == v1alpha1.VerdictLocalError:
		return v1alpha1.ReasonProbeFailed
	default:
		return v1alpha1.ReasonNotProvable
	}
}

func increment(n int32) int32 { return min(n+1, maxStreak) }
