// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"
)

const (
	ipv6HeaderSize = 40
	udpHeaderSize  = 8
	// minMTU is the least that can be told from a small packet, maxMTU what fits
	// into one packet.
	minMTU, maxMTU = 576, 65535
	// Datagrams go where nothing listens by convention: the ports of traceroute.
	// What the target then answers is small.
	firstClosedPort, closedPorts = 33434, 90
)

// probeMTU asks whether packets of the target's Size get there unfragmented.
// Silence is Dropped only where small packets pass: then something on the way
// throws large ones away and does not say so. TooBig is a hop that does say so.
func probeMTU(ctx context.Context, t Target) Result {
	r := begin(t)
	if res, ok := r.check(); !ok {
		return res
	}
	if t.Size < minMTU || t.Size > maxMTU {
		return r.end(diagnosis{verdict: LocalError, evidence: fmt.Sprintf("packets of %d bytes say nothing", t.Size)})
	}
	t.Timeout /= 2
	began, f := begin(t).exchangeEcho(ctx, largeEcho(t))
	switch {
	case f == nil:
		r.phase("exchange", time.Since(began))
		return r.end(diagnosis{verdict: Connected, evidence: fmt.Sprintf("echo reply of %d bytes", t.Size)})
	case notPermitted(f):
		return r.pingForbidden()
	case f.kind != faultTimeout:
		return r.fail(f)
	default:
		return r.end(doubt(ctx, t).judge())
	}
}

// largeEcho fills a packet of the target's Size.
func largeEcho(t Target) echo {
	return echo{nonce: newNonce(), payload: t.Size - ipHeaderSize(t.Addr.Addr()) - icmpHeaderSize, whole: true}
}

func ipHeaderSize(ip netip.Addr) int {
	if ip.Unmap().Is4() {
		return ipv4HeaderSize
	}
	return ipv6HeaderSize
}

// doubts are what is asked where a large echo request got no reply: nil where
// the answer came.
type doubts struct {
	size int
	// Echo requests once more, to which the replies are as large as they are.
	large, small *fault
	// Datagrams, to which the answer is always small.
	largeDatagram, smallDatagram *fault
	// outside is what became of a large packet outside of the tunnel.
	outside outside
}

// doubt asks all of it, each echo request for half of the target's timeout.
func doubt(ctx context.Context, t Target) doubts {
	d := doubts{size: t.Size}
	datagrams := sendDatagrams(ctx, t)
	defer datagrams.close()
	under := sendOutside(ctx, t)
	defer under.close()
	half := t
	half.Timeout /= 2
	_, d.large = begin(half).exchangeEcho(ctx, largeEcho(half))
	_, d.small = begin(half).exchangeEcho(ctx, echo{nonce: newNonce(), payload: icmpPayloadSize})
	d.largeDatagram, d.smallDatagram = datagrams.answers()
	d.outside = under.answer()
	return d
}

// judge says what the answers mean together. A datagram that arrived proves
// the way there, whatever becomes of the reply to an echo request.
func (d doubts) judge() diagnosis {
	for _, f := range []*fault{d.large, d.largeDatagram} {
		if f != nil && f.kind != faultTimeout {
			if told := classify(*f); told.verdict == TooBig {
				return told
			}
		}
	}
	switch {
	case d.large == nil:
		return diagnosis{verdict: Connected, evidence: fmt.Sprintf("echo reply of %d bytes, to the second request", d.size)}
	case d.small != nil:
		return diagnosis{verdict: Inconclusive, evidence: "small packets do not pass either: " + classify(*d.small).evidence}
	case d.large.kind != faultTimeout:
		return classify(*d.large)
	case arrived(d.largeDatagram):
		return diagnosis{verdict: Connected, evidence: fmt.Sprintf(
			"a packet of %d bytes gets there; an echo reply of that size does not come back", d.size)}
	}
	where := "there or back"
	if arrived(d.smallDatagram) {
		where = "there"
	}
	return d.outside.judge(d.size, where)
}

// arrived says whether a datagram reached the target.
func arrived(f *fault) bool { return f == nil || classify(*f).verdict == Refused }

// datagrams are a large and a small one on their way.
type datagrams struct {
	large, small *sock
	fault        *fault
}

// sendDatagrams sends a large and then a small datagram to ports on which
// nothing listens: who limits how often it answers answers the large one.
func sendDatagrams(ctx context.Context, t Target) *datagrams {
	begun, d := begin(t), &datagrams{}
	d.large, d.fault = begun.sendDatagram(ctx, closedPort(), t.Size-ipHeaderSize(t.Addr.Addr())-udpHeaderSize)
	if d.fault == nil {
		d.small, d.fault = begun.sendDatagram(ctx, closedPort(), len(udpPayload))
	}
	return d
}

// closedPort is one on which nothing listens.
func closedPort() uint16 { return uint16(firstClosedPort + rand.IntN(closedPorts)) } //nolint:gosec // no secret

// answers waits for what came back, until their timeout.
func (d *datagrams) answers() (large, small *fault) {
	if d.fault != nil {
		return d.fault, d.fault
	}
	var buf [1]byte
	_, large = d.large.read(buf[:])
	_, small = d.small.read(buf[:])
	return large, small
}

func (d *datagrams) close() {
	for _, s := range []*sock{d.large, d.small} {
		if s != nil {
			s.close()
		}
	}
}

// sendDatagram sends one that is not to be fragmented. The socket is for the
// caller to close.
func (r *run) sendDatagram(ctx context.Context, port uint16, payload int) (*sock, *fault) {
	s := new(sock)
	*s = newSock(ctx, overUDP, r.target.origin(), netip.AddrPortFrom(r.target.Addr.Addr(), port), r.timeout())
	s.whole = true
	if f := s.launch(); f != nil {
		return s, f
	}
	if f := s.register(); f != nil {
		return s, f
	}
	b := make([]byte, max(payload, 0))
	copy(b, udpPayload)
	return s, s.write(b)
}

// neverFragment sets the bit that forbids it, and has the kernel forget what it
// heard of the path: a path that has healed must show.
func (s *sock) neverFragment() error {
	if !s.v6 {
		return unix.SetsockoptInt(s.fd, unix.SOL_IP, unix.IP_MTU_DISCOVER, unix.IP_PMTUDISC_PROBE)
	}
	if err := unix.SetsockoptInt(s.fd, unix.SOL_IPV6, unix.IPV6_MTU_DISCOVER, unix.IPV6_PMTUDISC_PROBE); err != nil {
		return err
	}
	return unix.SetsockoptInt(s.fd, unix.SOL_IPV6, unix.IPV6_DONTFRAG, 1)
}
