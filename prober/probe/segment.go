// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"encoding/binary"
	"net/netip"
)

// Of TCP (RFC 9293) and of IPv4 (RFC 791).
const (
	tcpHeaderSize  = 20
	ipv4HeaderSize = 20
	protocolTCP    = 6

	flagSYN = 0x02
	flagRST = 0x04
	flagACK = 0x10
)

// syn is the segment that opens a connection, and what its answers must say.
type syn struct {
	source, target netip.AddrPort
	seq            uint32
}

// append makes the segment. It carries one option, the maximum segment size,
// as every kernel sends it.
func (s syn) append(b []byte) []byte {
	mss := uint16(1460)
	if s.source.Addr().Is6() {
		mss = 1440
	}
	start := len(b)
	b = binary.BigEndian.AppendUint16(b, s.source.Port())
	b = binary.BigEndian.AppendUint16(b, s.target.Port())
	b = binary.BigEndian.AppendUint32(b, s.seq)
	b = binary.BigEndian.AppendUint32(b, 0)      // nothing to acknowledge
	b = append(b, 6<<4, flagSYN, 0xfa, 0xf0)     // six words; window 64240
	b = append(b, 0, 0, 0, 0)                    // checksum, urgent pointer
	b = append(b, 2, 4, byte(mss>>8), byte(mss)) // the option
	binary.BigEndian.PutUint16(b[start+16:], s.checksum(b[start:]))
	return b
}

// checksum of a segment from the source to the target, whose own field is
// zero.
func (s syn) checksum(segment []byte) uint16 {
	sum := uint32(protocolTCP) + uint32(len(segment))
	for _, addr := range []netip.Addr{s.source.Addr(), s.target.Addr()} {
		sum = addWords(sum, addr.AsSlice())
	}
	return fold(addWords(sum, segment))
}

// addWords adds the 16-bit words of b to an Internet checksum (RFC 1071).
func addWords(sum uint32, b []byte) uint32 {
	for ; len(b) >= 2; b = b[2:] {
		sum += uint32(b[0])<<8 | uint32(b[1])
	}
	if len(b) == 1 {
		sum += uint32(b[0]) << 8
	}
	return sum
}

// fold ends an Internet checksum.
func fold(sum uint32) uint16 {
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}

// answer reads what a raw socket received: a segment, behind its IP header in
// IPv4. It returns the segment's flags if it answers the SYN.
func (s syn) answer(packet []byte) (flags byte, ok bool) {
	if s.source.Addr().Is4() {
		if packet, ok = s.payloadV4(packet); !ok {
			return 0, false
		}
	}
	if len(packet) < tcpHeaderSize {
		return 0, false
	}
	flags = packet[13]
	ok = binary.BigEndian.Uint16(packet[0:]) == s.target.Port() &&
		binary.BigEndian.Uint16(packet[2:]) == s.source.Port() &&
		binary.BigEndian.Uint32(packet[8:]) == s.seq+1 &&
		flags&flagACK != 0 && flags&(flagSYN|flagRST) != 0
	return flags, ok
}

// payloadV4 takes the IP header off a packet from the target to the source.
func (s syn) payloadV4(packet []byte) ([]byte, bool) {
	payload, ok := ipv4Payload(packet)
	ok = ok && packet[9] == protocolTCP &&
		netip.AddrFrom4([4]byte(packet[12:])) == s.target.Addr() &&
		netip.AddrFrom4([4]byte(packet[16:])) == s.source.Addr()
	return payload, ok
}

// ipv4Payload takes the IP header off a packet.
func ipv4Payload(packet []byte) ([]byte, bool) {
	if len(packet) < ipv4HeaderSize || packet[0]>>4 != 4 {
		return nil, false
	}
	size := int(packet[0]&0xf) * 4
	if size < ipv4HeaderSize || len(packet) < size {
		return nil, false
	}
	return packet[size:], true
}

// sent says whether an ICMP error that quotes this packet, without its IP
// header, is about the SYN. Routers need not quote more than eight bytes.
func (s syn) sent(packet []byte) bool {
	return len(packet) >= 8 &&
		binary.BigEndian.Uint16(packet[0:]) == s.source.Port() &&
		binary.BigEndian.Uint16(packet[2:]) == s.target.Port() &&
		binary.BigEndian.Uint32(packet[4:]) == s.seq
}

// destinationPort of a packet that a raw socket received, 0 where there is
// none: of a segment, behind its IP header in IPv4.
func destinationPort(packet []byte, v6 bool) uint16 {
	if !v6 {
		packet, _ = ipv4Payload(packet)
	}
	if len(packet) < tcpHeaderSize {
		return 0
	}
	return binary.BigEndian.Uint16(packet[2:])
}

// sourcePort of a segment of which a part is quoted, 0 where there is none.
func sourcePort(segment []byte) uint16 {
	if len(segment) < 8 {
		return 0
	}
	return binary.BigEndian.Uint16(segment)
}
