// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package probe_test

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/netladder/netladder/prober/probe"
	"github.com/netladder/netladder/test/netns"
)

var loopback = netip.MustParseAddr("127.0.0.1")

// serveHTTP answers every connection with what respond makes of the request.
func serveHTTP(t *testing.T, n *netns.NS, port uint16, respond func(*net.TCPConn, *http.Request)) {
	t.Helper()
	runTCP(t, n, fmt.Sprintf("127.0.0.1:%d", port), func(conn *net.TCPConn) {
		req, err := http.ReadRequest(bufio.NewReader(conn))
		if err != nil {
			t.Errorf("the probe sent no request: %v", err)
			return
		}
		respond(conn, req)
	})
}

func answer(raw string) func(*net.TCPConn, *http.Request) {
	return func(conn *net.TCPConn, _ *http.Request) {
		_, _ = conn.Write([]byte(raw))
		// Until the probe is done: closing now could reset what it still reads.
		_ = conn.CloseWrite()
		_, _ = conn.Read(make([]byte, 1))
	}
}

func TestHTTPResponses(t *testing.T) {
	long := strings.Repeat("x", 100<<10)
	for i, c := range []struct {
		name, response string
		request        probe.HTTPRequest
		want           probe.Verdict
		evidence       string
	}{
		{name: "ok", response: "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", want: probe.Connected, evidence: "HTTP status 200"},
		{name: "until close", response: "HTTP/1.0 200 OK\r\n\r\nok", want: probe.Connected, evidence: "HTTP status 200"},
		{name: "head", response: "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n", request: probe.HTTPRequest{Method: "HEAD"}, want: probe.Connected},
		{name: "redirect is good by default", response: "HTTP/1.1 302 Found\r\nLocation: http://10.0.0.1/\r\nContent-Length: 0\r\n\r\n", want: probe.Connected, evidence: "HTTP status 302"},
		{name: "redirect not expected", response: "HTTP/1.1 302 Found\r\nLocation: http://10.0.0.1/\r\nContent-Length: 0\r\n\r\n",
			request: probe.HTTPRequest{ExpectedStatuses: []int32{200}}, want: probe.ProtocolError, evidence: "HTTP status 302 is not expected"},
		{name: "unavailable", response: "HTTP/1.1 503 secret\r\nContent-Length: 6\r\n\r\nsecret", want: probe.ProtocolError, evidence: "HTTP status 503 is not expected"},
		{name: "unavailable as expected", response: "HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n", request: probe.HTTPRequest{ExpectedStatuses: []int32{401, 503}}, want: probe.Connected},
		{name: "interim", response: "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n", want: probe.Connected, evidence: "HTTP status 204"},
		{name: "interim without end", response: strings.Repeat("HTTP/1.1 100 Continue\r\n\r\n", 50), want: probe.ProtocolError, evidence: "malformed"},
		{name: "garbage", response: "SSH-2.0-secret\r\n", want: probe.ProtocolError, evidence: "malformed"},
		{name: "nothing", response: "", want: probe.ProtocolError, evidence: "closed without an HTTP response"},
		{name: "long header", response: "HTTP/1.1 200 OK\r\nX: " + long + "\r\n\r\n", want: probe.ProtocolError, evidence: "longer than 16384 bytes"},
		{name: "long first line", response: long, want: probe.ProtocolError, evidence: "longer than 16384 bytes"},
		{name: "long body", response: "HTTP/1.1 200 OK\r\nContent-Length: 102400\r\n\r\n" + long, want: probe.Connected},
		{name: "body cut short", response: "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nsecret", want: probe.ProtocolError, evidence: "body is malformed or incomplete"},
		{name: "bad chunk", response: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nsecret", want: probe.ProtocolError, evidence: "body is malformed or incomplete"},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := netns.New(t, "http")
			port := uint16(8000 + i)
			serveHTTP(t, n, port, answer(c.response))
			target := at(loopback, port)
			target.HTTP = c.request
			res := probeIn(t, n, probe.HTTP, target)
			if res.Verdict != c.want || !strings.Contains(res.Evidence, c.evidence) || strings.Contains(res.Evidence, "secret") {
				t.Errorf("got %+v, want %s with evidence of %q", res, c.want, c.evidence)
			}
		})
	}
}

func TestHTTPRequestAsSent(t *testing.T) {
	n := netns.New(t, "http")
	got := make(chan *http.Request, 1)
	serveHTTP(t, n, 8000, func(conn *net.TCPConn, req *http.Request) {
		got <- req
		answer("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")(conn, req)
	})
	target := at(loopback, 8000)
	target.HTTP = probe.HTTPRequest{Method: "HEAD", Path: "/a?b=c", Host: "shop.example.com"}
	res := probeIn(t, n, probe.HTTP, target)
	req := <-got
	if res.Verdict != probe.Connected || req.Method != "HEAD" || req.RequestURI != "/a?b=c" || req.Host != "shop.example.com" || !req.Close {
		t.Errorf("sent %s %s to %s, close %v: %+v", req.Method, req.RequestURI, req.Host, req.Close, res)
	}
	if len(res.Phases) != 2 || res.Phases[0].Name != "connect" || res.Phases[1].Name != "first_byte" {
		t.Errorf("phases %v", res.Phases)
	}
	target.HTTP.Host = ""
	probeIn(t, n, probe.HTTP, target)
	if req = <-got; req.Host != "127.0.0.1:8000" {
		t.Errorf("host %q without one given", req.Host)
	}
	for _, bad := range []probe.HTTPRequest{{Method: "POST"}, {Path: "x"}, {Path: "/\r\nX: y"}, {Path: "/ "}, {Host: "a\nb"}} {
		target.HTTP = bad
		if res = probeIn(t, n, probe.HTTP, target); res.Verdict != probe.LocalError {
			t.Errorf("request %+v: %+v", bad, res)
		}
	}
}

func TestHTTPStalls(t *testing.T) {
	n := netns.New(t, "http")
	stall := func(conn *net.TCPConn, _ *http.Request) { _, _ = conn.Read(make([]byte, 1)) }
	serveHTTP(t, n, 8000, stall)
	serveHTTP(t, n, 8001, func(conn *net.TCPConn, req *http.Request) {
		_, _ = conn.Write([]byte("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc"))
		stall(conn, req)
	})
	res := probeIn(t, n, probe.HTTP, dropTimeout(at(loopback, 8000)))
	if res.Verdict != probe.Dropped || !strings.Contains(res.Evidence, "connected after ") {
		t.Errorf("no response: %+v", res)
	}
	res = probeIn(t, n, probe.HTTP, dropTimeout(at(loopback, 8001)))
	if res.Verdict != probe.Dropped || !strings.Contains(res.Evidence, "HTTP status 200, then: ") {
		t.Errorf("no end of the body: %+v", res)
	}
}

// A handshake that succeeded is a success for TCP, whatever follows, and
// whether or not the probe looked in time to see it.
func TestResetAfterAccept(t *testing.T) {
	n := netns.New(t, "reset")
	runTCP(t, n, "127.0.0.1:8000", func(conn *net.TCPConn) { _ = conn.SetLinger(0) })
	for range 20 {
		if res := probeIn(t, n, probe.TCP, at(loopback, 8000)); res.Verdict != probe.Connected {
			t.Errorf("TCP: %+v", res)
		}
		if res := probeIn(t, n, probe.MeshTCP, at(loopback, 8000)); res.Verdict != probe.Reset {
			t.Errorf("MeshTCP: %+v", res)
		}
		if res := probeIn(t, n, probe.HTTP, at(loopback, 8000)); res.Verdict != probe.Reset {
			t.Errorf("HTTP: %+v", res)
		}
	}
}

func TestMeshAgainstStrangers(t *testing.T) {
	n := netns.New(t, "strange")
	runTCP(t, n, "127.0.0.1:8000", func(conn *net.TCPConn) {
		_, _ = conn.Read(make([]byte, 192))
		_, _ = conn.Write([]byte("220 mail.example.com secret\r\n"))
		_ = conn.CloseWrite()
		_, _ = conn.Read(make([]byte, 1))
	})
	runTCP(t, n, "127.0.0.1:8001", func(conn *net.TCPConn) {
		_, _ = conn.Write(make([]byte, 1000))
		_, _ = conn.Read(make([]byte, 1000))
		_, _ = conn.Read(make([]byte, 1))
	})
	for _, port := range []uint16{8000, 8001} {
		if res := probeIn(t, n, probe.MeshTCP, at(loopback, port)); res.Verdict != probe.ProtocolError || strings.Contains(res.Evidence, "secret") {
			t.Errorf("port %d: %+v", port, res)
		}
	}
}

func TestLocalErrors(t *testing.T) {
	n := netns.New(t, "local")
	canceled, cancel := context.WithCancel(context.Background())
	cancel()
	for kind := range probe.Kinds() {
		for way, f := range ways(t, kind) {
			target := at(loopback, 80)
			if res := f(context.Background(), target); res.Verdict != probe.LocalError {
				t.Errorf("%s %s without a timeout: %+v", kind, way, res)
			}
			if kind == probe.DNS {
				continue
			}
			target.Timeout = patient
			var res probe.Result
			n.Do(t, func() { res = f(canceled, target) })
			if res.Verdict != probe.LocalError {
				t.Errorf("%s %s canceled before: %+v", kind, way, res)
			}
			if res = f(context.Background(), probe.Target{Timeout: patient}); res.Verdict != probe.LocalError {
				t.Errorf("%s %s without an address: %+v", kind, way, res)
			}
		}
	}
}

// A context that ends while nothing answers must end the probe.
func TestCancelWhileWaiting(t *testing.T) {
	n := netns.New(t, "cancel")
	n.RunInput(t, "table inet t { chain c { type filter hook input priority 0;\ndrop\n}\n}\n", "nft", "-f", "-")
	n.Sysctl(t, "ipv4.ping_group_range", "0 2147483647")
	for _, kind := range []probe.Kind{probe.TCP, probe.TCPHalfOpen, probe.MeshUDP, probe.UDP, probe.MeshICMP} {
		for way, f := range ways(t, kind) {
			ctx, cancel := context.WithCancel(context.Background())
			target := at(loopback, 80)
			target.Timeout = time.Hour
			var ended atomic.Bool
			timer := time.AfterFunc(50*time.Millisecond, cancel)
			n.Do(t, func() {
				res := f(ctx, target)
				ended.Store(res.Verdict == probe.LocalError && strings.Contains(res.Evidence, "canceled"))
			})
			timer.Stop()
			cancel()
			if !ended.Load() {
				t.Errorf("%s %s was not canceled", kind, way)
			}
		}
	}
}

// A process that gets no CPU until its deadline has passed must not call a
// working path Dropped. On the loopback the answer is there when the call that
// asks returns, and a timeout of a nanosecond is always over by then.
func TestLateProbesLookOnceMore(t *testing.T) {
	n := netns.New(t, "late")
	n.Sysctl(t, "ipv4.ping_group_range", pingAllowed)
	runTCP(t, n, "127.0.0.1:8000", func(conn *net.TCPConn) { _, _ = conn.Read(make([]byte, 1)) })
	for kind, port := range map[probe.Kind]uint16{probe.TCP: 8000, probe.TCPHalfOpen: 8000, probe.MeshICMP: 0} {
		target := at(loopback, port)
		target.Timeout = time.Nanosecond
		for way, f := range ways(t, kind) {
			if res := probeBy(t, n, f, target); res.Verdict != probe.Connected || res.Late <= 0 {
				t.Errorf("%s %s: %+v", kind, way, res)
			}
		}
	}
	for kind, want := range map[probe.Kind]probe.Verdict{probe.TCP: probe.Refused, probe.TCPHalfOpen: probe.Refused, probe.MeshUDP: probe.Refused, probe.UDP: probe.Refused} {
		target := at(loopback, closedPort)
		target.Timeout = time.Nanosecond
		for way, f := range ways(t, kind) {
			if res := probeBy(t, n, f, target); res.Verdict != want {
				t.Errorf("%s %s of a closed port: %+v", kind, way, res)
			}
		}
	}
	n.Sysctl(t, "ipv4.ping_group_range", pingForbidden)
	target := at(loopback, 0)
	target.Timeout = time.Nanosecond
	if res := probeIn(t, n, probe.ICMP, target); res.Verdict != probe.Connected {
		t.Errorf("raw ping: %+v", res)
	}
}
