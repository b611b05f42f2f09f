// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"bytes"
	"context"
	"errors"
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
)

// probeMeshICMP sends one echo request from a ping socket, which needs no
// capability but a group within net.ipv4.ping_group_range.
func probeMeshICMP(ctx context.Context, t Target) Result {
	r := begin(t)
	if res, ok := r.check(); !ok {
		return res
	}
	// The port is the kernel's: it becomes the identifier.
	s, f := dial(ctx, overICMP, netip.AddrPortFrom(t.Addr.Addr(), 0), t.Timeout)
	defer s.close()
	if f != nil {
		if f.op == "socket" && (errors.Is(f.errno, unix.EACCES) || errors.Is(f.errno, unix.EPERM) || errors.Is(f.errno, unix.EPROTONOSUPPORT)) {
			return r.end(diagnosis{
				verdict:  Unsupported,
				evidence: "ping sockets are not permitted: set the pod's sysctl net.ipv4.ping_group_range to include its group, such as \"0 2147483647\"",
			})
		}
		return r.fail(f)
	}
	nonce := newNonce()
	if f = s.write(echoRequest(s.v6, nonce)); f != nil {
		return r.fail(f)
	}
	var buf [icmpHeaderSize + icmpPayloadSize + 1]byte
	for {
		n, from, f := s.readFrom(buf[:])
		if f != nil {
			return r.fail(f)
		}
		// The socket gets every reply to its identifier, whoever sends it.
		if from == s.target.Addr().WithZone("") && isEchoReply(s.v6, buf[:n], nonce) {
			r.phase("exchange", time.Since(s.began))
			return r.end(diagnosis{verdict: Connected, evidence: "echo reply"})
		}
	}
}

// echoRequest makes the message; the kernel fills in checksum and identifier.
func echoRequest(v6 bool, nonce [16]byte) []byte {
	b := make([]byte, icmpHeaderSize+icmpPayloadSize)
	b[0] = icmpEchoRequest
	if v6 {
		b[0] = icmp6EchoRequest
	}
	b[7] = 1 // sequence number
	copy(b[icmpHeaderSize:], nonce[:])
	return b
}

func isEchoReply(v6 bool, b []byte, nonce [16]byte) bool {
	want := byte(icmpEchoReply)
	if v6 {
		want = icmp6EchoReply
	}
	return len(b) == icmpHeaderSize+icmpPayloadSize && b[0] == want && b[1] == 0 && bytes.HasPrefix(b[icmpHeaderSize:], nonce[:])
}
