// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

// Package netns makes network namespaces for tests: real kernels, real
// packets, and nothing of the host's network is touched. Everything is
// removed when the test ends.
package netns

import (
	"bytes"
	"crypto/rand"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// Require skips the test where namespaces cannot be made, and fails it there
// when the environment variable CI is true: a pipeline must not pass by
// skipping.
func Require(t testing.TB) {
	t.Helper()
	if os.Geteuid() == 0 {
		return
	}
	if os.Getenv("CI") == "true" {
		t.Fatal("network namespaces need root; with CI=true this test must not be skipped")
	}
	t.Skip("network namespaces need root")
}

// NS is a named network namespace, visible to `ip netns`.
type NS struct {
	// Name is unique on this machine.
	Name string
	fd   int
}

// New makes a namespace with its loopback up. The name gets a random suffix.
func New(t testing.TB, name string) *NS {
	t.Helper()
	Require(t)
	n := &NS{Name: "nltest-" + name + "-" + strings.ToLower(rand.Text()[:8])}
	command(t, "", "ip", "netns", "add", n.Name)
	t.Cleanup(func() {
		out, err := exec.Command("ip", "netns", "del", n.Name).CombinedOutput()
		if err != nil {
			t.Errorf("removing network namespace %s: %v: %s", n.Name, err, out)
		}
	})
	fd, err := unix.Open(filepath.Join("/run/netns", n.Name), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatalf("opening network namespace %s: %v", n.Name, err)
	}
	n.fd = fd
	t.Cleanup(func() { _ = unix.Close(fd) })
	n.Run(t, "ip", "link", "set", "lo", "up")
	return n
}

// Do runs f on a thread inside the namespace and waits for it. Sockets that f
// opens belong to the namespace, wherever they are used later; goroutines that
// it starts are not inside. f must not call t.Fatal.
func (n *NS) Do(t testing.TB, f func()) {
	t.Helper()
	failed := make(chan error)
	go func() {
		defer close(failed)
		// Never unlocked: the runtime ends a thread whose goroutine ends so,
		// and nothing else ever runs inside the namespace by accident.
		runtime.LockOSThread()
		if err := unix.Setns(n.fd, unix.CLONE_NEWNET); err != nil {
			failed <- err
			return
		}
		f()
	}()
	if err := <-failed; err != nil {
		t.Fatalf("entering network namespace %s: %v", n.Name, err)
	}
}

// Run runs a command inside the namespace, such as iptables, and returns what
// it printed.
func (n *NS) Run(t testing.TB, name string, args ...string) string {
	t.Helper()
	return n.RunInput(t, "", name, args...)
}

// RunInput is Run with standard input, such as for `nft -f -`.
func (n *NS) RunInput(t testing.TB, stdin, name string, args ...string) string {
	t.Helper()
	return command(t, stdin, "ip", append([]string{"netns", "exec", n.Name, name}, args...)...)
}

// IP runs a batch of ip commands inside the namespace, one per line.
func (n *NS) IP(t testing.TB, batch string) {
	t.Helper()
	command(t, batch, "ip", "-netns", n.Name, "-batch", "-")
}

// Sysctl sets a setting below /proc/sys/net, such as ipv4.ip_forward.
func (n *NS) Sysctl(t testing.TB, key, value string) {
	t.Helper()
	var err error
	n.Do(t, func() { err = os.WriteFile(sysctlPath(key), []byte(value), 0) })
	if err != nil {
		t.Fatalf("setting net.%s in %s: %v", key, n.Name, err)
	}
}

// sysctlPath takes the key's dots for slashes; a slash stands for a dot.
func sysctlPath(key string) string {
	return filepath.Join("/proc/sys/net", strings.Map(func(r rune) rune {
		switch r {
		case '.':
			return '/'
		case '/':
			return '.'
		default:
			return r
		}
	}, key))
}

func command(t testing.TB, stdin, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Stdin = strings.NewReader(stdin)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s %s: %v\n%s%s", name, strings.Join(args, " "), err, stdin, out.String())
	}
	return out.String()
}
