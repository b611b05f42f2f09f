// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"fmt"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
	"golang.org/x/time/rate"
)

// How often one peer is answered at most, in a second and at once: several
// checks may ask at the same time.
const ipipPerSecond, ipipBurst = 20, 40

// IPIPResponder answers the requests of probes of kind IPIP that come from
// peers, and remembers when it heard them.
type IPIPResponder struct {
	entry   Entry
	file    *os.File
	running sync.WaitGroup

	mu    sync.Mutex
	peers map[netip.Addr]ipipPeer
}

// ipipPeer is when a peer was heard, and what bounds the answers to it.
type ipipPeer struct {
	heard time.Time
	limit *rate.Limiter
}

// NewIPIPResponder answers in a network namespace; the caller's own if entry
// is nil. It needs CAP_NET_RAW. While it is open the kernel does not say of
// itself that it knows no such protocol.
func NewIPIPResponder(entry Entry) (*IPIPResponder, error) {
	s := &rawSock{}
	s.transport, s.fd = overIPIP, -1
	if err := (origin{entry: entry}).do(func() error { _, err := s.create(); return err }); err != nil {
		return nil, fmt.Errorf("listening for IP in IP: %w", err)
	}
	r := &IPIPResponder{entry: entry, file: os.NewFile(uintptr(s.fd), "ipip"), peers: map[netip.Addr]ipipPeer{}}
	raw, err := r.file.SyscallConn()
	if err != nil {
		_ = r.file.Close()
		return nil, fmt.Errorf("listening for IP in IP: %w", err)
	}
	r.running.Go(func() {
		buf := make([]byte, 128) // of longer packets there are none of ours
		receive(raw, buf, func(from netip.Addr, packet []byte) { r.take(raw, from, packet) })
	})
	return r, nil
}

// Expect says who is answered, and forgets all others.
func (r *IPIPResponder) Expect(peers []netip.Addr) {
	r.mu.Lock()
	defer r.mu.Unlock()
	known := r.peers
	r.peers = make(map[netip.Addr]ipipPeer, len(peers))
	for _, p := range peers {
		peer := known[p.Unmap()]
		if peer.limit == nil {
			peer.limit = rate.NewLimiter(ipipPerSecond, ipipBurst)
		}
		r.peers[p.Unmap()] = peer
	}
}

// Heard is when a peer was last heard; zero for never.
func (r *IPIPResponder) Heard(peer netip.Addr) time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.peers[peer.Unmap()].heard
}

// Close ends it.
func (r *IPIPResponder) Close() {
	_ = r.file.Close()
	r.running.Wait()
}

// take answers a request.
func (r *IPIPResponder) take(raw syscall.RawConn, peer netip.Addr, packet []byte) {
	m, ok := parseIPIP(packet)
	if !ok || !r.admit(peer, m.typ) {
		return
	}
	to := netip.AddrFrom4([4]byte(packet[16:20])) // where the request went
	reply := ipipMessage{typ: ipipReply, tracked: tracksConnections(r.entry), nonce: m.nonce}
	_ = raw.Control(func(fd uintptr) { // who gets no answer says so
		_ = unix.Sendto(int(fd), reply.append(nil, to, peer), unix.MSG_DONTWAIT, &unix.SockaddrInet4{Addr: peer.As4()})
	})
}

// admit notes that a peer was heard, and says whether it is to be answered:
// only a peer, only for a request, and not too often.
func (r *IPIPResponder) admit(peer netip.Addr, typ byte) bool {
	now := time.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	p, expected := r.peers[peer]
	if !expected {
		return false
	}
	p.heard = now
	r.peers[peer] = p
	return typ == ipipRequest && p.limit.AllowN(now, 1)
}
