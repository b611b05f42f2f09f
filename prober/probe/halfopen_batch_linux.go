// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// halfOpens makes half-open probes. Those that start at one address of one
// network namespace share a raw socket while any of them is under way, and no
// longer: it would keep the namespace of a dead pod, and it costs the pod a
// look at each of its own packets.
type halfOpens struct {
	poller *poller

	// Of the goroutine that calls Start.
	visits visits
	begun  []*halfOpen // those of visits, in its order
	// The sockets that it made and holds, for which the poller does not wait
	// yet.
	made  []*synSocket
	polls []unix.PollFd // of made, in its order
	ended []*halfOpen

	mu       sync.Mutex
	contexts contexts
	watching bool // somebody waits
	// nearest is no later than any next of the probes.
	nearest time.Time
	flights int
	sockets map[int32]*synSocket // those that are open, by descriptor
	shared  map[synKey]*synSocket
	free    []*halfOpen
}

func newHalfOpens() (*halfOpens, error) {
	p, err := newPoller()
	if err != nil {
		return nil, fmt.Errorf("batch of half-open probes: %w", err)
	}
	b := &halfOpens{poller: p, sockets: map[int32]*synSocket{}, shared: map[synKey]*synSocket{}}
	b.contexts = newContexts(&b.mu, p)
	return b, nil
}

func newHalfOpenBatch() (Batch, error) {
	b, err := newHalfOpens()
	if err != nil {
		return nil, err
	}
	return b, nil
}

// close is for when no probe is under way.
func (b *halfOpens) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.contexts.forget()
	b.poller.close()
}

// Start implements Batch.
func (b *halfOpens) Start(starts []Start) {
	for i := range starts {
		s := &starts[i]
		if s.Target.Host.Name != "" {
			// To look a name up takes time that the others must not wait for.
			start := *s
			go func() { start.Done(probeTCPHalfOpen(start.Ctx, start.Target)) }()
			continue
		}
		h := b.take()
		h.done = s.Done
		h.run = run{began: time.Now(), target: s.Target, phases: h.phases[:0]}
		h.sock = newSock(s.Ctx, overRawTCP, s.Target.origin(), s.Target.Addr, s.Target.Timeout)
		if res, ok := h.run.check(); !ok {
			h.result = res
			b.end([]*halfOpen{h})
			continue
		}
		b.ready(h)
	}
	b.launch()
	if b.landed() {
		go b.watch()
	}
}

// ready lines a probe up for launch.
func (b *halfOpens) ready(h *halfOpen) {
	b.begun = append(b.begun, h)
	b.visits.add(&h.run.target)
}

// launch sends the SYNs of those that are ready.
func (b *halfOpens) launch() {
	b.visits.each(func(i int) {
		h := b.begun[i]
		if op, err := b.open(h); err != nil {
			h.refused = h.sock.localFault(op, err)
		}
	}, func(i int, err error) { b.begun[i].refused = b.begun[i].sock.localFault(opEnter, err) })
	for _, h := range b.begun {
		b.begin(h)
	}
	clear(b.begun)
	b.begun = b.begun[:0]
}

// begin sends the SYN of a probe. What has come for others meanwhile is taken
// too: it must not wait until all have begun, which would count as latency.
func (b *halfOpens) begin(h *halfOpen) {
	if h.run.resolved == 0 {
		h.run.began = time.Now()
	}
	f := h.refused
	switch {
	case h.sock.ctx.Err() != nil:
		f = h.sock.fault(faultCanceled, "connect", 0)
	case f == nil:
		f = h.prepare()
	}
	a := arrivals{b, b.ended[:0]}
	b.mu.Lock()
	if f == nil {
		f = b.depart(h, &a)
	}
	if f != nil {
		h.failed(f)
		a.add(h)
	}
	b.mu.Unlock()
	if n, err := unix.Poll(b.polls, 0); n > 0 && err == nil {
		b.mu.Lock()
		for i, c := range b.made {
			if events := b.polls[i].Revents; events != 0 {
				c.drain(&a, events&unix.POLLERR != 0)
			}
		}
		b.mu.Unlock()
	}
	b.end(a.ended)
	b.ended = a.ended
}

// open makes the sockets of a probe in the namespace of this thread: the one
// for the port and, where there is none to share, the raw one.
func (b *halfOpens) open(h *halfOpen) (op string, err error) {
	s := &h.sock
	domain, _, _ := s.family()
	const flags = unix.SOCK_NONBLOCK | unix.SOCK_CLOEXEC
	if s.fd, err = unix.Socket(domain, unix.SOCK_STREAM|flags, unix.IPPROTO_TCP); err != nil {
		return "socket", err
	}
	key := synKey{source: s.from.source}
	// Older kernels do not know; then it stays 0.
	key.cookie, _ = unix.GetsockoptUint64(s.fd, unix.SOL_SOCKET, unix.SO_NETNS_COOKIE)
	if !key.source.IsValid() {
		if key.source, op, err = sourceToward(s); err != nil {
			return op, err
		}
	}
	if h.socket = b.share(key); h.socket != nil {
		return "", nil
	}
	raw, err := unix.Socket(domain, unix.SOCK_RAW|flags, unix.IPPROTO_TCP)
	if err != nil {
		return "socket", err
	}
	c := &synSocket{fd: raw, key: key, born: time.Now(), users: 1, flights: map[uint16]*halfOpen{}}
	if op, err = c.open(); err != nil {
		_ = unix.Close(raw)
		return op, err
	}
	h.socket = c
	b.hold(c)
	return "", nil
}

// share returns a socket for one more user; nil where a new one is needed.
func (b *halfOpens) share(key synKey) *synSocket {
	b.mu.Lock()
	defer b.mu.Unlock()
	c := b.shared[key]
	if c == nil {
		return nil
	}
	if !c.joinable(time.Now()) {
		delete(b.shared, key)
		return nil
	}
	c.users++
	return c
}

// hold keeps a new socket until all have begun.
func (b *halfOpens) hold(c *synSocket) {
	c.users++
	b.made = append(b.made, c)
	b.polls = append(b.polls, unix.PollFd{Fd: int32(c.fd), Events: unix.POLLIN})
	b.mu.Lock()
	defer b.mu.Unlock()
	b.sockets[int32(c.fd)] = c
	if c.key.cookie != 0 {
		b.shared[c.key] = c
	}
}

// letGo ends one use of a socket; mu is held.
func (b *halfOpens) letGo(c *synSocket) {
	if c.users--; c.users > 0 {
		return
	}
	delete(b.sockets, int32(c.fd))
	if b.shared[c.key] == c {
		delete(b.shared, c.key)
	}
	_ = unix.Close(c.fd)
}

// depart sends the first SYN of a probe, which may be answered before it
// returns; mu is held.
func (b *halfOpens) depart(h *halfOpen, a *arrivals) *fault {
	h.socket.flights[h.syn.source.Port()] = h
	b.flights++
	h.sock.began = time.Now()
	if f := b.transmit(h, a); f != nil {
		return f
	}
	b.contexts.listen(h.sock.ctx)
	return nil
}

// transmit sends the SYN; mu is held.
func (b *halfOpens) transmit(h *halfOpen, a *arrivals) *fault {
	err := h.socket.send(h, a)
	if h.socket.flights[h.syn.source.Port()] != h {
		return nil // it has ended already
	}
	// What follows a refusal of the own host may be an ICMP error, or nothing.
	if h.denied = errors.Is(err, unix.EPERM); err != nil && !h.denied {
		return h.sock.localFault("send", err)
	}
	h.plan()
	if b.flights == 1 || h.next.Before(b.nearest) {
		b.nearest = h.next
		b.contexts.wakeAt(h.next)
	}
	return nil
}

// landed lets the poller wait for the sockets that were made. It says whether
// the caller has to see to it that somebody waits.
func (b *halfOpens) landed() bool {
	a := arrivals{b, b.ended[:0]}
	b.mu.Lock()
	for _, c := range b.made {
		if c.users > 1 {
			b.wait(c, &a)
		}
		b.letGo(c)
	}
	clear(b.made)
	b.made, b.polls = b.made[:0], b.polls[:0]
	idle := b.flights > 0 && !b.watching
	if b.flights == 0 && b.watching {
		b.poller.wakeAt(time.Unix(1, 0)) // it waits for nothing
	}
	b.watching = b.watching || idle
	b.mu.Unlock()
	b.end(a.ended)
	b.ended = a.ended
	return idle
}

// wait for what comes to a socket; mu is held.
func (b *halfOpens) wait(c *synSocket, a *arrivals) {
	// Not edge-triggered: not all that has come may be looked at at once.
	err := b.poller.add(c.fd, unix.EPOLLIN)
	if err == nil {
		return
	}
	for _, h := range c.flights {
		h.failed(h.sock.localFault("epoll_ctl", err))
		a.add(h)
	}
}
