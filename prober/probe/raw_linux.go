// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"errors"
	"net/netip"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// maxForeignPackets is how many packets of others are read in one go.
const maxForeignPackets = 512

// rawSock is a connected raw socket. The kernel gives it whatever the target
// sends by its protocol, and the ICMP errors about whatever this network
// namespace sent there, so all of it must be looked at.
type rawSock struct {
	sock
	// take is given what was received, and says whether it is an answer.
	take  func(packet []byte) bool
	queue []icmpError
	buf   [128]byte
}

// look takes what has come and says whether that ends the probe: an answer was
// taken or the queue is not empty.
func (s *rawSock) look() bool {
	for range maxForeignPackets {
		n, err := unix.Read(s.fd, s.buf[:])
		switch {
		case err == nil:
			if s.take(s.buf[:max(n, 0)]) {
				return true
			}
		case errors.Is(err, unix.EINTR):
		default:
			// Either nothing to read, or the errno of an ICMP error, which may
			// be about somebody else's packet: the queue knows.
			s.queue = s.errorQueue()
			if len(s.queue) > 0 || errors.Is(err, unix.EAGAIN) {
				return len(s.queue) > 0
			}
		}
	}
	return false
}

// receive hands on what comes to a raw socket until it is closed, or fails again
// and again. The packet is take's only until it returns.
func receive(raw syscall.RawConn, buf []byte, take func(from netip.Addr, packet []byte)) {
	for failures := 0; failures < maxForeignPackets; failures++ {
		var n int
		var from unix.Sockaddr
		var callErr error
		err := raw.Read(func(fd uintptr) bool {
			n, from, callErr = unix.Recvfrom(int(fd), buf, 0)
			return !errors.Is(callErr, unix.EAGAIN)
		})
		if err != nil {
			return
		}
		if callErr == nil {
			failures = -1
			take(sockaddrIP(from), buf[:max(n, 0)])
		}
	}
}

// await looks until there is something or the time has come; nil means that
// something was taken.
func (s *rawSock) await(until time.Time) *fault {
	if err := s.file.SetReadDeadline(until); err != nil {
		return s.localFault("receive", err)
	}
	found := false
	// The context may have ended before that deadline hid it.
	err := s.ctx.Err()
	if err == nil {
		err = s.raw.Read(func(uintptr) bool { found = s.look(); return found })
	}
	if err != nil {
		// Once more: it may have come while the process was not running.
		found = s.look()
	}
	switch {
	case found && len(s.queue) > 0:
		f := s.fault(faultRemote, "receive", 0)
		f.queue = s.queue
		return f
	case found:
		return nil
	case errors.Is(err, os.ErrDeadlineExceeded) && s.ctx.Err() == nil:
		return s.fault(faultTimeout, "receive", 0)
	default:
		return s.waitFault("receive", err)
	}
}

// send sends one packet. The socket may hold the errno of an ICMP error about
// somebody else's packet, which the first try would return.
func (s *rawSock) send(packet []byte) error {
	var err error
	for range 3 {
		if _, err = unix.Write(s.fd, packet); err == nil || errors.Is(err, unix.EPERM) {
			break
		}
	}
	return err
}

// notPermitted says whether a socket was refused for want of a capability.
func notPermitted(f *fault) bool {
	return f.op == "socket" && (errors.Is(f.errno, unix.EACCES) || errors.Is(f.errno, unix.EPERM) || errors.Is(f.errno, unix.EPROTONOSUPPORT))
}
