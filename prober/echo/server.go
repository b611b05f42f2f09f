// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

// Package echo is the passive target of the mesh: a server that says who it
// is, over TCP, UDP and HTTP. It needs no privilege and no Kubernetes. Anybody
// in the pod network can reach it, so it answers little, never more than it
// was sent (HTTP aside), and only so often.
package echo

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

const (
	// DefaultAddr is where TCP and UDP are served, in both IP families.
	DefaultAddr = ":8441"
	// DefaultHTTPAddr is where HTTP is served.
	DefaultHTTPAddr = ":8442"
)

// Server answers who it is. Fields must not change after Listen or Run.
type Server struct {
	// NodeName and PodUID are the answer.
	NodeName, PodUID string
	// Addr of TCP and UDP, DefaultAddr if empty. With port 0 both get the same
	// free port.
	Addr string
	// HTTPAddr, DefaultHTTPAddr if empty. HTTP has GET /healthz (200) and
	// GET /identity (JSON: node, podUID).
	HTTPAddr string
	// HealthAddr has GET /healthz too, for the kubelet alone: what is asked
	// elsewhere does not use up what is answered here. None if empty.
	HealthAddr string
	// Registerer for the metrics; none if nil.
	Registerer prometheus.Registerer
	// Limits of what is answered; DefaultLimits if zero.
	Limits Limits
	// timeout of a connection, exchangeTimeout if zero.
	timeout time.Duration
}

// Bound is a Server whose sockets are open; Serve answers on them and closes
// them.
type Bound struct {
	server  Server
	metrics *metrics
	limiter *limiter
	tcp     net.Listener
	udp     *net.UDPConn
	http    net.Listener
	health  net.Listener // nil for none
}

// Run listens and serves until ctx ends; then it returns nil.
func (s *Server) Run(ctx context.Context) error {
	b, err := s.Listen(ctx)
	if err != nil {
		return err
	}
	return b.Serve(ctx)
}

// Listen opens the sockets, in the network namespace of the calling thread.
func (s *Server) Listen(ctx context.Context) (*Bound, error) {
	b := &Bound{server: *s}
	if b.server.Addr == "" {
		b.server.Addr = DefaultAddr
	}
	if b.server.HTTPAddr == "" {
		b.server.HTTPAddr = DefaultHTTPAddr
	}
	if b.server.Limits == (Limits{}) {
		b.server.Limits = DefaultLimits()
	}
	if b.server.timeout == 0 {
		b.server.timeout = exchangeTimeout
	}
	b.limiter = newLimiter(b.server.Limits)
	b.metrics = newMetrics()
	if s.Registerer != nil {
		if err := s.Registerer.Register(b.metrics); err != nil {
			return nil, fmt.Errorf("registering echo metrics: %w", err)
		}
	}
	if err := b.listen(ctx); err != nil {
		b.close()
		return nil, fmt.Errorf("opening echo sockets: %w", err)
	}
	return b, nil
}

func (b *Bound) listen(ctx context.Context) error {
	// No keep-alives: a connection lives two seconds.
	config := net.ListenConfig{KeepAlive: -1}
	var err error
	if b.tcp, err = config.Listen(ctx, "tcp", b.server.Addr); err != nil {
		return err
	}
	// The same address as TCP, with the port that was chosen if it was 0.
	host, _, err := net.SplitHostPort(b.server.Addr)
	if err != nil {
		return err
	}
	packets, err := config.ListenPacket(ctx, "udp", net.JoinHostPort(host, fmt.Sprint(b.Addr().Port())))
	if err != nil {
		return err
	}
	b.udp = packets.(*net.UDPConn)
	if b.http, err = config.Listen(ctx, "tcp", b.server.HTTPAddr); err != nil || b.server.HealthAddr == "" {
		return err
	}
	b.health, err = config.Listen(ctx, "tcp", b.server.HealthAddr)
	return err
}

// Addr is where TCP and UDP are served.
func (b *Bound) Addr() netip.AddrPort { return addrPort(b.tcp.Addr()) }

// HTTPAddr is where HTTP is served.
func (b *Bound) HTTPAddr() netip.AddrPort { return addrPort(b.http.Addr()) }

// HealthAddr is where health is served; only if the Server has such an address.
func (b *Bound) HealthAddr() netip.AddrPort { return addrPort(b.health.Addr()) }

// addrPort is that of a TCP or UDP address, without an IPv4-mapped form.
func addrPort(a net.Addr) netip.AddrPort {
	var ap netip.AddrPort
	switch a := a.(type) {
	case *net.TCPAddr:
		ap = a.AddrPort()
	case *net.UDPAddr:
		ap = a.AddrPort()
	}
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
}

// Serve answers until ctx ends or a listener breaks, and returns when every
// connection is closed. It returns nil after ctx ended.
func (b *Bound) Serve(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	web, health := b.webServer(), b.healthServer()
	var group sync.WaitGroup
	serve := func(what string, f func(context.Context) error) {
		group.Go(func() {
			if err := f(ctx); err != nil && ctx.Err() == nil {
				cancel(fmt.Errorf("serving %s: %w", what, err))
			}
		})
	}
	serve("TCP", b.serveTCP)
	serve("UDP", b.serveUDP)
	serve("HTTP", func(context.Context) error {
		return web.Serve(&limitedListener{Listener: b.http, limiter: b.limiter, metrics: b.metrics, slots: make(chan struct{}, b.server.Limits.Connections)})
	})
	if b.health != nil {
		serve("health", func(context.Context) error {
			limits := healthLimits()
			return health.Serve(&limitedListener{Listener: b.health, limiter: newLimiter(limits), metrics: b.metrics, slots: make(chan struct{}, limits.Connections)})
		})
	}
	<-ctx.Done()
	err := context.Cause(ctx)
	b.close()
	for _, server := range []*http.Server{web, health} {
		_ = server.Close() // closes what is open: nothing here is worth draining
	}
	group.Wait()
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return nil
	}
	return err
}

// close closes the listening sockets and forgets the metrics.
func (b *Bound) close() {
	for _, l := range []net.Listener{b.tcp, b.http, b.health} {
		if l != nil {
			_ = l.Close()
		}
	}
	if b.udp != nil {
		_ = b.udp.Close()
	}
	if b.server.Registerer != nil {
		b.server.Registerer.Unregister(b.metrics)
	}
}
