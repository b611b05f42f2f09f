// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"errors"
	"net/netip"
	"strconv"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	// synSocketLife is for how long a raw socket takes on probes: each ends
	// with its probes, but there might always be one.
	synSocketLife = 10 * time.Second
	// maxSends is how often one packet is tried to be sent.
	maxSends = 8
)

// synKey says which half-open probes can share a raw socket.
type synKey struct {
	// cookie is the kernel's number of the network namespace; 0 where it
	// (before Linux 5.14) has none: nothing is shared then.
	cookie uint64
	// source address, which says the IP family too.
	source netip.Addr
}

// synSocket is a raw socket that several half-open probes share. The kernel
// shows it all TCP segments to its address, and the ICMP errors about those
// from there. A filter lets pass what answers a SYN and carries the socket's
// own mark in the sequence number; so what the pod itself does on the network
// does not fill the buffer.
type synSocket struct {
	fd   int
	key  synKey
	born time.Time
	// mark is the upper half of all sequence numbers.
	mark uint16
	// users are the probes, and Start while it needs the socket.
	users int
	// flights by source port.
	flights map[uint16]*halfOpen
	// drops is how many packets the kernel had dropped when it was last asked.
	drops uint32
	// full: it takes on no more probes.
	full bool
	buf  [128]byte
}

// open makes the socket, which was just made, ready.
func (c *synSocket) open() (op string, err error) {
	c.mark = uint16(randomBits())
	if err := c.filter(); err != nil {
		return "setsockopt", err
	}
	level, option := unix.SOL_IP, unix.IP_RECVERR
	if c.v6() {
		level, option = unix.SOL_IPV6, unix.IPV6_RECVERR
	}
	if err := unix.SetsockoptInt(c.fd, level, option, 1); err != nil {
		return "setsockopt", err
	}
	from := origin{source: c.key.source}
	if err := from.bind(c.fd); err != nil {
		return "bind", err
	}
	// What came before there was a filter must not be in the way.
	c.drain(nil, true)
	c.drops = c.dropped()
	return "", nil
}

func (c *synSocket) v6() bool { return c.key.source.Is6() }

// joinable says whether another probe may use the socket.
func (c *synSocket) joinable(now time.Time) bool {
	return !c.full && now.Sub(c.born) < synSocketLife
}

// sequence returns a sequence number; the one that follows it, which the
// target acknowledges, has the mark too.
func (c *synSocket) sequence() uint32 {
	return uint32(c.mark)<<16 | randomBits()%0xffff
}

// filter lets through what acknowledges a segment with the mark, and opens or
// resets. In IPv6 a raw socket gets no IP header.
func (c *synSocket) filter() error {
	skip := unix.SockFilter{Code: unix.BPF_LDX | unix.BPF_MSH | unix.BPF_B}
	if c.v6() {
		skip = unix.SockFilter{Code: unix.BPF_LDX | unix.BPF_IMM}
	}
	const set = uint16(unix.BPF_JMP | unix.BPF_JSET | unix.BPF_K)
	program := []unix.SockFilter{
		skip,
		{Code: unix.BPF_LD | unix.BPF_B | unix.BPF_IND, K: 13},
		{Code: set, K: flagACK, Jf: 4},
		{Code: set, K: flagSYN | flagRST, Jf: 3},
		// The upper half of what is acknowledged.
		{Code: unix.BPF_LD | unix.BPF_H | unix.BPF_IND, K: 8},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: uint32(c.mark), Jf: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: uint32(len(c.buf))},
		{Code: unix.BPF_RET | unix.BPF_K, K: 0},
	}
	return unix.SetsockoptSockFprog(c.fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]})
}

// send sends the SYN. The socket may hold the errno of an ICMP error about
// somebody else's packet, which the first try would return.
func (c *synSocket) send(h *halfOpen, a *arrivals) error {
	var buf [64]byte
	segment := h.syn.append(buf[:0])
	var last error
	for range maxSends {
		err := unix.Sendto(c.fd, segment, 0, h.to)
		switch {
		case err == nil || errors.Is(err, unix.EPERM):
			return err
		case errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.ENOBUFS):
			// Too much waits for neighbours that do not answer.
			c.full = true
			return err
		case c.errors(a) == 0 && last != nil:
			// Twice, and nobody has sent an error in between: it is our own.
			return err
		}
		last = err
	}
	return last
}

// drain takes what has come and hands over the probes that ended by it; failed
// says that there are errors too. It returns whether that was all.
func (c *synSocket) drain(a *arrivals, failed bool) bool {
	for range maxForeignPackets {
		n, from, err := c.receive()
		switch {
		case err == nil:
			c.take(c.buf[:n], from, a)
		case errors.Is(err, unix.EINTR):
		case errors.Is(err, unix.EAGAIN) && !failed:
			return true
		default:
			// Perhaps the errno of an ICMP error, which may be about somebody
			// else's packet: the queue knows.
			if c.errors(a) == maxForeign {
				return false
			}
			failed = false
		}
	}
	return false
}

// lookLast is drain before silence is believed: probes that it does not end
// are told if an answer may be lost.
func (c *synSocket) lookLast(a *arrivals) {
	lost := !c.drain(a, true)
	if drops := c.dropped(); drops != c.drops {
		c.drops, lost = drops, true
	}
	if lost {
		for _, h := range c.flights {
			h.lost = true
		}
	}
}

// receive one packet. That of IPv4 says itself where it is from.
func (c *synSocket) receive() (int, netip.Addr, error) {
	if !c.v6() {
		n, err := unix.Read(c.fd, c.buf[:])
		return max(n, 0), netip.Addr{}, err
	}
	n, from, err := unix.Recvfrom(c.fd, c.buf[:], 0)
	return max(n, 0), sockaddrIP(from), err
}

// take ends the probe that a packet answers.
func (c *synSocket) take(packet []byte, from netip.Addr, a *arrivals) {
	h := c.flights[destinationPort(packet, c.v6())]
	if h == nil || c.v6() && from != h.syn.target.Addr() {
		return
	}
	if flags, ok := h.syn.answer(packet); ok {
		h.answered(flags)
		a.add(h)
	}
}

// errors ends the probes that ICMP errors are about, and returns how many
// errors there were.
func (c *synSocket) errors(a *arrivals) int {
	var payload [64]byte
	var control [256]byte
	for read := range maxForeign {
		size, n, _, _, err := unix.Recvmsg(c.fd, payload[:], control[:], unix.MSG_ERRQUEUE|unix.MSG_DONTWAIT)
		if err != nil {
			return read
		}
		packet := payload[:min(size, len(payload))]
		h := c.flights[sourcePort(packet)]
		if h == nil || !h.syn.sent(packet) {
			continue
		}
		if found := parseControl(control[:n]); len(found) > 0 {
			f := h.sock.fault(faultRemote, "receive", 0)
			f.queue = found
			h.failed(f)
			a.add(h)
		}
	}
	return maxForeign
}

// dropped is how many packets the kernel had no room for.
func (c *synSocket) dropped() uint32 {
	const drops = 8 // SK_MEMINFO_DROPS
	var info [drops + 1]uint32
	size := uint32(unsafe.Sizeof(info))
	_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(c.fd), unix.SOL_SOCKET, unix.SO_MEMINFO,
		uintptr(unsafe.Pointer(&info)), uintptr(unsafe.Pointer(&size)), 0)
	if errno != 0 {
		return 0
	}
	return info[drops]
}

// sourceToward finds the source address that the kernel takes toward the
// target of a probe, which is in the namespace of this thread.
func sourceToward(s *sock) (source netip.Addr, op string, err error) {
	domain, _, _ := s.family()
	// Of the same protocol: there may be routes for that alone.
	fd, err := unix.Socket(domain, unix.SOCK_RAW|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, unix.IPPROTO_TCP)
	if err != nil {
		return netip.Addr{}, "socket", err
	}
	defer func() { _ = unix.Close(fd) }()
	sa, err := kernelAddr(fd, netip.AddrPortFrom(s.target.Addr(), 0))
	if err != nil {
		return netip.Addr{}, "connect", err
	}
	if err = unix.Connect(fd, sa); err != nil {
		return netip.Addr{}, "connect", err
	}
	name, err := unix.Getsockname(fd)
	if err != nil {
		return netip.Addr{}, "getsockname", err
	}
	source = sockaddrIP(name)
	if sa, ok := name.(*unix.SockaddrInet6); ok && sa.ZoneId != 0 {
		source = source.WithZone(strconv.FormatUint(uint64(sa.ZoneId), 10))
	}
	return source, "", nil
}
