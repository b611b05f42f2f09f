// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"fmt"
	"net/netip"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Ear hears when peers ping, and when they reply to pings: then the way from
// them is open, whatever becomes of the way to them. It sends nothing.
type Ear struct {
	files   []*os.File
	running sync.WaitGroup

	mu    sync.Mutex
	peers map[netip.Addr]time.Time
}

// NewEar listens in a network namespace; the caller's own if entry is nil. It
// needs CAP_NET_RAW.
func NewEar(entry Entry) (*Ear, error) {
	e := &Ear{peers: map[netip.Addr]time.Time{}}
	from := origin{entry: entry}
	for _, v6 := range []bool{false, true} {
		s := &rawSock{}
		s.transport, s.v6, s.fd = overRawICMP, v6, -1
		if err := from.do(func() error { _, err := s.create(); return err }); err != nil {
			if v6 && len(e.files) > 0 { // a kernel without IPv6
				break
			}
			e.Close()
			return nil, fmt.Errorf("listening for pings: %w", err)
		}
		file := os.NewFile(uintptr(s.fd), "ear")
		e.files = append(e.files, file)
		raw, err := file.SyscallConn()
		if err == nil {
			err = s.onlyEchoes()
		}
		if err != nil {
			e.Close()
			return nil, fmt.Errorf("listening for pings: %w", err)
		}
		e.running.Go(func() {
			var buf [1]byte
			receive(raw, buf[:], func(from netip.Addr, _ []byte) { e.hear(from, time.Now()) })
		})
	}
	return e, nil
}

// Expect says whom to listen for, and forgets all others.
func (e *Ear) Expect(peers []netip.Addr) {
	e.mu.Lock()
	defer e.mu.Unlock()
	known := e.peers
	e.peers = make(map[netip.Addr]time.Time, len(peers))
	for _, p := range peers {
		e.peers[p.Unmap()] = known[p.Unmap()]
	}
}

// Heard is when a peer was last heard; zero for never.
func (e *Ear) Heard(peer netip.Addr) time.Time {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.peers[peer.Unmap()]
}

// Close ends it.
func (e *Ear) Close() {
	for _, f := range e.files {
		_ = f.Close()
	}
	e.running.Wait()
}

func (e *Ear) hear(peer netip.Addr, at time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if _, expected := e.peers[peer]; expected {
		e.peers[peer] = at
	}
}

// onlyEchoes keeps all but echo requests and replies from the socket.
func (s *rawSock) onlyEchoes() error {
	if !s.v6 {
		return unix.SetsockoptInt(s.fd, unix.SOL_RAW, icmpFilter, ^(1<<icmpEchoReply | 1<<icmpEchoRequest))
	}
	filter := &unix.ICMPv6Filter{}
	for i := range filter.Data {
		filter.Data[i] = ^uint32(0)
	}
	for _, typ := range []int{icmp6EchoRequest, icmp6EchoReply} {
		filter.Data[typ/32] &^= 1 << (typ % 32)
	}
	return unix.SetsockoptICMPv6Filter(s.fd, unix.SOL_ICMPV6, unix.ICMPV6_FILTER, filter)
}
