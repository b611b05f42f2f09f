// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package echo

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"syscall"
	"time"

	"github.com/netladder/netladder/prober/echo/wire"
)

const (
	// exchangeTimeout bounds the life of a TCP connection.
	exchangeTimeout = 2 * time.Second
	// acceptPause after a failed accept, such as for want of descriptors.
	acceptPause = 100 * time.Millisecond
)

// limitedListener admits connections by rate and by number.
type limitedListener struct {
	net.Listener
	limiter *limiter
	metrics *metrics
	slots   chan struct{}
}

// Accept returns the next connection that the limits admit; others are reset.
func (l *limitedListener) Accept() (net.Conn, error) {
	conn, err := l.accept()
	if err != nil {
		return nil, err // not conn: an interface that holds nil is not nil
	}
	return conn, nil
}

func (l *limitedListener) accept() (*limitedConn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		tcp := conn.(*net.TCPConn)
		if reason := l.limiter.admit(addrPort(conn.RemoteAddr()).Addr()); reason != "" {
			l.refuse(tcp, reason)
			continue
		}
		select {
		case l.slots <- struct{}{}:
			return &limitedConn{TCPConn: tcp, release: sync.OnceFunc(func() { <-l.slots })}, nil
		default:
			l.refuse(tcp, reasonConnections)
		}
	}
}

// refuse closes a connection by a reset.
func (l *limitedListener) refuse(conn *net.TCPConn, reason string) {
	l.metrics.drop(reason)
	_ = conn.SetLinger(0)
	_ = conn.Close()
}

// limitedConn gives its place back when it is closed.
type limitedConn struct {
	*net.TCPConn
	release func()
}

// Close implements net.Conn.
func (c *limitedConn) Close() error {
	defer c.release()
	return c.TCPConn.Close()
}

// serveTCP serves one exchange per connection.
func (b *Bound) serveTCP(ctx context.Context) error {
	listener := &limitedListener{
		Listener: b.tcp, limiter: b.limiter, metrics: b.metrics,
		slots: make(chan struct{}, b.server.Limits.Connections),
	}
	var group sync.WaitGroup
	defer group.Wait()
	for {
		conn, err := listener.accept()
		if err != nil {
			if errors.Is(err, net.ErrClosed) || !isTemporary(err) {
				return err
			}
			select {
			case <-ctx.Done():
				return nil
			case <-time.After(acceptPause):
			}
			continue
		}
		group.Go(func() {
			stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
			defer stop()
			b.exchange(conn)
		})
	}
}

// exchange answers one request, then lets the client be the one to close: a
// reset from here could overtake the answer.
func (b *Bound) exchange(conn *limitedConn) {
	_ = conn.SetLinger(0) // closed by a reset: no TIME_WAIT piles up here
	defer func() { _ = conn.Close() }()
	if err := conn.SetDeadline(time.Now().Add(b.server.timeout)); err != nil {
		return
	}
	var buf [wire.Size]byte
	if _, err := io.ReadFull(conn, buf[:]); err != nil {
		b.metrics.drop(reasonIncomplete)
		return
	}
	request, err := wire.ParseRequest(buf[:])
	if err != nil {
		b.metrics.drop(reasonMalformed)
		return
	}
	b.metrics.request(protocolTCP)
	if _, err = conn.Write(wire.AppendReply(buf[:0], b.reply(request))); err != nil {
		b.metrics.drop(reasonIncomplete)
		return
	}
	_, _ = conn.Read(buf[:1])
}

// isTemporary tells errors that pass from those of a broken socket.
func isTemporary(err error) bool {
	for _, errno := range []syscall.Errno{
		syscall.ECONNABORTED, syscall.ECONNREFUSED, syscall.ECONNRESET, syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS,
		syscall.ENOMEM, syscall.EHOSTUNREACH, syscall.ENETUNREACH, syscall.EHOSTDOWN, syscall.ENETDOWN, syscall.EPROTO, syscall.EPERM,
	} {
		if errors.Is(err, errno) {
			return true
		}
	}
	return false
}
