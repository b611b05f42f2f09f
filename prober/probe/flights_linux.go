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

// flights are the probes that wait for the network: one goroutine waits for
// all, in an epoll instance that itself lies in the runtime's poller, so that
// no thread is blocked. It exists only while there is something to wait for.
type flights struct {
	// settle is called when there are events for a probe, and says whether
	// that ended it. giveUp ends it: its deadline has passed, or its context
	// ended.
	settle func(f *flight, events uint32) bool
	giveUp func(*flight)

	epoll int // the descriptor of file
	file  *os.File
	raw   syscall.RawConn
	ask   func(uintptr) bool
	// Of the goroutine that waits.
	events [64]unix.EpollEvent
	n      int // how many of them
	come   []arrival
	over   []*flight

	mu       sync.Mutex
	watching bool // there is a goroutine
	waiting  map[int32]*flight
	// nearest is no later than any deadline of those that wait.
	nearest time.Time
	// watched are the contexts whose end is listened for; ended says that one
	// ended since the goroutine last looked.
	watched map[context.Context]struct{}
	ended   bool
}

// arrival is a probe with its events.
type arrival struct {
	flight *flight
	events uint32
}

func newFlights(settle func(*flight, uint32) bool, giveUp func(*flight)) (*flights, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	if err := unix.SetNonblock(fd, true); err != nil { // for os.NewFile
		_ = unix.Close(fd)
		return nil, os.NewSyscallError("fcntl", err)
	}
	w := &flights{
		settle: settle, giveUp: giveUp, epoll: fd, file: os.NewFile(uintptr(fd), "epoll"),
		waiting: map[int32]*flight{}, watched: map[context.Context]struct{}{},
	}
	w.ask = func(uintptr) bool {
		n, err := unix.EpollWait(w.epoll, w.events[:], 0)
		w.n = max(n, 0)
		return w.n > 0 || (err != nil && !errors.Is(err, unix.EINTR))
	}
	if w.raw, err = w.file.SyscallConn(); err != nil {
		return nil, err
	}
	return w, w.file.SetReadDeadline(time.Time{}) // fails where there is no poller
}

// add waits for a probe. On an error it does not.
func (w *flights) add(f *flight) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	fd := int32(f.sock.fd)
	w.waiting[fd] = f
	event := unix.EpollEvent{Events: unix.EPOLLOUT | unix.EPOLLET, Fd: fd}
	if err := unix.EpollCtl(w.epoll, unix.EPOLL_CTL_ADD, int(fd), &event); err != nil {
		delete(w.waiting, fd)
		return err
	}
	w.listen(f.sock.ctx)
	deadline := f.sock.deadline()
	if !w.watching || deadline.Before(w.nearest) {
		w.nearest = deadline
		w.wakeAt(deadline)
	}
	if !w.watching {
		w.watching = true
		go w.watch()
	}
	return nil
}

// listen for the end of a context. Contexts serve many probes.
func (w *flights) listen(ctx context.Context) {
	if _, known := w.watched[ctx]; known || ctx.Done() == nil {
		return
	}
	w.watched[ctx] = struct{}{}
	context.AfterFunc(ctx, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.watched, ctx)
		w.ended = true
		w.wakeAt(time.Unix(1, 0))
	})
}

// wakeAt wakes the goroutine that waits.
func (w *flights) wakeAt(t time.Time) {
	// It fails only for a closed file; this one stays open.
	_ = w.file.SetReadDeadline(t)
}

// watch ends probes as their time comes until none is left.
func (w *flights) watch() {
	for more := true; more; {
		w.n = 0
		late := w.raw.Read(w.ask) != nil
		w.collect(late)
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
func (w *flights) collect(late bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.come, w.over = w.come[:0], w.over[:0]
	for i := range w.events[:w.n] {
		e := &w.events[i]
		if f := w.waiting[e.Fd]; f != nil {
			w.come = append(w.come, arrival{f, e.Events})
			delete(w.waiting, e.Fd)
		}
	}
	if !late && !w.ended {
		return
	}
	w.ended = false
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
	w.wakeAt(w.nearest)
}

// putBack waits on for a probe whose events did not mean its end.
func (w *flights) putBack(f *flight) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.waiting[int32(f.sock.fd)] = f
	if deadline := f.sock.deadline(); deadline.Before(w.nearest) {
		w.nearest = deadline
		w.wakeAt(deadline)
	}
}

// goOn says whether there is anything left to wait for.
func (w *flights) goOn() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.watching = len(w.waiting) > 0
	return w.watching
}
