// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

// Package schedule decides when which pair is probed, starts the probes, and
// knows when it was itself too late for their results to mean anything. What
// a probe is, and what becomes of its result, is not its business.
package schedule

import (
	"context"
	"runtime"
	"slices"
	"sync"
	"time"

	"k8s.io/utils/clock"

	"github.com/netladder/netladder/prober/probe"
)

// Group is pairs that are probed by the same rules.
type Group struct {
	// Key identifies the group.
	Key string
	// Content identifies what is tested, apart from the pairs: when it
	// changes, every pair is attempted anew.
	Content string
	// Interval between two rounds, Timeout of one probe; both above zero.
	Interval, Timeout time.Duration
	// MaxLatency: slower is slow; 0 means nothing is.
	MaxLatency time.Duration
	// Window and PerRound are those of the API's ProbeGroup.
	Window, PerRound int
	// Probe makes one probe; Batch, where it is not nil, makes them instead
	// and spares a goroutine for each.
	Probe probe.Func
	Batch probe.Batch
	// Pairs with unique keys.
	Pairs []Pair
}

// Pair is one target of a Group.
type Pair struct {
	// Key of the pair, unique within its group.
	Key string
	// Member is its position among the group's members, which take turns.
	Member int
	// EveryRound: test it in every round, whosever turn it is.
	EveryRound bool
	// Target of the probe.
	Target probe.Target
	// Recorder takes the outcomes.
	Recorder Recorder
}

// Outcome is a Result as far as it can be believed.
type Outcome struct {
	probe.Result
	// Timed is false where the latency says nothing about the path.
	Timed bool
	// Began is when the probe began, and At when it ended.
	Began, At time.Time
}

// Recorder takes the outcomes of one pair, one at a time.
type Recorder interface {
	// Record returns whether the pair is to be tested in every round from now
	// on. The Outcome is the recorder's only until it returns.
	Record(o *Outcome) (everyRound bool)
}

// Observer sees how the scheduler itself is doing. Its methods must not block.
type Observer interface {
	// Started is called as a probe starts, with its delay against the plan.
	Started(lag time.Duration)
	// Skipped is called when a pair's turn passes without a probe: because
	// the one before still runs, or because the scheduler was away for longer
	// than half an interval.
	Skipped()
}

// Options of a Scheduler.
type Options struct {
	// Seed spreads the starts of different probers: the node's name.
	Seed string
	// MaxConcurrency bounds the probes that run at once; default 1024.
	MaxConcurrency int
	// Clock; default the real one.
	Clock clock.Clock
	// Observer; may be nil.
	Observer Observer
}

// Scheduler starts the probes of all groups from one goroutine with one
// timer. Create it with New.
type Scheduler struct {
	clock    clock.Clock
	observer Observer
	limit    int
	poke     chan struct{}
	root     context.Context
	cancel   context.CancelFunc
	running  sync.WaitGroup

	mu       sync.Mutex
	core     core
	lags     lags
	inFlight int
	waiting  []*task
	wake     time.Time // when the heart means to wake
	lastTick time.Time

	// batches is what the heart starts of each, emptied by each beat.
	batches map[probe.Batch][]probe.Start
}

// New returns a Scheduler without groups.
func New(o Options) *Scheduler {
	if o.MaxConcurrency <= 0 {
		o.MaxConcurrency = 1024
	}
	if o.Clock == nil {
		o.Clock = clock.RealClock{}
	}
	s := &Scheduler{clock: o.Clock, observer: o.Observer, limit: o.MaxConcurrency, poke: make(chan struct{}, 1), batches: map[probe.Batch][]probe.Start{}}
	s.root, s.cancel = context.WithCancel(context.Background())
	s.core = newCore(s.root, o.Seed)
	s.lastTick = o.Clock.Now()
	s.wake = s.lastTick
	return s
}

// Update makes the scheduler probe exactly these groups. Pairs that stay, in
// a group whose content stays, keep their place in the schedule, or get one at
// the new pace where the interval changed; new ones are attempted within the
// interval, or 15 s where that is less.
func (s *Scheduler) Update(groups []Group) {
	s.mu.Lock()
	s.core.update(groups, s.clock.Now())
	s.mu.Unlock()
	s.wakeHeart()
}

// LastTick is when the scheduler last looked for what is due. It looks at
// least every 2 seconds, unless the process hangs.
func (s *Scheduler) LastTick() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lastTick
}

// Run starts probes until ctx ends, then ends those that run and returns when
// they have. It may be called once.
func (s *Scheduler) Run(ctx context.Context) {
	defer s.running.Wait()
	defer s.cancel()
	s.mu.Lock()
	s.wake = s.clock.Now() // whatever passed before is no lag
	s.mu.Unlock()
	timer := s.clock.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C():
		case <-s.poke:
		}
		timer.Stop()
		timer.Reset(s.beat())
	}
}

// beat starts what is due and returns for how long to sleep.
func (s *Scheduler) beat() time.Duration {
	next := s.startDue()
	for batch, starts := range s.batches {
		if len(starts) > 0 {
			batch.Start(starts)
			clear(starts)
			s.batches[batch] = starts[:0]
		}
	}
	s.yield()
	return max(next.Sub(s.clock.Now()), 0)
}

// yield lets everybody else run who can, and notes how long that took: a probe
// whose answer has come waits as long. The heart's own timer does not tell,
// because whom a timer wakes is let in before those who wait.
func (s *Scheduler) yield() {
	before := s.clock.Now()
	runtime.Gosched()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.inFlight == 0 {
		return
	}
	now := s.clock.Now()
	s.lags.add(now, now.Sub(before))
	if s.wake.Before(now) {
		s.wake = now // what passed until here is noted
	}
}

// startDue starts what is due, or leaves it in batches, and returns when to
// come again.
func (s *Scheduler) startDue() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.clock.Now()
	s.lags.add(now, now.Sub(s.wake))
	s.lastTick = now
	due, skipped, next := s.core.step(now)
	s.waiting = append(s.waiting, due...)
	s.startWaiting(now)
	if s.observer != nil {
		for range skipped {
			s.observer.Skipped()
		}
	}
	if watch := now.Add(s.core.watchEvery); s.inFlight > 0 && watch.Before(next) {
		next = watch
	}
	s.wake = next
	return next
}

// startWaiting starts those that wait, as far as there are free places.
func (s *Scheduler) startWaiting(now time.Time) {
	started := 0
	for _, t := range s.waiting {
		if s.inFlight >= s.limit {
			break
		}
		started++
		if t.removed {
			continue
		}
		s.inFlight++
		s.running.Add(1)
		g := t.group
		t.attempt = attempt{
			ctx: g.ctx, judgement: g.judgement, recorder: t.recorder,
			started: now, lag: max(time.Duration(now.UnixNano()-t.planned), 0),
		}
		if g.batch == nil {
			go s.probe(t, g.probe, t.target)
			continue
		}
		s.observeStart(t.attempt.lag)
		if t.done == nil {
			t.done = func(r probe.Result) { s.ended(t, r) }
		}
		s.batches[g.batch] = append(s.batches[g.batch], probe.Start{Ctx: g.ctx, Target: t.target, Done: t.done})
	}
	s.waiting = slices.Delete(s.waiting, 0, started)
}

// probe makes one probe.
func (s *Scheduler) probe(t *task, f probe.Func, target probe.Target) {
	a := &t.attempt
	a.lag += max(s.clock.Since(a.started), 0) // until this goroutine ran
	s.observeStart(a.lag)
	s.ended(t, f(a.ctx, target))
}

func (s *Scheduler) observeStart(lag time.Duration) {
	if s.observer != nil {
		s.observer.Started(lag)
	}
}

// ended hands on what a task's probe saw.
func (s *Scheduler) ended(t *task, r probe.Result) {
	defer s.running.Done()
	a, everyRound := &t.attempt, false
	if a.ctx.Err() == nil {
		a.outcome = Outcome{Result: r, Began: a.started, At: s.clock.Now()}
		s.mu.Lock()
		lag := max(a.lag, r.Late, s.lags.since(a.started)+max(a.outcome.At.Sub(s.wake), 0))
		s.mu.Unlock()
		a.judgement.apply(&a.outcome, lag)
		everyRound = a.recorder.Record(&a.outcome)
	}
	s.finish(t, everyRound)
}

// finish puts a task back into the schedule.
func (s *Scheduler) finish(t *task, everyRound bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t.busy, t.attempt = false, attempt{}
	s.inFlight--
	due, moved := s.core.setEveryRound(t, everyRound, s.clock.Now())
	if len(s.waiting) > 0 || (moved && due.Before(s.wake)) {
		s.wakeHeart()
	}
}

func (s *Scheduler) wakeHeart() {
	select {
	case s.poke <- struct{}{}:
	default:
	}
}
