// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package prober

import (
	"context"
	"errors"
	"net/netip"
	"sync"
	"testing"
	"time"

	clocktesting "k8s.io/utils/clock/testing"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/prober/netns"
	"github.com/netladder/netladder/prober/probe"
)

// spaces are namespaces that need not exist.
type spaces struct {
	mu   sync.Mutex
	pods map[string]error // nil where there is one
	host error
	held int

	listens   bool
	listenErr error
	asked     []string
}

func (s *spaces) Update(pods []netns.Pod) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held = len(pods)
}

func (s *spaces) Pod(uid string) (namespace, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	err, known := s.pods[uid]
	switch {
	case !known:
		return nil, &netns.Error{Reason: netns.ReasonPending, Message: "not looked for yet"}
	case err != nil:
		return nil, err
	}
	return space{s, uid}, nil
}

func (s *spaces) Ready(uid string) namespace {
	n, err := s.Pod(uid)
	if err != nil {
		return nil
	}
	return n
}

func (s *spaces) Host() (namespace, error) {
	if s.host != nil {
		return nil, s.host
	}
	return space{s, "node"}, nil
}

func (s *spaces) Held() int { return s.held }
func (s *spaces) Close()    { s.Update(nil) }

type space struct {
	all  *spaces
	name string
}

func (s space) Do(f func() error) error     { return f() }
func (s space) ResolvConf() ([]byte, error) { return nil, nil }

func (s space) Listens(addr netip.AddrPort, protocol string) (bool, error) {
	s.all.mu.Lock()
	defer s.all.mu.Unlock()
	s.all.asked = append(s.all.asked, s.name+" "+protocol+" "+addr.String())
	return s.all.listens, s.all.listenErr
}

// birds are canaries that see what they are told, when they are told.
type birds struct {
	mu    sync.Mutex
	taken bool
	err   error
	sent  int
	hold  chan struct{} // nil lets them return at once
}

func (b *birds) dial(ctx context.Context, _ probe.Entry, _ netip.Addr, _ time.Duration) (bool, error) {
	b.mu.Lock()
	b.sent++
	hold := b.hold
	b.mu.Unlock()
	if hold != nil {
		select {
		case <-hold:
		case <-ctx.Done():
			return false, ctx.Err()
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.taken, b.err
}

func (b *birds) count() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.sent
}

// flock is an origin in a pod whose canaries are birds.
func flock(t *testing.T) (*origin, *birds, *clocktesting.FakePassiveClock) {
	t.Helper()
	b, clk := &birds{}, clocktesting.NewFakePassiveClock(time.Now())
	all := newCanaries(clk)
	all.dial = b.dial
	t.Cleanup(all.close)
	s := &spaces{pods: map[string]error{"uid": nil}}
	return &origin{spaces: s, uid: "uid", canary: all.of(canaryKey{"uid", true})}, b, clk
}

// seen makes a Func of one verdict.
func seen(v probe.Verdict) probe.Func {
	return func(context.Context, probe.Target) probe.Result {
		return probe.Result{Verdict: v, Evidence: "so it was told", Phases: []probe.Phase{{Name: "connect"}}}
	}
}

// instant is a Batch of one verdict, whose phases are not the result's after
// Done has returned.
type instant probe.Verdict

func (i instant) Start(starts []probe.Start) {
	for _, s := range starts {
		phases := []probe.Phase{{Name: "connect"}}
		s.Done(probe.Result{Verdict: probe.Verdict(i), Evidence: "so it was told", Phases: phases})
		phases[0].Name = "reused"
	}
}

// Both ways to make a probe come to the same verdict.
func bothWays(t *testing.T, o *origin, v probe.Verdict, timeout time.Duration) probe.Result {
	t.Helper()
	target := probe.Target{Entry: o, Timeout: timeout}
	one := sourced(seen(v))(t.Context(), target)
	batch, done := &sourcedBatch{inner: instant(v), one: sourced(seen(v))}, make(chan probe.Result, 1)
	batch.Start([]probe.Start{{Ctx: t.Context(), Target: target, Done: func(r probe.Result) {
		r.Phases = append([]probe.Phase(nil), r.Phases...)
		done <- r
	}}})
	many := <-done
	if one.Verdict != many.Verdict || one.Reason != many.Reason || one.Evidence != many.Evidence {
		t.Errorf("one by one %+v, in a batch %+v", one, many)
	}
	for _, p := range many.Phases {
		if p.Name != "connect" {
			t.Errorf("phase %s", p.Name)
		}
	}
	return many
}

func TestInterceptedPods(t *testing.T) {
	for name, tc := range map[string]struct {
		taken, deny, layer7 bool
		sees, want          probe.Verdict
	}{
		"connected, as it is":                 {sees: probe.Connected, want: probe.Connected},
		"connected by the sidecar":            {taken: true, sees: probe.Connected, want: probe.Intercepted},
		"reset by the sidecar":                {taken: true, sees: probe.Reset, want: probe.Intercepted},
		"refused is bad in any case":          {taken: true, sees: probe.Refused, want: probe.Refused},
		"dropped is bad in any case":          {taken: true, sees: probe.Dropped, want: probe.Dropped},
		"open though denied":                  {deny: true, sees: probe.Connected, want: probe.Connected},
		"denied":                              {deny: true, sees: probe.Dropped, want: probe.Dropped},
		"open, says the sidecar":              {taken: true, deny: true, sees: probe.Connected, want: probe.Intercepted},
		"a sidecar's refusal is no denial":    {taken: true, deny: true, sees: probe.Refused, want: probe.Intercepted},
		"a sidecar's silence neither":         {taken: true, deny: true, sees: probe.Dropped, want: probe.Intercepted},
		"what proves nothing stays":           {taken: true, deny: true, sees: probe.LocalError, want: probe.LocalError},
		"a good answer comes from the target": {taken: true, layer7: true, sees: probe.Connected, want: probe.Connected},
		"a bad one is bad":                    {taken: true, layer7: true, sees: probe.ProtocolError, want: probe.ProtocolError},
		"a bad one opens nothing":             {taken: true, deny: true, layer7: true, sees: probe.ProtocolError, want: probe.Intercepted},
		"a good one does":                     {taken: true, deny: true, layer7: true, sees: probe.Connected, want: probe.Connected},
	} {
		t.Run(name, func(t *testing.T) {
			o, b, _ := flock(t)
			o.deny, o.layer7, b.taken = tc.deny, tc.layer7, tc.taken
			bothWays(t, o, probe.LocalError, time.Minute) // sends the canary
			o.canary.all.running.Wait()
			if r := bothWays(t, o, tc.sees, time.Minute); r.Verdict != tc.want {
				t.Errorf("%s becomes %s (%s), want %s", tc.sees, r.Verdict, r.Evidence, tc.want)
			}
			if b.count() != 1 {
				t.Errorf("%d canaries", b.count())
			}
		})
	}
}

// The first connection waits for the canary, but no longer than its own
// timeout, and is not believed without.
func TestFirstConnectionWaitsForTheCanary(t *testing.T) {
	o, b, _ := flock(t)
	b.hold = make(chan struct{})
	if r := bothWays(t, o, probe.Connected, time.Millisecond); r.Verdict != probe.LocalError {
		t.Errorf("believed %s before anything is known", r.Verdict)
	}
	// What is not open needs no canary.
	if r := bothWays(t, o, probe.Dropped, time.Hour); r.Verdict != probe.Dropped {
		t.Errorf("Dropped became %s", r.Verdict)
	}
	done := make(chan probe.Result, 2)
	target := probe.Target{Entry: o, Timeout: time.Hour}
	go func() { done <- sourced(seen(probe.Connected))(t.Context(), target) }()
	(&sourcedBatch{inner: instant(probe.Connected), one: sourced(seen(probe.Connected))}).Start([]probe.Start{{Ctx: t.Context(), Target: target, Done: func(r probe.Result) { done <- r }}})
	select {
	case r := <-done:
		t.Fatalf("%s without a canary", r.Verdict)
	case <-time.After(20 * time.Millisecond):
	}
	close(b.hold)
	for range 2 {
		if r := <-done; r.Verdict != probe.Connected {
			t.Errorf("%s: %s", r.Verdict, r.Evidence)
		}
	}
	if b.count() != 1 {
		t.Errorf("%d canaries for one pod", b.count())
	}
}

func TestCanariesAreFew(t *testing.T) {
	o, b, clk := flock(t)
	settle := func() {
		t.Helper()
		bothWays(t, o, probe.Dropped, time.Minute)
		o.canary.all.running.Wait()
	}
	b.err = errors.New("no route to anywhere")
	settle()
	if r := bothWays(t, o, probe.Connected, time.Minute); r.Verdict != probe.LocalError || r.Evidence == "" {
		t.Errorf("believed %s after a canary that saw nothing", r.Verdict)
	}
	if b.count() != 1 {
		t.Errorf("%d canaries at once", b.count())
	}
	// It is sent again soon, and from then on once a minute.
	b.err = nil
	for i, step := range []time.Duration{canaryRetry, canaryEvery - time.Second, time.Second, canaryEvery} {
		clk.SetTime(clk.Now().Add(step))
		settle()
		settle()
		if want := []int{2, 2, 3, 4}[i]; b.count() != want {
			t.Errorf("after step %d: %d canaries, want %d", i, b.count(), want)
		}
	}
	// What was known is believed while the next one is under way, or fails.
	b.mu.Lock()
	b.taken = true
	b.mu.Unlock()
	clk.SetTime(clk.Now().Add(canaryEvery))
	settle()
	b.mu.Lock()
	b.err, b.taken = errors.New("gone"), false
	b.mu.Unlock()
	clk.SetTime(clk.Now().Add(canaryEvery))
	settle()
	if r := bothWays(t, o, probe.Connected, time.Minute); r.Verdict != probe.Intercepted {
		t.Errorf("forgot what it knew: %s", r.Verdict)
	}

	all := o.canary.all
	all.keep(map[string]struct{}{"uid": {}})
	if all.of(canaryKey{"uid", true}) != o.canary {
		t.Error("forgotten while it is there")
	}
	all.keep(nil)
	if all.of(canaryKey{"uid", true}) == o.canary {
		t.Error("remembered after it left")
	}
}

// The end does not wait for the network.
func TestCanariesEnd(t *testing.T) {
	o, b, _ := flock(t)
	b.hold = make(chan struct{}) // never closed
	bothWays(t, o, probe.Dropped, time.Minute)
	o.canary.all.close()
	bothWays(t, o, probe.Dropped, time.Minute)
	if b.count() > 1 {
		t.Error("a canary after the end")
	}
}

func TestNamespacesThatAreNotThere(t *testing.T) {
	for reason, want := range map[netns.Reason]struct {
		verdict probe.Verdict
		reason  string
	}{
		netns.ReasonNotFound:         {probe.LocalError, ""},
		netns.ReasonPending:          {probe.LocalError, ""},
		netns.ReasonNotWanted:        {probe.LocalError, ""},
		netns.ReasonNamespaceChanged: {probe.LocalError, ""},
		netns.ReasonWrongAddress:     {probe.LocalError, ""},
		netns.ReasonFailed:           {probe.LocalError, ""},
		netns.ReasonSandboxedRuntime: {probe.Unsupported, v1alpha1.ReasonSandboxedRuntime},
		netns.ReasonHostNetwork:      {probe.Unsupported, ""},
		netns.ReasonNotPermitted:     {probe.Unsupported, ""},
		netns.ReasonUnsupported:      {probe.Unsupported, ""},
	} {
		o, b, _ := flock(t)
		o.spaces.(*spaces).pods["uid"] = &netns.Error{Reason: reason, Message: "because " + string(reason)}
		r := bothWays(t, o, probe.Connected, time.Minute)
		if r.Verdict != want.verdict || r.Reason != want.reason || r.Evidence != "because "+string(reason) {
			t.Errorf("%s: %+v", reason, r)
		}
		if !v1alpha1.Verdict(r.Verdict).IsNeutral() {
			t.Errorf("%s speaks against the path", reason)
		}
		if b.count() != 0 {
			t.Errorf("%s: a canary into nothing", reason)
		}
	}
	// Others of the same beat are probed all the same, and do not wait.
	o, _, _ := flock(t)
	gone := &origin{spaces: o.spaces, uid: "gone"}
	block, late := make(chan struct{}), make(chan probe.Verdict, 1)
	batch := &sourcedBatch{inner: instant(probe.Dropped), one: func(ctx context.Context, target probe.Target) probe.Result {
		<-block
		return sourced(seen(probe.Dropped))(ctx, target)
	}}
	var got []probe.Verdict
	start := func(e probe.Entry, done func(probe.Result)) probe.Start {
		return probe.Start{Ctx: t.Context(), Target: probe.Target{Entry: e, Timeout: time.Minute}, Done: done}
	}
	at := func(r probe.Result) { got = append(got, r.Verdict) }
	batch.Start([]probe.Start{
		start(o, at), start(gone, func(r probe.Result) { late <- r.Verdict }), start(nil, at), start(o, at),
	})
	if len(got) != 3 || got[0] != probe.Dropped {
		t.Errorf("verdicts %v", got)
	}
	close(block)
	if v := <-late; v != probe.LocalError {
		t.Errorf("a pod that is gone: %s", v)
	}
}
