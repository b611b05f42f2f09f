// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package echo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"golang.org/x/sys/unix"

	"github.com/netladder/netladder/prober/echo/wire"
)

// patient is a deadline that only a broken test reaches.
const patient = 20 * time.Second

// start runs a server on the loopback until the test ends.
func start(t *testing.T, server Server) (*Bound, *prometheus.Registry) {
	t.Helper()
	registry := prometheus.NewPedanticRegistry()
	server.NodeName, server.PodUID, server.Registerer = "node-a", "uid-a", registry
	server.Addr, server.HTTPAddr, server.HealthAddr = "127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0"
	ctx, cancel := context.WithCancel(context.Background())
	b, err := server.Listen(ctx)
	if err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	group.Go(func() {
		if err := b.Serve(ctx); err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	t.Cleanup(func() { cancel(); group.Wait() })
	return b, registry
}

// count reads a counter.
func count(t *testing.T, c prometheus.Counter) float64 {
	t.Helper()
	var m dto.Metric
	if err := c.Write(&m); err != nil {
		t.Fatal(err)
	}
	return m.GetCounter().GetValue()
}

func dial(t *testing.T, network string, addr netip.AddrPort) net.Conn {
	t.Helper()
	conn, err := net.DialTimeout(network, addr.String(), patient)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(patient)); err != nil {
		t.Fatal(err)
	}
	return conn
}

// ask sends a request and returns the reply.
func ask(conn net.Conn, nonce wire.Nonce) (wire.Reply, error) {
	if _, err := conn.Write(wire.AppendRequest(nil, wire.Request{Nonce: nonce})); err != nil {
		return wire.Reply{}, err
	}
	return answer(conn)
}

func answer(conn net.Conn) (wire.Reply, error) {
	b := make([]byte, wire.Size)
	if _, err := io.ReadFull(conn, b); err != nil {
		return wire.Reply{}, err
	}
	return wire.ParseReply(b)
}

func TestAnswers(t *testing.T) {
	b, registry := start(t, Server{})
	for _, network := range []string{"tcp", "udp"} {
		nonce := wire.Nonce{1, 2, 3, network[0]}
		reply, err := ask(dial(t, network, b.Addr()), nonce)
		if want := (wire.Reply{Nonce: nonce, PodUID: "uid-a", Node: "node-a"}); err != nil || reply != want {
			t.Errorf("%s: got %+v, %v, want %+v", network, reply, err, want)
		}
		if n := count(t, b.metrics.requests.WithLabelValues(network)); n != 1 {
			t.Errorf("%s: %v requests counted", network, n)
		}
	}
	families, err := registry.Gather()
	if err != nil || len(families) != 2 || families[0].GetName() != "netladder_echo_dropped_total" || families[1].GetName() != "netladder_echo_requests_total" {
		t.Errorf("metrics %v: %v", families, err)
	}
}

func get(t *testing.T, method, url string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: patient}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(body)
}

func TestHTTP(t *testing.T) {
	b, _ := start(t, Server{})
	base := "http://" + b.HTTPAddr().String()
	if status, _ := get(t, http.MethodGet, base+"/healthz"); status != http.StatusOK {
		t.Errorf("/healthz: %d", status)
	}
	status, body := get(t, http.MethodGet, base+"/identity")
	var identity Identity
	if err := json.Unmarshal([]byte(body), &identity); err != nil || status != http.StatusOK || identity != (Identity{Node: "node-a", PodUID: "uid-a"}) {
		t.Errorf("/identity: %d %q", status, body)
	}
	for _, c := range []struct {
		method, path string
		want         int
	}{{http.MethodGet, "/", http.StatusNotFound}, {http.MethodPost, "/identity", http.StatusMethodNotAllowed}} {
		if status, _ = get(t, c.method, base+c.path); status != c.want {
			t.Errorf("%s %s: %d", c.method, c.path, status)
		}
	}
}

// The kubelet is answered while everybody else uses up what there is for them:
// else it would restart a pod because of who asks it too often.
func TestHealthIsApart(t *testing.T) {
	b, _ := start(t, Server{Limits: Limits{Total: 1, PerSource: 1, Sources: 1, Connections: 1}, timeout: patient})
	for _, reason := range []string{reasonConnections, reasonSource} {
		dropped := b.metrics.dropped.WithLabelValues(reason)
		for deadline := time.Now().Add(patient); count(t, dropped) == 0; {
			if time.Now().After(deadline) {
				t.Fatalf("nothing was dropped for %s", reason)
			}
			if conn, err := net.DialTimeout("tcp", b.HTTPAddr().String(), patient); err == nil {
				t.Cleanup(func() { _ = conn.Close() })
			}
		}
	}
	if status, _ := get(t, http.MethodGet, "http://"+b.HealthAddr().String()+"/healthz"); status != http.StatusOK {
		t.Errorf("/healthz: %d", status)
	}
	if n := count(t, b.metrics.requests.WithLabelValues(protocolHTTP)); n != 0 {
		t.Errorf("%v requests of the mesh counted", n)
	}
}

// No source takes more of the health listener than its small share.
func TestHealthIsLimitedToo(t *testing.T) {
	b, _ := start(t, Server{})
	dropped := b.metrics.dropped.WithLabelValues(reasonSource)
	for deadline := time.Now().Add(patient); count(t, dropped) == 0; {
		if time.Now().After(deadline) {
			t.Fatal("nothing was dropped")
		}
		if conn, err := net.DialTimeout("tcp", b.HealthAddr().String(), patient); err == nil {
			t.Cleanup(func() { _ = conn.Close() })
		}
	}
	if status, _ := get(t, http.MethodGet, "http://"+b.HTTPAddr().String()+"/identity"); status != http.StatusOK {
		t.Errorf("/identity: %d", status)
	}
}

// What is no request gets no answer; a request behind it does.
func TestMalformedIsDroppedSilently(t *testing.T) {
	b, _ := start(t, Server{})
	conn := dial(t, "udp", b.Addr())
	request := wire.AppendRequest(nil, wire.Request{})
	reply := wire.AppendReply(nil, wire.Reply{})
	for _, bad := range [][]byte{{}, request[:wire.Size-1], append(request, 0), reply, make([]byte, 1400)} {
		if _, err := conn.Write(bad); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := ask(conn, wire.Nonce{9}); err != nil || got.Nonce != (wire.Nonce{9}) {
		t.Errorf("the first answer is %+v, %v", got, err)
	}
	if n := count(t, b.metrics.dropped.WithLabelValues(reasonMalformed)); n != 5 {
		t.Errorf("%v counted as malformed", n)
	}
	stream := dial(t, "tcp", b.Addr())
	if _, err := stream.Write(reply); err != nil {
		t.Fatal(err)
	}
	if _, err := answer(stream); err == nil {
		t.Error("a reply was answered over TCP")
	}
}

// Connections that say nothing, or not enough, end by themselves.
func TestStalledConnectionsEnd(t *testing.T) {
	b, _ := start(t, Server{timeout: 100 * time.Millisecond})
	for _, part := range [][]byte{nil, wire.AppendRequest(nil, wire.Request{})[:100]} {
		conn := dial(t, "tcp", b.Addr())
		if _, err := conn.Write(part); err != nil {
			t.Fatal(err)
		}
		if n, err := conn.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("after %d bytes: read %d, %v", len(part), n, err)
		}
	}
}

func TestOneExchangePerConnection(t *testing.T) {
	b, _ := start(t, Server{})
	conn := dial(t, "tcp", b.Addr())
	if _, err := ask(conn, wire.Nonce{1}); err != nil {
		t.Fatal(err)
	}
	if reply, err := ask(conn, wire.Nonce{2}); err == nil {
		t.Errorf("a second answer: %+v", reply)
	}
}

// The server is the one to reset: nothing stays in TIME_WAIT on its side.
func TestNoTimeWait(t *testing.T) {
	b, _ := start(t, Server{})
	conn := dial(t, "tcp", b.Addr()).(*net.TCPConn)
	if _, err := ask(conn, wire.Nonce{1}); err != nil {
		t.Fatal(err)
	}
	if err := conn.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, unix.ECONNRESET) {
		t.Errorf("the connection ended by %v, not by a reset", err)
	}
}

func TestConnectionsAreBounded(t *testing.T) {
	limits := DefaultLimits()
	limits.Connections = 3
	b, _ := start(t, Server{Limits: limits, timeout: patient})
	for range limits.Connections {
		dial(t, "tcp", b.Addr())
	}
	// The reset may come before or after Go's dialer looks.
	if conn, err := net.DialTimeout("tcp", b.Addr().String(), patient); err == nil {
		t.Cleanup(func() { _ = conn.Close() })
		if _, err = ask(conn, wire.Nonce{1}); err == nil {
			t.Error("one connection too many was served")
		}
	}
	if n := count(t, b.metrics.dropped.WithLabelValues(reasonConnections)); n != 1 {
		t.Errorf("%v connections refused", n)
	}
}

func TestRateLimit(t *testing.T) {
	for name, c := range map[string]struct {
		limits Limits
		reason string
	}{
		"source": {Limits{Total: 1e6, PerSource: 1, Sources: 8, Connections: 8}, reasonSource},
		"total":  {Limits{Total: 1, PerSource: 1e6, Sources: 8, Connections: 8}, reasonTotal},
	} {
		t.Run(name, func(t *testing.T) {
			b, _ := start(t, Server{Limits: c.limits})
			conn := dial(t, "udp", b.Addr())
			dropped := b.metrics.dropped.WithLabelValues(c.reason)
			// One token a second: a loop must run dry, however slow.
			for deadline := time.Now().Add(patient); count(t, dropped) == 0; {
				if time.Now().After(deadline) {
					t.Fatal("nothing was dropped")
				}
				for range 10 {
					if _, err := conn.Write(wire.AppendRequest(nil, wire.Request{})); err != nil {
						t.Fatal(err)
					}
				}
			}
		})
	}
}

// Who floods exhausts its own bucket, not that of others.
func TestSourcesAreToldApart(t *testing.T) {
	l := newLimiter(Limits{Total: 1000, PerSource: 1, Sources: 1 << 16, Connections: 1})
	flooder := netip.MustParseAddr("10.0.0.1")
	admitted := 0
	for range 1000 {
		if l.admit(flooder) == "" {
			admitted++
		}
	}
	if admitted > 100 {
		t.Errorf("%d requests of a flood were admitted", admitted)
	}
	if reason := l.admit(netip.AddrFrom16(flooder.As16())); reason != reasonSource {
		t.Errorf("the same source in another form: %q", reason)
	}
	// Two of 65,536 sources may share a bucket, ten do not.
	served := 0
	for i := range 10 {
		if l.admit(netip.MustParseAddr(fmt.Sprintf("10.0.1.%d", i))) == "" {
			served++
		}
	}
	if served < 9 {
		t.Errorf("only %d of 10 other sources were served", served)
	}
}

func TestDualStack(t *testing.T) {
	server := Server{Addr: ":0", HTTPAddr: "127.0.0.1:0"}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	b, err := server.Listen(ctx)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- b.Serve(ctx) }()
	for _, ip := range []string{"127.0.0.1", "::1"} {
		for _, network := range []string{"tcp", "udp"} {
			if _, err := ask(dial(t, network, netip.AddrPortFrom(netip.MustParseAddr(ip), b.Addr().Port())), wire.Nonce{1}); err != nil {
				t.Errorf("%s over %s: %v", ip, network, err)
			}
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// Run ends with open connections, gives its ports and its metrics back, and
// can be run again.
func TestStop(t *testing.T) {
	registry := prometheus.NewPedanticRegistry()
	for range 3 {
		ctx, cancel := context.WithCancel(context.Background())
		server := Server{Addr: "127.0.0.1:0", HTTPAddr: "127.0.0.1:0", Registerer: registry}
		b, err := server.Listen(ctx)
		if err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() { ended <- b.Serve(ctx) }()
		idle, web := dial(t, "tcp", b.Addr()), dial(t, "tcp", b.HTTPAddr())
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		for _, conn := range []net.Conn{idle, web} {
			if _, err := conn.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("a connection outlived the server: %v", err)
			}
		}
	}
	canceled, cancel := context.WithCancel(context.Background())
	cancel()
	if err := (&Server{Addr: "127.0.0.1:0", HTTPAddr: "127.0.0.1:0"}).Run(canceled); err != nil && !errors.Is(err, context.Canceled) {
		t.Errorf("Run: %v", err)
	}
	if err := (&Server{Addr: "127.0.0.1:nonsense"}).Run(t.Context()); err == nil {
		t.Error("Run on nonsense returned nil")
	}
}
