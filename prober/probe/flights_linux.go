// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// flights are the probes that wait for the network: one goroutine waits for
// all. It exists only while there is something to wait for.
type flights struct {
	// settle is called when there are events for a probe, and says whether
	// that ended it. giveUp ends it: its deadline has passed, or its context
	// ended.
	settle func(f *flight, events uint32) bool
	giveUp func(*flight)

	poller *poller
	// Of the goroutine that waits.
	come []arrival
	over []*flight

	mu       sync.Mutex
	contexts contexts
	watching bool // there is a goroutine
	waiting  map[int32]*flight
	// nearest is no later than any deadline of those that wait.
	nearest time.Time
}

// arrival is a probe with its events.
type arrival struct {
	flight *flight
	events uint32
}

func newFlights(settle func(*flight, uint32) bool, giveUp func(*flight)) (*flights, error) {
	p, err := newPoller()
	if err != nil {
		return nil, err
	}
	w := &flights{settle: settle, giveUp: giveUp, poller: p, waiting: map[int32]*flight{}}
	w.contexts = newContexts(&w.mu, p)
	return w, nil
}

// add waits for a probe. On an error it does not.
func (w *flights) add(f *flight) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	fd := int32(f.sock.fd)
	w.waiting[fd] = f
	if err := w.poller.add(f.sock.fd, unix.EPOLLOUT|unix.EPOLLET); err != nil {
		delete(w.waiting, fd)
		return err
	}
	w.contexts.listen(f.sock.ctx)
	deadline := f.sock.deadline()
	if !w.watching || deadline.Before(w.nearest) {
		w.nearest = deadline
		w.contexts.wakeAt(deadline)
	}
	if !w.watching {
		w.watching = true
		go w.watch()
	}
	return nil
}

// watch ends probes as their time comes until none is left.
func (w *flights) watch() {
	for more := true; more; {
		w.collect(w.poller.wait())
		for _, a := range w.come {
			if !w.settle(a.flight, a.events) {
				w.putBack(a.flight)
			}
		}
		for _, f := range w.over {
			w.giveUp(f)
		}
		clear(w.come)
		clear(w.over)
		more = w.goOn()
	}
}

// collect takes those out that had events, and, where a deadline has passed,
// those whose time or context is over.
func (w *flights) collect(events []unix.EpollEvent, late bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.come, w.over = w.come[:0], w.over[:0]
	for _, e := range events {
		if f := w.waiting[e.Fd]; f != nil {
			w.come = append(w.come, arrival{f, e.Events})
			delete(w.waiting, e.Fd)
		}
	}
	if !late && !w.contexts.ended {
		return
	}
	w.contexts.ended = false
	now := time.Now()
	w.nearest = now.Add(time.Hour)
	for fd, f := range w.waiting {
		deadline := f.sock.deadline()
		if !deadline.After(now) || f.sock.ctx.Err() != nil {
			w.over = append(w.over, f)
			delete(w.waiting, fd)
		} else if deadline.Before(w.nearest) {
			w.nearest = deadline
		}
	}
	w.contexts.wakeAt(w.nearest)
}

// putBack waits on for a probe whose events did not mean its end.
func (w *flights) putBack(f *flight) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.waiting[int32(f.sock.fd)] = f
	if deadline := f.sock.deadline(); deadline.Before(w.nearest) {
		w.nearest = deadline
		w.contexts.wakeAt(deadline)
	}
}

// goOn says whether there is anything left to wait for.
func (w *flights) goOn() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.watching = len(w.waiting) > 0
	return w.watching
}
