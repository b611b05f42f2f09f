// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"context"
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"
)

// A hop between the ends of a tunnel tells the node's kernel what it takes: the
// packets are the tunnel's, and no socket inside hears of it. So a packet as large
// as those goes to the other end outside of the tunnel, where the answer is for
// the probe.

// underway is such a packet; nil where none is sent.
type underway struct {
	*sock
	size  int
	fault *fault
}

// outside is what became of one; its zero value if none was sent.
type outside struct {
	to   netip.Addr
	size int
	// fault is nil if something there answered.
	fault *fault
	// learned is the MTU that the kernel has for the way there.
	learned int
}

func sendOutside(ctx context.Context, t Target) *underway {
	end := t.Tunnel
	if !end.Endpoint.IsValid() || end.Size < minMTU || end.Size > maxMTU {
		return nil
	}
	t.Addr = end.Endpoint
	u := &underway{size: end.Size}
	u.sock, u.fault = begin(t).sendDatagram(ctx, closedPort(), end.Size-ipHeaderSize(t.Addr.Addr())-udpHeaderSize)
	return u
}

// answer waits for what came back, until the timeout.
func (u *underway) answer() outside {
	if u == nil {
		return outside{}
	}
	o := outside{to: u.target.Addr(), size: u.size, fault: u.fault}
	if o.fault == nil {
		var buf [1]byte
		_, o.fault = u.read(buf[:])
		o.learned = u.pathMTU()
	}
	return o
}

func (u *underway) close() {
	if u != nil {
		u.sock.close()
	}
}

// pathMTU is what the kernel has for the way to the socket's peer: that of the
// link, unless a hop said that it takes less, in the last ten minutes mostly; 0
// if it is not known.
func (s *sock) pathMTU() int {
	level, option := unix.SOL_IP, unix.IP_MTU
	if s.v6 {
		level, option = unix.SOL_IPV6, unix.IPV6_MTU
	}
	mtu, err := unix.GetsockoptInt(s.fd, level, option)
	if err != nil {
		return 0
	}
	return mtu
}

// judge adds what was seen outside of a tunnel to what was lost inside: packets of
// a size, somewhere on the way.
func (o outside) judge(size int, where string) diagnosis {
	silent := diagnosis{verdict: Dropped, evidence: fmt.Sprintf(
		"small packets pass, packets of %d bytes are lost on the way %s, and no hop says so", size, where)}
	switch {
	case !o.to.IsValid():
		return silent
	case arrived(o.fault):
		silent.evidence += fmt.Sprintf("; outside of the tunnel %d bytes get to %s", o.size, o.to)
		return silent
	}
	if told := classify(*o.fault); told.verdict == TooBig {
		told.evidence = fmt.Sprintf("packets of %d bytes have %d outside of the tunnel: %s", size, o.size, told.evidence)
		return told
	}
	if o.learned > 0 && o.learned < o.size {
		silent.evidence += fmt.Sprintf("; the kernel has heard before that the way to %s takes %d", o.to, o.learned)
	}
	return silent
}
