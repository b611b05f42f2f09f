// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"encoding/binary"
	"net/netip"
	"testing"

	"pgregory.net/rapid"
)

// drawSYN draws a SYN of either IP family.
func drawSYN(t *rapid.T) syn {
	size := rapid.SampledFrom([]int{4, 16}).Draw(t, "address bytes")
	endpoint := func(name string) netip.AddrPort {
		addr, _ := netip.AddrFromSlice(rapid.SliceOfN(rapid.Byte(), size, size).Draw(t, name))
		return netip.AddrPortFrom(addr, rapid.Uint16().Draw(t, name+" port"))
	}
	return syn{source: endpoint("source"), target: endpoint("target"), seq: rapid.Uint32().Draw(t, "seq")}
}

// reply is a segment that answers a SYN, as a raw socket receives it, and where
// in it the TCP header begins.
func (s syn) reply(flags byte) (packet []byte, header int) {
	if s.source.Addr().Is4() {
		packet = make([]byte, 24) // with an IP option
		packet[0], packet[9] = 0x46, protocolTCP
		copy(packet[12:], s.target.Addr().AsSlice())
		copy(packet[16:], s.source.Addr().AsSlice())
	}
	header = len(packet)
	packet = binary.BigEndian.AppendUint16(packet, s.target.Port())
	packet = binary.BigEndian.AppendUint16(packet, s.source.Port())
	packet = binary.BigEndian.AppendUint32(packet, 7)
	packet = binary.BigEndian.AppendUint32(packet, s.seq+1)
	return append(packet, 5<<4, flags, 0, 0, 0, 0, 0, 0), header
}

// Only a segment that says all that an answer must say is one.
func TestAnswer(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawSYN(t)
		flags := rapid.SampledFrom([]byte{flagSYN | flagACK, flagRST | flagACK}).Draw(t, "flags")
		packet, header := s.reply(flags)
		if got, ok := s.answer(packet); !ok || got != flags {
			t.Fatalf("an answer is refused: %x", packet)
		}
		if _, ok := s.answer(packet[:rapid.IntRange(0, len(packet)-1).Draw(t, "cut")]); ok {
			t.Fatalf("a part of an answer is taken: %x", packet)
		}
		// Ports, acknowledgement and, in IPv4, both addresses.
		changed := rapid.SampledFrom([]int{header, header + 1, header + 2, header + 3, header + 8, header + 9, header + 10, header + 11}).Draw(t, "at")
		if header > 0 && rapid.Bool().Draw(t, "in the IP header") {
			changed = rapid.SampledFrom([]int{9, 12, 13, 14, 15, 16, 17, 18, 19}).Draw(t, "there")
		}
		packet[changed] ^= rapid.ByteRange(1, 255).Draw(t, "change")
		if _, ok := s.answer(packet); ok {
			t.Fatalf("taken with byte %d changed: %x", changed, packet)
		}
		packet, _ = s.reply(rapid.SampledFrom([]byte{0, flagSYN, flagRST, flagACK, 0xff &^ flagACK}).Draw(t, "no answer"))
		if _, ok := s.answer(packet); ok {
			t.Fatalf("taken with wrong flags: %x", packet)
		}
	})
}

// The quoted packet of an ICMP error is the SYN as it was sent; eight bytes of
// it are enough, and no other eight bytes are.
func TestSent(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawSYN(t)
		segment := s.append(nil)
		quoted := append([]byte{}, segment[:rapid.IntRange(8, len(segment)).Draw(t, "quoted")]...)
		if !s.sent(quoted) {
			t.Fatalf("not taken for ours: %x", quoted)
		}
		quoted[rapid.IntRange(0, 7).Draw(t, "at")] ^= rapid.ByteRange(1, 255).Draw(t, "change")
		if s.sent(quoted) || s.sent(quoted[:7]) {
			t.Fatalf("taken for ours: %x", quoted)
		}
		// A receiver adds the checksum to the rest and gets nothing.
		if sum := s.checksum(segment); sum != 0 {
			t.Fatalf("the checksum is off by %#x", sum)
		}
	})
}

func FuzzAnswer(f *testing.F) {
	v4 := syn{source: netip.MustParseAddrPort("10.0.0.1:40000"), target: netip.MustParseAddrPort("10.0.0.2:80"), seq: 1}
	v6 := syn{source: netip.MustParseAddrPort("[fd00::1]:40000"), target: netip.MustParseAddrPort("[fd00::2]:80"), seq: 1}
	for _, s := range []syn{v4, v6} {
		packet, _ := s.reply(flagSYN | flagACK)
		f.Add(packet)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, s := range []syn{v4, v6} {
			if flags, ok := s.answer(b); ok && (flags&flagACK == 0 || len(b) < tcpHeaderSize) {
				t.Errorf("taken: %x", b)
			}
			s.sent(b)
		}
		if payload, ok := ipv4Payload(b); ok {
			echo{}.answeredBy(false, payload)
		}
	})
}
