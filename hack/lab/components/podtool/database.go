// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"maps"
	"net"
	"slices"
	"sync"
	"time"
)

const (
	// maxInterrupted is how many broken handshakes a host has before it is blocked, MySQL's max_connect_errors by default.
	maxInterrupted = 100
	// handshakeTimeout is how long a client may take to say something, MySQL's connect_timeout by default.
	handshakeTimeout = 10 * time.Second
)

// database counts connections as a database server does that guards itself against hosts which connect and break off.
type database struct {
	mu          sync.Mutex
	accepts     int
	handshakes  int            // clients that said something
	interrupted int            // clients that went away without a word
	refused     int            // connections of blocked hosts
	errors      map[string]int // interrupted in a row, by the peer's address
}

func newDatabase() *database { return &database{errors: map[string]int{}} }

// serve accepts until the listener is closed; ctx ends the connections.
func (d *database) serve(ctx context.Context, listener net.Listener) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		go d.handle(ctx, conn)
	}
}

// handle waits for the client's first bytes and then closes.
func (d *database) handle(ctx context.Context, conn net.Conn) {
	defer func() { _ = conn.Close() }()
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	peer := hostOf(conn.RemoteAddr())
	if !d.accept(peer) {
		_, _ = conn.Write([]byte("host is blocked because of many connection errors\n"))
		return
	}
	_ = conn.SetReadDeadline(time.Now().Add(handshakeTimeout))
	n, _ := conn.Read(make([]byte, 512))
	if ctx.Err() == nil {
		d.finish(peer, n > 0)
	}
}

// accept counts a connection and tells whether its host may have one.
func (d *database) accept(peer string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.accepts++
	if d.errors[peer] >= maxInterrupted {
		d.refused++
		return false
	}
	return true
}

func (d *database) finish(peer string, spoke bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if spoke {
		d.handshakes++
		delete(d.errors, peer)
		return
	}
	d.interrupted++
	d.errors[peer]++
}

// databaseCounters is what GET /counters shows of all TCP listeners together.
type databaseCounters struct {
	Accepts           int            `json:"accepts"`
	Handshakes        int            `json:"handshakes"`
	Interrupted       int            `json:"interrupted"`
	RefusedBlocked    int            `json:"refusedBlocked"`
	InterruptedByHost map[string]int `json:"interruptedByHost"` // since the host's last handshake
	BlockedHosts      []string       `json:"blockedHosts"`
}

func (d *database) counters() databaseCounters {
	d.mu.Lock()
	defer d.mu.Unlock()
	blocked := []string{}
	for host, count := range d.errors {
		if count >= maxInterrupted {
			blocked = append(blocked, host)
		}
	}
	slices.Sort(blocked)
	return databaseCounters{
		Accepts: d.accepts, Handshakes: d.handshakes, Interrupted: d.interrupted, RefusedBlocked: d.refused,
		InterruptedByHost: maps.Clone(d.errors), BlockedHosts: blocked,
	}
}

func hostOf(address net.Addr) string {
	host, _, err := net.SplitHostPort(address.String())
	if err != nil {
		return address.String()
	}
	return host
}
