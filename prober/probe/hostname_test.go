// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package probe_test

import (
	"bufio"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/miekg/dns"

	"github.com/netladder/netladder/prober/probe"
	"github.com/netladder/netladder/test/netns"
)

// names answers what a test's names have.
var names = map[string][]string{
	"both.test.":       {"10.77.2.2", "fd77:2::2"},
	"four.test.":       {"10.77.2.2"},
	"six.test.":        {"fd77:2::2"},
	"several.test.":    {"10.77.2.2", "10.77.2.99"},
	"loop.test.":       {"127.0.0.1"},
	"loop6.test.":      {"::1"},
	"mapped.test.":     {"::ffff:127.0.0.1"},
	"any.test.":        {"0.0.0.0"},
	"any6.test.":       {"::"},
	"mappedany.test.":  {"::ffff:0.0.0.0"},
	"group.test.":      {"224.0.0.1"},
	"group6.test.":     {"ff02::1"},
	"order.test.":      {"127.0.0.1", "10.77.2.2"},
	"api.shop.search.": {"10.77.2.2"},
	"none.shop.test.":  {},
}

// nameServer answers from names.
func nameServer(w dns.ResponseWriter, q *dns.Msg) {
	m, question := new(dns.Msg).SetReply(q), q.Question[0]
	records, known := names[strings.ToLower(question.Name)]
	if !known {
		m.Rcode = dns.RcodeNameError
	}
	for _, record := range records {
		header := dns.RR_Header{Name: question.Name, Rrtype: question.Qtype, Class: dns.ClassINET, Ttl: 5}
		switch is4 := !strings.Contains(record, ":"); {
		case is4 && question.Qtype == dns.TypeA:
			m.Answer = append(m.Answer, &dns.A{Hdr: header, A: net.ParseIP(record).To4()})
		case !is4 && question.Qtype == dns.TypeAAAA:
			m.Answer = append(m.Answer, &dns.AAAA{Hdr: header, AAAA: net.ParseIP(record)})
		}
	}
	_ = w.WriteMsg(m)
}

func TestHostName(t *testing.T) {
	l := newLab(t)
	runDNS(t, l.Router, netns.RouterV4.String(), false, nameServer)
	pod := enter(t, l.Source)
	pod.resolvConf = []byte("nameserver " + netns.RouterV4.String() + "\nsearch shop.search\noptions ndots:2\n")
	none := netip.Addr{}
	for _, c := range []struct {
		host     string
		source   netip.Addr
		want     probe.Verdict
		evidence string
	}{
		{"four.test.", none, probe.Connected, ""},
		{"four.test.", netns.SourceV4, probe.Connected, ""},
		{"four.test.", netns.SourceV6, probe.DNSNoAnswer, "AAAA four.test."},
		{"six.test.", none, probe.Connected, ""},
		{"six.test.", netns.SourceV6, probe.Connected, ""},
		{"six.test.", netns.SourceV4, probe.DNSNoAnswer, "A six.test."},
		{"both.test.", none, probe.Connected, ""},
		{"both.test.", netns.SourceV6, probe.Connected, ""},
		{"several.test.", none, probe.Connected, ""},
		{"api", none, probe.Connected, ""},
		{"none.shop.test.", none, probe.DNSNoAnswer, ""},
		{"absent.test.", none, probe.DNSNameError, "A absent.test. at 10.77.1.1: NXDOMAIN"},
		{"10.77.2.2", none, probe.Connected, ""},
		{"fd77:2::2", netns.SourceV6, probe.Connected, ""},
		{"loop.test.", none, probe.LocalError, "not permitted: the host name has a loopback address"},
		{"loop6.test.", none, probe.LocalError, "not permitted: the host name has a loopback address"},
		{"mapped.test.", none, probe.LocalError, "not permitted: the host name has a loopback address"},
		{"mapped.test.", netns.SourceV6, probe.LocalError, "not permitted: the host name has a loopback address"},
		{"order.test.", none, probe.LocalError, "not permitted: the host name has a loopback address"},
		{"any.test.", none, probe.LocalError, "not permitted: the host name has an unspecified address"},
		{"mappedany.test.", none, probe.LocalError, "not permitted: the host name has an unspecified address"},
		{"any6.test.", none, probe.LocalError, "not permitted: the host name has an unspecified address"},
		{"group.test.", none, probe.LocalError, "not permitted: the host name has a multicast address"},
		{"group6.test.", none, probe.LocalError, "not permitted: the host name has a multicast address"},
		{"127.0.0.1", none, probe.LocalError, "not permitted: the host name has a loopback address"},
		{"::ffff:127.0.0.1", none, probe.LocalError, "not permitted: the host name has a loopback address"},
		{"::1", none, probe.LocalError, "not permitted: the host name has a loopback address"},
		{strings.Repeat("a", 64) + ".", none, probe.LocalError, "not a domain name"},
	} {
		for _, kind := range []probe.Kind{probe.TCP, probe.TCPHalfOpen, probe.ICMP} {
			for way, f := range ways(t, kind) {
				target := probe.Target{Entry: pod, Source: c.source, Host: probe.HostName{Name: c.host, Port: echoPort}}
				res := probeBy(t, l.Source, f, target)
				if res.Verdict != c.want || !strings.HasPrefix(res.Evidence, c.evidence) {
					t.Errorf("%s %s of %s from %v: %+v, want %s, %q", kind, way, c.host, c.source, res, c.want, c.evidence)
				}
				if _, err := netip.ParseAddr(c.host); err == nil || res.Verdict != probe.Connected {
					continue
				}
				if len(res.Phases) != 2 || res.Phases[0].Name != "resolve" || kind != probe.ICMP && res.Phases[1].Name != "connect" {
					t.Errorf("phases %v", res.Phases)
				}
			}
		}
	}
}

// What follows the lookup is judged as without one, and says that there was one.
func TestHostNameFaults(t *testing.T) {
	l := newLab(t)
	runDNS(t, l.Router, netns.RouterV4.String(), false, nameServer)
	pod := enter(t, l.Source)
	pod.resolvConf = []byte("nameserver " + netns.RouterV4.String() + "\n")
	for _, c := range []struct {
		rule string
		want map[probe.Kind]probe.Verdict
	}{
		{"drop", map[probe.Kind]probe.Verdict{probe.TCP: probe.Dropped, probe.TCPHalfOpen: probe.Dropped, probe.UDP: probe.Inconclusive, probe.HTTP: probe.Dropped, probe.ICMP: probe.Dropped}},
		{"reject with icmp admin-prohibited", map[probe.Kind]probe.Verdict{probe.TCP: probe.Rejected, probe.TCPHalfOpen: probe.Rejected, probe.UDP: probe.Rejected, probe.HTTP: probe.Rejected, probe.ICMP: probe.Rejected}},
	} {
		nft(router, "forward", c.rule)(t, l)
		for kind, want := range c.want {
			target := probe.Target{Entry: pod, Host: probe.HostName{Name: "four.test.", Port: echoPort}}
			if c.rule == "drop" {
				target = dropTimeout(target)
			}
			if res := probeIn(t, l.Source, kind, target); res.Verdict != want || !strings.HasPrefix(res.Evidence, "resolved after ") {
				t.Errorf("%s, %s: %+v", c.rule, kind, res)
			}
		}
		l.reset(t)
	}
	nft(router, "input", "udp dport 53 drop")(t, l)
	target := dropTimeout(probe.Target{Entry: pod, Host: probe.HostName{Name: "four.test.", Port: echoPort}})
	for way, f := range ways(t, probe.TCP) {
		if res := probeBy(t, l.Source, f, target); res.Verdict != probe.DNSTimeout {
			t.Errorf("%s without a name server: %+v", way, res)
		}
	}
}

// A redirect is an answer; nobody goes where it points.
func TestHostNameHTTP(t *testing.T) {
	l := newLab(t)
	runDNS(t, l.Router, netns.RouterV4.String(), false, nameServer)
	hosts := make(chan string, 1)
	var followed atomic.Bool
	runTCP(t, l.Target, "10.77.2.2:80", func(conn *net.TCPConn) {
		if req, err := http.ReadRequest(bufio.NewReader(conn)); err == nil {
			hosts <- req.Host
			answer("HTTP/1.1 302 Found\r\nLocation: http://10.77.2.2:8000/\r\nContent-Length: 0\r\n\r\n")(conn, req)
		}
	})
	runTCP(t, l.Target, "10.77.2.2:8000", func(*net.TCPConn) { followed.Store(true) })
	pod := enter(t, l.Source)
	pod.resolvConf = []byte("nameserver " + netns.RouterV4.String() + "\n")
	for asked, want := range map[string]string{"": "four.test", "shop.example.com": "shop.example.com"} {
		target := probe.Target{Entry: pod, Host: probe.HostName{Name: "four.test.", Port: 80}, HTTP: probe.HTTPRequest{Host: asked}}
		if res := probeIn(t, l.Source, probe.HTTP, target); res.Verdict != probe.Connected || res.Evidence != "HTTP status 302" {
			t.Errorf("%+v", res)
		}
		if got := <-hosts; got != want {
			t.Errorf("host %q, want %q", got, want)
		}
	}
	if followed.Load() {
		t.Error("a redirect was followed")
	}
}

// Names are looked up as the pod does it, and what its file says stays inside.
func TestDNSFromEntry(t *testing.T) {
	l := newLab(t)
	runDNS(t, l.Router, netns.RouterV4.String(), true, nameServer)
	pod := enter(t, l.Source)
	for _, c := range []struct {
		name, conf string
		err        error
		source     netip.Addr
		transport  string
		want       probe.Verdict
		evidence   string
	}{
		{name: "search list", conf: "nameserver 10.77.1.1\nsearch a.search shop.search", want: probe.Connected, evidence: "A api.shop.search. at 10.77.1.1: 1 records (2 queries)"},
		{name: "from its address", conf: "nameserver 10.77.1.1\nsearch shop.search", source: netns.SourceV4, want: probe.Connected},
		{name: "by TCP", conf: "nameserver 10.77.1.1\nsearch shop.search", source: netns.SourceV4, transport: "TCP", want: probe.Connected},
		{name: "server of the other family", conf: "nameserver 10.77.1.1\nsearch shop.search", source: netns.SourceV6, want: probe.Connected},
		{name: "server in a zone that is not there", conf: "nameserver fe80::1%secret0\nsearch shop.search", want: probe.LocalError, evidence: "A api.shop.search. at fe80::1: connect: "},
		{name: "no servers", conf: "search shop.secret", want: probe.LocalError, evidence: "resolv.conf names no server"},
		{name: "too large", conf: "nameserver 10.77.1.1\n" + strings.Repeat("# secret\n", 10000), want: probe.LocalError, evidence: "larger than 65536 bytes"},
		{name: "unreadable", err: errSecret, want: probe.LocalError, evidence: "cannot be read"},
	} {
		t.Run(c.name, func(t *testing.T) {
			pod.resolvConf, pod.resolvErr = []byte(c.conf), c.err
			target := probe.Target{Entry: pod, Source: c.source, DNS: probe.DNSQuestion{Name: "api", Transport: c.transport, ResolvConf: "/nowhere"}}
			res := probeIn(t, l.Source, probe.DNS, target)
			if res.Verdict != c.want || !strings.Contains(res.Evidence, c.evidence) || strings.Contains(res.Evidence, "shop.secret") || strings.Contains(res.Evidence, "secret0") {
				t.Errorf("%+v", res)
			}
		})
	}
}
