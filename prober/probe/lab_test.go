// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package probe_test

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/netladder/netladder/prober/echo"
	"github.com/netladder/netladder/prober/probe"
	"github.com/netladder/netladder/test/netns"
)

const (
	echoUID = "6f1f2c1e-1111-2222-3333-444455556666"
	// patient is a timeout that only a broken test reaches.
	patient = 20 * time.Second
	// brief is the timeout where nothing is to come.
	brief = 250 * time.Millisecond
	// Settings of net.ipv4.ping_group_range: everybody and nobody.
	pingAllowed, pingForbidden = "0 2147483647", "1 0"
	// Ports of the target.
	echoPort, httpPort, closedPort = 8441, 8442, 81
)

// lab is a topology whose target runs an echo server.
type lab struct {
	*netns.Topology
}

func newLab(t *testing.T) *lab {
	t.Helper()
	l := &lab{Topology: netns.NewTopology(t)}
	runEcho(t, l.Target)
	l.Source.Sysctl(t, "ipv4.ping_group_range", pingAllowed)
	return l
}

// runEcho runs an echo server in a namespace until the test ends.
func runEcho(t *testing.T, n *netns.NS) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	server := echo.Server{NodeName: "node-a", PodUID: echoUID}
	var bound *echo.Bound
	var err error
	n.Do(t, func() { bound, err = server.Listen(ctx) })
	if err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	group.Go(func() {
		if err := bound.Serve(ctx); err != nil {
			t.Errorf("echo server: %v", err)
		}
	})
	t.Cleanup(func() { cancel(); group.Wait() })
}

// runTCP accepts connections in a namespace and hands each to serve.
func runTCP(t *testing.T, n *netns.NS, addr string, serve func(*net.TCPConn)) {
	t.Helper()
	var l net.Listener
	var err error
	n.Do(t, func() { l, err = net.Listen("tcp", addr) })
	if err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	group.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			serve(conn.(*net.TCPConn))
			_ = conn.Close()
		}
	})
	t.Cleanup(func() { _ = l.Close(); group.Wait() })
}

// reset undoes what a case set up.
func (l *lab) reset(t *testing.T) {
	t.Helper()
	for _, n := range []*netns.NS{l.Source, l.Router, l.Target} {
		n.Run(t, "nft", "flush", "ruleset")
	}
}

func probeIn(t *testing.T, n *netns.NS, kind probe.Kind, target probe.Target) probe.Result {
	t.Helper()
	return probeBy(t, n, probe.Kinds()[kind].Probe, target)
}

// probeBy makes one probe in a namespace.
func probeBy(t *testing.T, n *netns.NS, f probe.Func, target probe.Target) probe.Result {
	t.Helper()
	if target.Timeout == 0 {
		target.Timeout = patient
	}
	if target.EchoUID == "" {
		target.EchoUID = echoUID
	}
	var res probe.Result
	if target.Entry != nil {
		res = f(context.Background(), target)
	} else {
		n.Do(t, func() { res = f(context.Background(), target) })
	}
	if len(res.Evidence) == 0 || len(res.Evidence) > 256 {
		t.Errorf("evidence of %d bytes: %q", len(res.Evidence), res.Evidence)
	}
	return res
}

// ways returns all ways to make a probe of a kind: they must see the same.
func ways(t *testing.T, kind probe.Kind) map[string]probe.Func {
	t.Helper()
	method := probe.Kinds()[kind]
	all := map[string]probe.Func{"alone": method.Probe}
	if method.NewBatch == nil {
		return all
	}
	batch, err := method.NewBatch()
	if err != nil {
		t.Fatal(err)
	}
	all["batch"] = func(ctx context.Context, target probe.Target) probe.Result {
		done := make(chan probe.Result, 1)
		batch.Start([]probe.Start{{Ctx: ctx, Target: target, Done: func(r probe.Result) {
			r.Phases = slices.Clone(r.Phases)
			done <- r
		}}})
		return <-done
	}
	return all
}

// entry is a network namespace as a probe enters it: the thread goes in and
// comes back.
type entry struct {
	inside, outside int
	resolvConf      []byte
	resolvErr       error
}

// enter opens a namespace until the test ends.
func enter(t testing.TB, n *netns.NS) *entry {
	t.Helper()
	e := &entry{}
	for path, fd := range map[string]*int{"/run/netns/" + n.Name: &e.inside, "/proc/thread-self/ns/net": &e.outside} {
		var err error
		if *fd, err = unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = unix.Close(*fd) })
	}
	return e
}

// Do implements probe.Entry.
func (e *entry) Do(f func() error) error {
	runtime.LockOSThread()
	if err := unix.Setns(e.inside, unix.CLONE_NEWNET); err != nil {
		runtime.UnlockOSThread()
		return err
	}
	err := f()
	if back := unix.Setns(e.outside, unix.CLONE_NEWNET); back != nil {
		return errors.Join(err, back) // the thread stays locked, and ends
	}
	runtime.UnlockOSThread()
	return err
}

// ResolvConf implements probe.Entry.
func (e *entry) ResolvConf() ([]byte, error) { return e.resolvConf, e.resolvErr }

func at(ip netip.Addr, port uint16) probe.Target {
	return probe.Target{Addr: netip.AddrPortFrom(ip, port), Size: 1000}
}
