// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package climb

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/clock"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/prober/probe"
)

const (
	// maxSteps is how many steps are kept at once; a pair whose climb has no
	// room shares those that are there.
	maxSteps = 128
	// maxUnderWay bounds the probes of climbs that run at once.
	maxUnderWay = 64
	// rest is the least time between two runs of one step; nameRest is that of a
	// question to a DNS server, which are few for a whole cluster that asks them.
	rest     = 10 * time.Second
	nameRest = 30 * time.Second
	// again is the least time between two runs of one step that did not rest before.
	again = time.Minute
	// maxQuiet is the longest time between two news of a step that never sees the
	// same twice.
	maxQuiet = 10 * time.Minute
	// deadline of one step.
	deadline = 3500 * time.Millisecond
)

// Options of a Climber.
type Options struct {
	// Run makes the probe of a step; it returns soon after its timeout.
	Run func(ctx context.Context, s Step, timeout time.Duration) probe.Result
	// Changed is called, without any lock held, when Rungs has something new.
	Changed func()
	// Clock; default the real one.
	Clock clock.PassiveClock
}

// Ref names a pair of an assignment.
type Ref struct {
	// Group and Pair are the keys.
	Group, Pair string
}

// Climber climbs for the pairs that are bad, and remembers what it saw for as
// long as they are. Create it with New.
type Climber struct {
	o      Options
	root   context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup

	// climbing is how many pairs are bad, so that those that are not cost nothing.
	climbing atomic.Int64

	mu    sync.Mutex
	pairs map[Ref]*bad
	steps map[Key]*state
	// resting are steps that nobody needs and that ran a moment ago: who needs
	// one again shares what it saw.
	resting  map[Key]*state
	underWay int
	// watched steps, and what ends watching them.
	watched map[Key]context.CancelFunc
}

// bad is a pair that is bad, since its first bad probe began.
type bad struct {
	keys  []Key
	since time.Time
}

// state of a step.
type state struct {
	step Step
	// users are how many bad pairs need it, the last of them since asked.
	users   int
	asked   time.Time
	running bool
	ranAt   time.Time
	// againAt is when it last was made before it had rested, for a pair that
	// began to be bad after it was made.
	againAt time.Time
	// seen is false until it ran once. What it saw was seen at: a run that began
	// then.
	seen     bool
	at       time.Time
	verdict  probe.Verdict
	evidence string
	// told is the verdict that was news, at toldAt, and quiet for how long another
	// one is none.
	told   probe.Verdict
	toldAt time.Time
	quiet  time.Duration
}

// see takes in what a run saw, and says whether that is news: another verdict, or
// the first that is evidence for a pair. What comes and goes is told ever more
// rarely, which costs the others no more than its latest turn.
func (s *state) see(r probe.Result, now time.Time) bool {
	before := s.at
	s.seen, s.at, s.verdict, s.evidence = true, s.ranAt, r.Verdict, r.Evidence
	switch {
	case s.users == 0:
		return false
	case s.toldAt.IsZero() || s.told != r.Verdict && now.Sub(s.toldAt) >= s.quiet:
		s.told, s.toldAt, s.quiet = r.Verdict, now, min(max(2*s.quiet, rest), maxQuiet)
		return true
	}
	return before.Before(s.asked) && !s.at.Before(s.asked)
}

// due says whether the step is to be made now: because it has rested, or because
// a pair needs what is newer than what was seen, and it was not made again for
// such a reason a moment ago.
func (s *state) due(now time.Time, interval time.Duration) bool {
	switch {
	case s.running:
		return false
	case s.ranAt.IsZero() || now.Sub(s.ranAt) >= max(interval, s.rest()):
		return true
	case s.ranAt.Before(s.asked) && now.Sub(s.againAt) >= again:
		s.againAt = now
		return true
	}
	return false
}

// New returns a Climber for which nothing is bad.
func New(o Options) *Climber {
	if o.Clock == nil {
		o.Clock = clock.RealClock{}
	}
	c := &Climber{o: o, pairs: map[Ref]*bad{}, steps: map[Key]*state{}, resting: map[Key]*state{}}
	c.root, c.cancel = context.WithCancel(context.Background())
	return c
}

// Close ends what is under way and waits for it. Nothing may be Bad afterwards.
func (c *Climber) Close() {
	c.cancel()
	c.wg.Wait()
}

// Bad says that a pair's probe, which began at that time, failed. The first time,
// and from then on when a step has rested for the interval and no less than 10 s,
// it is made; before that once more, where the pair began to be bad after it was
// made. steps is called the first time only.
func (c *Climber) Bad(ref Ref, began time.Time, interval time.Duration, steps func() []Step) {
	c.mu.Lock()
	defer c.mu.Unlock()
	p := c.pairs[ref]
	if p == nil {
		p = &bad{since: began, keys: c.take(steps(), began)}
		c.pairs[ref] = p
		c.climbing.Store(int64(len(c.pairs)))
	}
	now := c.o.Clock.Now()
	for _, k := range p.keys {
		if s := c.steps[k]; c.underWay < maxUnderWay && c.root.Err() == nil && s.due(now, interval) {
			c.start(s, now)
		}
	}
}

// start a step.
func (c *Climber) start(s *state, now time.Time) {
	s.running, s.ranAt = true, now
	c.underWay++
	step := s.step
	c.wg.Go(func() { c.run(s, step) })
}

// take makes room for the steps of a pair that is bad since then, and returns the
// keys of those that found some.
func (c *Climber) take(steps []Step, since time.Time) []Key {
	keys := make([]Key, 0, len(steps))
	for i := range steps {
		s := c.steps[steps[i].Key]
		if s == nil {
			if len(c.steps) >= maxSteps {
				continue
			}
			s = c.wake(steps[i])
			c.steps[s.step.Key] = s
		}
		s.users++
		if s.asked.Before(since) {
			s.asked = since
		}
		keys = append(keys, s.step.Key)
	}
	return keys
}

func (c *Climber) run(s *state, step Step) {
	ctx, cancel := context.WithTimeout(c.root, deadline)
	defer cancel()
	r := c.o.Run(ctx, step, deadline/2)
	c.mu.Lock()
	s.running = false
	c.underWay--
	// Whether it was measured is not known: a late prober sees silence.
	news := c.root.Err() == nil && s.see(r, c.o.Clock.Now())
	c.mu.Unlock()
	if news && c.o.Changed != nil {
		c.o.Changed()
	}
}

// Good says that a pair's probe is not bad any more, or that the pair is gone.
// What was seen for it alone is forgotten.
func (c *Climber) Good(ref Ref) {
	if c.climbing.Load() == 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.good(ref)
}

func (c *Climber) good(ref Ref) {
	if p := c.pairs[ref]; p != nil {
		c.release(p.keys)
		delete(c.pairs, ref)
	}
	c.climbing.Store(int64(len(c.pairs)))
}

func (c *Climber) release(keys []Key) {
	for _, k := range keys {
		s := c.steps[k]
		if s.users--; s.users == 0 {
			delete(c.steps, k)
			c.lay(s)
		}
	}
}

func (s *state) rest() time.Duration {
	if s.seen && s.step.Rung == v1alpha1.RungDNS {
		return nameRest
	}
	return rest
}

// lay a step to rest that nobody needs any more.
func (c *Climber) lay(s *state) {
	now := c.o.Clock.Now()
	for k, r := range c.resting {
		if !r.running && now.Sub(r.ranAt) >= rest && now.Sub(r.againAt) >= again {
			delete(c.resting, k)
		}
	}
	if len(c.resting) < maxSteps && !s.ranAt.IsZero() {
		c.resting[s.step.Key] = s
	}
}

// wake a step that rests; a new one if it does not, or has for long enough.
func (c *Climber) wake(step Step) *state {
	s := c.resting[step.Key]
	delete(c.resting, step.Key)
	switch {
	case s == nil:
		return &state{step: step}
	case !s.running && c.o.Clock.Now().Sub(s.ranAt) >= rest:
		return &state{step: step, againAt: s.againAt}
	}
	// What it saw was of another failure: it says nothing until it is made again.
	s.step, s.seen, s.at, s.asked = step, false, time.Time{}, time.Time{}
	return s
}

// Update takes in a new assignment: steps returns those of a pair in it, nil
// for one that is gone. What was seen of a step that stays is kept.
func (c *Climber) Update(steps func(Ref) []Step) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for ref, p := range c.pairs {
		if now := steps(ref); now == nil {
			c.good(ref)
		} else {
			before := p.keys
			p.keys = c.take(now, p.since)
			c.release(before)
		}
	}
}

// Rungs lists what the steps saw that bad pairs need, in a fixed order.
func (c *Climber) Rungs() []v1alpha1.RungStatus {
	c.mu.Lock()
	defer c.mu.Unlock()
	var out []v1alpha1.RungStatus
	for _, s := range c.steps {
		if s.seen {
			out = append(out, v1alpha1.RungStatus{
				Source: s.step.Source, Rung: s.step.Rung, Probe: s.step.Probe, Target: s.step.Key.Target,
				Verdict: v1alpha1.Verdict(s.verdict), Evidence: s.evidence, At: &metav1.MicroTime{Time: s.at},
			})
		}
	}
	slices.SortFunc(out, func(a, b v1alpha1.RungStatus) int { return keyOf(&a).compare(keyOf(&b)) })
	return out
}

func keyOf(r *v1alpha1.RungStatus) Key { return Key{r.Source, r.Rung, r.Probe, r.Target} }
