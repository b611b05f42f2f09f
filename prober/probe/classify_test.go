// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"encoding/binary"
	"net/netip"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	"pgregory.net/rapid"
)

var (
	targetIP = netip.MustParseAddr("10.1.2.3")
	hopIP    = netip.MustParseAddr("10.9.9.9")
)

func TestClassifyICMP(t *testing.T) {
	for _, c := range []struct {
		v6        bool
		typ, code uint8
		tr        transport
		offender  netip.Addr
		want      Verdict
	}{
		{typ: 3, code: 0, want: Unreachable}, {typ: 3, code: 1, want: Unreachable}, {typ: 3, code: 2, want: ProtocolUnreachable},
		{typ: 3, code: 3, want: Rejected}, {typ: 3, code: 4, want: TooBig}, {typ: 3, code: 5, want: Unreachable},
		{typ: 3, code: 6, want: Unreachable}, {typ: 3, code: 7, want: Unreachable}, {typ: 3, code: 8, want: Unreachable},
		{typ: 3, code: 9, want: Rejected}, {typ: 3, code: 10, want: Rejected}, {typ: 3, code: 11, want: Unreachable},
		{typ: 3, code: 12, want: Unreachable}, {typ: 3, code: 13, want: Rejected}, {typ: 3, code: 14, want: Rejected},
		{typ: 3, code: 15, want: Rejected}, {typ: 3, code: 16, want: Unreachable}, {typ: 11, code: 0, want: Unreachable},
		{typ: 12, code: 0, want: ProtocolError}, {typ: 99, code: 0, want: Unreachable},
		// Port unreachable depends on who says it, and about what.
		{typ: 3, code: 3, tr: overUDP, offender: targetIP, want: Refused},
		{typ: 3, code: 3, tr: overIPIP, offender: targetIP, want: Refused},
		{typ: 3, code: 3, tr: overIPIP, offender: hopIP, want: Rejected},
		{typ: 3, code: 3, tr: overUDP, offender: hopIP, want: Rejected},
		{typ: 3, code: 3, tr: overUDP, want: Rejected},
		{typ: 3, code: 3, tr: overTCP, offender: targetIP, want: Rejected},
		{typ: 3, code: 3, tr: overICMP, offender: targetIP, want: Rejected},
		{typ: 3, code: 13, tr: overUDP, offender: targetIP, want: Rejected},
		{v6: true, typ: 1, code: 0, want: Unreachable}, {v6: true, typ: 1, code: 1, want: Rejected}, {v6: true, typ: 1, code: 2, want: Unreachable},
		{v6: true, typ: 1, code: 3, want: Unreachable}, {v6: true, typ: 1, code: 4, want: Rejected}, {v6: true, typ: 1, code: 5, want: Rejected},
		{v6: true, typ: 1, code: 6, want: Rejected}, {v6: true, typ: 1, code: 7, want: Unreachable}, {v6: true, typ: 2, code: 0, want: TooBig},
		{v6: true, typ: 3, code: 0, want: Unreachable}, {v6: true, typ: 4, code: 0, want: ProtocolError}, {v6: true, typ: 4, code: 1, want: ProtocolUnreachable},
		{v6: true, typ: 1, code: 4, tr: overUDP, offender: targetIP, want: Refused},
	} {
		e := icmpError{origin: unix.SO_EE_ORIGIN_ICMP, typ: c.typ, code: c.code, offender: c.offender}
		if c.v6 {
			e.origin = unix.SO_EE_ORIGIN_ICMP6
		}
		// What the errno says must not matter.
		d := classify(fault{kind: faultRemote, op: "connect", errno: unix.ECONNREFUSED, queue: []icmpError{{origin: unix.SO_EE_ORIGIN_LOCAL}, e}, transport: c.tr, target: targetIP})
		if d.verdict != c.want || d.offender != c.offender {
			t.Errorf("%+v: got %+v", c, d)
		}
	}
}

func TestClassifyErrno(t *testing.T) {
	for _, c := range []struct {
		kind      faultKind
		op        string
		errno     unix.Errno
		connected time.Duration
		want      Verdict
	}{
		{kind: faultLocal, op: "connect", errno: unix.EPERM, want: LocalDenied},
		{kind: faultLocal, op: "send", errno: unix.EPERM, want: LocalDenied},
		{kind: faultLocal, op: "connect", errno: unix.EACCES, want: LocalDenied},
		{kind: faultLocal, op: "connect", errno: unix.EHOSTUNREACH, want: LocalDenied},
		{kind: faultLocal, op: "connect", errno: unix.EINVAL, want: LocalDenied},
		{kind: faultLocal, op: "connect", errno: unix.ENETUNREACH, want: Unreachable},
		{kind: faultLocal, op: "connect", errno: unix.EADDRNOTAVAIL, want: LocalError},
		{kind: faultLocal, op: "socket", errno: unix.EMFILE, want: LocalError},
		{kind: faultLocal, op: "socket", errno: unix.EACCES, want: LocalError},
		{kind: faultLocal, op: "setsockopt", errno: unix.EINVAL, want: LocalError},
		{kind: faultLocal, op: "send", errno: unix.EMSGSIZE, want: LocalError},
		{kind: faultLocal, op: "send", errno: unix.ENOBUFS, want: LocalError},
		{kind: faultRemote, op: "connect", errno: unix.ECONNREFUSED, want: Refused},
		{kind: faultRemote, op: "receive", errno: unix.ECONNREFUSED, connected: 1, want: Rejected},
		{kind: faultRemote, op: "receive", errno: unix.ECONNRESET, connected: 1, want: Reset},
		{kind: faultRemote, op: "send", errno: unix.EPIPE, connected: 1, want: Reset},
		{kind: faultRemote, op: "connect", errno: unix.ETIMEDOUT, want: Dropped},
		{kind: faultRemote, op: "connect", errno: unix.EHOSTUNREACH, want: Unreachable},
		{kind: faultRemote, op: "connect", errno: unix.ENETUNREACH, want: Unreachable},
		{kind: faultRemote, op: "connect", errno: unix.ENOPROTOOPT, want: ProtocolUnreachable},
		{kind: faultRemote, op: "receive", errno: unix.EPROTO, want: ProtocolError},
		{kind: faultRemote, op: "receive", errno: unix.EIO, want: LocalError},
		{kind: faultTimeout, op: "connect", want: Dropped},
		{kind: faultCanceled, op: "connect", want: LocalError},
		{kind: faultClosed, op: "receive", want: ProtocolError},
	} {
		if d := classify(fault{kind: c.kind, op: c.op, errno: c.errno, connected: c.connected, target: targetIP}); d.verdict != c.want || d.evidence == "" || d.offender.IsValid() {
			t.Errorf("%+v: got %+v", c, d)
		}
	}
}

func TestEvidenceOfICMP(t *testing.T) {
	f := fault{
		kind: faultRemote, transport: overTCP, target: targetIP, after: 412 * time.Microsecond,
		queue: []icmpError{{origin: unix.SO_EE_ORIGIN_ICMP, typ: 3, code: 13, offender: hopIP}},
	}
	want := "ICMP 3/13 (administratively prohibited) from 10.9.9.9 after 0.4 ms"
	if got := classify(f).evidence; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestPrintable(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.String().Draw(t, "s") + strings.Repeat("x", rapid.IntRange(0, 300).Draw(t, "n"))
		got := printable(s)
		if len(got) > maxEvidence || len(got) != min(len(s), maxEvidence) {
			t.Fatalf("%d bytes of %d", len(got), len(s))
		}
		for _, c := range []byte(got) {
			if c < ' ' || c > '~' {
				t.Fatalf("byte %#x in %q", c, got)
			}
		}
	})
}

// extendedErr builds what the kernel writes behind a control message header.
func extendedErr(origin, typ, code uint8, sockaddr []byte) []byte {
	b := binary.NativeEndian.AppendUint32(nil, uint32(unix.EHOSTUNREACH))
	b = append(b, origin, typ, code, 0)
	return append(append(b, make([]byte, 8)...), sockaddr...)
}

func sockaddr(ip netip.Addr) []byte {
	if ip.Is4() {
		b := binary.NativeEndian.AppendUint16(nil, unix.AF_INET)
		return append(append(append(b, 0, 0), ip.AsSlice()...), make([]byte, 8)...)
	}
	b := binary.NativeEndian.AppendUint16(nil, unix.AF_INET6)
	return append(append(append(b, make([]byte, 6)...), ip.AsSlice()...), make([]byte, 4)...)
}

func TestParseExtendedErr(t *testing.T) {
	for _, ip := range []netip.Addr{hopIP, netip.MustParseAddr("fd00::1")} {
		e, ok := parseExtendedErr(extendedErr(unix.SO_EE_ORIGIN_ICMP, 3, 1, sockaddr(ip)))
		if want := (icmpError{errno: unix.EHOSTUNREACH, origin: unix.SO_EE_ORIGIN_ICMP, typ: 3, code: 1, offender: ip}); !ok || e != want {
			t.Errorf("got %+v, want %+v", e, want)
		}
	}
	if e, ok := parseExtendedErr(extendedErr(unix.SO_EE_ORIGIN_LOCAL, 0, 0, nil)); !ok || e.offender.IsValid() {
		t.Errorf("without an offender: %+v %v", e, ok)
	}
	if _, ok := parseExtendedErr(make([]byte, extendedErrSize-1)); ok {
		t.Error("parsed a short one")
	}
}

func FuzzParseControl(f *testing.F) {
	f.Add([]byte{}, []byte{})
	f.Add(extendedErr(unix.SO_EE_ORIGIN_ICMP, 3, 1, sockaddr(hopIP)), make([]byte, unix.SizeofCmsghdr))
	f.Fuzz(func(_ *testing.T, extended, control []byte) {
		parseExtendedErr(extended)
		parseControl(control)
	})
}
