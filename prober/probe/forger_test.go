// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package probe_test

import (
	"encoding/binary"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/netladder/netladder/test/netns"
)

// forger is somebody at the target who sees the first SYN to appPort, in IPv4,
// and answers what he likes.
type forger struct {
	t        *testing.T
	tcp, err int // raw sockets for TCP and ICMP
	port     uint16
	seq      uint32
}

// sniffer waits for the SYN.
type sniffer struct {
	forger
	packets int
}

func newForger(t *testing.T, n *netns.NS) *sniffer {
	t.Helper()
	s := &sniffer{forger: forger{t: t}}
	var errs [3]error
	n.Do(t, func() {
		// Before any packet filter.
		ip := int(binary.BigEndian.Uint16(binary.NativeEndian.AppendUint16(nil, unix.ETH_P_IP)))
		s.packets, errs[0] = unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, ip)
		s.tcp, errs[1] = unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_TCP)
		s.err, errs[2] = unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_ICMP)
	})
	for _, err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { _, _, _ = unix.Close(s.packets), unix.Close(s.tcp), unix.Close(s.err) })
	patience := unix.NsecToTimeval(patient.Nanoseconds())
	if err := unix.SetsockoptTimeval(s.packets, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &patience); err != nil {
		t.Fatal(err)
	}
	return s
}

// await waits for the SYN.
func (s *sniffer) await() bool {
	b := make([]byte, 128)
	for until := time.Now().Add(patient); time.Now().Before(until); {
		n, err := unix.Read(s.packets, b)
		if err != nil {
			s.t.Errorf("waiting for a SYN: %v", err)
			return false
		}
		if n >= 40 && b[9] == unix.IPPROTO_TCP && binary.BigEndian.Uint16(b[22:]) == appPort {
			s.port, s.seq = binary.BigEndian.Uint16(b[20:]), binary.BigEndian.Uint32(b[24:])
			return true
		}
	}
	return false
}

// wrong sends everything that must not count.
func (f forger) wrong() {
	const syn, rst, ack = 0x02, 0x04, 0x10
	f.segment(f.port, f.seq, syn|ack)
	f.segment(f.port, f.seq+2, syn|ack)
	f.segment(f.port+1, f.seq+1, syn|ack)
	f.segment(f.port, f.seq+1, ack)
	f.segment(f.port, f.seq+1, syn)
	f.segment(f.port, f.seq+1, rst)
	f.segment(f.port, f.seq, rst|ack)
	f.segment(f.port, 0, rst)
	f.send(f.tcp, []byte{0})
	f.send(f.tcp, make([]byte, 19))
	f.send(f.tcp, make([]byte, 1400))
	f.icmp(f.port+1, f.seq)
	f.icmp(f.port, f.seq+1)
}

// segment sends a TCP segment to the source.
func (f forger) segment(port uint16, ack uint32, flags byte) {
	b := binary.BigEndian.AppendUint16(nil, appPort)
	b = binary.BigEndian.AppendUint16(b, port)
	b = binary.BigEndian.AppendUint32(b, 12345)
	b = binary.BigEndian.AppendUint32(b, ack)
	b = append(b, 5<<4, flags, 1, 0, 0, 0, 0, 0)
	pseudo := append(netns.TargetV4.AsSlice(), netns.SourceV4.AsSlice()...)
	pseudo = append(pseudo, 0, unix.IPPROTO_TCP, 0, byte(len(b)))
	binary.BigEndian.PutUint16(b[16:], internetChecksum(append(pseudo, b...)))
	f.send(f.tcp, b)
}

// icmp sends a port unreachable that quotes a segment of the source.
func (f forger) icmp(port uint16, seq uint32) {
	b := []byte{3, 3, 0, 0, 0, 0, 0, 0}
	quoted := []byte{0x45, 0, 0, 44, 0, 0, 0x40, 0, 60, unix.IPPROTO_TCP, 0, 0}
	quoted = append(append(quoted, netns.SourceV4.AsSlice()...), netns.TargetV4.AsSlice()...)
	binary.BigEndian.PutUint16(quoted[10:], internetChecksum(quoted))
	b = append(b, quoted...)
	b = binary.BigEndian.AppendUint16(b, port)
	b = binary.BigEndian.AppendUint16(b, appPort)
	b = binary.BigEndian.AppendUint32(b, seq)
	binary.BigEndian.PutUint16(b[2:], internetChecksum(b))
	f.send(f.err, b)
}

func (f forger) send(fd int, b []byte) {
	if err := unix.Sendto(fd, b, 0, &unix.SockaddrInet4{Addr: netns.SourceV4.As4()}); err != nil {
		f.t.Errorf("forging: %v", err)
	}
}

// internetChecksum by the book, apart from the one that is tested.
func internetChecksum(b []byte) uint16 {
	var sum uint64
	for i, c := range b {
		sum += uint64(c) << (8 * ((i + 1) % 2))
	}
	for sum>>16 != 0 {
		sum = sum&0xffff + sum>>16
	}
	return ^uint16(sum)
}
