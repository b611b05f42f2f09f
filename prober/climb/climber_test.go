// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package climb

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/prober/probe"
)

func step(target string) Step {
	return Step{Key: Key{Rung: v1alpha1.RungPodNetwork, Probe: v1alpha1.ProbeMeshTCP, Target: target}}
}

func steps(targets ...string) func() []Step {
	out := make([]Step, len(targets))
	for i, t := range targets {
		out[i] = step(t)
	}
	return func() []Step { return out }
}

// climbing runs f with a climber whose steps take a while and see verdict.
func climbing(t *testing.T, f func(c *Climber, runs, news *atomic.Int32, verdict *atomic.Value)) {
	t.Helper()
	synctest.Test(t, func(*testing.T) {
		var runs, news atomic.Int32
		var verdict atomic.Value
		verdict.Store(probe.Dropped)
		c := New(Options{
			Run: func(ctx context.Context, _ Step, _ time.Duration) probe.Result {
				runs.Add(1)
				select {
				case <-ctx.Done():
				case <-time.After(time.Second):
				}
				return probe.Result{Verdict: verdict.Load().(probe.Verdict), Evidence: "seen"}
			},
			Changed: func() { news.Add(1) },
		})
		defer c.Close()
		f(c, &runs, &news, &verdict)
	})
}

func settle() {
	time.Sleep(2 * time.Second)
	synctest.Wait()
}

func TestClimber(t *testing.T) {
	climbing(t, func(c *Climber, runs, news *atomic.Int32, verdict *atomic.Value) {
		a, b := Ref{"g", "a"}, Ref{"g", "b"}
		want := func(when string, wantRuns, wantNews int32, rungs ...string) {
			t.Helper()
			if runs.Load() != wantRuns || news.Load() != wantNews {
				t.Errorf("%s: %d runs, %d news, want %d and %d", when, runs.Load(), news.Load(), wantRuns, wantNews)
			}
			got := c.Rungs()
			if len(got) != len(rungs) {
				t.Fatalf("%s: rungs %+v, want %v", when, got, rungs)
			}
			for i := range rungs {
				if text := got[i].Target + " " + string(got[i].Verdict); text != rungs[i] || got[i].Evidence != "seen" {
					t.Errorf("%s: %+v, want %s", when, got[i], rungs[i])
				}
			}
		}
		c.Good(a)
		c.Bad(a, time.Now(), time.Second, steps("x", "y"))
		c.Bad(a, time.Now(), time.Second, steps("never asked again"))
		want("under way nothing is told", 0, 0)
		settle()
		want("both were made, at once", 2, 2, "x Dropped", "y Dropped")
		c.Bad(b, time.Now(), time.Second, steps("y", "z"))
		settle()
		want("what was made before is no evidence", 4, 4, "x Dropped", "y Dropped", "z Dropped")
		time.Sleep(rest)
		c.Bad(a, time.Now(), time.Second, nil)
		settle()
		want("rested: made again, and no news", 6, 4, "x Dropped", "y Dropped", "z Dropped")
		verdict.Store(probe.Connected)
		time.Sleep(rest)
		c.Bad(a, time.Now(), time.Minute, nil)
		settle()
		want("a long interval is a long rest", 6, 4, "x Dropped", "y Dropped", "z Dropped")
		c.Bad(a, time.Now(), time.Second, nil)
		settle()
		want("another verdict is news", 8, 6, "x Connected", "y Connected", "z Dropped")
		c.Good(a)
		want("what b needs stays", 8, 6, "y Connected", "z Dropped")
		c.Update(func(r Ref) []Step {
			if r != b {
				t.Errorf("asked for %v", r)
			}
			return steps("z", "new")()
		})
		want("and what it needs no more goes", 8, 6, "z Dropped")
		c.Update(func(Ref) []Step { return nil })
		want("gone", 8, 6)
	})
}

// What was seen of one failure is no evidence of the next.
func TestEvidenceIsNotOlderThanTheFailure(t *testing.T) {
	climbing(t, func(c *Climber, runs, _ *atomic.Int32, verdict *atomic.Value) {
		a := Ref{"g", "a"}
		verdict.Store(probe.Connected)
		c.Bad(a, time.Now(), time.Second, steps("x"))
		settle()
		c.Good(a)
		verdict.Store(probe.Dropped)
		c.Bad(a, time.Now(), time.Second, steps("x"))
		if n := len(c.Rungs()); n != 0 {
			t.Errorf("%d rungs of the failure before", n)
		}
		settle()
		if r := c.Rungs(); len(r) != 1 || r[0].Verdict != v1alpha1.VerdictDropped || runs.Load() != 2 {
			t.Errorf("asked again at once: %d runs, rungs %+v", runs.Load(), r)
		}
		c.Good(a)
		c.Bad(a, time.Now(), time.Second, steps("x"))
		settle()
		if n := len(c.Rungs()); n != 0 || runs.Load() != 2 {
			t.Errorf("%d rungs of the failure before, %d runs", n, runs.Load())
		}
		time.Sleep(rest)
		c.Bad(a, time.Now(), time.Second, nil)
		settle()
		if r := c.Rungs(); len(r) != 1 || r[0].Verdict != v1alpha1.VerdictDropped {
			t.Errorf("rungs %+v", r)
		}
	})
}

// The servers of the cluster's DNS are few, and all nodes ask them at once when
// one of them ails.
func TestDNSServersAreAskedMoreRarely(t *testing.T) {
	climbing(t, func(c *Climber, runs, _ *atomic.Int32, _ *atomic.Value) {
		ask := func() []Step {
			return []Step{{Key: Key{Rung: v1alpha1.RungDNS, Probe: v1alpha1.ProbeDNS, Target: "10.96.0.10:53"}}}
		}
		for range 6 { // at 0, 12, 24, 36, 48 and 60 s
			c.Bad(Ref{"g", "a"}, time.Now(), time.Second, ask)
			settle()
			time.Sleep(rest)
		}
		if n := runs.Load(); n != 2 {
			t.Errorf("asked %d times in a minute, want at 0 and 36 s", n)
		}
	})
}

// A pair that recovers while its climb is under way leaves nothing behind.
func TestClimbThatNobodyNeedsAnyMore(t *testing.T) {
	climbing(t, func(c *Climber, runs, news *atomic.Int32, _ *atomic.Value) {
		c.Bad(Ref{"g", "a"}, time.Now(), time.Second, steps("x"))
		c.Good(Ref{"g", "a"})
		settle()
		if runs.Load() != 1 || news.Load() != 0 || len(c.Rungs()) != 0 || len(c.steps) != 0 || c.underWay != 0 {
			t.Errorf("%d runs, %d news, %v", runs.Load(), news.Load(), c.Rungs())
		}
	})
}

// A pair that is bad every other time is climbed for hardly more often than one
// that always is: once a minute more.
func TestStepsRestAlsoWhileNobodyNeedsThem(t *testing.T) {
	climbing(t, func(c *Climber, runs, _ *atomic.Int32, _ *atomic.Value) {
		for range 15 {
			c.Bad(Ref{"g", "a"}, time.Now(), time.Second, steps("x"))
			time.Sleep(time.Second)
			c.Good(Ref{"g", "a"})
			time.Sleep(time.Second)
		}
		synctest.Wait()
		if got := runs.Load(); got != 4 {
			t.Errorf("%d runs in 30 s, want 4", got)
		}
		for i := range 3 * maxSteps {
			c.Bad(Ref{"g", "a"}, time.Now(), time.Second, steps(fmt.Sprint(i)))
			c.Good(Ref{"g", "a"})
			time.Sleep(time.Millisecond)
		}
		if len(c.resting) > maxSteps {
			t.Errorf("%d steps are remembered", len(c.resting))
		}
		time.Sleep(again)
		c.Bad(Ref{"g", "a"}, time.Now(), time.Second, steps("y"))
		c.Good(Ref{"g", "a"})
		if len(c.resting) != 1 {
			t.Errorf("%d steps are remembered that have rested", len(c.resting))
		}
	})
}

// What changes all the time, as where one of many packets is lost, is news ever
// more rarely: reports of a whole fleet hang on it.
func TestNewsOfAStepGrowRare(t *testing.T) {
	climbing(t, func(c *Climber, runs, news *atomic.Int32, verdict *atomic.Value) {
		for i := range 360 {
			verdict.Store([]probe.Verdict{probe.Dropped, probe.Connected}[i%2])
			c.Bad(Ref{"g", "a"}, time.Now(), time.Second, steps("x"))
			time.Sleep(rest)
		}
		if runs.Load() != 360 || news.Load() > 12 {
			t.Errorf("%d runs in an hour were %d news", runs.Load(), news.Load())
		}
		before := news.Load()
		for range 61 {
			verdict.Store(probe.Refused)
			c.Bad(Ref{"g", "a"}, time.Now(), time.Second, steps("x"))
			time.Sleep(rest)
		}
		if got := news.Load() - before; got != 1 {
			t.Errorf("what it is in the end is %d news", got)
		}
	})
}

func TestClimberIsBounded(t *testing.T) {
	climbing(t, func(c *Climber, runs, _ *atomic.Int32, _ *atomic.Value) {
		for i := range 3 * maxSteps {
			c.Bad(Ref{"g", fmt.Sprint(i)}, time.Now(), time.Second, steps(fmt.Sprint(i)))
		}
		synctest.Wait()
		if runs.Load() != maxUnderWay {
			t.Errorf("%d steps at once", runs.Load())
		}
		settle()
		for i := range 3 * maxSteps {
			c.Bad(Ref{"g", fmt.Sprint(i)}, time.Now(), time.Second, nil)
		}
		settle()
		if n := len(c.Rungs()); n != maxSteps {
			t.Errorf("%d rungs", n)
		}
	})
}

// However pairs come and go, a step is kept exactly while one of them needs it.
func TestStepsAreKeptWhileTheyAreNeeded(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		c := New(Options{Run: func(context.Context, Step, time.Duration) probe.Result { return probe.Result{} }})
		defer c.Close()
		bad := map[Ref][]string{}
		name := rapid.SampledFrom([]string{"a", "b", "c", "d"})
		for range rapid.IntRange(1, 40).Draw(rt, "events") {
			ref, targets := Ref{"g", name.Draw(rt, "pair")}, rapid.SliceOfNDistinct(name, 0, 4, rapid.ID).Draw(rt, "targets")
			switch rapid.IntRange(0, 2).Draw(rt, "event") {
			case 0:
				if _, known := bad[ref]; !known {
					bad[ref] = targets
				}
				c.Bad(ref, time.Now(), time.Second, steps(targets...))
			case 1:
				delete(bad, ref)
				c.Good(ref)
			case 2:
				c.Update(func(r Ref) []Step {
					if r == ref {
						delete(bad, r)
						return nil
					}
					bad[r] = targets
					return steps(targets...)()
				})
			}
			need := map[string]bool{}
			for _, targets := range bad {
				for _, target := range targets {
					need[target] = true
				}
			}
			c.mu.Lock()
			if len(c.steps) != len(need) || len(c.pairs) != len(bad) {
				rt.Fatalf("%d steps for %d pairs, want %d for %d", len(c.steps), len(c.pairs), len(need), len(bad))
			}
			c.mu.Unlock()
		}
	})
}
