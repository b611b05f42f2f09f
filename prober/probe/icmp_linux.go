// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"bytes"
	"context"
	"encoding/binary"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"
)

const (
	icmpHeaderSize  = 8
	icmpPayloadSize = 56 // as ping sends

	icmpEchoRequest  = 8
	icmpEchoReply    = 0
	icmp6EchoRequest = 128
	icmp6EchoReply   = 129

	// icmpFilter is the option ICMP_FILTER of raw sockets: a bit for each type
	// that is not wanted.
	icmpFilter = 1
)

// probeMeshICMP pings an echo pod's address.
func probeMeshICMP(ctx context.Context, t Target) Result {
	r := begin(t)
	if res, ok := r.check(); !ok {
		return res
	}
	return r.ping(ctx)
}

// probeICMP pings any address.
func probeICMP(ctx context.Context, t Target) Result {
	r := begin(t)
	if res, ok := r.aim(ctx); !ok {
		return res
	}
	return r.ping(ctx)
}

// echo is one echo request.
type echo struct {
	nonce [16]byte
	// payload of the message in bytes, at least those of the nonce.
	payload int
	// whole keeps the packet from being fragmented, here and on the way.
	whole bool
}

// ping sends one echo request and makes the Result.
func (r *run) ping(ctx context.Context) Result {
	began, f := r.exchangeEcho(ctx, echo{nonce: newNonce(), payload: icmpPayloadSize})
	switch {
	case f == nil:
		r.phase("exchange", time.Since(began))
		return r.end(diagnosis{verdict: Connected, evidence: "echo reply"})
	case notPermitted(f):
		return r.pingForbidden()
	default:
		return r.fail(f)
	}
}

// pingForbidden makes the Result where neither kind of socket is permitted.
func (r *run) pingForbidden() Result {
	return r.end(diagnosis{
		verdict:  Unsupported,
		evidence: "ping sockets are not permitted: set the pod's sysctl net.ipv4.ping_group_range to include its group, such as \"0 2147483647\"",
	})
}

// exchangeEcho sends one echo request and waits for the reply: from a ping
// socket, which needs no capability but a group within
// net.ipv4.ping_group_range, or else from a raw one.
func (r *run) exchangeEcho(ctx context.Context, e echo) (began time.Time, f *fault) {
	s := new(sock)
	// The port is the kernel's: it becomes the identifier.
	*s = newSock(ctx, overICMP, r.target.origin(), netip.AddrPortFrom(r.target.Addr.Addr(), 0), r.timeout())
	s.whole = e.whole
	defer s.close()
	if f = s.launch(); f == nil {
		f = s.register()
	}
	if f == nil {
		f = s.pingOnce(e)
	}
	if f != nil && notPermitted(f) {
		return r.rawPing(ctx, e)
	}
	return s.began, f
}

// pingOnce makes the exchange on a ping socket.
func (s *sock) pingOnce(e echo) *fault {
	if f := s.write(e.request(s.v6)); f != nil {
		return f
	}
	buf := make([]byte, icmpHeaderSize+e.payload+1)
	for {
		n, from, f := s.readFrom(buf)
		if f != nil {
			return f
		}
		// The socket gets every reply to its identifier, whoever sends it.
		if from == s.target.Addr().WithZone("") && n == len(buf)-1 && e.answeredBy(s.v6, buf[:n]) {
			return nil
		}
	}
}

// rawPing makes the exchange on a raw socket.
func (r *run) rawPing(ctx context.Context, e echo) (began time.Time, f *fault) {
	s := &rawSock{}
	s.sock = newSock(ctx, overRawICMP, r.target.origin(), netip.AddrPortFrom(r.target.Addr.Addr(), 0), r.timeout())
	s.whole = e.whole
	defer s.close()
	nonce := e.nonce
	request := e.request(s.v6)
	copy(request[4:6], nonce[:2]) // the identifier
	if !s.v6 {
		binary.BigEndian.PutUint16(request[2:4], fold(addWords(0, request)))
	}
	s.take = func(packet []byte) bool {
		ok := true
		if !s.v6 { // in IPv6 there comes no IP header
			packet, ok = ipv4Payload(packet)
		}
		return ok && e.answeredBy(s.v6, packet)
	}
	s.mine = func(packet []byte) bool {
		return len(packet) >= icmpHeaderSize && packet[0] == request[0] && bytes.Equal(packet[4:8], request[4:8])
	}
	if f = s.launch(); f != nil {
		return s.began, f
	}
	if f = s.register(); f != nil {
		return s.began, f
	}
	if err := s.onlyReplies(); err != nil {
		return s.began, s.localFault("setsockopt", err)
	}
	s.began = time.Now()
	if err := s.send(request); err != nil {
		return s.began, s.localFault("send", err)
	}
	if f = s.arm(); f != nil {
		return s.began, f
	}
	return s.began, s.await(s.deadline())
}

// onlyReplies keeps other messages from the socket; errors come all the same.
func (s *rawSock) onlyReplies() error {
	if !s.v6 {
		return unix.SetsockoptInt(s.fd, unix.SOL_RAW, icmpFilter, ^(1 << icmpEchoReply))
	}
	all := &unix.ICMPv6Filter{}
	for i := range all.Data {
		all.Data[i] = ^uint32(0)
	}
	all.Data[icmp6EchoReply/32] &^= 1 << (icmp6EchoReply % 32)
	return unix.SetsockoptICMPv6Filter(s.fd, unix.SOL_ICMPV6, unix.ICMPV6_FILTER, all)
}

// request makes the message; the kernel fills in checksum and identifier.
func (e echo) request(v6 bool) []byte {
	b := make([]byte, icmpHeaderSize+e.payload)
	b[0] = icmpEchoRequest
	if v6 {
		b[0] = icmp6EchoRequest
	}
	b[7] = 1 // sequence number
	copy(b[icmpHeaderSize:], e.nonce[:])
	return b
}

// answeredBy says whether a message is the reply; of a long one the beginning
// will do.
func (e echo) answeredBy(v6 bool, b []byte) bool {
	want := byte(icmpEchoReply)
	if v6 {
		want = icmp6EchoReply
	}
	return len(b) >= icmpHeaderSize+len(e.nonce) && b[0] == want && b[1] == 0 && bytes.HasPrefix(b[icmpHeaderSize:], e.nonce[:])
}
