// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package schedule

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// pairs makes n pairs, one for each member.
func pairs(n int) []Pair {
	out := make([]Pair, n)
	for i := range out {
		out[i] = Pair{Key: fmt.Sprint("p", i), Member: i}
	}
	return out
}

func testGroup(members, window, perRound int, interval time.Duration) Group {
	return Group{
		Key: "ns/check/path/TCP", Content: "a", Interval: interval, Timeout: interval / 2,
		Window: window, PerRound: perRound, Pairs: pairs(members),
	}
}

// run is a core and the times at which its tasks started.
type run struct {
	core    core
	now     time.Time
	skipped int
	starts  map[int][]time.Time
}

func newRun(groups ...Group) *run {
	r := &run{core: newCore(context.Background(), "node0"), now: epoch}
	r.core.update(groups, r.now)
	return r
}

// play advances the time to where the core wants to be woken, until the end;
// probes end at once unless hang says that they do not.
func (r *run) play(d time.Duration, hang func(member int) bool) {
	r.starts, r.skipped = map[int][]time.Time{}, 0
	for end := r.now.Add(d); ; {
		starts, skipped, next := r.core.step(r.now)
		r.skipped += skipped
		for _, t := range starts {
			r.starts[t.member] = append(r.starts[t.member], r.now)
			t.busy = hang != nil && hang(t.member)
		}
		if next.After(end) {
			r.now = end
			return
		}
		r.now = next
	}
}

func (r *run) task(member int) *task {
	for _, t := range r.core.queue {
		if t.member == member {
			return t
		}
	}
	return nil
}

// Every new pair is attempted within the interval or 15 s, whosever turn it is.
func TestFirstAttempts(t *testing.T) {
	for _, interval := range []time.Duration{time.Second, 10 * time.Second, time.Hour} {
		r := newRun(testGroup(40, 32, 3, interval))
		r.play(min(interval, firstWithin)+maxTick, nil)
		if len(r.starts) != 40 {
			t.Errorf("interval %s: %d of 40 attempted", interval, len(r.starts))
		}
	}
}

// After the first attempts, round r starts exactly the members
// (r*perRound+i) mod window, and those behind the window.
func TestRotationIsExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		members := rapid.IntRange(1, 20).Draw(t, "members")
		window := rapid.IntRange(0, members).Draw(t, "window")
		perRound := rapid.IntRange(0, window).Draw(t, "perRound")
		interval := time.Duration(rapid.IntRange(1, 20).Draw(t, "seconds")) * time.Second
		r := newRun(testGroup(members, window, perRound, interval))
		r.play(firstWithin+interval, nil)

		turn := 1
		if perRound > 0 {
			turn = (window + perRound - 1) / perRound
		}
		begin := r.now
		r.play(time.Duration(turn+1)*interval, nil)
		for m := range members {
			k := r.task(m)
			var want []int64
			first, last := k.group.round(k, begin.UnixNano()), k.group.round(k, r.now.UnixNano()-int64(maxTick))
			for n := first + 1; n <= last; n++ {
				mine := m >= window || perRound == 0
				for i := range perRound {
					mine = mine || (n*int64(perRound)+int64(i))%int64(window) == int64(m)
				}
				if mine {
					want = append(want, n)
				}
			}
			var got []int64
			for _, at := range r.starts[m] {
				n := k.group.round(k, at.UnixNano())
				if at.UnixNano()-k.group.start(k, n) > int64(maxTick) {
					t.Fatalf("member %d started outside its phase", m)
				}
				if n > first && n <= last {
					got = append(got, n)
				}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Fatalf("member %d of %d, window %d, %d per round (-want +got):\n%s", m, members, window, perRound, diff)
			}
			if len(r.starts[m]) == 0 {
				t.Fatalf("member %d had no turn in %d rounds", m, turn+1)
			}
		}
	})
}

func TestBadPairsAreTestedEveryRound(t *testing.T) {
	r := newRun(testGroup(32, 32, 2, 10*time.Second))
	r.play(10*time.Second, nil)
	k := r.task(7)
	r.core.setEveryRound(k, true, r.now)
	r.play(100*time.Second, nil)
	if n := len(r.starts[7]); n != 10 {
		t.Errorf("%d starts in 10 rounds", n)
	}
	r.core.setEveryRound(k, false, r.now)
	r.play(160*time.Second, nil)
	if n := len(r.starts[7]); n != 1 {
		t.Errorf("%d starts in one turn after recovery", n)
	}
}

func TestNoPileUpBehindHangingTargets(t *testing.T) {
	r := newRun(testGroup(2, 0, 0, time.Second))
	r.play(10*time.Second, func(member int) bool { return member == 0 })
	if len(r.starts[0]) != 1 || len(r.starts[1]) != 10 {
		t.Errorf("starts: hanging %d, other %d", len(r.starts[0]), len(r.starts[1]))
	}
	if r.skipped != 9 {
		t.Errorf("%d skipped", r.skipped)
	}
}

// A pair keeps its phase whatever happens to the others, and each wake-up
// starts about as many as it should.
func TestStartsAreSpreadAndKeepTheirPhase(t *testing.T) {
	const rate = 1000
	group := testGroup(rate*10, 0, 0, 10*time.Second)
	r := newRun(group)
	r.play(10*time.Second, nil)
	r.play(10*time.Second, nil)
	phase := r.starts[5][0].Sub(epoch) % (10 * time.Second)
	perTick := map[time.Time]int{}
	for _, starts := range r.starts {
		for _, at := range starts {
			perTick[at]++
		}
	}
	if n := len(perTick); n < 180 || n > 210 {
		t.Errorf("%d wake-ups for 10000 starts in 10 s", n)
	}
	for at, n := range perTick {
		if n > 100 {
			t.Errorf("%d starts at %s", n, at)
		}
	}
	group.Pairs = group.Pairs[:10]
	r.core.update([]Group{group}, r.now)
	r.play(30*time.Second, nil)
	if len(r.starts[5]) != 3 {
		t.Fatalf("%d starts in 3 rounds", len(r.starts[5]))
	}
	got := r.starts[5][2].Sub(epoch) % (10 * time.Second)
	if d := (got - phase).Abs(); d > maxTick {
		t.Errorf("phase moved from %s to %s", phase, got)
	}
}

func TestTickFollowsTheRate(t *testing.T) {
	for rate, want := range map[int]time.Duration{
		1: 100 * time.Millisecond, 500: 100 * time.Millisecond, 1000: 50 * time.Millisecond,
		5000: 10 * time.Millisecond, 10000: 10 * time.Millisecond,
	} {
		r := newRun(testGroup(rate, 0, 0, time.Second))
		if got := time.Duration(r.core.tick); got != want {
			t.Errorf("%d/s: tick %s, want %s", rate, got, want)
		}
	}
}

func TestClockJumps(t *testing.T) {
	for name, jump := range map[string]time.Duration{"back": -time.Hour, "forward": time.Hour, "slept": 7 * time.Second} {
		t.Run(name, func(t *testing.T) {
			r := newRun(testGroup(500, 0, 0, 10*time.Second))
			r.play(10*time.Second, nil)
			r.now = r.now.Add(jump)
			starts, _, _ := r.core.step(r.now)
			if len(starts) > maxBurst {
				t.Errorf("%d starts at once", len(starts))
			}
			for _, k := range starts {
				k.busy = false
			}
			r.play(10*time.Second+maxTick, nil)
			if len(r.starts) < 499 {
				t.Errorf("%d of 500 started in the next interval", len(r.starts))
			}
		})
	}
}

func TestUpdate(t *testing.T) {
	group := testGroup(3, 0, 0, time.Minute)
	r := newRun(group)
	r.play(firstWithin+maxTick, nil)
	gone, kept, ctx := r.task(2), r.task(1), r.task(1).group.ctx

	group.Pairs = group.Pairs[:2]
	r.core.update([]Group{group}, r.now)
	if r.task(1) != kept || !gone.removed || kept.removed || ctx.Err() != nil {
		t.Error("a pair that stays must stay, one that leaves must leave")
	}
	if kept.first {
		t.Error("a pair that stays is attempted anew")
	}
	group.Content = "b"
	r.core.update([]Group{group}, r.now)
	if !kept.removed || ctx.Err() == nil || !r.task(1).first {
		t.Error("changed content must begin anew and end what runs")
	}
	ctx = r.task(1).group.ctx
	r.core.update(nil, r.now)
	if ctx.Err() == nil || len(r.core.queue) != 0 {
		t.Error("a group that leaves must end")
	}
}

// TestPaceChanges: where only the interval changes, every pair goes on at the new
// pace, and not all of them at once.
func TestPaceChanges(t *testing.T) {
	const members, window, perRound = 40, 32, 2 // 10 starts in a round
	for _, tc := range []struct {
		from, to time.Duration
		// atMost starts in the first 10 s at the new pace.
		atMost int
	}{
		{10 * time.Second, 20 * time.Second, 9},
		{10 * time.Second, 40 * time.Second, 6},
		{10 * time.Second, time.Hour, 2},
		{time.Hour, 10 * time.Second, 13},
		{10 * time.Second, 7 * time.Second, 20},
	} {
		r := newRun(testGroup(members, window, perRound, tc.from))
		r.play(20*time.Second, nil)
		before, running := map[int]int64{}, r.task(0).group.ctx
		for m := range members {
			before[m] = (r.task(m).group.phase + r.task(m).offset) % int64(tc.from)
		}
		r.core.update([]Group{testGroup(members, window, perRound, tc.to)}, r.now)
		r.play(10*time.Second, nil)
		n := 0
		for _, starts := range r.starts {
			n += len(starts)
		}
		if n > tc.atMost {
			t.Errorf("%s to %s: %d starts in 10 s", tc.from, tc.to, n)
		}
		if running.Err() != nil {
			t.Errorf("%s to %s: the probes that ran were cancelled", tc.from, tc.to)
		}
		for m := range members {
			if k := r.task(m); tc.to%tc.from == 0 && (k.group.phase+k.offset)%int64(tc.from) != before[m] {
				t.Errorf("%s to %s: member %d lost its phase", tc.from, tc.to, m)
			}
		}
		if tc.to == time.Hour {
			continue // a turn of that is long
		}
		r.play(window/perRound*tc.to, nil)
		for m := range members {
			if want := map[bool]int{true: 1, false: window / perRound}[m < window]; len(r.starts[m]) != want {
				t.Errorf("%s to %s: member %d started %d times in a turn, want %d", tc.from, tc.to, m, len(r.starts[m]), want)
			}
		}
	}
}

// TestPaceChangesBeforeTheFirstAttempt: it does not wait for the new interval.
func TestPaceChangesBeforeTheFirstAttempt(t *testing.T) {
	for _, to := range []time.Duration{time.Second, 20 * time.Second, time.Hour} {
		r := newRun(testGroup(40, 32, 2, 10*time.Second))
		r.core.update([]Group{testGroup(40, 32, 2, to)}, r.now)
		r.play(min(to, firstWithin)+maxTick, nil)
		if len(r.starts) != 40 {
			t.Errorf("%s: %d of 40 attempted", to, len(r.starts))
		}
	}
}

func TestFloorDivAndTicks(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := newCore(context.Background(), "n")
		c.tick = rapid.Int64Range(1, int64(maxTick)).Draw(t, "tick")
		at := rapid.Int64Range(-1e15, 2e18).Draw(t, "at")
		got := c.ceilTick(at)
		if got < at || got-at >= c.tick || c.ceilTick(got) != got {
			t.Fatalf("ceilTick(%d) = %d with tick %d", at, got, c.tick)
		}
	})
}
