// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package prober

import (
	"context"
	"net/netip"
	"sync"
	"time"

	"k8s.io/utils/clock"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/prober/probe"
)

const (
	// canaryEvery is how old what a canary saw may become.
	canaryEvery = time.Minute
	// canaryRetry is when one that saw nothing is sent again.
	canaryRetry = 5 * time.Second
	// canaryTimeout: whatever takes every connection is within the pod, and
	// answers at once.
	canaryTimeout = 200 * time.Millisecond
	// maxCanaries bounds how many are under way.
	maxCanaries = 32
)

// canaries find out in which pods something takes every connection, such as
// the sidecar of a service mesh: there a connection says nothing about the
// path. Each pod that has connections to judge dials, once a minute and IP
// family, an address that is reserved for documentation and that nobody has.
// That shows in the logs of what drops it, if that logs at all. Canaries run
// beside the probes: only the first connection from a pod waits for one, no
// longer than its probe might have taken anyway.
type canaries struct {
	dial  func(ctx context.Context, entry probe.Entry, source netip.Addr, timeout time.Duration) (bool, error)
	clock clock.PassiveClock

	ctx     context.Context
	cancel  context.CancelFunc
	running sync.WaitGroup
	places  chan struct{}

	mu    sync.Mutex
	known map[canaryKey]*canary
}

type canaryKey struct {
	pod string
	v4  bool
}

// canary of one pod and IP family. All of it is guarded by canaries.mu.
type canary struct {
	all     *canaries
	known   bool          // taken is known
	taken   bool          // something takes every connection
	pending chan struct{} // closed when the one that is under way ends
	next    time.Time     // when to look again
	failure string        // why it is not known
}

func newCanaries(c clock.PassiveClock) *canaries {
	all := &canaries{dial: probe.Canary, clock: c, places: make(chan struct{}, maxCanaries), known: map[canaryKey]*canary{}}
	all.ctx, all.cancel = context.WithCancel(context.Background())
	return all
}

// of returns the canary of a pod for the IP family of one of its addresses.
func (a *canaries) of(k canaryKey) *canary {
	a.mu.Lock()
	defer a.mu.Unlock()
	c := a.known[k]
	if c == nil {
		c = &canary{all: a}
		a.known[k] = c
	}
	return c
}

// keep forgets what is known of all other pods.
func (a *canaries) keep(pods map[string]struct{}) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for k := range a.known {
		if _, stays := pods[k.pod]; !stays {
			delete(a.known, k)
		}
	}
}

// close ends those that are under way.
func (a *canaries) close() {
	a.cancel()
	a.running.Wait()
}

// look sends a canary if it is time for one, and does not wait for it.
func (c *canary) look(entry probe.Entry, source netip.Addr) {
	if c == nil {
		return
	}
	a := c.all
	a.mu.Lock()
	defer a.mu.Unlock()
	if c.pending != nil || a.clock.Now().Before(c.next) || a.ctx.Err() != nil {
		return
	}
	c.pending = make(chan struct{})
	a.running.Go(func() { c.fly(entry, source) })
}

func (c *canary) fly(entry probe.Entry, source netip.Addr) {
	a := c.all
	a.places <- struct{}{}
	taken, err := a.dial(a.ctx, entry, source, canaryTimeout)
	<-a.places
	a.mu.Lock()
	defer a.mu.Unlock()
	close(c.pending)
	c.pending = nil
	if err != nil {
		// What it knew before it still believes.
		c.next, c.failure = a.clock.Now().Add(canaryRetry), err.Error()
		return
	}
	c.next, c.known, c.taken, c.failure = a.clock.Now().Add(canaryEvery), true, taken, ""
}

// clear reports whether connections of this pod are known to be its own.
func (c *canary) clear() bool {
	if c == nil {
		return true
	}
	c.all.mu.Lock()
	defer c.all.mu.Unlock()
	return c.known && !c.taken
}

// state returns what is known, and what to wait for where nothing is.
func (c *canary) state() (known, taken bool, pending <-chan struct{}, failure string) {
	c.all.mu.Lock()
	defer c.all.mu.Unlock()
	return c.known, c.taken, c.pending, c.failure
}

// doubts reports whether a verdict may be the doing of what takes every
// connection. From such a pod nothing proves a Deny: what takes connections
// may refuse them too. A request that is answered as it should be was answered
// by the target.
func (o *origin) doubts(v v1alpha1.Verdict) bool {
	switch {
	case o.canary == nil || v.IsNeutral():
		return false
	case o.layer7:
		return o.deny && v != v1alpha1.VerdictConnected
	default:
		return o.deny || v.Opens()
	}
}

// believe returns what is left of a result that is in doubt. Where the way
// looks open it waits until the canary knows better, at most for patience.
func (o *origin) believe(ctx context.Context, r probe.Result, patience time.Duration) probe.Result {
	known, taken, pending, failure := o.canary.state()
	if !known && v1alpha1.Verdict(r.Verdict).Opens() {
		if pending != nil {
			ctx, cancel := context.WithTimeout(ctx, max(patience, 0))
			defer cancel()
			select {
			case <-pending:
			case <-ctx.Done():
			}
			known, taken, _, failure = o.canary.state()
		}
		if !known {
			r.Verdict = probe.LocalError
			r.Evidence = "it is not known yet whether something in the pod takes every connection"
			if failure != "" {
				r.Evidence += ": " + failure
			}
			return r
		}
	}
	if taken {
		r.Evidence = "something in the pod, such as a sidecar, takes every connection; the probe saw " + string(r.Verdict)
		r.Verdict = probe.Intercepted
	}
	return r
}
