// Package nodeinit is the first process of a node: it gives the node a file system of its own where that matters, and
// then reaps orphans until it is killed, which ends the node.
package nodeinit

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/netladder/netladder/hack/lab/internal/layout"
)

// Command is the lab's hidden command that calls Run.
const Command = "internal-node-init"

// Node says which node to be.
type Node struct {
	Lab      layout.Lab
	Name     string
	Binaries string // directory of the components
}

// ReadyFile appears in the state directory when the node's file system is complete.
func ReadyFile(lab layout.Lab, node string) string { return lab.Path("nodes", node, "ready") }

// BinDir is where the components are inside a node: their directory may lie where the node has its own file system.
func BinDir(lab layout.Lab) string { return lab.Path("bin") }

// persistent lists the directories below /var/lib that a node keeps over a power-off.
var persistent = []string{"containerd", "kubelet", "cni"}

// tunables are the kernel parameters that the kubelet insists on. They belong to the whole machine, so that a node gets
// files with these values in their place and the machine keeps its own.
var tunables = map[string]string{
	"vm/overcommit_memory": "1", "vm/panic_on_oom": "0",
	"kernel/panic": "10", "kernel/panic_on_oops": "1",
	"kernel/keys/root_maxkeys": "1000000", "kernel/keys/root_maxbytes": "25000000",
}

// Run sets the node up and stays. The process must be PID 1 of a PID namespace and alone in a mount and a UTS namespace.
func Run(ctx context.Context, node Node) error {
	if os.Getpid() != 1 {
		return errors.New("not the first process of a PID namespace: `lab up` starts this")
	}
	for _, step := range []func(Node) error{isolate, releaseNamespaces, mountVar, mountTunables, announce} {
		if err := step(node); err != nil {
			return fmt.Errorf("node %s: %w", node.Name, err)
		}
	}
	return reap(ctx)
}

// isolate cuts the mounts off from the machine's and replaces what must not be shared.
func isolate(node Node) error {
	if err := unix.Sethostname([]byte(node.Name)); err != nil {
		return fmt.Errorf("setting the host name: %w", err)
	}
	if err := mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE); err != nil {
		return err
	}
	return mount("proc", "/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC)
}

// releaseNamespaces drops this node's copies of the mounts that keep network namespaces alive: whoever removes one of them
// on the machine expects it to end.
func releaseNamespaces(Node) error {
	content, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return fmt.Errorf("listing mounts: %w", err)
	}
	for line := range strings.Lines(string(content)) {
		before, after, found := strings.Cut(line, " - ")
		fields := strings.Fields(before)
		if !found || len(fields) < 5 || !strings.HasPrefix(after, "nsfs ") {
			continue
		}
		if err := unix.Unmount(fields[4], unix.MNT_DETACH); err != nil && !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOENT) {
			return fmt.Errorf("unmounting %s: %w", fields[4], err)
		}
	}
	return nil
}

// mountVar builds the node's /var/lib aside, from directories of the lab's state, and then moves it into place.
func mountVar(node Node) error {
	home := node.Lab.Path("nodes", node.Name)
	stage := filepath.Join(home, "stage")
	if err := mkdirs(stage, filepath.Join(home, "log", "pods"), filepath.Join(home, "log", "containers"), BinDir(node.Lab)); err != nil {
		return err
	}
	if err := mount("tmpfs", stage, "tmpfs", 0); err != nil {
		return err
	}
	binds := map[string]string{node.Lab.Dir(): filepath.Join(stage, filepath.Base(layout.StateRoot), node.Lab.Name)}
	for _, name := range persistent {
		binds[filepath.Join(home, name)] = filepath.Join(stage, name)
	}
	for from, to := range binds {
		if err := bind(from, to); err != nil {
			return err
		}
	}
	if err := bind(node.Binaries, filepath.Join(stage, filepath.Base(layout.StateRoot), node.Lab.Name, "bin")); err != nil {
		return err
	}
	// What the kubelet mounts for pods must reach containers with mount propagation, and the other way round.
	if err := mount("", filepath.Join(stage, "kubelet"), "", unix.MS_SHARED|unix.MS_REC); err != nil {
		return err
	}
	if err := bind(filepath.Join(home, "log"), "/var/log"); err != nil {
		return err
	}
	if err := mount(stage, "/var/lib", "", unix.MS_MOVE); err != nil {
		return err
	}
	for _, volatile := range []string{"/run", "/tmp"} {
		if err := mount("tmpfs", volatile, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV); err != nil {
			return err
		}
	}
	return nil
}

// mountTunables covers kernel parameters by files that already have the value the kubelet would write.
func mountTunables(Node) error {
	for name, value := range tunables {
		file := filepath.Join("/run/tunables", name)
		if err := mkdirs(filepath.Dir(file)); err != nil {
			return err
		}
		if err := os.WriteFile(file, []byte(value+"\n"), 0o644); err != nil {
			return fmt.Errorf("writing tunable %s: %w", name, err)
		}
		if err := mount(file, filepath.Join("/proc/sys", name), "", unix.MS_BIND); err != nil {
			return err
		}
	}
	return nil
}

func announce(node Node) error {
	if err := os.WriteFile(ReadyFile(node.Lab, node.Name), nil, 0o644); err != nil {
		return fmt.Errorf("announcing the node: %w", err)
	}
	return nil
}

// reap collects the exit of orphans, as PID 1 must.
func reap(ctx context.Context) error {
	children := make(chan os.Signal, 1)
	signal.Notify(children, syscall.SIGCHLD)
	for {
		for {
			if pid, err := unix.Wait4(-1, nil, unix.WNOHANG, nil); pid <= 0 || err != nil {
				break
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-children:
		}
	}
}

func bind(from, to string) error {
	if err := mkdirs(from, to); err != nil {
		return err
	}
	return mount(from, to, "", unix.MS_BIND)
}

func mkdirs(paths ...string) error {
	for _, path := range paths {
		if err := os.MkdirAll(path, 0o755); err != nil {
			return fmt.Errorf("making a directory of the node: %w", err)
		}
	}
	return nil
}

func mount(from, to, kind string, flags uintptr) error {
	if err := unix.Mount(from, to, kind, flags, ""); err != nil {
		return fmt.Errorf("mounting %q at %s: %w", from, to, err)
	}
	return nil
}
