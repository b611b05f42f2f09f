// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"context"
	"errors"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// poller waits for many descriptors, in an epoll instance that itself lies in
// the runtime's poller, so that no thread is blocked. One goroutine at a time
// waits.
type poller struct {
	epoll  int // the descriptor of file
	file   *os.File
	raw    syscall.RawConn
	ask    func(uintptr) bool
	events [64]unix.EpollEvent
	n      int // how many of them
}

func newPoller() (*poller, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	if err := unix.SetNonblock(fd, true); err != nil { // for os.NewFile
		_ = unix.Close(fd)
		return nil, os.NewSyscallError("fcntl", err)
	}
	p := &poller{epoll: fd, file: os.NewFile(uintptr(fd), "epoll")}
	p.ask = func(uintptr) bool {
		n, err := unix.EpollWait(p.epoll, p.events[:], 0)
		p.n = max(n, 0)
		return p.n > 0 || (err != nil && !errors.Is(err, unix.EINTR))
	}
	if p.raw, err = p.file.SyscallConn(); err == nil {
		err = p.file.SetReadDeadline(time.Time{}) // fails where there is no poller
	}
	if err != nil {
		_ = p.file.Close()
		return nil, err
	}
	return p, nil
}

// add waits for a descriptor from now on, until it is closed.
func (p *poller) add(fd int, events uint32) error {
	return unix.EpollCtl(p.epoll, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: events, Fd: int32(fd)})
}

// wait returns what has come, and whether it was woken by wakeAt instead.
func (p *poller) wait() (events []unix.EpollEvent, late bool) {
	p.n = 0
	late = p.raw.Read(p.ask) != nil
	return p.events[:p.n], late
}

// wakeAt wakes who waits.
func (p *poller) wakeAt(t time.Time) {
	// It fails only for a closed file: then nobody waits.
	_ = p.file.SetReadDeadline(t)
}

func (p *poller) close() { _ = p.file.Close() }

// contexts are those whose end wakes a poller. They serve many probes.
type contexts struct {
	// mu guards what follows, and the time that the poller is to be woken at.
	mu      *sync.Mutex
	poller  *poller
	watched map[context.Context]func() bool
	// ended says that one ended since it was last looked.
	ended bool
}

func newContexts(mu *sync.Mutex, p *poller) contexts {
	return contexts{mu: mu, poller: p, watched: map[context.Context]func() bool{}}
}

// listen for the end of a context; mu is held.
func (c *contexts) listen(ctx context.Context) {
	if _, known := c.watched[ctx]; known || ctx.Done() == nil {
		return
	}
	c.watched[ctx] = context.AfterFunc(ctx, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.watched, ctx)
		c.ended = true
		c.poller.wakeAt(time.Unix(1, 0))
	})
}

// wakeAt wakes the poller then, unless it is to be woken now because a context
// has ended: that must not be put off. mu is held.
func (c *contexts) wakeAt(t time.Time) {
	if !c.ended {
		c.poller.wakeAt(t)
	}
}

// forget listens to none of them any more; mu is held.
func (c *contexts) forget() {
	for _, stop := range c.watched {
		stop()
	}
	clear(c.watched)
}
