// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package netns

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"syscall"

	"golang.org/x/sys/unix"
)

// What linux/inet_diag.h calls them.
const (
	// States of a socket, as bits of a request.
	stateClosed    = 1 << 7
	stateListening = 1 << 10

	// Attributes of a request and of an answer.
	attrBytecode = 1
	attrV6Only   = 11

	// Operations of the filter that the kernel applies.
	opSourcePortGE = 2
	opSourcePortLE = 3
)

const (
	// maxSockets bounds how many sockets on one port are looked at.
	maxSockets = 4096
	// loopback is the index of the loopback interface in every namespace.
	loopback = 1
	// diagTimeout bounds one wait for the kernel, which answers at once.
	diagTimeout = 2 // seconds
)

// Sizes and places in linux/inet_diag.h: struct inet_diag_sockid is two ports
// and two addresses of 16 bytes in network order, the interface and a cookie.
const (
	sizeofSockID      = 48
	sizeofDiagRequest = 8 + sizeofSockID
	sizeofDiagMessage = 4 + sizeofSockID + 5*4

	// In struct inet_diag_msg, which begins with the family.
	atPort      = 4
	atAddress   = 8
	atInterface = 40
)

// localSocket is where a socket takes what is sent to it.
type localSocket struct {
	addr   netip.Addr // unmapped
	port   uint16
	v6     bool   // an IPv6 socket
	v6only bool   // that takes no IPv4
	iface  uint32 // bound to this interface; 0 for none
}

// serves says whether the socket takes what comes from elsewhere to addr.
func (s localSocket) serves(addr netip.AddrPort) bool {
	ip := addr.Addr()
	switch {
	case s.port != addr.Port() || s.iface == loopback:
		return false
	case ip.Is6():
		return s.v6 && (s.addr == ip || s.addr == netip.IPv6Unspecified())
	case s.addr.Is4():
		// Also the IPv6 socket that is bound to a mapped address.
		return s.addr == ip || s.addr == netip.IPv4Unspecified()
	default:
		return !s.v6only && s.addr == netip.IPv6Unspecified()
	}
}

// diagConn asks the kernel for the sockets of the namespace it was made in.
type diagConn struct{ fd int }

// newDiagConn makes one in the calling thread's namespace.
func newDiagConn() (*diagConn, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_SOCK_DIAG)
	if err != nil {
		return nil, fmt.Errorf("opening a sock_diag socket: %w", err)
	}
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: diagTimeout}); err != nil {
		_ = unix.Close(fd)
		return nil, fmt.Errorf("opening a sock_diag socket: %w", err)
	}
	return &diagConn{fd: fd}, nil
}

func (c *diagConn) close() { _ = unix.Close(c.fd) }

// listens says whether a socket serves addr.
func (c *diagConn) listens(addr netip.AddrPort, protocol int) (bool, error) {
	families := []uint8{unix.AF_INET6}
	if addr.Addr().Is4() {
		families = []uint8{unix.AF_INET, unix.AF_INET6}
	}
	for _, family := range families {
		found := false
		err := c.dump(family, protocol, addr.Port(), func(s localSocket) bool {
			found = s.serves(addr)
			return !found
		})
		if found {
			return true, nil
		}
		if family == unix.AF_INET6 && len(families) > 1 && errors.Is(err, unix.ENOENT) {
			continue // a kernel without IPv6
		}
		if err != nil {
			return false, err
		}
	}
	return false, nil
}

// errTooMany says that somebody opened more sockets on a port than are read.
var errTooMany = fmt.Errorf("more than %d sockets on this port", maxSockets)

// dump calls yield with each listening (TCP) or bound and unconnected (UDP)
// socket on a port, until it returns false. What is left unread then makes the
// connection useless for another dump that yields anything.
func (c *diagConn) dump(family uint8, protocol int, port uint16, yield func(localSocket) bool) error {
	if err := unix.Sendto(c.fd, dumpRequest(family, protocol, port), 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return fmt.Errorf("asking for sockets: %w", err)
	}
	buffer := make([]byte, 32<<10)
	for seen := 0; ; {
		n, _, err := unix.Recvfrom(c.fd, buffer, 0)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return fmt.Errorf("reading sockets: %w", err)
		}
		messages, err := syscall.ParseNetlinkMessage(buffer[:n])
		if err != nil {
			return fmt.Errorf("reading sockets: %w", err)
		}
		for _, m := range messages {
			switch m.Header.Type {
			case unix.NLMSG_DONE, unix.NLMSG_ERROR:
				if err := netlinkErrno(m.Data); err != nil {
					return fmt.Errorf("reading sockets: %w", err)
				}
				return nil
			}
			s, ok := parseDiagMessage(m.Data)
			if !ok {
				return errors.New("reading sockets: a message is cut off")
			}
			if seen++; seen > maxSockets {
				return errTooMany
			}
			if !yield(s) {
				return nil
			}
		}
	}
}

// dumpRequest asks for the sockets on one port. The kernel filters, so that a
// program with many sockets costs nothing.
func dumpRequest(family uint8, protocol int, port uint16) []byte {
	states := uint32(stateListening)
	if protocol == unix.IPPROTO_UDP {
		states = stateClosed
	}
	filter := portFilter(port)
	length := unix.SizeofNlMsghdr + sizeofDiagRequest + unix.SizeofRtAttr + len(filter)
	b := make([]byte, 0, length)
	native := binary.NativeEndian
	b = native.AppendUint32(b, uint32(length))
	b = native.AppendUint16(b, unix.SOCK_DIAG_BY_FAMILY)
	b = native.AppendUint16(b, unix.NLM_F_REQUEST|unix.NLM_F_DUMP)
	b = append(b, make([]byte, 8)...) // sequence number, port ID
	b = append(b, family, uint8(protocol), 0, 0)
	b = native.AppendUint32(b, states)
	b = append(b, make([]byte, sizeofSockID)...)
	b = native.AppendUint16(b, uint16(unix.SizeofRtAttr+len(filter)))
	b = native.AppendUint16(b, attrBytecode)
	return append(b, filter...)
}

// portFilter is the program "source port is at least and at most this": each
// operation says how many bytes to go on where it holds and where it does not,
// and is followed by its operand. Going past the end by four bytes rejects.
func portFilter(port uint16) []byte {
	var b []byte
	for _, op := range []struct {
		code uint8
		fail uint16
	}{{opSourcePortGE, 16 + 4}, {opSourcePortLE, 8 + 4}} {
		b = append(b, op.code, 8)
		b = binary.NativeEndian.AppendUint16(b, op.fail)
		b = append(b, 0, 0)
		b = binary.NativeEndian.AppendUint16(b, port)
	}
	return b
}

// parseDiagMessage reads a struct inet_diag_msg and its attributes.
func parseDiagMessage(b []byte) (localSocket, bool) {
	if len(b) < sizeofDiagMessage {
		return localSocket{}, false
	}
	s := localSocket{
		port:  binary.BigEndian.Uint16(b[atPort:]),
		iface: binary.NativeEndian.Uint32(b[atInterface:]),
		v6:    b[0] == unix.AF_INET6,
	}
	if s.v6 {
		s.addr = netip.AddrFrom16([16]byte(b[atAddress:])).Unmap()
	} else {
		s.addr = netip.AddrFrom4([4]byte(b[atAddress:]))
	}
	for b = b[sizeofDiagMessage:]; len(b) >= unix.SizeofRtAttr; {
		length := int(binary.NativeEndian.Uint16(b))
		if length < unix.SizeofRtAttr || length > len(b) {
			return localSocket{}, false
		}
		if binary.NativeEndian.Uint16(b[2:]) == attrV6Only && length > unix.SizeofRtAttr {
			s.v6only = b[unix.SizeofRtAttr] != 0
		}
		b = b[min((length+3)&^3, len(b)):]
	}
	return s, true
}

// netlinkErrno is the error in the last message of an answer, if there is one.
func netlinkErrno(b []byte) error {
	if len(b) < 4 {
		return errors.New("the last message is cut off")
	}
	if code := int32(binary.NativeEndian.Uint32(b)); code < 0 {
		return unix.Errno(-code)
	}
	return nil
}
