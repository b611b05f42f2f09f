// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// transport is what carries a probe.
type transport uint8

const (
	overTCP transport = iota
	overUDP
	overICMP
	// Over raw sockets, which need a capability.
	overRawTCP
	overRawICMP
	overIPIP
)

// socketType gives the arguments of socket(2) for an IP family.
func (tr transport) socketType(v6 bool) (typ, proto int) {
	icmp := unix.IPPROTO_ICMP
	if v6 {
		icmp = unix.IPPROTO_ICMPV6
	}
	switch tr {
	case overTCP:
		return unix.SOCK_STREAM, unix.IPPROTO_TCP
	case overUDP:
		return unix.SOCK_DGRAM, unix.IPPROTO_UDP
	case overICMP:
		return unix.SOCK_DGRAM, icmp
	case overRawTCP:
		return unix.SOCK_RAW, unix.IPPROTO_TCP
	case overIPIP:
		return unix.SOCK_RAW, unix.IPPROTO_IPIP
	default:
		return unix.SOCK_RAW, icmp
	}
}

// sock is one connected non-blocking socket of one probe. It waits in the
// runtime's poller, or in that of a batch. Everything it learns about a
// failure stays with the descriptor until it is asked: net.Dialer would have
// closed it.
type sock struct {
	ctx       context.Context
	file      *os.File // nil where a batch waits
	raw       syscall.RawConn
	fd        int // -1 for none
	v6        bool
	transport transport
	from      origin
	target    netip.AddrPort
	began     time.Time // just before connect(2)
	timeout   time.Duration
	connect   time.Duration // how long the TCP handshake took; zero before
	armed     bool
	// whole keeps what is sent from being fragmented, whatever the kernel has
	// heard of the path before.
	whole bool
	stop  func() bool
	// mine says whether an ICMP error is about a packet of this probe, by the
	// first bytes behind that packet's IP header; nil where the kernel knows.
	mine func(packet []byte) bool
	// overtime counts what was received after the deadline.
	overtime int
}

// maxOvertime is how much is received after the deadline, where it may have
// come before: who floods a probe must not prolong it.
const maxOvertime = 64

// dial opens a socket and connects it. The timeout covers everything that is
// done with the socket and begins when the first packet is out: time that the
// process did not get to send must not be taken from the network's.
func dial(ctx context.Context, tr transport, from origin, target netip.AddrPort, timeout time.Duration) (*sock, *fault) {
	s := new(sock)
	*s = newSock(ctx, tr, from, target, timeout)
	if f := s.launch(); f != nil {
		return s, f
	}
	if f := s.register(); f != nil || tr != overTCP {
		return s, f
	}
	if f := s.arm(); f != nil {
		return s, f
	}
	f := s.awaitConnect()
	if f == nil {
		s.connect = time.Since(s.began)
	}
	return s, f
}

// register puts the socket into the runtime's poller. It is for after connect:
// an unconnected TCP socket would wake the poller at once.
func (s *sock) register() (f *fault) {
	s.file = os.NewFile(uintptr(s.fd), "probe")
	var err error
	if s.raw, err = s.file.SyscallConn(); err != nil {
		return s.localFault("connect", err)
	}
	return nil
}

// newSock returns what launch opens.
func newSock(ctx context.Context, tr transport, from origin, target netip.AddrPort, timeout time.Duration) sock {
	target = netip.AddrPortFrom(target.Addr().Unmap(), target.Port())
	return sock{ctx: ctx, fd: -1, transport: tr, from: from, target: target, timeout: timeout, v6: target.Addr().Is6()}
}

// launch opens the socket and begins to connect it.
func (s *sock) launch() *fault {
	if s.ctx.Err() != nil {
		return s.fault(faultCanceled, "connect", 0)
	}
	if op, err := s.open(); err != nil {
		return s.localFault(op, err)
	}
	if err := s.start(); err != nil && !errors.Is(err, unix.EINPROGRESS) {
		return s.localFault("connect", err)
	}
	return nil
}

// arm starts the timeout and listens for the end of the context.
func (s *sock) arm() *fault {
	if s.armed {
		return nil
	}
	s.armed = true
	if err := s.file.SetDeadline(time.Now().Add(s.timeout)); err != nil {
		return s.localFault("connect", err)
	}
	if s.ctx.Done() != nil {
		s.stop = context.AfterFunc(s.ctx, func() { _ = s.file.SetDeadline(time.Unix(1, 0)) })
	}
	return nil
}

// create makes the socket in the namespace of this thread.
func (s *sock) create() (op string, err error) {
	domain, _, _ := s.family()
	typ, proto := s.transport.socketType(s.v6)
	s.fd, err = unix.Socket(domain, typ|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, proto)
	return "socket", err
}

// open makes the socket, unless there is one, binds it and says which call
// failed.
func (s *sock) open() (op string, err error) {
	if s.fd < 0 {
		op = opEnter
		err = s.from.do(func() (err error) {
			op, err = s.create()
			return err
		})
		if err != nil {
			return op, err
		}
	}
	_, level, option := s.family()
	if err = unix.SetsockoptInt(s.fd, level, option, 1); err != nil {
		return "setsockopt", err
	}
	if s.whole {
		if err = s.neverFragment(); err != nil {
			return "setsockopt", err
		}
	}
	if s.transport == overTCP {
		// Closed by a reset: no TIME_WAIT here, and conntrack forgets the
		// connection after 10 s instead of 120 s.
		if err = unix.SetsockoptLinger(s.fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1}); err != nil {
			return "setsockopt", err
		}
		if s.from.source.IsValid() {
			// The port comes with connect: then it is free for one target, not
			// for all. Kernels that cannot do this choose it now.
			_ = unix.SetsockoptInt(s.fd, unix.SOL_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1)
		}
	}
	return "bind", s.from.bind(s.fd)
}

// family gives the domain of the socket, and the option that makes the kernel
// queue ICMP errors.
func (s *sock) family() (domain, level, option int) {
	if s.v6 {
		return unix.AF_INET6, unix.SOL_IPV6, unix.IPV6_RECVERR
	}
	return unix.AF_INET, unix.SOL_IP, unix.IP_RECVERR
}

// start calls connect(2).
func (s *sock) start() error {
	sa, err := kernelAddr(s.fd, s.target)
	if err != nil {
		return err
	}
	s.began = time.Now()
	return unix.Connect(s.fd, sa)
}

// deadline of everything that is done with the socket.
func (s *sock) deadline() time.Time { return s.began.Add(s.timeout) }

// awaitConnect waits for the end of the TCP handshake; nil means connected.
func (s *sock) awaitConnect() *fault {
	for {
		first := true
		err := s.raw.Write(func(uintptr) bool {
			// The poller forgets what it saw before this call, so the first
			// look must be our own.
			if first {
				first = false
				return s.ready(unix.POLLOUT)
			}
			return true
		})
		if settled, f := s.settled(); settled {
			return f
		}
		if err != nil {
			return s.waitFault("connect", err)
		}
	}
}

// settled looks whether the TCP handshake has ended, and how; a nil fault
// means connected. It is for after a timeout too: a late process must not
// blame the path.
func (s *sock) settled() (bool, *fault) {
	// getpeername decides, not SO_ERROR, which reading the error queue may
	// clear.
	if _, err := unix.Getpeername(s.fd); err == nil {
		return true, nil
	}
	queue := s.errorQueue()
	errno, err := unix.GetsockoptInt(s.fd, unix.SOL_SOCKET, unix.SO_ERROR)
	switch {
	case len(queue) == 0 && (unix.Errno(errno) == unix.ECONNRESET || unix.Errno(errno) == unix.EPIPE):
		// Connected, and reset before we looked: a reset of the handshake
		// itself is ECONNREFUSED. Whoever writes or reads will see it.
		return true, nil
	case len(queue) > 0 || errno != 0:
		f := s.fault(faultRemote, "connect", unix.Errno(errno))
		f.queue = queue
		return true, f
	case err != nil:
		return true, s.localFault("connect", err)
	default:
		return false, nil
	}
}

// ready polls without waiting for events, errors included.
func (s *sock) ready(events int16) bool {
	fds := [1]unix.PollFd{{Fd: int32(s.fd), Events: events}}
	n, err := unix.Poll(fds[:], 0)
	return n > 0 || (err != nil && !errors.Is(err, unix.EINTR))
}

// write sends b whole.
func (s *sock) write(b []byte) *fault {
	// Without the poller first: a socket can nearly always send, and a late
	// process must send too.
	b, callErr := writeAll(s.fd, b)
	if f := s.arm(); f != nil {
		return f
	}
	if errors.Is(callErr, unix.EAGAIN) {
		err := s.raw.Write(func(fd uintptr) bool {
			b, callErr = writeAll(int(fd), b)
			return !errors.Is(callErr, unix.EAGAIN)
		})
		if err != nil {
			return s.waitFault("send", err)
		}
	}
	if callErr != nil {
		return s.callFault("send", callErr)
	}
	return nil
}

// writeAll writes until an error and returns what is left.
func writeAll(fd int, b []byte) ([]byte, error) {
	for len(b) > 0 {
		n, err := unix.Write(fd, b)
		if err != nil && !errors.Is(err, unix.EINTR) {
			return b, err
		}
		b = b[max(n, 0):]
	}
	return nil, nil
}

// read receives once: one datagram, or what there is of a stream; zero bytes
// of a stream are its end.
func (s *sock) read(b []byte) (int, *fault) {
	n, _, f := s.receive(b, func(fd int, b []byte) (int, netip.Addr, error) {
		n, err := unix.Read(fd, b)
		return n, netip.Addr{}, err
	})
	return n, f
}

// readFrom is read that says who sent the datagram.
func (s *sock) readFrom(b []byte) (int, netip.Addr, *fault) {
	return s.receive(b, func(fd int, b []byte) (int, netip.Addr, error) {
		n, from, err := unix.Recvfrom(fd, b, 0)
		return n, sockaddrIP(from), err
	})
}

func (s *sock) receive(b []byte, call func(int, []byte) (int, netip.Addr, error)) (int, netip.Addr, *fault) {
	var (
		n       int
		from    netip.Addr
		callErr error
		queue   []icmpError
		looks   int
	)
	err := s.raw.Read(func(fd uintptr) bool {
		for {
			if n, from, callErr = call(int(fd), b); !errors.Is(callErr, unix.EINTR) {
				break
			}
		}
		if !errors.Is(callErr, unix.EAGAIN) {
			return true
		}
		// Woken for nothing to read: an error whose errno somebody took.
		looks++
		if looks > 1 {
			queue = s.errorQueue()
		}
		return len(queue) > 0
	})
	if err != nil {
		if s.overtime++; s.overtime > maxOvertime {
			return 0, from, s.waitFault("receive", err)
		}
		// Once more: it may have come while the process was not running.
		n, from, callErr = call(s.fd, b)
		if errors.Is(callErr, unix.EAGAIN) {
			queue = s.errorQueue()
		}
	}
	switch {
	case callErr == nil:
		return max(n, 0), from, nil
	case len(queue) > 0:
		f := s.fault(faultRemote, "receive", 0)
		f.queue = queue
		return 0, from, f
	case !errors.Is(callErr, unix.EAGAIN):
		return 0, from, s.callFault("receive", callErr)
	default:
		return 0, from, s.waitFault("receive", err)
	}
}

// readFull fills b from a stream.
func (s *sock) readFull(b []byte) *fault {
	for len(b) > 0 {
		n, f := s.read(b)
		if f != nil {
			return f
		}
		if n == 0 {
			return s.fault(faultClosed, "receive", 0)
		}
		b = b[n:]
	}
	return nil
}

// close resets a TCP connection and gives the descriptor back.
func (s *sock) close() {
	if s.stop != nil {
		s.stop()
	}
	switch {
	case s.file != nil:
		_ = s.file.Close()
	case s.fd >= 0:
		_ = unix.Close(s.fd)
	}
}
