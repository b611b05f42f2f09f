// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package schedule

import (
	"container/heap"
	"context"
	"hash/fnv"
	"time"

	"github.com/netladder/netladder/prober/probe"
)

const (
	// firstWithin bounds how long a new pair waits for its first attempt.
	firstWithin = 15 * time.Second
	// About startsPerTick starts share one wake-up, which costs more than a
	// probe; with fifty its share is small, and fifty at once still upset
	// nobody. Ticks are between minTick and maxTick.
	startsPerTick = 50
	minTick       = 10 * time.Millisecond
	maxTick       = 100 * time.Millisecond
	// maxBurst bounds the starts of one wake-up after the process was away.
	maxBurst = 64
	// idle is the longest sleep.
	idle = 2 * time.Second
	// jump: a clock that went back by more was set, and the plan is void.
	jump = time.Second
)

// core is the schedule itself: no goroutines, no clock. Times are wall-clock
// nanoseconds, so that rounds have the same number on every node.
type core struct {
	root   context.Context
	seed   string
	groups map[string]*group
	queue  queue
	last   int64
	tick   int64
	// tickPhase keeps the probers of a cluster from waking all at once.
	tickPhase int64
	burst     int
	// watchEvery is how often to watch the own lag while probes run.
	watchEvery time.Duration
	starts     []*task
}

type group struct {
	content   string
	ctx       context.Context
	cancel    context.CancelFunc
	probe     probe.Func
	batch     probe.Batch
	judgement judgement
	interval  int64
	phase     int64
	window    int
	perRound  int
	tasks     map[string]*task
}

// task is a pair in the schedule.
type task struct {
	group      *group
	member     int
	target     probe.Target
	recorder   Recorder
	offset     int64 // start within the group's rounds
	due        int64
	planned    int64 // the due tick of the probe that runs
	index      int   // in the queue
	first      bool  // not attempted yet
	everyRound bool
	busy       bool // started or waiting for a free place
	removed    bool
	attempt    attempt // the probe that runs
	done       func(probe.Result)
}

// attempt is one probe of a task: by what its result is to be judged, whatever
// becomes of the group meanwhile.
type attempt struct {
	ctx       context.Context
	judgement judgement
	recorder  Recorder
	started   time.Time
	lag       time.Duration // of the start behind the plan
	outcome   Outcome
}

func newCore(root context.Context, seed string) core {
	return core{
		root: root, seed: seed, groups: map[string]*group{}, tick: int64(maxTick),
		tickPhase: int64(stableHash("tick", seed) % uint64(maxTick)), burst: maxBurst, watchEvery: maxTick,
	}
}

func (c *core) update(groups []Group, now time.Time) {
	previous := c.groups
	c.groups = make(map[string]*group, len(groups))
	c.queue = c.queue[:0]
	for i := range groups {
		g := &groups[i]
		if _, dup := c.groups[g.Key]; dup {
			continue
		}
		old := previous[g.Key]
		if old != nil && old.content != g.Content {
			old = nil
		}
		c.groups[g.Key] = c.place(g, old, now.UnixNano())
	}
	for key, old := range previous {
		if c.groups[key] == old {
			continue
		}
		old.cancel()
		for _, t := range old.tasks {
			t.removed = true
		}
	}
	heap.Init(&c.queue)
	c.setPace(groups)
}

// place puts a group into the schedule, in its old place where it had one.
func (c *core) place(in *Group, g *group, now int64) *group {
	if g == nil {
		g = &group{content: in.Content}
		g.ctx, g.cancel = context.WithCancel(c.root)
	}
	// Where only the interval changes, as by a budget, nothing is attempted
	// anew: each pair waits for its turn at the new pace. Its start is by the
	// same hash, so that of a multiple it is one of those that it had.
	paced := g.interval != int64(in.Interval)
	if paced {
		g.interval = int64(in.Interval)
		g.phase = int64(stableHash(in.Key) % uint64(g.interval))
	}
	g.probe, g.batch = in.Probe, in.Batch
	g.judgement = judgement{timeout: in.Timeout, maxLatency: in.MaxLatency}
	g.window, g.perRound = in.Window, in.PerRound
	old := g.tasks
	g.tasks = make(map[string]*task, len(in.Pairs))
	for i := range in.Pairs {
		p := &in.Pairs[i]
		t := old[p.Key]
		if t == nil {
			t = &task{group: g, first: true, everyRound: p.EveryRound}
		}
		if t.first || paced {
			t.offset = int64(stableHash(c.seed, in.Key, p.Key) % uint64(g.interval))
		}
		delete(old, p.Key)
		t.member, t.target, t.recorder = p.Member, p.Target, p.Recorder
		c.plan(t, now)
		g.tasks[p.Key] = t
		t.index = len(c.queue)
		c.queue = append(c.queue, t)
	}
	for _, t := range old {
		t.removed = true
	}
	return g
}

// plan sets when a task is next due after now.
func (c *core) plan(t *task, now int64) {
	switch g := t.group; {
	case !t.first:
		t.due = g.next(t, now)
	case g.interval <= int64(firstWithin):
		// Its own phase comes within the interval, whosever turn it is.
		t.due = g.start(t, g.round(t, now)+1)
	case t.due <= now || t.due > now+int64(firstWithin):
		t.due = now + 1 + t.offset%int64(firstWithin)
	}
}

// step returns the tasks to start now, how many turns passed without a start,
// and when to come again. The slice is the core's own until the next step.
func (c *core) step(now time.Time) (starts []*task, skipped int, next time.Time) {
	w := now.UnixNano()
	if w < c.last-int64(jump) {
		for _, t := range c.queue {
			c.plan(t, w)
		}
		heap.Init(&c.queue)
	}
	c.last = w
	c.starts = c.starts[:0]
	for len(c.queue) > 0 && c.ceilTick(c.queue[0].due) <= w && len(c.starts) < c.burst {
		t := c.queue[0]
		if planned := c.ceilTick(t.due); t.busy || w-planned > t.group.interval/2 {
			skipped++
		} else {
			t.busy, t.first, t.planned = true, false, planned
			c.starts = append(c.starts, t)
		}
		c.plan(t, w)
		heap.Fix(&c.queue, 0)
	}
	sleep := int64(idle)
	if len(c.queue) > 0 {
		ahead := c.ceilTick(c.queue[0].due) - w
		if ahead <= 0 { // more is due than one wake-up may start
			ahead = int64(minTick)
		}
		sleep = min(sleep, ahead)
	}
	return c.starts, skipped, now.Add(time.Duration(sleep))
}

// setEveryRound returns when the task is due and whether that changed.
func (c *core) setEveryRound(t *task, every bool, now time.Time) (due time.Time, moved bool) {
	if t.removed || t.everyRound == every {
		return time.Time{}, false
	}
	t.everyRound = every
	c.plan(t, now.UnixNano())
	heap.Fix(&c.queue, t.index)
	return time.Unix(0, t.due), true
}

// setPace chooses the tick by the rate of starts, and how often the own lag
// is watched by the shortest timeout.
func (c *core) setPace(groups []Group) {
	rate, shortest := 0.0, 4*maxTick
	for i := range groups {
		g := &groups[i]
		shortest = min(shortest, g.Timeout)
		starts := 0.0
		for _, p := range g.Pairs {
			if p.Member < g.Window && g.PerRound > 0 && g.PerRound < g.Window {
				starts += float64(g.PerRound) / float64(g.Window)
			} else {
				starts++
			}
		}
		rate += starts / g.Interval.Seconds()
	}
	c.watchEvery = max(shortest/4, minTick)
	c.tick = int64(maxTick)
	if rate > 0 {
		c.tick = min(max(int64(startsPerTick/rate*float64(time.Second)), int64(minTick)), int64(maxTick))
	}
	c.burst = max(maxBurst, int(4*rate*time.Duration(c.tick).Seconds()))
}

// ceilTick returns the first tick at t or later.
func (c *core) ceilTick(t int64) int64 {
	return c.tickPhase - floorDiv(c.tickPhase-t, c.tick)*c.tick
}

// round returns the number of the last round whose start for this task is at
// or before the time.
func (g *group) round(t *task, at int64) int64 {
	return floorDiv(at-g.phase-t.offset, g.interval)
}

// start of a round for this task.
func (g *group) start(t *task, round int64) int64 {
	return g.phase + t.offset + round*g.interval
}

// next start of a task after a time. Within as many rounds as the window
// needs for one turn, each member has one.
func (g *group) next(t *task, after int64) int64 {
	r := g.round(t, after) + 1
	for !g.selects(t, r) {
		r++
	}
	return g.start(t, r)
}

func (g *group) selects(t *task, round int64) bool {
	if t.everyRound || t.member >= g.window || g.perRound <= 0 || g.perRound >= g.window {
		return true
	}
	w := int64(g.window)
	// The first member of the round's turn is round*perRound mod window.
	ahead := (int64(t.member) - round%w*int64(g.perRound)) % w
	if ahead < 0 {
		ahead += w
	}
	return ahead < int64(g.perRound)
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

// stableHash is the same in every process; its low bits are well mixed.
func stableHash(parts ...string) uint64 {
	h := fnv.New64a()
	for _, p := range parts {
		// A hash.Hash never returns an error.
		_, _ = h.Write([]byte(p))
		_, _ = h.Write([]byte{0})
	}
	x := h.Sum64()
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// queue is a heap of tasks by due time.
type queue []*task

func (q queue) Len() int           { return len(q) }
func (q queue) Less(i, j int) bool { return q[i].due < q[j].due }
func (q queue) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].index, q[j].index = i, j
}

// Push is part of heap.Interface; the queue is only ever filled by update.
func (q *queue) Push(x any) { *q = append(*q, x.(*task)) }

// Pop is part of heap.Interface.
func (q *queue) Pop() any {
	old := *q
	t := old[len(old)-1]
	*q = old[:len(old)-1]
	return t
}
