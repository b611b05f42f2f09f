// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"context"
	"errors"
	"io"
	"net"
	"time"
)

// maxWire bounds what is read from a socket under TLS or HTTP/2: a handshake
// with the longest chain that crypto/tls takes, and an answer.
const maxWire = 512 << 10

// conn is a socket as crypto/tls and readers want it. It is for one goroutine
// and keeps what the socket learns about a failure. The deadline and the end
// are the socket's own.
type conn struct {
	sock *sock
	left int // how many bytes may still be read
}

func newConn(s *sock) *conn { return &conn{sock: s, left: maxWire} }

var errTooMuch = errors.New("the peer sends too much")

// Read implements net.Conn.
func (c *conn) Read(b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	if c.left <= 0 {
		return 0, errTooMuch
	}
	n, f := c.sock.read(b[:min(len(b), c.left)])
	if f != nil {
		return 0, &streamError{fault: f}
	}
	if n == 0 {
		return 0, io.EOF
	}
	c.left -= n
	return n, nil
}

// Write implements net.Conn.
func (c *conn) Write(b []byte) (int, error) {
	if f := c.sock.write(b); f != nil {
		return 0, &streamError{fault: f}
	}
	return len(b), nil
}

// Close implements net.Conn; the probe closes its socket.
func (c *conn) Close() error { return nil }

// LocalAddr implements net.Conn; nobody asks.
func (c *conn) LocalAddr() net.Addr { return &net.TCPAddr{} }

// RemoteAddr implements net.Conn.
func (c *conn) RemoteAddr() net.Addr { return net.TCPAddrFromAddrPort(c.sock.target) }

// SetDeadline implements net.Conn.
func (c *conn) SetDeadline(time.Time) error { return nil }

// SetReadDeadline implements net.Conn.
func (c *conn) SetReadDeadline(time.Time) error { return nil }

// SetWriteDeadline implements net.Conn.
func (c *conn) SetWriteDeadline(time.Time) error { return nil }

// streamError carries a fault through readers and writers.
type streamError struct{ fault *fault }

// Error implements error.
func (e *streamError) Error() string { return "network fault" }

// networkFault returns the fault that an error carries, nil if there is none.
func networkFault(err error) *fault {
	var stopped *streamError
	if errors.As(err, &stopped) {
		return stopped.fault
	}
	return nil
}

// channel connects to the target, by TLS where it asks for that. The socket is
// for the caller to close; without a channel the Result says why.
func (r *run) channel(ctx context.Context, protocol string) (*sock, io.ReadWriter, Result) {
	s, f := r.dial(ctx, overTCP)
	if f != nil {
		return s, nil, r.fail(f)
	}
	r.phase("connect", s.connect)
	if r.target.TLS == nil {
		return s, newConn(s), Result{}
	}
	secured, d := r.secure(s, protocol)
	if secured == nil {
		return s, nil, r.judge(d)
	}
	return s, secured, Result{}
}

// brokenOff is the diagnosis of an exchange that the network or TLS ended;
// false where it was neither. Its evidence begins with what was seen before.
func brokenOff(err error, before string) (diagnosis, bool) {
	var d diagnosis
	if f := networkFault(err); f != nil {
		d = classify(*f)
	} else if alert := alertOf(err); alert != "" {
		d = diagnosis{verdict: TLSError, evidence: "the server ended TLS with the alert: " + alert}
	} else {
		return d, false
	}
	d.evidence = before + d.evidence
	return d, true
}
