// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"context"
	"encoding/binary"
	"net/netip"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// An IPIP message is an IPv4 packet inside of another: a header with a wrong
// checksum, so that a kernel that unwraps it throws it away, and this body:
//
//	0  magic "NLIP"
//	4  1 for a request, 2 for a reply
//	5  1 where the sender's host tracks connections
//	6  two bytes of zero
//	8  nonce of 16 bytes
//
// A reply is as long as the request, and nothing answers a reply.
const (
	ipipBody = 24
	ipipSize = ipv4HeaderSize + ipipBody
	// ipipInner is for experiments (RFC 3692): no host takes it for anything.
	ipipInner   = 253
	ipipRequest = 1
	ipipReply   = 2
	ipipMagic   = "NLIP"
)

// ipipMessage is one.
type ipipMessage struct {
	typ byte
	// tracked says that the sender's host tracks connections.
	tracked bool
	nonce   [16]byte
}

// append the packet from one address to another.
func (m ipipMessage) append(b []byte, from, to netip.Addr) []byte {
	start := len(b)
	b = append(b, make([]byte, ipipSize)...)
	p := b[start:]
	p[0], p[8], p[9] = 0x45, 1, ipipInner // version and length, TTL, protocol
	binary.BigEndian.PutUint16(p[2:], ipipSize)
	source, target := from.As4(), to.As4()
	copy(p[12:], source[:])
	copy(p[16:], target[:])
	// The checksum of what it does not say.
	binary.BigEndian.PutUint16(p[10:], ^fold(addWords(0, p[:ipv4HeaderSize])))
	body := p[ipv4HeaderSize:]
	copy(body, ipipMagic)
	body[4] = m.typ
	if m.tracked {
		body[5] = 1
	}
	copy(body[8:], m.nonce[:])
	return b
}

// parseIPIP takes a message out of what a raw socket gives, the outer header
// in front. Anything else is none.
func parseIPIP(packet []byte) (m ipipMessage, ok bool) {
	inner, ok := ipv4Payload(packet)
	if !ok || len(inner) != ipipSize || inner[0] != 0x45 || inner[9] != ipipInner {
		return m, false
	}
	body := inner[ipv4HeaderSize:]
	if string(body[:4]) != ipipMagic || body[5] > 1 || body[6] != 0 || body[7] != 0 {
		return m, false
	}
	m.typ, m.tracked = body[4], body[5] == 1
	copy(m.nonce[:], body[8:])
	return m, m.typ == ipipRequest || m.typ == ipipReply
}

// probeIPIP asks the prober on a node by IP protocol 4. A reply proves both
// ways only where no host tracks connections: the protocol has no ports, so
// that what one host sent lets in whatever the other sends.
func probeIPIP(ctx context.Context, t Target) Result {
	r := begin(t)
	if res, ok := r.check(); !ok {
		return res
	}
	to := t.Addr.Addr().Unmap()
	if !to.Is4() {
		return r.end(diagnosis{verdict: Unsupported, evidence: "IP in IP is tested between IPv4 addresses only"})
	}
	s := &rawSock{}
	s.sock = newSock(ctx, overIPIP, t.origin(), netip.AddrPortFrom(to, 0), t.Timeout)
	defer s.close()
	request := ipipMessage{typ: ipipRequest, tracked: tracksConnections(t.Entry), nonce: newNonce()}
	var reply ipipMessage
	s.take = func(packet []byte) bool {
		m, ok := parseIPIP(packet)
		if ok = ok && m.typ == ipipReply && m.nonce == request.nonce; ok {
			reply = m
		}
		return ok
	}
	f := s.exchangeIPIP(request)
	switch {
	case f != nil && notPermitted(f):
		return r.end(diagnosis{verdict: Unsupported, evidence: "raw sockets are not permitted: the container lacks the capability NET_RAW"})
	case f != nil && nobodyAnswers(*f):
		return r.end(diagnosis{verdict: Inconclusive, evidence: "it gets there, and no prober answers there: " + classify(*f).evidence})
	case f != nil:
		return r.fail(f)
	}
	r.phase("exchange", time.Since(s.began))
	// A host without connections has one now, if it tracks them.
	request.tracked = request.tracked || tracksConnections(t.Entry)
	if request.tracked || reply.tracked {
		return r.end(diagnosis{verdict: Inconclusive, evidence: "a reply came, which proves little: " + trackedWhere(request.tracked, reply.tracked) +
			" tracks connections, and what was sent one way lets the other in"})
	}
	return r.end(diagnosis{verdict: Connected, evidence: "the prober there replied by IP in IP"})
}

// nobodyAnswers is true if the target's own kernel says that nothing there takes
// the protocol: then there is no prober at the moment.
func nobodyAnswers(f fault) bool {
	told := classify(f)
	return told.verdict == ProtocolUnreachable && told.offender == f.target
}

func trackedWhere(here, there bool) string {
	switch {
	case here && there:
		return "each of the hosts"
	case here:
		return "the own host"
	default:
		return "the other host"
	}
}

// exchangeIPIP sends a request and waits for what is taken.
func (s *rawSock) exchangeIPIP(m ipipMessage) *fault {
	if f := s.launch(); f != nil {
		return f
	}
	if f := s.register(); f != nil {
		return f
	}
	local, err := unix.Getsockname(s.fd)
	if err != nil {
		return s.localFault("connect", err)
	}
	from := sockaddrIP(local)
	// Other packets of the same protocol are the tunnel's own.
	s.mine = func(packet []byte) bool {
		return len(packet) >= ipv4HeaderSize && packet[9] == ipipInner
	}
	s.began = time.Now()
	if err := s.send(m.append(nil, from, s.target.Addr())); err != nil {
		return s.localFault("send", err)
	}
	if f := s.arm(); f != nil {
		return f
	}
	return s.await(s.deadline())
}

// tracksConnections says whether a host keeps track of connections: it has
// some at the moment.
func tracksConnections(entry Entry) bool {
	tracks := false
	_ = origin{entry: entry}.do(func() error {
		b, err := os.ReadFile("/proc/sys/net/netfilter/nf_conntrack_count")
		text := strings.TrimSpace(string(b))
		tracks = err == nil && text != "" && text != "0"
		return nil
	})
	return tracks
}
