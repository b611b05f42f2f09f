// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/netladder/netladder/test/netns"
)

// manyPackets are several times what fits into the buffer of a socket.
const manyPackets = 1000

// The filter keeps what a pod itself does on the network from the buffer,
// however much it is, and lets answers through.
func TestFilter(t *testing.T) {
	n := netns.New(t, "filter")
	for _, c := range []struct{ network, addr, closed string }{{"tcp4", "127.0.0.1:8000", "127.0.0.1:81"}, {"tcp6", "[::1]:8000", "[::1]:81"}} {
		var why error
		n.Do(t, func() { why = filterTrial(t.Context(), c.network, c.addr, c.closed) })
		if why != nil {
			t.Errorf("%s: %v", c.network, why)
		}
	}
}

func filterTrial(ctx context.Context, network, addr, closed string) error {
	l, err := net.Listen(network, addr)
	if err != nil {
		return err
	}
	defer func() { _ = l.Close() }()
	b, err := newHalfOpens()
	if err != nil {
		return err
	}
	defer b.close()
	var res Result
	h := newTestFlight(ctx, addr, time.Hour, func(r Result) { res = r })
	if op, err := b.open(h); err != nil {
		return fmt.Errorf("%s: %w", op, err)
	}
	for range manyPackets {
		conn, err := net.Dial(network, addr)
		if err != nil {
			return err
		}
		served, err := l.Accept()
		if err != nil {
			return err
		}
		_, _ = conn.Close(), served.Close()
		if _, err := net.Dial(network, closed); err == nil {
			return errors.New("connected to a closed port")
		}
	}
	// One of 65536 has the mark by chance.
	const chance = 5
	came := 0
	for ; err == nil && came <= chance; came++ {
		_, err = unix.Read(h.socket.fd, make([]byte, 100))
	}
	if !errors.Is(err, unix.EAGAIN) || h.socket.dropped() != 0 {
		return fmt.Errorf("%d packets of foreign connections came, error %w, %d dropped", came, err, h.socket.dropped())
	}
	b.begin(h)
	if b.landed() {
		return errors.New("on the loopback the answer must have come")
	}
	if res.Verdict != Connected || len(b.sockets)+len(b.shared) > 0 {
		return fmt.Errorf("%+v; %d sockets are open", res, len(b.sockets))
	}
	return nil
}

func newTestFlight(ctx context.Context, addr string, timeout time.Duration, done func(Result)) *halfOpen {
	target := Target{Addr: netip.MustParseAddrPort(addr), Timeout: timeout}
	return &halfOpen{
		run: run{target: target}, done: done,
		sock: newSock(ctx, overRawTCP, origin{}, target.Addr, timeout),
	}
}

// Who fills the buffer nevertheless, by knowing the mark, gets no silence
// believed, and no more than that.
func TestOverflow(t *testing.T) {
	n := netns.New(t, "overflow")
	n.RunInput(t, "table inet t { chain c { type filter hook input priority 0;\ntcp dport 8000 tcp flags & (syn|ack) == syn drop\n}\n}\n", "nft", "-f", "-")
	b, err := newHalfOpens()
	if err != nil {
		t.Fatal(err)
	}
	defer b.close()
	results := make(chan Result, 1)
	start := func(timeout time.Duration) {
		n.Do(t, func() {
			b.Start([]Start{{Ctx: t.Context(), Target: Target{Addr: netip.MustParseAddrPort("127.0.0.1:8000"), Timeout: timeout}, Done: func(r Result) { results <- r }}})
		})
	}
	start(time.Second)
	n.Do(t, func() { err = b.flood() })
	if err != nil {
		t.Fatal(err)
	}
	if r := <-results; r.Verdict != LocalError || !strings.Contains(r.Evidence, "an answer may be lost") {
		t.Errorf("%+v", r)
	}
	start(100 * time.Millisecond)
	if r := <-results; r.Verdict != Dropped {
		t.Errorf("after that: %+v", r)
	}
}

// flood fills the buffer of the only socket while nobody can read it.
func (b *halfOpens) flood() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range b.sockets {
		for port := range c.flights {
			fd, err := unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_TCP)
			if err != nil {
				return err
			}
			defer func() { _ = unix.Close(fd) }()
			segment := make([]byte, tcpHeaderSize)
			binary.BigEndian.PutUint16(segment, 8000)
			binary.BigEndian.PutUint16(segment[2:], port)
			binary.BigEndian.PutUint16(segment[8:], c.mark)
			segment[12], segment[13] = 5<<4, flagRST|flagACK
			for range manyPackets {
				if err := unix.Sendto(fd, segment, 0, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
					return err
				}
			}
			return nil
		}
	}
	return errors.New("no probe is under way")
}

// Sequence numbers have the mark, and so has what the target acknowledges.
func TestMark(t *testing.T) {
	c := &synSocket{mark: 0xffff}
	seen := map[uint32]bool{}
	for range 1000 {
		seq := c.sequence()
		if seq>>16 != 0xffff || (seq+1)>>16 != 0xffff {
			t.Fatalf("%x", seq)
		}
		seen[seq] = true
	}
	if len(seen) < 900 {
		t.Errorf("%d different ones of 1000", len(seen))
	}
}

// A socket does not live as long as there are probes.
func TestSocketLife(t *testing.T) {
	now := time.Now()
	for _, c := range []struct {
		socket synSocket
		want   bool
	}{
		{synSocket{born: now}, true},
		{synSocket{born: now.Add(-synSocketLife)}, false},
		{synSocket{born: now, full: true}, false},
	} {
		if got := c.socket.joinable(now); got != c.want {
			t.Errorf("born %v ago, full %v: joinable %v", now.Sub(c.socket.born), c.socket.full, got)
		}
	}
}

// An ICMP error ends its probe even if somebody has taken the errno that came
// with it, as each call on the socket does.
func TestErrorWithoutErrno(t *testing.T) {
	n := netns.New(t, "errno")
	n.RunInput(t, "table inet t { chain c { type filter hook input priority 0;\ntcp dport 8000 reject with icmpx admin-prohibited\n}\n}\n", "nft", "-f", "-")
	for _, addr := range []string{"127.0.0.1:8000", "[::1]:8000"} {
		var why error
		n.Do(t, func() { why = errorTrial(t.Context(), addr) })
		if why != nil {
			t.Errorf("%s: %v", addr, why)
		}
	}
}

func errorTrial(ctx context.Context, addr string) error {
	b, err := newHalfOpens()
	if err != nil {
		return err
	}
	defer b.close()
	var res Result
	h := newTestFlight(ctx, addr, time.Hour, func(r Result) { res = r })
	if op, err := b.open(h); err != nil {
		return fmt.Errorf("%s: %w", op, err)
	}
	f := h.prepare()
	a := arrivals{batch: b}
	b.mu.Lock()
	if f == nil {
		f = b.depart(h, &a)
	}
	b.mu.Unlock()
	if f != nil {
		return fmt.Errorf("departing: %+v", f)
	}
	if errno, err := unix.GetsockoptInt(h.socket.fd, unix.SOL_SOCKET, unix.SO_ERROR); err != nil || errno == 0 {
		return fmt.Errorf("no errno came: %w", err)
	}
	b.landed()
	events, _ := b.poller.wait()
	b.mu.Lock()
	b.look(events, &a)
	b.mu.Unlock()
	b.end(a.ended)
	if res.Verdict != Rejected {
		return fmt.Errorf("%+v", res)
	}
	return nil
}
