// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package report

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	clocktesting "k8s.io/utils/clock/testing"
	"pgregory.net/rapid"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/prober/track"
)

func newPace() *pace {
	return &pace{minInterval: time.Second, jitter: func() float64 { return 0.5 }}
}

func at(seconds float64) time.Time { return epoch.Add(time.Duration(seconds * float64(time.Second))) }

// within is one group that settles within some seconds.
func within(seconds int) map[string]time.Duration {
	return map[string]time.Duration{"g": time.Duration(seconds) * time.Second}
}

// write plays one write at the time it is due and returns that time.
func (p *pace) write(t *testing.T, settled, ok bool) time.Duration {
	t.Helper()
	due, some := p.due(settled, nil)
	if !some {
		t.Fatal("nothing is due")
	}
	if due.Before(epoch) {
		due = epoch
	}
	p.begin(due)
	p.end(due, ok)
	return due.Sub(epoch)
}

func wantDue(t *testing.T, p *pace, settled bool, want time.Duration) {
	t.Helper()
	due, ok := p.due(settled, nil)
	if !ok || due.Sub(epoch) != want {
		t.Errorf("due after %s (%v), want %s", due.Sub(epoch), ok, want)
	}
}

func TestFirstReportWaitsForAttempts(t *testing.T) {
	p := newPace()
	if _, ok := p.due(true, nil); ok {
		t.Error("there is nothing to report about")
	}
	p.assign(at(0), 0, within(10))
	wantDue(t, p, false, 10*time.Second)
	p.dirty, p.urgent = true, true
	wantDue(t, p, false, 10*time.Second)
	if due, _ := p.due(true, nil); due.After(at(0)) {
		t.Error("all pairs were attempted: nothing to wait for")
	}
}

// A group whose probes hang for 45 s delays its own progress and no other's.
func TestGroupsDoNotWaitForEachOther(t *testing.T) {
	settle := map[string]time.Duration{"quick": 2 * time.Second, "usual": 11 * time.Second, "hangs": 45 * time.Second}
	p := newPace()
	p.assign(at(0), 10*time.Minute, settle)
	due := func(want float64, news ...string) {
		t.Helper()
		if got, _ := p.due(false, news); !got.Equal(at(want)) {
			t.Errorf("with news of %v due after %s, want %v s", news, got.Sub(epoch), want)
		}
	}
	due(16, "quick", "usual") // the first report tells of all that had a turn
	p.begin(at(16))
	p.end(at(16), true)

	p.assign(at(100), 10*time.Minute, settle)
	due(102, "quick", "hangs")
	p.begin(at(102))
	p.end(at(102), true)
	p.dirty = true
	due(111, "usual", "hangs")
	p.begin(at(111))
	p.end(at(111), true)
	p.dirty = true
	due(112, "usual") // late, but not to be held back for that
	due(145, "hangs")

	// Assignments that follow each other do not put it off again and again.
	p.assign(at(140), 10*time.Minute, settle)
	due(145, "hangs")
}

func TestPace(t *testing.T) {
	p := newPace()
	p.assign(at(0), 60*time.Second, within(10))
	p.write(t, false, true) // at 10 s
	wantDue(t, p, true, 70*time.Second)

	// A change resets the heartbeat, and is not written sooner than a second
	// after the last write.
	p.dirty = true
	wantDue(t, p, true, 11*time.Second)
	p.write(t, true, true)
	wantDue(t, p, true, 71*time.Second)

	// New pairs: their progress waits, trouble does not.
	p.assign(at(11), 60*time.Second, within(29))
	wantDue(t, p, false, 40*time.Second)
	p.urgent = true
	wantDue(t, p, false, 12*time.Second)
	p.write(t, false, true)

	p.withdraw()
	if _, ok := p.due(true, nil); ok {
		t.Error("nothing is assigned any more")
	}
}

func TestRetries(t *testing.T) {
	p := newPace()
	p.assign(at(0), 60*time.Second, within(0))
	const maxBackoff = 5 * time.Second
	last := p.write(t, true, false)
	for range 20 {
		next := p.write(t, true, false)
		if d := next - last; d > maxBackoff || d < firstBackoff/2 {
			t.Errorf("retry after %s", d)
		}
		last = next
	}
	if got := p.unreported(epoch.Add(last)); got != last {
		t.Errorf("unreported for %s, want %s", got, last)
	}
	last = p.write(t, true, true)
	if got := p.unreported(epoch.Add(last + time.Hour)); got != 0 {
		t.Errorf("unreported for %s after a report", got)
	}
	// Whoever was away too hears a second word soon, a third one later, and then
	// as ever.
	wantDue(t, p, true, last+maxBackoff)
	p.write(t, true, true)
	wantDue(t, p, true, last+3*maxBackoff)
	last = p.write(t, true, true)
	wantDue(t, p, true, last+60*time.Second)

	// A change that could not be written does not wait for the heartbeat.
	p.dirty = true
	failed := p.write(t, true, false)
	if last = p.write(t, true, true); last-failed > maxBackoff {
		t.Errorf("a change was written %s after it could not be", last-failed)
	}

	// A heartbeat that is late is no unreported change.
	last = p.write(t, true, false)
	if got := p.unreported(epoch.Add(last + time.Hour)); got != 0 {
		t.Errorf("unreported for %s without a change", got)
	}
}

// What is written soon after an outage may come before the controller looks for
// the first time, which then cannot know how old it is.
func TestNewsAfterAnOutageDoesNotPutOffTheSecondWord(t *testing.T) {
	p := newPace()
	p.assign(at(0), 60*time.Second, within(0))
	p.write(t, true, false)
	back := p.write(t, true, true)
	for range 3 {
		p.dirty, p.urgent = true, true
		p.write(t, true, true)
	}
	wantDue(t, p, true, back+5*time.Second)
	p.write(t, true, true)
	wantDue(t, p, true, back+15*time.Second)
}

// Where there are many probers, each waits longer, so that all of them together
// do not ask too much of an API server that is back.
func TestRetriesSpreadWithTheFleet(t *testing.T) {
	for heartbeat, want := range map[time.Duration]time.Duration{
		0:                 5 * time.Second, // a small cluster
		60 * time.Second:  5 * time.Second,
		240 * time.Second: 20 * time.Second,
		625 * time.Second: 30 * time.Second, // 5,000 nodes
	} {
		p := newPace()
		p.jitter = func() float64 { return 1 }
		p.assign(at(0), heartbeat, within(0))
		var longest time.Duration
		last := p.write(t, true, false)
		for range 20 {
			next := p.write(t, true, false)
			longest, last = max(longest, next-last), next
		}
		if longest != want {
			t.Errorf("heartbeat %s: retries %s apart, want %s", heartbeat, longest, want)
		}
	}
}

func TestOverwrittenIsAnsweredSlowly(t *testing.T) {
	p := newPace()
	p.assign(at(0), 60*time.Second, within(0))
	p.write(t, true, true)
	start := p.lastWrite.Sub(epoch)
	p.reclaim(at(0).Add(start))
	wantDue(t, p, true, start+reclaimAfter)
}

// Whatever happens, writes keep their distance and never stop.
func TestPaceProperties(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		p := newPace()
		p.assign(at(0), 0, within(1))
		now, last := epoch.Add(time.Second), time.Time{}
		for range rapid.IntRange(1, 80).Draw(rt, "steps") {
			switch rapid.IntRange(0, 3).Draw(rt, "event") {
			case 0:
				p.dirty = true
			case 1:
				p.dirty, p.urgent = true, true
			case 2:
				p.reclaim(now)
			case 3:
				p.assign(now, 0, within(15))
			}
			now = now.Add(time.Duration(rapid.Int64Range(0, 3e9).Draw(rt, "pause")))
			due, ok := p.due(rapid.Bool().Draw(rt, "settled"), nil)
			if !ok || due.After(now.Add(66*time.Second)) {
				rt.Fatalf("next write %s from now", due.Sub(now))
			}
			if due.After(now) {
				continue
			}
			if !last.IsZero() && p.backoff == 0 && now.Sub(last) < time.Second {
				rt.Fatalf("writes %s apart", now.Sub(last))
			}
			p.begin(now)
			p.end(now, rapid.Bool().Draw(rt, "ok"))
			last = now
		}
	})
}

// fakes for the Reporter.
type source struct {
	mu          sync.Mutex
	unattempted int
	groups      []v1alpha1.GroupStatus
}

func (s *source) Snapshot() ([]v1alpha1.GroupStatus, []v1alpha1.PairStatus) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]v1alpha1.GroupStatus(nil), s.groups...), nil
}

func (s *source) News() []string { return nil }

func (s *source) Pairs() (int, int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return 1, s.unattempted
}

func (s *source) set(unattempted int, passing int32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unattempted = unattempted
	s.groups = []v1alpha1.GroupStatus{{Key: "g", Pairs: v1alpha1.PairCounts{Passing: passing}}}
}

type writer struct {
	written chan *v1alpha1.ProbeAssignmentStatus
	fail    chan error
}

func (w *writer) WriteStatus(ctx context.Context, s *v1alpha1.ProbeAssignmentStatus) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	select {
	case err := <-w.fail:
		return err
	default:
		w.written <- s
		return nil
	}
}

func receive(t *testing.T, clk *clocktesting.FakeClock, w *writer) *v1alpha1.ProbeAssignmentStatus {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); {
		select {
		case s := <-w.written:
			return s
		case <-time.After(2 * time.Millisecond):
			if clk.HasWaiters() {
				clk.Step(100 * time.Millisecond)
			}
		}
	}
	t.Fatal("no report")
	return nil
}

func TestReporterSendsTheNewestStateAndALastOne(t *testing.T) {
	clk := clocktesting.NewFakeClock(epoch)
	src := &source{}
	src.set(1, 0)
	w := &writer{written: make(chan *v1alpha1.ProbeAssignmentStatus, 100), fail: make(chan error, 100)}
	r := New(Options{PodUID: "uid", Source: src, Writer: w, Clock: clk, Log: logr.Discard()})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.Run(ctx)
	}()

	r.Assigned(time.Minute, within(15))
	src.set(0, 1)
	r.Changed(track.Progress)
	if s := receive(t, clk, w); s.PodUID != "uid" || s.Groups[0].Pairs.Passing != 1 {
		t.Errorf("first report %+v", s)
	}

	for range 3 {
		w.fail <- errors.New("the API server is away")
	}
	src.set(0, 2)
	r.Changed(track.Transition)
	src.set(0, 3)
	if s := receive(t, clk, w); s.Groups[0].Pairs.Passing != 3 {
		t.Errorf("after an outage %+v", s)
	}
	if len(w.fail) != 0 {
		t.Errorf("%d failures were not tried", len(w.fail))
	}

	src.set(0, 4)
	r.Changed(track.Transition)
	cancel()
	<-done
	for len(w.written) > 1 {
		<-w.written
	}
	if s := <-w.written; s.Groups[0].Pairs.Passing != 4 {
		t.Errorf("last report %+v", s)
	}
}
