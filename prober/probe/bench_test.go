// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// BenchmarkTCP compares TCP probes, from the own namespace and from another
// that is entered for each socket, full and half-open, with what Go's own
// dialer costs for the same connection; bursts of ten, as the scheduler makes
// them. It reports CPU time of the whole process, the accepting side of full
// connections included.
func BenchmarkTCP(b *testing.B) {
	addr := listenAndClose(b)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	own := Target{Addr: addr, Timeout: time.Second}
	entered := own
	entered.Entry = enterOwn(b)
	for _, c := range []struct {
		name   string
		probe  Func
		target Target
	}{
		{"full/own", probeTCP, own}, {"full/entered", probeTCP, entered},
		{"halfopen/own", probeTCPHalfOpen, own}, {"halfopen/entered", probeTCPHalfOpen, entered},
	} {
		b.Run(c.name, func(b *testing.B) {
			if res := c.probe(ctx, c.target); res.Verdict != Connected {
				b.Skip(res.Evidence) // for want of a capability
			}
			measure(b, func() bool { return c.probe(ctx, c.target).Verdict == Connected })
		})
	}
	b.Run("net.Dialer", func(b *testing.B) {
		dialer := net.Dialer{Timeout: time.Second}
		name := addr.String()
		measure(b, func() bool {
			conn, err := dialer.DialContext(ctx, "tcp", name)
			if err != nil {
				return false
			}
			_ = conn.(*net.TCPConn).SetLinger(0)
			return conn.Close() == nil
		})
	})
}

// enterOwn is an Entry into the namespace that the benchmark is in anyway: it
// costs the same, and the target is the same.
func enterOwn(b *testing.B) Entry {
	b.Helper()
	fd, err := unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = unix.Close(fd) })
	return turnstile(fd)
}

// turnstile enters a namespace and comes back to the same.
type turnstile int

func (e turnstile) Do(f func() error) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := unix.Setns(int(e), unix.CLONE_NEWNET); err != nil {
		return err
	}
	return errors.Join(f(), unix.Setns(int(e), unix.CLONE_NEWNET))
}

func (turnstile) ResolvConf() ([]byte, error) { return nil, nil }

// measure runs f b.N times in bursts and reports CPU time per run.
func measure(b *testing.B, f func() bool) {
	const burst = 10
	b.ReportAllocs()
	var failed atomic.Int64
	before := cpuTime(b)
	for done := 0; done < b.N; done += burst {
		var group sync.WaitGroup
		for range min(burst, b.N-done) {
			group.Go(func() {
				if !f() {
					failed.Add(1)
				}
			})
		}
		group.Wait()
	}
	if n := failed.Load(); n > 0 {
		b.Errorf("%d of %d did not connect", n, b.N)
	}
	b.ReportMetric(float64((cpuTime(b)-before).Microseconds())/float64(b.N), "CPU-µs/probe")
}

// cpuTime that this process has used.
func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var usage unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// listenAndClose accepts connections on the loopback and closes them.
func listenAndClose(b *testing.B) netip.AddrPort {
	b.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	var group sync.WaitGroup
	group.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			_ = conn.Close()
		}
	})
	b.Cleanup(func() { _ = l.Close(); group.Wait() })
	return l.Addr().(*net.TCPAddr).AddrPort()
}
