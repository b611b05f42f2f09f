// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"encoding/binary"
	"net/netip"
	"strings"
	"time"

	"github.com/miekg/dns"
)

// maxDNSDatagram is how much of a datagram is read. Without EDNS, which plain
// resolvers do not send, a server may answer with 512 bytes.
const maxDNSDatagram = 4096

// exchange sends one query from a fresh socket and waits for its answer.
// Answers that do not belong to the query are ignored.
func (l *lookup) exchange(server netip.AddrPort, name string, tcp bool, budget time.Duration) (*dns.Msg, *fault) {
	l.queries++
	tr := overUDP
	if tcp {
		tr = overTCP
	}
	s, f := dial(l.ctx, tr, l.from.toward(server.Addr()), server, budget)
	defer s.close()
	if f != nil {
		return nil, f
	}
	query := &dns.Msg{
		MsgHdr:   dns.MsgHdr{Id: newQueryID(), RecursionDesired: true},
		Question: []dns.Question{{Name: name, Qtype: l.qtype, Qclass: dns.ClassINET}},
	}
	packed, err := query.Pack()
	if err != nil {
		return nil, s.localFault("pack", err)
	}
	if tcp {
		packed = append(binary.BigEndian.AppendUint16(nil, uint16(len(packed))), packed...)
	}
	if f = s.write(packed); f != nil {
		return nil, f
	}
	var buf []byte
	for {
		var b []byte
		if tcp {
			b, f = readTCPMessage(s)
		} else {
			if buf == nil {
				buf = make([]byte, maxDNSDatagram)
			}
			var n int
			n, f = s.read(buf)
			b = buf[:n]
		}
		if f != nil {
			return nil, f
		}
		if reply := matching(query, b); reply != nil {
			return reply, nil
		}
	}
}

// readTCPMessage reads one message with its length before it.
func readTCPMessage(s *sock) ([]byte, *fault) {
	var length [2]byte
	if f := s.readFull(length[:]); f != nil {
		return nil, f
	}
	b := make([]byte, binary.BigEndian.Uint16(length[:]))
	return b, s.readFull(b)
}

// matching parses b and returns it if it is the answer to the query.
func matching(query *dns.Msg, b []byte) *dns.Msg {
	reply := new(dns.Msg)
	if err := reply.Unpack(b); err != nil && !reply.Truncated {
		return nil
	}
	if !reply.Response || reply.Id != query.Id || reply.Opcode != dns.OpcodeQuery {
		return nil
	}
	want := query.Question[0]
	switch {
	case len(reply.Question) == 1:
		got := reply.Question[0]
		if got.Qtype != want.Qtype || got.Qclass != want.Qclass || !strings.EqualFold(got.Name, want.Name) {
			return nil
		}
	case len(reply.Question) > 1 || reply.Rcode == dns.RcodeSuccess || reply.Rcode == dns.RcodeNameError:
		// Only a server that could not read the question may leave it out.
		return nil
	}
	return reply
}

// newQueryID returns 16 random bits.
func newQueryID() uint16 {
	nonce := newNonce()
	return binary.BigEndian.Uint16(nonce[:2])
}
