// Package cgroup makes, empties and removes cgroups (version 1), by their path below the root of every hierarchy.
//
// The lab knows its processes by the cgroup they are in and by nothing else: a PID may be reused, a cgroup name is not.
package cgroup

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// tracking is the hierarchy in which processes are looked up; every daemon enters it before it starts.
const tracking = "/sys/fs/cgroup/pids"

// killRetry is the pause between two looks at a cgroup that is being killed.
const killRetry = 20 * time.Millisecond

// hierarchies returns where the version 1 hierarchies are mounted and, apart, the version 2 ones: a hybrid machine has
// one beside them, in which runc makes cgroups too.
func hierarchies() (v1, v2 []string, err error) {
	file, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return nil, nil, fmt.Errorf("listing cgroup hierarchies: %w", err)
	}
	defer func() { _ = file.Close() }()
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		before, after, found := strings.Cut(lines.Text(), " - ")
		fields := strings.Fields(before)
		if !found || len(fields) < 5 {
			continue
		}
		switch kind, _, _ := strings.Cut(after, " "); kind {
		case "cgroup":
			v1 = append(v1, fields[4])
		case "cgroup2":
			v2 = append(v2, fields[4])
		}
	}
	if err := lines.Err(); err != nil {
		return nil, nil, fmt.Errorf("listing cgroup hierarchies: %w", err)
	}
	if !slices.Contains(v1, tracking) {
		return nil, nil, fmt.Errorf("no cgroup v1 hierarchy at %s: the lab needs a machine booted with cgroup v1 (hybrid is fine)", tracking)
	}
	return v1, v2, nil
}

// Create makes the cgroup in every version 1 hierarchy. An existing one is left as it is.
func Create(path string) error {
	mounts, _, err := hierarchies()
	if err != nil {
		return err
	}
	for _, mount := range mounts {
		if err := os.MkdirAll(filepath.Join(mount, path), 0o755); err != nil {
			return fmt.Errorf("making cgroup %s: %w", path, err)
		}
		if _, err := os.Stat(filepath.Join(mount, "cpuset.cpus")); err == nil {
			if err := inheritCPUSet(mount, path); err != nil {
				return err
			}
		}
	}
	return nil
}

// inheritCPUSet copies CPUs and memory nodes down the path: version 1 starts a cpuset empty, and nothing can enter it then.
func inheritCPUSet(mount, path string) error {
	parent := mount
	for part := range strings.SplitSeq(strings.Trim(path, "/"), "/") {
		child := filepath.Join(parent, part)
		for _, name := range []string{"cpuset.cpus", "cpuset.mems"} {
			value, err := os.ReadFile(filepath.Join(parent, name))
			if err != nil {
				return fmt.Errorf("setting up cgroup %s: %w", path, err)
			}
			if err := os.WriteFile(filepath.Join(child, name), value, 0o644); err != nil {
				return fmt.Errorf("setting up cgroup %s: %w", path, err)
			}
		}
		parent = child
	}
	return nil
}

// Enter moves the calling process into the cgroup, for tracking only: in the other hierarchies it stays where it is.
func Enter(path string) error {
	file := filepath.Join(tracking, path, "cgroup.procs")
	if err := os.WriteFile(file, []byte("0"), 0o644); err != nil {
		return fmt.Errorf("entering cgroup %s: %w", path, err)
	}
	return nil
}

// Pids returns the processes in the cgroup and below it; none if there is no such cgroup.
func Pids(path string) ([]int, error) {
	var pids []int
	err := walk(filepath.Join(tracking, path), func(dir string) error {
		content, err := os.ReadFile(filepath.Join(dir, "cgroup.procs"))
		if gone(err) {
			return nil
		}
		if err != nil {
			return err
		}
		for field := range strings.FieldsSeq(string(content)) {
			pid, err := strconv.Atoi(field)
			if err != nil {
				return fmt.Errorf("reading cgroup.procs of %s: %w", dir, err)
			}
			if pid > 0 { // 0 stands for a process that this PID namespace does not show
				pids = append(pids, pid)
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("listing the processes of cgroup %s: %w", path, err)
	}
	return pids, nil
}

// Kill kills every process in the cgroup and below it and waits until they are gone.
func Kill(ctx context.Context, path string) error {
	for {
		pids, err := Pids(path)
		if err != nil {
			return err
		}
		if len(pids) == 0 {
			return nil
		}
		for _, pid := range pids {
			// Through a descriptor, and only if it is still in the cgroup: the number may be another process's by now.
			if err := killMember(pid, path); err != nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("cgroup %s still has processes %v: %w", path, pids, ctx.Err())
		case <-time.After(killRetry):
		}
	}
}

func killMember(pid int, path string) error {
	fd, err := unix.PidfdOpen(pid, 0)
	if errors.Is(err, unix.ESRCH) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("opening process %d of cgroup %s: %w", pid, path, err)
	}
	defer func() { _ = unix.Close(fd) }()
	content, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid)) // an error: it has ended
	if !isMember(string(content), path) {
		return nil
	}
	if err := unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0); err != nil && !errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("killing process %d of cgroup %s: %w", pid, path, err)
	}
	return nil
}

// isMember tells whether /proc/PID/cgroup shows a process in the cgroup or below it.
func isMember(procCgroup, path string) bool {
	for line := range strings.Lines(procCgroup) {
		if fields := strings.SplitN(strings.TrimSpace(line), ":", 3); len(fields) == 3 && fields[1] == "pids" {
			return fields[2] == path || strings.HasPrefix(fields[2], path+"/")
		}
	}
	return false
}

// Remove deletes the cgroup and everything below it in every hierarchy; its processes must be gone.
func Remove(path string) error {
	found, err := Existing(path)
	if err != nil {
		return err
	}
	for _, dir := range found {
		var all []string
		if err := walk(dir, func(dir string) error { all = append(all, dir); return nil }); err != nil {
			return fmt.Errorf("removing cgroup %s: %w", path, err)
		}
		for _, dir := range slices.Backward(all) {
			if err := os.Remove(dir); err != nil && !gone(err) {
				return fmt.Errorf("removing cgroup %s: %w", path, err)
			}
		}
	}
	return nil
}

// Existing returns the directories of the cgroup, one for each hierarchy that has it.
func Existing(path string) ([]string, error) {
	v1, v2, err := hierarchies()
	if err != nil {
		return nil, err
	}
	var found []string
	for _, mount := range slices.Concat(v1, v2) {
		dir := filepath.Join(mount, path)
		if _, err := os.Stat(dir); err == nil {
			found = append(found, dir)
		}
	}
	return found, nil
}

// walk visits a directory and those below it, parents first, and tolerates what vanishes meanwhile.
func walk(root string, visit func(dir string) error) error {
	return filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if gone(err) {
			return nil
		}
		if err != nil {
			return err
		}
		if !entry.IsDir() {
			return nil
		}
		return visit(path)
	})
}

// gone tells whether an error means that a cgroup has been removed: its open files answer ENODEV.
func gone(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENODEV)
}
