// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"net"
	"net/netip"
	"testing"
	"time"
)

// openApp returns an app with one listener on the loopback.
func openApp(t *testing.T, name kind) (a *app, address string) {
	t.Helper()
	a, err := newApp()
	if err != nil {
		t.Fatal(err)
	}
	if err := a.authority.issue("shop.example.com", time.Hour); err != nil {
		t.Fatal(err)
	}
	address = freeAddress(t)
	if err := a.open(listenerKey{kind: name, address: address}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.closeAll)
	return a, address
}

// freeAddress is one that neither TCP nor UDP listens on.
func freeAddress(t *testing.T) string {
	t.Helper()
	for range 20 {
		stream, err := net.Listen("tcp4", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		address := stream.Addr().String()
		datagrams, err := net.ListenPacket("udp4", address)
		_ = stream.Close()
		if err == nil {
			_ = datagrams.Close()
			return address
		}
	}
	t.Fatal("no free port")
	return ""
}

func netipAddrPort(t *testing.T, address string) netip.AddrPort {
	t.Helper()
	parsed, err := netip.ParseAddrPort(address)
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}

func eventually(t *testing.T, check func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !check(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("not after 10 s")
		}
	}
}
