// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package schedule

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	clocktesting "k8s.io/utils/clock/testing"

	"github.com/netladder/netladder/prober/probe"
)

func TestJudgement(t *testing.T) {
	j := judgement{timeout: time.Second, maxLatency: 100 * time.Millisecond}
	for name, tc := range map[string]struct {
		in    probe.Result
		lag   time.Duration
		want  probe.Verdict
		timed bool
	}{
		"good in time":    {probe.Result{Verdict: probe.Connected}, 500 * time.Millisecond, probe.Connected, true},
		"good and late":   {probe.Result{Verdict: probe.Connected}, 501 * time.Millisecond, probe.Connected, false},
		"slow in time":    {probe.Result{Verdict: probe.Connected, Latency: time.Second}, 0, probe.Connected, true},
		"slow and late":   {probe.Result{Verdict: probe.Connected, Latency: time.Second}, time.Second, probe.Unmeasured, false},
		"bad in time":     {probe.Result{Verdict: probe.Dropped}, 500 * time.Millisecond, probe.Dropped, false},
		"bad and late":    {probe.Result{Verdict: probe.Dropped}, 501 * time.Millisecond, probe.Unmeasured, false},
		"error and late":  {probe.Result{Verdict: probe.LocalError}, time.Second, probe.LocalError, false},
		"cannot and late": {probe.Result{Verdict: probe.Unsupported}, time.Second, probe.Unsupported, false},
	} {
		t.Run(name, func(t *testing.T) {
			o := Outcome{Result: tc.in}
			j.apply(&o, tc.lag)
			if o.Verdict != tc.want || o.Timed != tc.timed {
				t.Errorf("%s timed %v, want %s timed %v", o.Verdict, o.Timed, tc.want, tc.timed)
			}
		})
	}
}

// recorder passes on what it is told.
type recorder func(o *Outcome) bool

func (r recorder) Record(o *Outcome) bool { return r(o) }

type counter struct{ started, skipped atomic.Int64 }

func (c *counter) Started(time.Duration) { c.started.Add(1) }
func (c *counter) Skipped()              { c.skipped.Add(1) }

// start runs a scheduler until the test ends.
func start(t *testing.T, s *Scheduler) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.Run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
}

func receive[T any](t *testing.T, ch <-chan T) T {
	t.Helper()
	select {
	case v := <-ch:
		return v
	case <-time.After(30 * time.Second):
		t.Fatal("nothing came")
		panic("unreachable")
	}
}

func groupOf(n int, f probe.Func, r Recorder) Group {
	g := Group{Key: "g", Content: "a", Interval: time.Second, Timeout: 500 * time.Millisecond, Probe: f}
	for i := range n {
		g.Pairs = append(g.Pairs, Pair{Key: fmt.Sprint(i), Member: i, Recorder: r})
	}
	return g
}

// Each of several waits of an exchange may be late by a little.
func TestLagsAddUp(t *testing.T) {
	start := time.Unix(1000, 0)
	var l lags
	for i := range 5 {
		at := start.Add(time.Duration(i) * 100 * time.Millisecond)
		l.add(at, 75*time.Millisecond)
	}
	for name, tc := range map[string]struct {
		since time.Duration
		want  time.Duration
	}{
		"all":               {-time.Second, 375 * time.Millisecond},
		"from the second":   {50 * time.Millisecond, (50 + 3*75) * time.Millisecond},
		"none of the first": {25 * time.Millisecond, 4 * 75 * time.Millisecond},
		"after the last":    {401 * time.Millisecond, 0},
	} {
		if got := l.since(start.Add(tc.since)); got != tc.want {
			t.Errorf("%s: %s, want %s", name, got, tc.want)
		}
	}
}

// A process that was frozen while a probe ran must not blame the network.
func TestUnmeasuredWhenStarved(t *testing.T) {
	for name, tc := range map[string]struct {
		frozen time.Duration
		want   probe.Verdict
	}{
		"frozen":     {400 * time.Millisecond, probe.Unmeasured},
		"not frozen": {0, probe.Dropped},
	} {
		t.Run(name, func(t *testing.T) {
			clk := clocktesting.NewFakeClock(epoch)
			outcomes := make(chan probe.Verdict, 100)
			s := New(Options{Seed: "node0", Clock: clk})
			s.Update([]Group{groupOf(1,
				func(context.Context, probe.Target) probe.Result {
					clk.Step(tc.frozen)
					return probe.Result{Verdict: probe.Dropped}
				},
				recorder(func(o *Outcome) bool { outcomes <- o.Verdict; return false }),
			)})
			start(t, s)
			got := advance(t, clk, s, outcomes)
			if got != tc.want {
				t.Errorf("verdict %s, want %s", got, tc.want)
			}
		})
	}
}

// advance steps a fake clock, while the scheduler sleeps and no probe runs, in
// small steps until an outcome comes.
func advance(t *testing.T, clk *clocktesting.FakeClock, s *Scheduler, outcomes <-chan probe.Verdict) probe.Verdict {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); {
		select {
		case v := <-outcomes:
			return v
		case <-time.After(time.Millisecond):
			s.mu.Lock()
			sleeping := s.inFlight == 0 && clk.HasWaiters()
			s.mu.Unlock()
			if sleeping {
				clk.Step(5 * time.Millisecond)
			}
		}
	}
	t.Fatal("no outcome")
	return ""
}

func TestConcurrencyIsBounded(t *testing.T) {
	var now, most atomic.Int64
	release := make(chan struct{})
	started := make(chan struct{}, 1000)
	var count counter
	s := New(Options{MaxConcurrency: 3, Observer: &count})
	s.Update([]Group{groupOf(20,
		func(ctx context.Context, _ probe.Target) probe.Result {
			n := now.Add(1)
			defer now.Add(-1)
			for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
			}
			started <- struct{}{}
			select {
			case <-release:
			case <-ctx.Done():
			}
			return probe.Result{Verdict: probe.Connected}
		},
		recorder(func(*Outcome) bool { return false }),
	)})
	start(t, s)
	for range 3 {
		receive(t, started)
	}
	// Everybody's turn passes while three hang; each is skipped, none piles up.
	for deadline := time.Now().Add(30 * time.Second); count.skipped.Load() < 20; {
		if time.Now().After(deadline) {
			t.Fatalf("%d skipped", count.skipped.Load())
		}
		time.Sleep(5 * time.Millisecond)
	}
	s.mu.Lock()
	waiting := len(s.waiting)
	s.mu.Unlock()
	if waiting > 17 {
		t.Errorf("%d wait for a free place", waiting)
	}
	close(release)
	for range 17 {
		receive(t, started)
	}
	if most.Load() != 3 {
		t.Errorf("%d ran at once", most.Load())
	}
}

// batch is a probe.Batch whose probes end when told, in its own goroutines.
type batch struct {
	mu     sync.Mutex
	begun  []probe.Start
	starts chan int
}

func (b *batch) Start(starts []probe.Start) {
	b.mu.Lock()
	b.begun = append(b.begun, starts...)
	b.mu.Unlock()
	b.starts <- len(starts)
}

// end ends all probes under way.
func (b *batch) end(v probe.Verdict) {
	b.mu.Lock()
	begun := b.begun
	b.begun = nil
	b.mu.Unlock()
	for _, s := range begun {
		s.Done(probe.Result{Verdict: v})
	}
}

// A batch has as many places as goroutines would have, a result of a group
// that left is dropped, and Run waits for the probes of a batch.
func TestBatch(t *testing.T) {
	b := &batch{starts: make(chan int, 1000)}
	var recorded, unexpected atomic.Int64
	g := groupOf(20, nil, recorder(func(o *Outcome) bool {
		if o.Verdict != probe.Refused {
			unexpected.Add(1)
		}
		recorded.Add(1)
		return false
	}))
	g.Batch = b
	s := New(Options{MaxConcurrency: 3})
	s.Update([]Group{g})
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { s.Run(ctx) })
	for started := 0; started < 60; {
		started += receive(t, b.starts)
		b.mu.Lock()
		if len(b.begun) > 3 {
			t.Errorf("%d at once", len(b.begun))
		}
		full := len(b.begun) == 3
		b.mu.Unlock()
		if full {
			b.end(probe.Refused)
		}
	}
	for full := false; !full; {
		b.mu.Lock()
		full = len(b.begun) == 3
		b.mu.Unlock()
		if !full {
			receive(t, b.starts)
		}
	}
	s.Update(nil)
	cancel()
	b.end(probe.Dropped)
	wg.Wait()
	if recorded.Load() < 57 || unexpected.Load() != 0 {
		t.Errorf("%d recorded, of which unexpected: %d", recorded.Load(), unexpected.Load())
	}
}

// What a group's probes see after the group left is nobody's business.
func TestResultsOfEndedGroupsAreDropped(t *testing.T) {
	running := make(chan struct{}, 1)
	ended := make(chan struct{}, 1)
	var recorded atomic.Int64
	s := New(Options{})
	s.Update([]Group{groupOf(1,
		func(ctx context.Context, _ probe.Target) probe.Result {
			running <- struct{}{}
			<-ctx.Done()
			defer func() { ended <- struct{}{} }()
			return probe.Result{Verdict: probe.Dropped}
		},
		recorder(func(*Outcome) bool { recorded.Add(1); return false }),
	)})
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { s.Run(ctx) })
	receive(t, running)
	s.Update(nil)
	receive(t, ended)
	cancel()
	wg.Wait()
	if recorded.Load() != 0 {
		t.Error("a result was recorded after its group had left")
	}
}

// A pair that turns bad is tested in the next round though it is not its turn.
func TestBadResultMovesTheNextStart(t *testing.T) {
	var attempts atomic.Int64
	third := make(chan struct{})
	g := groupOf(1, func(context.Context, probe.Target) probe.Result {
		return probe.Result{Verdict: probe.Dropped}
	}, recorder(func(*Outcome) bool {
		if attempts.Add(1) == 3 {
			close(third)
		}
		return true
	}))
	g.Window, g.PerRound = 1000, 1
	s := New(Options{})
	s.Update([]Group{g})
	start(t, s)
	receive(t, third)
}
