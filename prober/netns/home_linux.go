// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package netns

import (
	"errors"
	"fmt"
	"runtime"
	"sync"

	"golang.org/x/sys/unix"
)

// descriptor is a file descriptor that is closed when the last use has ended.
type descriptor struct {
	fd     int
	mu     sync.Mutex
	uses   int
	closed bool
}

// acquire returns the descriptor for use until release, or false if it is
// closed.
func (d *descriptor) acquire() (fd int, ok bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return -1, false
	}
	d.uses++
	return d.fd, true
}

// release ends a use.
func (d *descriptor) release() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.uses--
	d.closeUnused()
}

// close closes the descriptor, or leaves that to the last use.
func (d *descriptor) close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.closed {
		d.closed = true
		d.closeUnused()
	}
}

func (d *descriptor) closeUnused() {
	if d.closed && d.uses == 0 {
		_ = unix.Close(d.fd)
	}
}

// home is the prober's own network namespace: where threads return to.
type home struct {
	*descriptor
	setns func(fd int) error // replaced in tests
}

func newHome() (*home, error) {
	fd, err := unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &Error{Reason: ReasonFailed, Message: "the prober's own network namespace cannot be opened", Err: err}
	}
	return &home{descriptor: &descriptor{fd: fd}, setns: func(fd int) error { return unix.Setns(fd, unix.CLONE_NEWNET) }}, nil
}

// enter runs f on a thread that is in the namespace of a descriptor and
// returns f's error, or an *Error.
func (h *home) enter(namespace *descriptor, f func() error) error {
	fd, ok := namespace.acquire()
	if !ok {
		return errClosed
	}
	defer namespace.release()
	back, ok := h.acquire()
	if !ok {
		return errClosed
	}
	defer h.release()
	return h.run(fd, back, f)
}

// errClosed is what enter returns for what was closed before.
var errClosed = &Error{Reason: ReasonNotWanted, Message: "the network namespace is not held any more"}

func (h *home) run(fd, back int, f func() error) error {
	runtime.LockOSThread()
	if err := h.setns(fd); err != nil {
		runtime.UnlockOSThread()
		return notEntered(err)
	}
	defer h.leave(back)
	return f()
}

// leave brings the thread home. If there is no way back the goroutine stays on
// its thread and panics: going on would probe from a place that nobody asked
// for, and call the result the prober's own.
func (h *home) leave(back int) {
	var err error
	for range 3 {
		if err = h.setns(back); err == nil {
			runtime.UnlockOSThread()
			return
		}
	}
	panic(fmt.Sprintf("no way back into the prober's network namespace: %v", err))
}

func notEntered(err error) *Error {
	if errors.Is(err, unix.EPERM) {
		return notPermitted(unix.CAP_SYS_ADMIN, "entering a network namespace", err)
	}
	return &Error{Reason: ReasonFailed, Message: "the network namespace cannot be entered", Err: err}
}
