// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package netns

import (
	"bytes"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// maxResolvConf bounds what is read of a resolv.conf, in bytes.
	maxResolvConf = 64 << 10
	// readTimeout bounds how long a file is waited for. A workload decides
	// what its files are: one on a filesystem that it serves itself need never
	// answer.
	readTimeout = time.Second
	// maxRaces is how often a path is walked again that changed meanwhile.
	maxRaces = 8
)

// reader reads one file of a workload at a time. Readers at the same time
// share what one reads; while a read hangs there is no second.
type reader struct {
	mu      sync.Mutex
	current *read // nil while nobody reads
}

// read is one read of the file.
type read struct {
	done    chan struct{}
	content []byte
	err     error
	hangs   bool // somebody waited in vain
}

// read returns what f returns, or an error if that takes too long.
func (r *reader) read(f func() ([]byte, error)) ([]byte, error) {
	one, err := r.join(f)
	if err != nil {
		return nil, err
	}
	timer := time.NewTimer(readTimeout)
	defer timer.Stop()
	select {
	case <-one.done:
		return bytes.Clone(one.content), one.err
	case <-timer.C:
		r.mu.Lock()
		defer r.mu.Unlock()
		one.hangs = true
		return nil, fmt.Errorf("reading it takes longer than %v", readTimeout)
	}
}

// join returns the read that is under way, or begins one.
func (r *reader) join(f func() ([]byte, error)) (*read, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if one := r.current; one != nil {
		if one.hangs {
			return nil, errors.New("an earlier attempt to read it still hangs")
		}
		return one, nil
	}
	one := &read{done: make(chan struct{})}
	r.current = one
	go func() {
		one.content, one.err = f()
		r.mu.Lock()
		r.current = nil
		r.mu.Unlock()
		close(one.done)
	}()
	return one, nil
}

// resolvConf reads the file in the process's own root. It is hostile: links
// are followed only as the process itself would, none through /proc; and it is
// looked at before it is opened, for opening alone can wait or have effects.
func (p *process) resolvConf() ([]byte, error) {
	root, err := p.openat("root", unix.O_PATH|unix.O_DIRECTORY)
	if err != nil {
		return nil, err
	}
	defer func() { _ = unix.Close(root) }()
	path, err := openInRoot(root, "etc/resolv.conf")
	if err != nil {
		return nil, err
	}
	defer func() { _ = unix.Close(path) }()
	var stat unix.Stat_t
	if err := unix.Fstat(path, &stat); err != nil {
		return nil, err
	}
	switch {
	case stat.Mode&unix.S_IFMT != unix.S_IFREG:
		return nil, errors.New("it is not a regular file")
	case stat.Size > maxResolvConf:
		return nil, errTooLarge
	}
	fd, err := unix.Open(fmt.Sprintf("/proc/thread-self/fd/%d", path), unix.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	defer func() { _ = unix.Close(fd) }()
	return readResolvConf(fd)
}

var errTooLarge = fmt.Errorf("it is larger than %d bytes", maxResolvConf)

func readResolvConf(fd int) ([]byte, error) {
	buffer := make([]byte, maxResolvConf+1)
	for n := 0; ; {
		got, err := unix.Read(fd, buffer[n:])
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return nil, err
		case got == 0:
			return bytes.Clone(buffer[:n]), nil
		default:
			if n += got; n > maxResolvConf {
				return nil, errTooLarge
			}
		}
	}
}

// openInRoot finds a file below a directory as if that were the root;
// errGone if there is none.
func openInRoot(root int, path string) (int, error) {
	how := &unix.OpenHow{
		Flags:   unix.O_PATH | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS,
	}
	for races := 0; ; races++ {
		fd, err := unix.Openat2(root, path, how)
		switch {
		case err == nil:
			return fd, nil
		case errors.Is(err, unix.EAGAIN) && races < maxRaces, errors.Is(err, unix.EINTR):
		case errors.Is(err, unix.ENOENT):
			return -1, errGone
		case errors.Is(err, unix.ENOSYS):
			return -1, &Error{Reason: ReasonUnsupported, Message: "reading a pod's files safely needs Linux 5.6 or newer", Err: err}
		case errors.Is(err, unix.ELOOP):
			return -1, errors.New("it is a link that cannot be followed")
		default:
			return -1, err
		}
	}
}
