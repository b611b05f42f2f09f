// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package probe_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/netladder/netladder/prober/probe"
	"github.com/netladder/netladder/test/netns"
)

// serveHTTP2 serves HTTP/2 in a namespace by the standard library, over TLS
// where there is a config.
func serveHTTP2(t *testing.T, n *netns.NS, addr string, config *tls.Config, handler http.HandlerFunc) {
	t.Helper()
	var l net.Listener
	var err error
	n.Do(t, func() { l, err = net.Listen("tcp", addr) })
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: handler, TLSConfig: config, Protocols: new(http.Protocols), ReadHeaderTimeout: patient}
	server.Protocols.SetUnencryptedHTTP2(true)
	server.Protocols.SetHTTP2(true)
	var group sync.WaitGroup
	group.Go(func() {
		if config != nil {
			_ = server.ServeTLS(l, "", "")
		} else {
			_ = server.Serve(l)
		}
	})
	t.Cleanup(func() { _ = server.Close(); group.Wait() })
}

// health answers as the standard health service does.
func health(t *testing.T, statuses map[string]byte) http.HandlerFunc {
	return func(w http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(req.Body)
		if err != nil || len(body) < 5 || int(binary.BigEndian.Uint32(body[1:])) != len(body)-5 ||
			req.Method != http.MethodPost || req.Header.Get("Content-Type") != "application/grpc" || req.Header.Get("Te") != "trailers" {
			t.Errorf("request %s %v: %q, %v", req.Method, req.Header, body, err)
		}
		if req.URL.Path != "/grpc.health.v1.Health/Check" {
			t.Errorf("called %s", req.URL.Path)
		}
		service := ""
		if len(body) > 5 {
			if body[5] != 0x0a || int(body[6]) != len(body)-7 {
				t.Errorf("message %q", body)
			}
			service = string(body[7:])
		}
		status, known := statuses[service]
		if !known {
			grpcStatus(w, "5")
			return
		}
		grpcMessage(w, []byte{0x08, status})
	}
}

// grpcStatus answers with a status alone.
func grpcStatus(w http.ResponseWriter, code string) {
	w.Header().Set("Content-Type", "application/grpc")
	w.Header().Set("Grpc-Status", code)
	w.Header().Set("Grpc-Message", "secret")
}

// grpcMessage answers with a message and status 0 behind it.
func grpcMessage(w http.ResponseWriter, message []byte) {
	w.Header().Set("Content-Type", "application/grpc+proto")
	w.Header().Set("Trailer", "Grpc-Status")
	_, _ = w.Write(append(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(message))), message...))
	w.Header().Set("Grpc-Status", "0")
}

func TestGRPC(t *testing.T) {
	n := netns.New(t, "grpc")
	services := map[string]byte{"": 1, "shop.v1.Inventory": 1, "down": 2, "dark": 0, "gone": 3, "odd": 9}
	for i, c := range []struct {
		name, service string
		handler       http.HandlerFunc
		want          probe.Verdict
		evidence      string
	}{
		{name: "server", want: probe.Connected, evidence: "the health service says SERVING"},
		{name: "service", service: "shop.v1.Inventory", want: probe.Connected, evidence: "the health service says SERVING"},
		{name: "not serving", service: "down", want: probe.ProtocolError, evidence: "the health service says NOT_SERVING"},
		{name: "unknown", service: "dark", want: probe.ProtocolError, evidence: "the health service says UNKNOWN"},
		{name: "service unknown", service: "gone", want: probe.ProtocolError, evidence: "the health service says SERVICE_UNKNOWN"},
		{name: "status unknown", service: "odd", want: probe.ProtocolError, evidence: "says something that it must not"},
		{name: "not found", service: "nobody", want: probe.ProtocolError, evidence: "gRPC status 5 (NOT_FOUND): the health service knows no service of this name"},
		{name: "no health service", handler: func(w http.ResponseWriter, _ *http.Request) { grpcStatus(w, "12") }, want: probe.ProtocolError, evidence: "gRPC status 12 (UNIMPLEMENTED): the server has no health service"},
		{name: "unauthenticated", handler: func(w http.ResponseWriter, _ *http.Request) { grpcStatus(w, "16") }, want: probe.ProtocolError, evidence: "gRPC status 16 (UNAUTHENTICATED)"},
		{name: "status of nobody", handler: func(w http.ResponseWriter, _ *http.Request) { grpcStatus(w, "4711") }, want: probe.ProtocolError, evidence: "gRPC status 4711 (no status of gRPC)"},
		{name: "status that is none", handler: func(w http.ResponseWriter, _ *http.Request) { grpcStatus(w, "secret") }, want: probe.ProtocolError, evidence: "not gRPC"},
		{name: "not gRPC", handler: func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("secret")) }, want: probe.ProtocolError, evidence: "the answer is HTTP/2, but not gRPC"},
		{name: "not there", handler: http.NotFound, want: probe.ProtocolError, evidence: "HTTP status 404 instead of a gRPC answer"},
		{name: "hints first", handler: func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(103); grpcMessage(w, []byte{8, 1}) }, want: probe.Connected},
		{name: "fields of a later version", handler: func(w http.ResponseWriter, _ *http.Request) { grpcMessage(w, []byte{0x12, 1, 'x', 8, 1, 0x18, 7}) }, want: probe.Connected},
		{name: "no status field", handler: func(w http.ResponseWriter, _ *http.Request) { grpcMessage(w, nil) }, want: probe.ProtocolError, evidence: "says UNKNOWN"},
		{name: "malformed message", handler: func(w http.ResponseWriter, _ *http.Request) { grpcMessage(w, []byte{0x0a, 200}) }, want: probe.ProtocolError, evidence: "the answer of the health service is malformed"},
		{name: "message cut short", handler: func(w http.ResponseWriter, _ *http.Request) { grpcMessage(w, []byte{8}) }, want: probe.ProtocolError, evidence: "malformed"},
		{name: "long message", handler: func(w http.ResponseWriter, _ *http.Request) { grpcMessage(w, make([]byte, 1<<20)) }, want: probe.ProtocolError, evidence: "malformed or too long"},
		{name: "long header", handler: func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("X", strings.Repeat("secret", 20<<10)) }, want: probe.ProtocolError, evidence: "malformed or too long"},
		{name: "stream reset", handler: func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, want: probe.ProtocolError, evidence: "the server ended the call without a gRPC answer"},
	} {
		handler := c.handler
		if handler == nil {
			handler = health(t, services)
		}
		port := uint16(8000 + i)
		serveHTTP2(t, n, at(loopback, port).Addr.String(), nil, handler)
		target := at(loopback, port)
		target.GRPC.Service = c.service
		res := probeIn(t, n, probe.GRPC, target)
		if res.Verdict != c.want || !strings.Contains(res.Evidence, c.evidence) || strings.Contains(res.Evidence, "secret") {
			t.Errorf("%s: %+v, want %s with evidence of %q", c.name, res, c.want, c.evidence)
		}
		if c.want == probe.Connected && (len(res.Phases) != 2 || res.Phases[0].Name != "connect" || res.Phases[1].Name != "first_byte") {
			t.Errorf("%s: phases %v", c.name, res.Phases)
		}
	}
}

// Servers that are no gRPC servers, and ones that stop halfway.
func TestGRPCStrangers(t *testing.T) {
	n := netns.New(t, "strange")
	for i, c := range []struct {
		name     string
		serve    func(*net.TCPConn)
		want     probe.Verdict
		evidence string
		brief    bool
	}{
		{name: "HTTP/1", serve: says("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\nsecret"), want: probe.ProtocolError, evidence: "the server answers, but not by HTTP/2, which gRPC needs"},
		{name: "plaintext", serve: says("220 secret\r\n"), want: probe.ProtocolError, evidence: "not by HTTP/2"},
		{name: "short", serve: says("no\n"), want: probe.ProtocolError, evidence: "not by HTTP/2"},
		{name: "closes", serve: says(""), want: probe.ProtocolError, evidence: "the connection was closed without a gRPC answer"},
		{name: "begins with something else", serve: frames(func(f *http2.Framer) { _ = f.WritePing(false, [8]byte{}) }), want: probe.ProtocolError, evidence: "not by HTTP/2"},
		{name: "closes after its settings", serve: frames(settings), want: probe.ProtocolError, evidence: "closed without a gRPC answer"},
		{name: "goes away", serve: frames(settings, func(f *http2.Framer) { _ = f.WriteGoAway(0, http2.ErrCodeEnhanceYourCalm, []byte("secret")) }), want: probe.ProtocolError, evidence: "ended the call"},
		{name: "goes away after this", serve: frames(settings, func(f *http2.Framer) { _ = f.WriteGoAway(1, http2.ErrCodeNo, nil) }, status200), want: probe.ProtocolError, evidence: "not gRPC"},
		{name: "pings without end", serve: frames(settings, func(f *http2.Framer) {
			for range 1000 {
				_ = f.WritePing(false, [8]byte{})
			}
		}), want: probe.ProtocolError, evidence: "too long"},
		{name: "data of nobody without end", serve: hangs(wire(settings, func(f *http2.Framer) {
			for range 40 {
				_ = f.WriteData(3, false, make([]byte, 16<<10))
			}
		})), want: probe.ProtocolError, evidence: "too long"},
		{name: "garbage in a header", serve: frames(settings, func(f *http2.Framer) {
			_ = f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, EndHeaders: true, BlockFragment: []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}})
		}), want: probe.ProtocolError, evidence: "malformed"},
		{name: "reset", serve: func(conn *net.TCPConn) { _, _ = conn.Read(make([]byte, 1)); _ = conn.SetLinger(0) }, want: probe.Reset, evidence: "ECONNRESET"},
		{name: "hangs", serve: hangs(""), want: probe.Dropped, evidence: "connected after ", brief: true},
		{name: "hangs midway", serve: hangs(wire(settings)), want: probe.Dropped, evidence: "connected after ", brief: true},
	} {
		port := uint16(8000 + i)
		runTCP(t, n, fmt.Sprintf("127.0.0.1:%d", port), c.serve)
		target := at(loopback, port)
		if c.brief {
			target = dropTimeout(target)
		}
		res := probeIn(t, n, probe.GRPC, target)
		if res.Verdict != c.want || !strings.Contains(res.Evidence, c.evidence) || strings.Contains(res.Evidence, "secret") {
			t.Errorf("%s: %+v, want %s with evidence of %q", c.name, res, c.want, c.evidence)
		}
	}
}

// wire is what some frames are on it.
func wire(write ...func(*http2.Framer)) string {
	var b bytes.Buffer
	framer := http2.NewFramer(&b, nil)
	framer.AllowIllegalWrites = true
	for _, w := range write {
		w(framer)
	}
	return b.String()
}

func frames(write ...func(*http2.Framer)) func(*net.TCPConn) { return says(wire(write...)) }

func settings(f *http2.Framer) { _ = f.WriteSettings() }

func status200(f *http2.Framer) {
	var b bytes.Buffer
	_ = hpack.NewEncoder(&b).WriteField(hpack.HeaderField{Name: ":status", Value: "200"})
	_ = f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, EndHeaders: true, EndStream: true, BlockFragment: b.Bytes()})
}

// By TLS, from a pod's namespace, to a server that is told by which name it is
// called.
func TestGRPCOverTLS(t *testing.T) {
	l := newLab(t)
	ca := newAuthority(t, nil, "ca")
	called := make(chan string, 10)
	answer := health(t, map[string]byte{"": 1})
	handler := func(w http.ResponseWriter, req *http.Request) {
		called <- fmt.Sprint(req.Host, " ", req.TLS != nil, " ", strings.HasPrefix(req.RemoteAddr, netns.SourceV4.String()+":"))
		answer(w, req)
	}
	_, until := lifetime()
	config := &tls.Config{Certificates: []tls.Certificate{issue(t, ca, nil)}, MinVersion: tls.VersionTLS12}
	serveHTTP2(t, l.Target, at(netns.TargetV4, 8443).Addr.String(), config, handler)
	serveHTTP2(t, l.Target, at(netns.TargetV4, 8080).Addr.String(), nil, handler)
	pod := enter(t, l.Source)
	for _, c := range []struct {
		target probe.Target
		called string
	}{
		{probe.Target{Addr: at(netns.TargetV4, 8443).Addr, TLS: &probe.TLSClient{ServerName: serverName, Roots: ca.roots()}}, serverName + " true true"},
		{probe.Target{Addr: at(netns.TargetV4, 8443).Addr, TLS: &probe.TLSClient{SkipVerify: true}}, "10.77.2.2:8443 true true"},
		{probe.Target{Host: probe.HostName{Name: "10.77.2.2", Port: 8080}}, "10.77.2.2:8080 false true"},
	} {
		c.target.Entry, c.target.Source = pod, netns.SourceV4
		res := probeIn(t, l.Source, probe.GRPC, c.target)
		if res.Verdict != probe.Connected || res.NotAfter.Equal(until) != (c.target.TLS != nil) {
			t.Errorf("%+v: %+v", c.target, res)
			continue
		}
		if got := <-called; got != c.called {
			t.Errorf("called %q, want %q", got, c.called)
		}
	}
	// A server of HTTP/1 alone takes no such connection.
	config = config.Clone()
	config.NextProtos = []string{"http/1.1"}
	runTCP(t, l.Target, at(netns.TargetV4, 8444).Addr.String(), byTLS(config, nil))
	target := at(netns.TargetV4, 8444)
	target.TLS = &probe.TLSClient{SkipVerify: true}
	if res := probeIn(t, l.Source, probe.GRPC, target); res.Verdict != probe.TLSError || !strings.Contains(res.Evidence, "no application protocol") {
		t.Errorf("without HTTP/2: %+v", res)
	}
	for _, service := range []string{"a b", "a\r\nb", "é"} {
		target.GRPC.Service = service
		if res := probeIn(t, l.Source, probe.GRPC, target); res.Verdict != probe.LocalError {
			t.Errorf("service %q: %+v", service, res)
		}
	}
}

// What opens streams must end when the context does.
func TestCancelOfLayers(t *testing.T) {
	n := netns.New(t, "cancel")
	runTCP(t, n, "127.0.0.1:8000", hangs(""))
	for _, kind := range []probe.Kind{probe.HTTP, probe.TLS, probe.GRPC} {
		ctx, cancel := context.WithCancel(context.Background())
		target := at(loopback, 8000)
		target.Timeout = time.Hour
		timer := time.AfterFunc(50*time.Millisecond, cancel)
		var res probe.Result
		n.Do(t, func() { res = probe.Kinds()[kind].Probe(ctx, target) })
		timer.Stop()
		cancel()
		if res.Verdict != probe.LocalError || !strings.Contains(res.Evidence, "canceled") {
			t.Errorf("%s: %+v", kind, res)
		}
	}
}
