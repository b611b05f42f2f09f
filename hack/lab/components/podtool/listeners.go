// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"sync"
)

// kind is how a listener behaves.
type kind string

// behaviour is one kind of listener.
type behaviour struct {
	name kind
	does string // after "an address that"
	// open takes the address family, "4", "6" or "" for both, and the address.
	open func(a *app, family, address string) (io.Closer, error)
}

// behaviours lists what an app can do with an address. To add one, add a row.
func behaviours() []behaviour {
	return []behaviour{
		{"http", "answers GET / and /health with the status that /health of the admin server sets, at first 200", (*app).openHTTP},
		{"https", "is the same over TLS", func(a *app, family, address string) (io.Closer, error) {
			return a.serveHealth(tls.NewListener, family, address)
		}},
		{"tls", "makes a TLS handshake and then behaves as --tcp does", func(a *app, family, address string) (io.Closer, error) {
			return a.openStream(tls.NewListener, family, address)
		}},
		{"tcp", "behaves as a database does: it waits for the client's first bytes, and blocks hosts that break off too often", (*app).openTCP},
		{"udp", "sends every datagram back", func(a *app, family, address string) (io.Closer, error) {
			return a.openUDP(family, address, true)
		}},
		{"udp-silent", "receives datagrams and answers none", func(a *app, family, address string) (io.Closer, error) {
			return a.openUDP(family, address, false)
		}},
	}
}

// listenerKey names a listener.
type listenerKey struct {
	kind    kind
	address string
	v6only  bool
}

func (k listenerKey) String() string {
	text := string(k.kind) + " " + k.address
	if k.v6only {
		text += " v6only"
	}
	return text
}

// app holds the listeners and what they count.
type app struct {
	mu        sync.Mutex
	listeners map[listenerKey]io.Closer
	health    int // HTTP status
	requests  int
	datagrams int
	database  *database
	authority *authority
}

func newApp() (*app, error) {
	authority, err := newAuthority()
	if err != nil {
		return nil, err
	}
	return &app{listeners: map[listenerKey]io.Closer{}, health: http.StatusOK, database: newDatabase(), authority: authority}, nil
}

// open starts a listener; one that is open already is a mistake.
func (a *app) open(key listenerKey) error {
	family, err := familyOf(key)
	if err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if _, open := a.listeners[key]; open {
		return fmt.Errorf("%s is open already", key)
	}
	for _, each := range behaviours() {
		if each.name != key.kind {
			continue
		}
		listener, err := each.open(a, family, key.address)
		if err != nil {
			return fmt.Errorf("opening %s: %w", key, err)
		}
		a.listeners[key] = listener
		return nil
	}
	return fmt.Errorf("there is no kind of listener %q", key.kind)
}

// close ends a listener and the connections it has.
func (a *app) close(key listenerKey) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	listener, open := a.listeners[key]
	if !open {
		return fmt.Errorf("%s is not open", key)
	}
	delete(a.listeners, key)
	if err := listener.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("closing %s: %w", key, err)
	}
	return nil
}

func (a *app) closeAll() {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, listener := range a.listeners {
		_ = listener.Close()
	}
	clear(a.listeners)
}

// familyOf makes an address mean what it says: 0.0.0.0 is IPv4 only, for which Go would open a socket of both families; ::
// is both, unless it is to be IPv6 only.
func familyOf(key listenerKey) (string, error) {
	host, _, err := net.SplitHostPort(key.address)
	if err != nil {
		return "", fmt.Errorf("address of %s: %w", key, err)
	}
	if key.v6only {
		return "6", nil
	}
	if address, err := netip.ParseAddr(host); err == nil && address.Is4() {
		return "4", nil
	}
	return "", nil
}

// secured puts TLS on a listener; tls.NewListener is one, and inClear leaves the listener as it is.
type secured func(net.Listener, *tls.Config) net.Listener

func inClear(listener net.Listener, _ *tls.Config) net.Listener { return listener }

func (a *app) openHTTP(family, address string) (io.Closer, error) {
	return a.serveHealth(inClear, family, address)
}

func (a *app) serveHealth(by secured, family, address string) (io.Closer, error) {
	listener, err := net.Listen("tcp"+family, address)
	if err != nil {
		return nil, err
	}
	listener = by(listener, a.authority.config())
	mux := http.NewServeMux()
	answer := func(w http.ResponseWriter, _ *http.Request) {
		a.mu.Lock()
		a.requests++
		status := a.health
		a.mu.Unlock()
		w.WriteHeader(status)
		_, _ = fmt.Fprintln(w, http.StatusText(status))
	}
	mux.HandleFunc("GET /{$}", answer)
	mux.HandleFunc("GET /health", answer)
	server := &http.Server{Handler: mux, ReadHeaderTimeout: clientTimeout}
	go func() { _ = server.Serve(listener) }() // ends when the server is closed
	return server, nil
}

func (a *app) openTCP(family, address string) (io.Closer, error) {
	return a.openStream(inClear, family, address)
}

func (a *app) openStream(by secured, family, address string) (io.Closer, error) {
	listener, err := net.Listen("tcp"+family, address)
	if err != nil {
		return nil, err
	}
	listener = by(listener, a.authority.config())
	ctx, cancel := context.WithCancel(context.Background())
	go a.database.serve(ctx, listener)
	return closers{listener, closerFunc(cancel)}, nil
}

func (a *app) openUDP(family, address string, echo bool) (io.Closer, error) {
	socket, err := net.ListenPacket("udp"+family, address)
	if err != nil {
		return nil, err
	}
	go func() {
		buffer := make([]byte, 64<<10)
		for {
			n, peer, err := socket.ReadFrom(buffer)
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err != nil {
				continue // an ICMP error about an earlier answer
			}
			a.mu.Lock()
			a.datagrams++
			a.mu.Unlock()
			if echo {
				_, _ = socket.WriteTo(buffer[:n], peer)
			}
		}
	}()
	return socket, nil
}

type closerFunc func()

func (f closerFunc) Close() error {
	f()
	return nil
}

type closers []io.Closer

func (c closers) Close() error {
	var errs []error
	for _, each := range c {
		errs = append(errs, each.Close())
	}
	return errors.Join(errs...)
}
