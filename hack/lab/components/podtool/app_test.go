// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestDatabaseBlocksWhoBreaksOffTooOften(t *testing.T) {
	d := newDatabase()
	for range maxInterrupted - 1 {
		d.accept("a")
		d.finish("a", false)
	}
	if !d.accept("a") {
		t.Fatal("blocked too early")
	}
	d.finish("a", true) // a handshake makes up for everything before
	for range maxInterrupted {
		if !d.accept("a") {
			t.Fatal("blocked although a handshake came between")
		}
		d.finish("a", false)
	}
	if d.accept("a") || !d.accept("b") {
		t.Error("want host a blocked and host b not")
	}
	got := d.counters()
	want := databaseCounters{
		Accepts: 2*maxInterrupted + 2, Handshakes: 1, Interrupted: 2*maxInterrupted - 1, RefusedBlocked: 1,
		InterruptedByHost: map[string]int{"a": maxInterrupted}, BlockedHosts: []string{"a"},
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("counters %+v, want %+v", got, want)
	}
}

func TestTCPListenerTellsWordsFromSilence(t *testing.T) {
	a, address := openApp(t, "tcp")
	for _, words := range []string{"", "hello"} {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Write([]byte(words)); err != nil {
			t.Fatal(err)
		}
		_ = conn.Close()
	}
	eventually(t, func() bool {
		counters := a.database.counters()
		return counters.Accepts == 2 && counters.Handshakes == 1 && counters.Interrupted == 1
	})
}

func TestListenersOpenAndCloseAtRunTime(t *testing.T) {
	a, address := openApp(t, "udp")
	admin := httptest.NewServer(a.adminHandler())
	defer admin.Close()
	post := func(path string, want int) {
		t.Helper()
		response, err := http.Post(admin.URL+path, "", nil)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		if response.StatusCode != want {
			t.Errorf("POST %s: %s, want %d", path, response.Status, want)
		}
	}
	dial := func(want string) {
		t.Helper()
		got, err := attempt{protocol: "udp", target: netipAddrPort(t, address), timeout: 5 * time.Second, send: "x"}.outcome()
		if err != nil || !strings.HasPrefix(got, want) {
			t.Errorf("%s, %v; want %s", got, err, want)
		}
	}
	same := "?proto=udp&addr=" + address
	dial("answered")
	post("/listen"+same, http.StatusConflict)
	post("/close"+same, http.StatusOK)
	post("/close"+same, http.StatusConflict)
	dial("rejected icmp=3/3 from=127.0.0.1")
	post("/listen"+same, http.StatusOK)
	dial("answered")
	post("/listen?proto=sctp&addr="+address, http.StatusConflict)
	if got := a.counters(); !slices.Equal(got.Listeners, []string{"udp " + address}) || got.Datagrams != 2 {
		t.Errorf("counters %+v", got)
	}
}

func TestHealthCanBeSwitched(t *testing.T) {
	a, address := openApp(t, "http")
	admin := httptest.NewServer(a.adminHandler())
	defer admin.Close()
	for _, want := range []int{http.StatusOK, http.StatusServiceUnavailable, http.StatusOK} {
		response, err := http.Post(fmt.Sprintf("%s/health?status=%d", admin.URL, want), "", nil)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		for _, path := range []string{"/", "/health"} {
			response, err := http.Get("http://" + address + path)
			if err != nil {
				t.Fatal(err)
			}
			_ = response.Body.Close()
			if response.StatusCode != want {
				t.Errorf("GET %s: %s, want %d", path, response.Status, want)
			}
		}
	}
}

func TestDialSaysWhy(t *testing.T) {
	_, open := openApp(t, "tcp")
	_, silent := openApp(t, "udp-silent")
	closed := freeAddress(t)
	for _, test := range []struct {
		attempt attempt
		want    string
	}{
		{attempt{protocol: "tcp", target: netipAddrPort(t, open), timeout: 5 * time.Second}, "connected"},
		{attempt{protocol: "tcp", target: netipAddrPort(t, open), timeout: 5 * time.Second, send: "x"}, "answered"},
		{attempt{protocol: "tcp", target: netipAddrPort(t, closed), timeout: 5 * time.Second}, "refused"},
		{attempt{protocol: "udp", target: netipAddrPort(t, silent), timeout: 50 * time.Millisecond, send: "x"}, "timeout"},
	} {
		if got, err := test.attempt.outcome(); err != nil || got != test.want {
			t.Errorf("%+v: %s, %v; want %s", test.attempt, got, err, test.want)
		}
	}
}

// 0.0.0.0 has to be IPv4 only: what listens where is what stories are about.
func TestFamilyOf(t *testing.T) {
	for key, want := range map[listenerKey]string{
		{address: "0.0.0.0:80"}: "4", {address: "127.0.0.1:80"}: "4", {address: "[::]:80"}: "", {address: ":80"}: "",
		{address: "[::]:80", v6only: true}: "6",
	} {
		if got, err := familyOf(key); err != nil || got != want {
			t.Errorf("%s: family %q, %v; want %q", key, got, err, want)
		}
	}
	if _, err := familyOf(listenerKey{address: "nowhere"}); err == nil {
		t.Error("an address without a port is accepted")
	}
}
