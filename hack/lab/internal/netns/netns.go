// Package netns makes, enters and removes network namespaces that have a name in the file system.
package netns

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"
)

// Ensure makes a network namespace at path unless there is one.
func Ensure(path string) error {
	if Exists(path) {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("making network namespace %s: %w", path, err)
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDONLY, 0o444)
	if err != nil {
		return fmt.Errorf("making network namespace %s: %w", path, err)
	}
	_ = file.Close()
	done := make(chan error)
	go func() {
		// Never unlocked: the thread is in a namespace of its own now and ends with the goroutine.
		runtime.LockOSThread()
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			done <- err
			return
		}
		done <- unix.Mount(threadNetns(), path, "", unix.MS_BIND, "")
	}()
	if err := <-done; err != nil {
		return fmt.Errorf("making network namespace %s: %w", path, err)
	}
	return nil
}

// Link makes a symbolic link to a namespace where others look for it.
func Link(path, link string) error {
	if target, err := os.Readlink(link); err == nil && target == path {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(link), 0o755); err != nil {
		return fmt.Errorf("linking to network namespace %s: %w", path, err)
	}
	if err := os.Symlink(path, link); err != nil {
		return fmt.Errorf("linking to network namespace %s: %w", path, err)
	}
	return nil
}

// Exists tells whether path is a network namespace (and not the empty file that a crash may leave).
func Exists(path string) bool {
	var stat unix.Statfs_t
	return unix.Statfs(path, &stat) == nil && stat.Type == unix.NSFS_MAGIC
}

// Remove takes the namespace's name, or a link to it, away; the namespace ends with the last process in it.
func Remove(path string) error {
	// Whoever repeated the mount (a crash between two steps) gets it undone as often.
	for {
		err := unix.Unmount(path, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW)
		if err == nil {
			continue
		}
		if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOENT) {
			break
		}
		return fmt.Errorf("unmounting network namespace %s: %w", path, err)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("removing network namespace %s: %w", path, err)
	}
	return nil
}

// List returns the paths in root whose name starts with prefix.
func List(root, prefix string) ([]string, error) {
	entries, err := os.ReadDir(root)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("listing network namespaces: %w", err)
	}
	var found []string
	for _, entry := range entries {
		if strings.HasPrefix(entry.Name(), prefix) {
			found = append(found, filepath.Join(root, entry.Name()))
		}
	}
	return found, nil
}

// Do runs a function on a thread that is inside the namespace. Sockets it opens and files below /proc/sys/net that it
// touches are the namespace's; goroutines it starts are not inside.
func Do(path string, do func() error) error {
	done := make(chan error)
	go func() {
		// Never unlocked: the runtime ends a thread whose goroutine ends so, and nothing else ever runs in the namespace.
		runtime.LockOSThread()
		if err := enter(path); err != nil {
			done <- err
			return
		}
		done <- do()
	}()
	return <-done
}

// enter moves the calling thread into the namespace; the caller has locked it and does not come back.
func enter(path string) error {
	file, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("opening network namespace: %w", err)
	}
	defer func() { _ = file.Close() }()
	if err := unix.Setns(int(file.Fd()), unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("entering network namespace %s: %w", path, err)
	}
	return nil
}

func threadNetns() string { return fmt.Sprintf("/proc/self/task/%d/ns/net", unix.Gettid()) }
