// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"math"
	"math/bits"
	"slices"
	"strconv"
	"time"
)

// Budgets of probes per second; zero fields mean their defaults. Over budget
// the intervals of those that ask for most are stretched, in powers of two, up
// to an hour.
type Budgets struct {
	// Target: what one address and port gets from all checks and sources
	// together, on average. A Service counts once for each endpoint behind it.
	Target float64
	// Namespace: what the checks of one namespace other than Netladder's own
	// start on one node.
	Namespace float64
	// Node: what all checks together start on one node.
	Node float64
}

// The defaults. A half-open connection stays for 10 s in the connection
// tracking of a node, a datagram for 30 s, a connection closed in the regular
// way for 120 s: 200 probes a second are 2,000, 6,000 or 24,000 entries of
// 131,072 or more. A namespace may use a quarter of it.
const (
	DefaultTargetBudget    = 1
	DefaultNamespaceBudget = 50
	DefaultNodeBudget      = 200
)

// MaxBudget that can be set, for all of them: as good as none.
const MaxBudget = 1_000_000

// maxInterval to which budgets stretch; a prober waits no longer than that
// either.
const maxInterval = time.Hour

// rate is probes per second, in millionths: sums of them are the same in
// whatever order.
type rate int64

const perSecond rate = 1_000_000

// rateOf is rounded up.
func rateOf(perSec float64) rate {
	return rate(math.Ceil(min(perSec, MaxBudget)*float64(perSecond) - 1e-3))
}

func (b Budgets) target() rate    { return budgetOf(b.Target, DefaultTargetBudget) }
func (b Budgets) namespace() rate { return budgetOf(b.Namespace, DefaultNamespaceBudget) }
func (b Budgets) node() rate      { return budgetOf(b.Node, DefaultNodeBudget) }

func budgetOf(v, def float64) rate {
	if v <= 0 {
		v = def
	}
	return max(1, rateOf(v))
}

// withSlack is what really is allowed. People write round numbers, which fill
// a budget exactly: one more or less must not change every interval.
func (r rate) withSlack() rate { return r + r/8 }

// level is a rate that no one may be over, as a fraction; of is 0 where
// everybody may have what they ask for.
type level struct {
	sum rate
	of  int64
}

// levelOf is the highest level with which all together stay within a budget:
// those that ask for less than it get it, and the others share the rest alike.
// It sorts asked.
func levelOf(asked []rate, budget rate) level {
	slices.Sort(asked)
	left := budget
	for i, r := range asked {
		if n := rate(len(asked) - i); r > left/n {
			return level{sum: left, of: int64(n)}
		}
		left -= r
	}
	return level{}
}

// maxStretch makes an hour of the shortest interval.
const maxStretch = 12

// stretch is by how many powers of two an interval has to be longer for a rate
// to be within a level.
func (l level) stretch(r rate) int {
	if l.of == 0 {
		return 0
	}
	k := 0
	for k < maxStretch && (int64(r)*l.of+(1<<k)-1)>>k > int64(l.sum) {
		k++
	}
	return k
}

// stretched is an interval made longer by powers of two, up to an hour.
func stretched(interval time.Duration, by int) time.Duration {
	if by <= 0 {
		return interval
	}
	return max(interval, min(interval<<min(by, maxStretch), maxInterval))
}

// slowed is a rate whose interval is stretched.
func slowed(r rate, by int) rate { return (r + (1 << by) - 1) >> by }

// stretchText is by how much the text of a stretched interval may be longer.
const stretchText = len("59m59s")

// upToPower is the next power of two: numbers that budgets are multiplied with
// change seldom.
func upToPower(n int) int64 {
	if n <= 1 {
		return 1
	}
	return 1 << bits.Len(uint(n-1))
}

// perSec writes a budget for people.
func perSec(r rate, unit string) string {
	n := strconv.FormatFloat(float64(r)/float64(perSecond), 'f', -1, 64)
	if r != perSecond {
		unit += "s"
	}
	return n + " " + unit + " per second"
}
