// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package probe_test

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/netladder/netladder/prober/probe"
	"github.com/netladder/netladder/test/netns"
)

// tlsCase is a server and what the kinds TLS and HTTP see of it.
type tlsCase struct {
	name   string
	serve  func(*net.TCPConn)
	client probe.TLSClient
	want   probe.Verdict
	// evidence of kind TLS, and for bad ones of HTTP too.
	evidence string
	// notAfter that is told.
	notAfter time.Time
	// brief is true where nothing more is to come.
	brief bool
}

func tlsCases(t *testing.T) []tlsCase {
	ca, other := newAuthority(t, nil, "ca"), newAuthority(t, nil, "ca")
	middle := newAuthority(t, ca, "middle")
	from, until := lifetime()
	soon := from.AddDate(0, 0, 2)
	trust := probe.TLSClient{ServerName: serverName, Roots: ca.roots()}
	with := func(cert tls.Certificate) func(*net.TCPConn) {
		return byTLS(&tls.Config{Certificates: []tls.Certificate{cert}}, func(conn *tls.Conn) {
			if _, err := http.ReadRequest(bufio.NewReader(conn)); err == nil {
				_, _ = conn.Write([]byte("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"))
			}
		})
	}
	times := func(notBefore, notAfter time.Time) tls.Certificate {
		return issue(t, ca, func(c *x509.Certificate) { c.NotBefore, c.NotAfter = notBefore, notAfter })
	}
	named := func(edit func(*x509.Certificate)) tls.Certificate { return issue(t, ca, edit) }
	good := issue(t, ca, nil)
	self := issue(t, nil, nil)
	selfRoots := x509.NewCertPool()
	selfRoots.AddCert(self.Leaf)
	short := certificate()
	short.Subject.CommonName, short.IsCA, short.BasicConstraintsValid, short.KeyUsage, short.NotAfter = "short", true, true, x509.KeyUsageCertSign, soon
	fading := sign(t, ca, short)
	day := func(t time.Time) string { return t.Format(time.DateOnly) }
	return []tlsCase{
		{name: "good", serve: with(good), client: trust, want: probe.Connected, evidence: "TLS 1.3, the certificate is valid until " + day(until), notAfter: until},
		{name: "TLS 1.2", serve: byTLS(&tls.Config{Certificates: []tls.Certificate{good}, MaxVersion: tls.VersionTLS12}, answerSecured), client: trust, want: probe.Connected, evidence: "TLS 1.2, ", notAfter: until},
		{name: "by way of another", serve: with(issue(t, middle, nil, middle)), client: trust, want: probe.Connected, evidence: day(until), notAfter: until},
		{name: "that ends before it", serve: with(issue(t, fading, nil, fading)), client: trust, want: probe.Connected, evidence: "valid until " + day(soon), notAfter: soon},
		{name: "for the address", serve: with(named(func(c *x509.Certificate) { c.IPAddresses = addresses(loopback) })), client: probe.TLSClient{Roots: ca.roots()}, want: probe.Connected, evidence: day(until), notAfter: until},
		{name: "expired", serve: with(times(from, from.Add(time.Hour))), client: trust, want: probe.TLSError, evidence: "the certificate expired on " + day(from.Add(time.Hour)), notAfter: from.Add(time.Hour)},
		{name: "not yet valid", serve: with(times(until, until.AddDate(1, 0, 0))), client: trust, want: probe.TLSError, evidence: "the certificate is not valid before " + day(until), notAfter: until.AddDate(1, 0, 0)},
		{name: "wrong name", serve: with(named(func(c *x509.Certificate) { c.DNSNames = []string{"secret.example.com"} })), client: trust, want: probe.TLSError, evidence: "the certificate is not for the name " + serverName},
		{name: "not for the address", serve: with(good), client: probe.TLSClient{Roots: ca.roots()}, want: probe.TLSError, evidence: "the certificate is not for the name 127.0.0.1"},
		{name: "without names", serve: with(named(func(c *x509.Certificate) { c.DNSNames, c.Subject.CommonName = nil, serverName })), client: trust, want: probe.TLSError, evidence: "not for the name " + serverName},
		{name: "unknown authority", serve: with(issue(t, other, nil, other)), client: trust, want: probe.TLSError, evidence: "the certificate is by an authority that is not trusted"},
		{name: "chain with a gap", serve: with(issue(t, middle, nil)), client: trust, want: probe.TLSError, evidence: "or the server does not send the whole chain"},
		{name: "self-signed", serve: with(self), client: trust, want: probe.TLSError, evidence: "the certificate is self-signed and not among the trusted ones"},
		{name: "self-signed and trusted", serve: with(self), client: probe.TLSClient{ServerName: serverName, Roots: selfRoots}, want: probe.Connected, evidence: day(until), notAfter: until},
		{name: "not for servers", serve: with(named(func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} })), client: trust, want: probe.TLSError, evidence: "it is not for servers"},
		{name: "expired and not verified", serve: with(times(from, from.Add(time.Hour))), client: probe.TLSClient{SkipVerify: true}, want: probe.Connected, evidence: "the certificate was not verified", notAfter: from.Add(time.Hour)},
		{name: "only old versions", serve: byTLS(&tls.Config{Certificates: []tls.Certificate{good}, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}, nil), client: trust, want: probe.TLSError, evidence: "in the TLS handshake: the server ended TLS with the alert: protocol version not supported"},
		{name: "client certificate asked for", serve: byTLS(&tls.Config{Certificates: []tls.Certificate{good}, MaxVersion: tls.VersionTLS12, ClientAuth: tls.RequireAnyClientCert}, nil), client: trust, want: probe.TLSError, evidence: "the server ended TLS with the alert: "},
		{name: "plaintext", serve: says("220 secret.example.com\r\n"), client: trust, want: probe.TLSError, evidence: "the server answers, but not by TLS"},
		{name: "plain HTTP", serve: says("HTTP/1.1 400 Bad Request\r\n\r\nsecret"), client: trust, want: probe.TLSError, evidence: "the server answers, but not by TLS"},
		{name: "garbage within TLS", serve: says("\x16\x03\x03\x00\x06secret"), client: trust, want: probe.TLSError, evidence: "malformed or unacceptable"},
		{name: "closed", serve: says(""), client: trust, want: probe.TLSError, evidence: "in the TLS handshake: closed by the server"},
		{name: "closed midway", serve: says("\x16\x03\x03\x40"), client: trust, want: probe.TLSError, evidence: "in the TLS handshake: closed by the server"},
		{name: "reset", serve: func(conn *net.TCPConn) { _, _ = conn.Read(make([]byte, 1)); _ = conn.SetLinger(0) }, client: trust, want: probe.Reset, evidence: "in the TLS handshake: connected after "},
		{name: "hangs", serve: hangs(""), client: trust, want: probe.Dropped, evidence: "no answer within 250ms", brief: true},
		{name: "hangs midway", serve: hangs("\x16\x03\x03\x40\x00secret"), client: trust, want: probe.Dropped, evidence: "in the TLS handshake: connected after ", brief: true},
	}
}

func answerSecured(conn *tls.Conn) {
	if _, err := http.ReadRequest(bufio.NewReader(conn)); err == nil {
		_, _ = conn.Write([]byte("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"))
	}
}

// says sends something, whatever comes, and closes.
func says(text string) func(*net.TCPConn) {
	return func(conn *net.TCPConn) {
		_, _ = conn.Read(make([]byte, 4096))
		_, _ = conn.Write([]byte(text))
		_ = conn.CloseWrite()
		_, _ = io.Copy(io.Discard, conn)
	}
}

// hangs sends something and then nothing.
func hangs(text string) func(*net.TCPConn) {
	return func(conn *net.TCPConn) {
		_, _ = conn.Write([]byte(text))
		_, _ = io.Copy(io.Discard, conn)
	}
}

// What is wrong with a server's TLS is told by our own words, whether for the
// handshake alone or with a request.
func TestTLS(t *testing.T) {
	n := netns.New(t, "tls")
	for i, c := range tlsCases(t) {
		port := uint16(8000 + i)
		runTCP(t, n, fmt.Sprintf("127.0.0.1:%d", port), c.serve)
		for _, kind := range []probe.Kind{probe.TLS, probe.HTTP} {
			target := at(loopback, port)
			if c.brief {
				target = dropTimeout(target)
			}
			target.TLS = &c.client
			res := probeIn(t, n, kind, target)
			if res.Verdict != c.want || !res.NotAfter.Equal(c.notAfter) || strings.Contains(res.Evidence, "secret") {
				t.Errorf("%s of %s: %+v", kind, c.name, res)
			}
			evidence := c.evidence
			if kind == probe.HTTP && c.want == probe.Connected {
				evidence = "HTTP status 200"
			}
			if !strings.Contains(res.Evidence, evidence) {
				t.Errorf("%s of %s: evidence %q without %q", kind, c.name, res.Evidence, evidence)
			}
			phases := ""
			for _, p := range res.Phases {
				phases += p.Name + " "
			}
			want := map[bool]string{true: "connect tls first_byte ", false: "connect "}[c.want == probe.Connected]
			if kind == probe.TLS {
				want = strings.TrimSuffix(want, "first_byte ")
			}
			if phases != want {
				t.Errorf("%s of %s: phases %q, want %q", kind, c.name, phases, want)
			}
		}
	}
}

// Who shows no certificate to a server that asks for one learns it by TLS 1.3
// only after the handshake.
func TestAlertAfterTheHandshake(t *testing.T) {
	n := netns.New(t, "alert")
	ca := newAuthority(t, nil, "ca")
	config := &tls.Config{Certificates: []tls.Certificate{issue(t, ca, nil)}, ClientAuth: tls.RequireAnyClientCert, NextProtos: []string{"h2", "http/1.1"}}
	runTCP(t, n, "127.0.0.1:8000", byTLS(config, nil))
	for _, kind := range []probe.Kind{probe.HTTP, probe.GRPC} {
		target := at(loopback, 8000)
		target.TLS = &probe.TLSClient{ServerName: serverName, Roots: ca.roots()}
		if res := probeIn(t, n, kind, target); res.Verdict != probe.TLSError || res.Evidence != "the server ended TLS with the alert: certificate required" {
			t.Errorf("%s: %+v", kind, res)
		}
	}
}

// A server that sends without end is not read without end.
func TestEndlessHandshake(t *testing.T) {
	n := netns.New(t, "endless")
	runTCP(t, n, "127.0.0.1:8000", func(conn *net.TCPConn) {
		record := append([]byte{22, 3, 3}, binary.BigEndian.AppendUint16(nil, 1<<14)...)
		for record = append(record, make([]byte, 1<<14)...); ; {
			if _, err := conn.Write(record); err != nil {
				return
			}
		}
	})
	target := at(loopback, 8000)
	target.TLS = &probe.TLSClient{SkipVerify: true}
	for _, kind := range []probe.Kind{probe.TLS, probe.HTTP, probe.GRPC} {
		if res := probeIn(t, n, kind, target); res.Verdict != probe.TLSError {
			t.Errorf("%s: %+v", kind, res)
		}
	}
}

// From a pod's namespace, by a name of its resolv.conf, to the certificate of
// that name; and what a router says in between is not lost under TLS.
func TestTLSFromEntry(t *testing.T) {
	l := newLab(t)
	ca := newAuthority(t, nil, "ca")
	config := &tls.Config{Certificates: []tls.Certificate{issue(t, ca, func(c *x509.Certificate) { c.IPAddresses = addresses(netns.TargetV4, netns.TargetV6) })}}
	for _, addr := range []string{at(netns.TargetV4, 8000).Addr.String(), at(netns.TargetV6, 8000).Addr.String()} {
		runTCP(t, l.Target, addr, byTLS(config, answerSecured))
	}
	pod := enter(t, l.Source)
	for _, c := range []probe.Target{
		{Addr: at(netns.TargetV4, 8000).Addr, Source: netns.SourceV4}, {Addr: at(netns.TargetV6, 8000).Addr, Source: netns.SourceV6},
		{Host: probe.HostName{Name: netns.TargetV4.String(), Port: 8000}},
	} {
		c.Entry, c.TLS = pod, &probe.TLSClient{Roots: ca.roots()}
		for _, kind := range []probe.Kind{probe.TLS, probe.HTTP} {
			if res := probeIn(t, l.Source, kind, c); res.Verdict != probe.Connected {
				t.Errorf("%s to %s%s: %+v", kind, c.Addr, c.Host.Name, res)
			}
		}
	}
	// The handshake of TCP passes, what follows is rejected: that is what the
	// kernel tells of a connection.
	nft(router, "forward", "ip daddr 10.77.2.2 tcp flags & (psh|ack) == (psh|ack) reject with icmp type port-unreachable")(t, l)
	target := at(netns.TargetV4, 8000)
	target.Entry, target.TLS = pod, &probe.TLSClient{SkipVerify: true}
	for _, kind := range []probe.Kind{probe.TLS, probe.HTTP, probe.GRPC} {
		res := probeIn(t, l.Source, kind, target)
		if res.Verdict != probe.Rejected || !strings.HasPrefix(res.Evidence, "in the TLS handshake: connected after ") || !strings.Contains(res.Evidence, "ECONNREFUSED") {
			t.Errorf("%s when rejected midway: %+v", kind, res)
		}
	}
}

// A name is what the certificate of its host must be for, and no layer goes
// where a name must not lead.
func TestTLSByName(t *testing.T) {
	l := newLab(t)
	runDNS(t, l.Router, netns.RouterV4.String(), false, nameServer)
	ca := newAuthority(t, nil, "ca")
	config := &tls.Config{Certificates: []tls.Certificate{issue(t, ca, func(c *x509.Certificate) { c.DNSNames = []string{"four.test"} })}}
	runTCP(t, l.Target, at(netns.TargetV4, 8000).Addr.String(), byTLS(config, answerSecured))
	pod := enter(t, l.Source)
	pod.resolvConf = []byte("nameserver " + netns.RouterV4.String() + "\n")
	for name, want := range map[string]struct {
		verdict  probe.Verdict
		evidence string
	}{
		"four.test.":    {verdict: probe.Connected},
		"several.test.": {probe.TLSError, "the certificate is not for the name several.test"},
		"loop.test.":    {probe.LocalError, "not permitted"},
	} {
		for _, kind := range []probe.Kind{probe.TLS, probe.HTTP, probe.GRPC} {
			if kind == probe.GRPC && want.verdict == probe.Connected {
				continue // there is no such server here
			}
			target := probe.Target{Entry: pod, Host: probe.HostName{Name: name, Port: 8000}, TLS: &probe.TLSClient{Roots: ca.roots()}}
			if res := probeIn(t, l.Source, kind, target); res.Verdict != want.verdict || !strings.Contains(res.Evidence, want.evidence) {
				t.Errorf("%s of %s: %+v", kind, name, res)
			}
		}
	}
}

// Clients leave the port of https out of the Host header, and no other.
func TestHTTPSHostHeader(t *testing.T) {
	l := newLab(t)
	config := &tls.Config{Certificates: []tls.Certificate{issue(t, nil, nil)}}
	hosts := make(chan string, 1)
	for _, port := range []uint16{80, 443} {
		runTCP(t, l.Target, at(netns.TargetV4, port).Addr.String(), byTLS(config, func(conn *tls.Conn) {
			if req, err := http.ReadRequest(bufio.NewReader(conn)); err == nil {
				hosts <- req.Host
				_, _ = conn.Write([]byte("HTTP/1.1 204 No Content\r\n\r\n"))
			}
		}))
	}
	for port, want := range map[uint16]string{80: "10.77.2.2:80", 443: "10.77.2.2"} {
		target := probe.Target{Host: probe.HostName{Name: "10.77.2.2", Port: port}, TLS: &probe.TLSClient{SkipVerify: true}}
		if res := probeIn(t, l.Source, probe.HTTP, target); res.Verdict != probe.Connected {
			t.Errorf("port %d: %+v", port, res)
			continue
		}
		if got := <-hosts; got != want {
			t.Errorf("port %d: host %q, want %q", port, got, want)
		}
	}
}
