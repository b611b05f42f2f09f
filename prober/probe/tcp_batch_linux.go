// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"fmt"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// tcpBatch makes TCP probes. With a goroutine for each, each would cost a
// wake-up, which is more than the probe.
type tcpBatch struct {
	// Of the goroutine that calls Start.
	visits visits
	ready  []*flight // those of visits, in its order
	begun  []*flight
	polls  []unix.PollFd // of begun, in its order

	waiting *flights

	mu   sync.Mutex
	free []*flight
}

// flight is one probe under way.
type flight struct {
	run    run
	sock   sock
	done   func(Result)
	phases [1]Phase
	// refused is why there is no socket.
	refused *fault
}

func newTCPBatch() (Batch, error) {
	b := &tcpBatch{}
	waiting, err := newFlights(b.settle, b.giveUp)
	if err != nil {
		return nil, fmt.Errorf("batch of TCP probes: %w", err)
	}
	b.waiting = waiting
	return b, nil
}

// Start implements Batch.
func (b *tcpBatch) Start(starts []Start) {
	for i := range starts {
		b.prepare(&starts[i])
	}
	b.visits.each(func(i int) {
		s := &b.ready[i].sock
		if op, err := s.create(); err != nil {
			b.ready[i].refused = s.localFault(op, err)
		}
	}, func(i int, err error) { b.ready[i].refused = b.ready[i].sock.localFault(opEnter, err) })
	for _, f := range b.ready {
		b.launch(f)
		// An answer must not wait until the other probes have begun: that
		// would count as latency.
		b.look()
	}
	for _, f := range b.begun {
		if err := b.waiting.add(f); err != nil {
			b.fail(f, f.sock.localFault("epoll_ctl", err))
		}
	}
	clear(b.ready)
	clear(b.begun)
	b.ready, b.begun, b.polls = b.ready[:0], b.begun[:0], b.polls[:0]
}

// prepare lines a probe up for what must be done in its namespace.
func (b *tcpBatch) prepare(s *Start) {
	if s.Target.Host.Name != "" {
		// To look a name up takes time that the others must not wait for.
		start := *s
		go func() { start.Done(probeTCP(start.Ctx, start.Target)) }()
		return
	}
	f := b.take()
	f.done = s.Done
	f.run = run{began: time.Now(), target: s.Target, phases: f.phases[:0]}
	f.sock = newSock(s.Ctx, overTCP, s.Target.origin(), s.Target.Addr, s.Target.Timeout)
	if res, ok := f.run.check(); !ok {
		b.end(f, res)
		return
	}
	b.ready = append(b.ready, f)
	b.visits.add(&s.Target)
}

// launch begins a probe.
func (b *tcpBatch) launch(f *flight) {
	f.run.began = time.Now()
	fault := f.refused
	if fault == nil {
		fault = f.sock.launch()
	}
	if fault != nil {
		b.fail(f, fault)
		return
	}
	b.begun = append(b.begun, f)
	b.polls = append(b.polls, unix.PollFd{Fd: int32(f.sock.fd), Events: unix.POLLOUT})
}

// look ends those begun probes that have settled.
func (b *tcpBatch) look() {
	if n, err := unix.Poll(b.polls, 0); n <= 0 || err != nil {
		return
	}
	kept := 0
	for i, f := range b.begun {
		if p := b.polls[i]; p.Revents == 0 || !b.settle(f, uint32(p.Revents)) {
			b.begun[kept], b.polls[kept] = f, p
			kept++
		}
	}
	clear(b.begun[kept:])
	b.begun, b.polls = b.begun[:kept], b.polls[:kept]
}

// settle ends a probe for which there were events, if they mean its end.
func (b *tcpBatch) settle(f *flight, events uint32) bool {
	if events&(unix.POLLERR|unix.POLLHUP) != 0 {
		settled, fault := f.sock.settled()
		if !settled {
			return false
		}
		if fault != nil {
			b.fail(f, fault)
			return true
		}
	}
	b.connected(f)
	return true
}

// giveUp ends a probe whose time or context has ended; what has come by now
// still counts.
func (b *tcpBatch) giveUp(f *flight) {
	settled, fault := f.sock.settled()
	if !settled {
		fault = f.sock.waitFault("connect", unix.ETIMEDOUT)
	}
	if fault != nil {
		b.fail(f, fault)
		return
	}
	b.connected(f)
}

func (b *tcpBatch) connected(f *flight) { b.end(f, f.run.connected(&f.sock)) }

func (b *tcpBatch) fail(f *flight, fault *fault) { b.end(f, f.run.fail(fault)) }

// end gives everything back before anybody is told.
func (b *tcpBatch) end(f *flight, res Result) {
	f.sock.close()
	f.done(res)
	*f = flight{}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.free = append(b.free, f)
}

func (b *tcpBatch) take() *flight {
	b.mu.Lock()
	defer b.mu.Unlock()
	if n := len(b.free); n > 0 {
		f := b.free[n-1]
		b.free = b.free[:n-1]
		return f
	}
	return new(flight)
}
