// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"encoding/binary"
	"net/netip"

	"golang.org/x/sys/unix"
)

const (
	// maxQueued bounds how many entries of an error queue are kept, and
	// maxForeign how many that belong to others are skipped.
	maxQueued  = 8
	maxForeign = 512
	// sizes of struct sock_extended_err and of the offender's sockaddrs.
	extendedErrSize  = 16
	sockaddrInetSize = 16
	sockaddrIn6Size  = 28
)

// errorQueue reads what the kernel queued for this socket: the ICMP errors
// about its packets with their senders.
func (s *sock) errorQueue() []icmpError {
	var queue []icmpError
	var payload [512]byte
	var control [256]byte
	for foreign := 0; len(queue) < maxQueued && foreign < maxForeign; {
		size, n, _, _, err := unix.Recvmsg(s.fd, payload[:], control[:], unix.MSG_ERRQUEUE|unix.MSG_DONTWAIT)
		if err != nil {
			break
		}
		found := parseControl(control[:n])
		if len(found) == 0 || s.mine != nil && !s.mine(payload[:size]) {
			foreign++
			continue
		}
		queue = append(queue, found...)
	}
	return queue
}

// parseControl finds the extended errors among control messages.
func parseControl(control []byte) []icmpError {
	messages, err := unix.ParseSocketControlMessage(control)
	if err != nil {
		return nil
	}
	var found []icmpError
	for _, m := range messages {
		v4 := m.Header.Level == unix.SOL_IP && m.Header.Type == unix.IP_RECVERR
		v6 := m.Header.Level == unix.SOL_IPV6 && m.Header.Type == unix.IPV6_RECVERR
		if !v4 && !v6 {
			continue
		}
		if e, ok := parseExtendedErr(m.Data); ok {
			found = append(found, e)
		}
	}
	return found
}

// parseExtendedErr parses struct sock_extended_err and the sockaddr of the
// offender behind it.
func parseExtendedErr(b []byte) (icmpError, bool) {
	if len(b) < extendedErrSize {
		return icmpError{}, false
	}
	e := icmpError{
		errno:  unix.Errno(binary.NativeEndian.Uint32(b[0:4])),
		origin: b[4],
		typ:    b[5],
		code:   b[6],
		info:   binary.NativeEndian.Uint32(b[8:12]),
	}
	sa := b[extendedErrSize:]
	if len(sa) < 2 {
		return e, true
	}
	switch family := binary.NativeEndian.Uint16(sa[0:2]); {
	case family == unix.AF_INET && len(sa) >= sockaddrInetSize:
		e.offender = netip.AddrFrom4([4]byte(sa[4:8]))
	case family == unix.AF_INET6 && len(sa) >= sockaddrIn6Size:
		e.offender = netip.AddrFrom16([16]byte(sa[8:24])).Unmap()
	}
	return e, true
}
