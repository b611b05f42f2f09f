// Package launch starts the lab's processes in their cgroup and namespaces, so that they outlive the command that
// started them and can be found again by their cgroup.
package launch

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/netladder/netladder/hack/lab/internal/cgroup"
)

// EnterCommand is the lab's hidden command that calls Enter.
const EnterCommand = "internal-enter"

// environment is what the lab's processes get: not the caller's, whose proxies and settings are not the cluster's.
var environment = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root"}

// Process describes a process to start.
type Process struct {
	Cgroup string   // where it is tracked; must exist
	Netns  string   // path of its network namespace
	Join   int      // a process whose mount, PID and UTS namespaces it joins; 0: none
	Fork   bool     // start it in new mount, PID and UTS namespaces
	Args   []string // program and arguments
	Env    []string // in addition to environment, which it overrides
	Log    string   // file that gets its output
	Files  []*os.File
}

// Start runs the process in a session of its own, in the background.
func Start(process Process) error {
	name := filepath.Base(process.Args[0])
	if err := os.MkdirAll(filepath.Dir(process.Log), 0o755); err != nil {
		return fmt.Errorf("starting %s: %w", name, err)
	}
	log, err := os.OpenFile(process.Log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return fmt.Errorf("starting %s: %w", name, err)
	}
	defer func() { _ = log.Close() }()

	// The child enters its cgroup itself before it becomes the program: there is no moment at which the program runs
	// untracked, whoever dies when.
	args := []string{EnterCommand, "--cgroup", process.Cgroup, "--netns", process.Netns, "--join", strconv.Itoa(process.Join), "--"}
	cmd := exec.Command("/proc/self/exe", append(args, process.Args...)...)
	cmd.Dir = "/"
	cmd.Env = append(slices.Clone(environment), process.Env...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.ExtraFiles = process.Files
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if process.Fork {
		cmd.SysProcAttr.Cloneflags = unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWUTS
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("starting %s: %w", name, err)
	}
	go func() { _ = cmd.Wait() }() // only reaps; how it ended is in its log
	return nil
}

// Enter makes the calling process the described one: it does not return unless it fails.
func Enter(process Process) error {
	if err := cgroup.Enter(process.Cgroup); err != nil {
		return err
	}
	return Exec(Inside(process.Netns, process.Join, process.Args...), nil)
}

// Inside returns the command line that runs args in a network namespace and, if join is a process, in its mount, PID and
// UTS namespaces. By nsenter, for a program with threads cannot change its own; and not by `ip netns exec`, which mounts
// another /sys and hides the cgroups.
func Inside(netns string, join int, args ...string) []string {
	command := []string{"nsenter", "--net=" + netns}
	if join != 0 {
		command = append(command, "--target", strconv.Itoa(join), "--mount", "--pid", "--uts")
	}
	return append(append(command, "--"), args...)
}

// Exec replaces the calling process by a program, with env in addition to the environment.
func Exec(args, env []string) error {
	program, err := exec.LookPath(args[0])
	if err != nil {
		return fmt.Errorf("looking for %s (hack/deps.sh installs what the lab needs): %w", args[0], err)
	}
	if err := syscall.Exec(program, args, append(os.Environ(), env...)); err != nil {
		return fmt.Errorf("running %s: %w", program, err)
	}
	return nil
}
