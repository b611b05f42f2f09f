// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package netns

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"
)

const (
	// maxProcFile bounds what is read of a file in /proc, in bytes: a dozen
	// hierarchies with the longest path each.
	maxProcFile = 64 << 10
	// initPID is the node's first process, which is in its own namespaces.
	initPID = 1
)

// errGone says that a process has ended, or has ended but for its exit code.
var errGone = errors.New("the process has ended")

// namespaceID tells namespaces apart while they exist.
type namespaceID struct{ dev, ino uint64 }

// procfs is a mounted proc filesystem.
type procfs struct {
	root   string
	buffer []byte // of one scan at a time
}

// process is a process by its directory in /proc: whatever is read through it
// is of this process, also when its ID belongs to another by now.
type process struct {
	dir *descriptor
	pid int
}

// open opens a process; errGone if there is none.
func (p *procfs) open(pid int) (*process, error) {
	fd, err := unix.Open(filepath.Join(p.root, strconv.Itoa(pid)), unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, processError("finding a process", err)
	}
	return &process{dir: &descriptor{fd: fd}, pid: pid}, nil
}

// isolated says whether only the prober's own processes are to be seen.
func (p *procfs) isolated() bool {
	self, err := os.Readlink(filepath.Join(p.root, "self"))
	return err == nil && self == strconv.Itoa(initPID)
}

// member opens a process if it belongs to a pod; errGone if it does not, or
// not any more.
func (p *procfs) member(pid int, uid string) (*process, error) {
	proc, err := p.open(pid)
	if err != nil {
		return nil, err
	}
	var cgroups []byte
	cgroups, err = proc.read("cgroup")
	if err == nil && podOf(string(cgroups)) != uid {
		err = errGone
	}
	if err != nil {
		proc.close()
		return nil, err
	}
	return proc, nil
}

func (p *process) close() { p.dir.close() }

// openat opens something of the process; errGone if it has ended.
func (p *process) openat(name string, flags int) (int, error) {
	dir, ok := p.dir.acquire()
	if !ok {
		return -1, errGone
	}
	defer p.dir.release()
	fd, err := unix.Openat(dir, name, flags|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, processError("reading /proc/PID/"+name+" of another user", err)
	}
	return fd, nil
}

func (p *process) read(name string) ([]byte, error) {
	fd, err := p.openat(name, unix.O_RDONLY)
	if err != nil {
		return nil, err
	}
	defer func() { _ = unix.Close(fd) }()
	b, err := readAll(fd, make([]byte, maxProcFile))
	if err != nil {
		return nil, processError("reading /proc/PID/"+name+" of another user", err)
	}
	return b, nil
}

// namespace opens the network namespace that the process is in.
func (p *process) namespace() (*descriptor, namespaceID, error) {
	fd, err := p.openat("ns/net", unix.O_RDONLY)
	if err != nil {
		return nil, namespaceID{}, err
	}
	var stat unix.Stat_t
	if err := unix.Fstat(fd, &stat); err != nil {
		_ = unix.Close(fd)
		return nil, namespaceID{}, fmt.Errorf("opening a network namespace: %w", err)
	}
	return &descriptor{fd: fd}, idOf(&stat), nil
}

// in says whether the process still is in a namespace.
func (p *process) in(id namespaceID) bool {
	dir, ok := p.dir.acquire()
	if !ok {
		return false
	}
	defer p.dir.release()
	var stat unix.Stat_t
	return unix.Fstatat(dir, "ns/net", &stat, 0) == nil && idOf(&stat) == id
}

func idOf(stat *unix.Stat_t) namespaceID {
	return namespaceID{dev: stat.Dev, ino: stat.Ino}
}

// processError turns the ways in which a process can be gone into errGone, and
// a refusal into the capability that opens the files of others.
func processError(action string, err error) error {
	switch {
	case errors.Is(err, unix.ENOENT), errors.Is(err, unix.ESRCH):
		return errGone
	case errors.Is(err, unix.EACCES), errors.Is(err, unix.EPERM):
		return notPermitted(unix.CAP_SYS_PTRACE, action, err)
	default:
		return &Error{Reason: ReasonFailed, Message: action + " failed", Err: err}
	}
}

// readAll reads until the end of a file or of the buffer. A file that does not
// fit is cut off at its last whole line.
func readAll(fd int, buffer []byte) ([]byte, error) {
	n := 0
	for n < len(buffer) {
		got, err := unix.Read(fd, buffer[n:])
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if got == 0 {
			return buffer[:n], nil
		}
		n += got
	}
	return buffer[:bytes.LastIndexByte(buffer, '\n')+1], nil
}

// candidate is a process that a scan found in a pod.
type candidate struct {
	pid   int
	start uint64 // in clock ticks after boot
}

// older orders candidates: the sandbox's own process comes first.
func older(a, b candidate) int {
	switch {
	case a.start < b.start || a.start == b.start && a.pid < b.pid:
		return -1
	case a == b:
		return 0
	default:
		return 1
	}
}

// scan reads all of /proc once and returns the processes of the pods wanted.
// It reads by number, which may have changed hands when somebody uses the
// answer.
func (p *procfs) scan(wanted func(uid string) bool) (map[string][]candidate, error) {
	dir, err := os.Open(p.root)
	if err != nil {
		return nil, &Error{Reason: ReasonFailed, Message: "the list of processes cannot be read", Err: err}
	}
	names, err := dir.Readdirnames(-1)
	_ = dir.Close()
	if err != nil {
		return nil, &Error{Reason: ReasonFailed, Message: "the list of processes cannot be read", Err: err}
	}
	if p.buffer == nil {
		p.buffer = make([]byte, maxProcFile)
	}
	found := map[string][]candidate{}
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		cgroups, err := p.readFile(name + "/cgroup")
		if err != nil {
			continue // it has just ended
		}
		uid := podOf(string(cgroups))
		if uid == "" || !wanted(uid) {
			continue
		}
		stat, err := p.readFile(name + "/stat")
		if err != nil {
			continue
		}
		if start, ok := startOf(stat); ok {
			found[uid] = append(found[uid], candidate{pid: pid, start: start})
		}
	}
	return found, nil
}

func (p *procfs) readFile(name string) ([]byte, error) {
	fd, err := unix.Open(p.root+"/"+name, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	defer func() { _ = unix.Close(fd) }()
	return readAll(fd, p.buffer)
}

// startOf returns when a process began, from its /proc/PID/stat: the 22nd
// field. The second is its name in parentheses, and a process may give itself
// any name.
func startOf(stat []byte) (uint64, bool) {
	name := bytes.LastIndexByte(stat, ')')
	fields := bytes.Fields(stat[name+1:])
	if name < 0 || len(fields) < 20 {
		return 0, false
	}
	start, err := strconv.ParseUint(string(fields[19]), 10, 64)
	return start, err == nil
}
