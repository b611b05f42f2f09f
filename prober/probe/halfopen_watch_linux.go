// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"time"

	"golang.org/x/sys/unix"
)

// watch ends probes as their time comes until none is left.
func (b *halfOpens) watch() {
	a := arrivals{batch: b}
	for more := true; more; {
		events, late := b.poller.wait()
		b.mu.Lock()
		b.look(events, &a)
		if late || b.contexts.ended {
			b.sweep(&a)
		}
		more = b.flights > 0
		b.watching = more
		b.mu.Unlock()
		b.end(a.ended)
		clear(a.ended)
		a.ended = a.ended[:0]
	}
}

// look takes what has come; mu is held.
func (b *halfOpens) look(events []unix.EpollEvent, a *arrivals) {
	for _, e := range events {
		if c := b.sockets[e.Fd]; c != nil {
			c.drain(a, e.Events&unix.EPOLLERR != 0)
		}
	}
}

// sweep does what is to be done now: SYNs are sent again, and probes end whose
// time or context is over; mu is held.
func (b *halfOpens) sweep(a *arrivals) {
	b.contexts.ended = false
	now := time.Now()
	b.nearest = now.Add(time.Hour)
	for _, c := range b.sockets {
		looked := false
		for port, h := range c.flights {
			if h.next.After(now) && h.sock.ctx.Err() == nil {
				continue
			}
			if !looked {
				// It may have come while the process was not running.
				c.lookLast(a)
				looked = true
			}
			if c.flights[port] == h {
				b.due(h, now, a)
			}
		}
		for _, h := range c.flights {
			if h.next.Before(b.nearest) {
				b.nearest = h.next
			}
		}
	}
	b.contexts.wakeAt(b.nearest)
}

// due is for a probe whose time has come; mu is held.
func (b *halfOpens) due(h *halfOpen, now time.Time, a *arrivals) {
	var f *fault
	if h.sock.ctx.Err() != nil || !now.Before(h.sock.deadline()) {
		f = h.sock.waitFault("receive", unix.ETIMEDOUT)
	} else {
		f = b.transmit(h, a)
	}
	if f != nil {
		h.failed(f)
		a.add(h)
	}
}

// arrivals are probes that have ended, of which nobody is told yet.
type arrivals struct {
	batch *halfOpens
	ended []*halfOpen
}

// add takes a probe away from its socket; the batch's mu is held.
func (a *arrivals) add(h *halfOpen) {
	a.ended = append(a.ended, h)
	c := h.socket
	if c == nil {
		return
	}
	if port := h.syn.source.Port(); c.flights[port] == h {
		delete(c.flights, port)
		a.batch.flights--
	}
	a.batch.letGo(c)
}

// end gives everything back before anybody is told.
func (b *halfOpens) end(ended []*halfOpen) {
	for _, h := range ended {
		h.sock.close()
	}
	for _, h := range ended {
		h.done(h.result)
		*h = halfOpen{}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.free = append(b.free, ended...)
}

func (b *halfOpens) take() *halfOpen {
	b.mu.Lock()
	defer b.mu.Unlock()
	if n := len(b.free); n > 0 {
		h := b.free[n-1]
		b.free = b.free[:n-1]
		return h
	}
	return new(halfOpen)
}
