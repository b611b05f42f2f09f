// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package probe_test

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"github.com/netladder/netladder/prober/probe"
	"github.com/netladder/netladder/test/netns"
)

// records answers with all records of a zone file that are of the name and the
// type asked for.
func records(t *testing.T, zone string) dns.HandlerFunc {
	t.Helper()
	var all []dns.RR
	p := dns.NewZoneParser(strings.NewReader(zone), ".", "")
	for rr, ok := p.Next(); ok; rr, ok = p.Next() {
		all = append(all, rr)
	}
	if err := p.Err(); err != nil {
		t.Fatal(err)
	}
	return func(w dns.ResponseWriter, q *dns.Msg) {
		m := new(dns.Msg).SetRcode(q, dns.RcodeNameError)
		for _, rr := range all {
			if !strings.EqualFold(rr.Header().Name, q.Question[0].Name) {
				continue
			}
			if m.Rcode = dns.RcodeSuccess; rr.Header().Rrtype == q.Question[0].Qtype {
				m.Answer = append(m.Answer, rr)
			}
		}
		_ = w.WriteMsg(m)
	}
}

const answerZone = `
two.test. 5 A 192.0.2.2
two.test. 5 A 192.0.2.1
two.test. 5 AAAA 2001:db8::1
many.test. 5 A 192.0.2.6
many.test. 5 A 192.0.2.5
many.test. 5 A 192.0.2.4
many.test. 5 A 192.0.2.3
many.test. 5 A 192.0.2.2
alias.test. 5 CNAME Two.test.
_http._tcp.test. 5 SRV 0 50 8080 web-0.test.
_http._tcp.test. 5 SRV 0 50 8080 web-1.test.
1.2.0.192.in-addr.arpa. 5 PTR two.test.
1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa. 5 PTR six.test.
test. 5 NS ns.test.
test. 5 MX 10 mail.test.
test. 5 TXT "v=spf1 " "-all"
test. 5 TXT "password=hunter2"
odd.test. 5 CNAME a\032b\007c.test.
`

func TestDNSAnswers(t *testing.T) {
	n := netns.New(t, "answers")
	runDNS(t, n, goodServer, true, records(t, answerZone))
	conf := resolvConf(t, "nameserver "+goodServer)
	for _, c := range []struct {
		name, qtype string
		answers     []string
		want        probe.Verdict
		evidence    string
	}{
		{"two.test.", "A", []string{"192.0.2.1"}, probe.Connected, "2 records"},
		{"two.test.", "A", []string{"192.0.2.1", "192.0.2.2"}, probe.Connected, ""},
		{"two.test.", "A", []string{"192.0.2.1", "192.0.2.3"}, probe.DNSWrongAnswer,
			"A two.test. at 127.0.0.1: 192.0.2.3 is missing, 192.0.2.1, 192.0.2.2 came"},
		{"many.test.", "A", []string{"192.0.2.9"}, probe.DNSWrongAnswer, "192.0.2.2, 192.0.2.3, 192.0.2.4, 192.0.2.5 and 1 more came"},
		{"two.test.", "AAAA", []string{"2001:DB8:0::1"}, probe.Connected, ""},
		{"two.test.", "AAAA", []string{"2001:db8::2"}, probe.DNSWrongAnswer, "2001:db8::1 came"},
		{"alias.test.", "CNAME", []string{"two.test"}, probe.Connected, "1 records"},
		{"alias.test.", "CNAME", []string{"three.test"}, probe.DNSWrongAnswer, "three.test is missing, two.test came"},
		{"odd.test.", "CNAME", []string{"a.test"}, probe.DNSWrongAnswer, `a.test is missing, a\ b\007c.test came`},
		{"_http._tcp.test.", "SRV", []string{"web-1.test:8080", "WEB-0.test.:8080"}, probe.Connected, ""},
		{"_http._tcp.test.", "SRV", []string{"web-1.test:80"}, probe.DNSWrongAnswer, "web-0.test:8080, web-1.test:8080 came"},
		{"1.2.0.192.in-addr.arpa.", "PTR", []string{"two.test"}, probe.Connected, ""},
		{"192.0.2.1", "PTR", []string{"two.test."}, probe.Connected, "PTR 1.2.0.192.in-addr.arpa. at"},
		{"2001:db8::1", "PTR", []string{"six.test."}, probe.Connected, ""},
		{"192.0.2.2", "PTR", nil, probe.DNSNameError, "PTR 2.2.0.192.in-addr.arpa. at"},
		{"test.", "NS", []string{"ns.test"}, probe.Connected, ""},
		{"test.", "NS", []string{"ns2.test"}, probe.DNSWrongAnswer, "ns.test came"},
		{"test.", "MX", []string{"mail.test"}, probe.Connected, ""},
		{"test.", "MX", []string{"mx.test"}, probe.DNSWrongAnswer, "mail.test came"},
		{"test.", "TXT", []string{"v=spf1 -all"}, probe.Connected, ""},
		{"test.", "TXT", []string{"v=spf1 -ALL"}, probe.DNSWrongAnswer, "an expected text is missing, 2 came"},
		{"two.test.", "TXT", []string{"a"}, probe.DNSNoAnswer, "no record of this type"},
		{"none.test.", "A", []string{"192.0.2.1"}, probe.DNSNameError, "NXDOMAIN"},
	} {
		t.Run(c.name+" "+c.qtype+" "+strings.Join(c.answers, " "), func(t *testing.T) {
			q := probe.DNSQuestion{Name: c.name, Type: c.qtype, Answers: c.answers, ResolvConf: conf}
			res := probeIn(t, n, probe.DNS, probe.Target{DNS: q})
			if res.Verdict != c.want || !strings.Contains(res.Evidence, c.evidence) || strings.Contains(res.Evidence, "hunter2") {
				t.Errorf("got %+v, want %s with evidence of %q", res, c.want, c.evidence)
			}
		})
	}
}

// What a lookup costs is how many names the search list makes of one, however
// often each was asked for.
func TestDNSQueries(t *testing.T) {
	n := netns.New(t, "queries")
	runDNS(t, n, goodServer, true, records(t, "api.example.test. 5 A 192.0.2.1\nweb.shop.test. 5 A 192.0.2.1\n"))
	lines := []string{"search shop.test svc.test cluster.test", "options ndots:5"}
	direct := resolvConf(t, append(lines, "nameserver "+goodServer)...)
	second := resolvConf(t, append(lines, "nameserver "+closedServer, "nameserver "+goodServer)...)
	for _, c := range []struct {
		name, conf string
		server     netip.AddrPort
		want       int
	}{
		{"api.example.test", direct, netip.AddrPort{}, 4},
		{"api.example.test.", direct, netip.AddrPort{}, 1},
		{"web", direct, netip.AddrPort{}, 1},
		{"api.example.test", second, netip.AddrPort{}, 4},
		{"api.example.test", second, netip.MustParseAddrPort(goodServer + ":53"), 4},
		{"none", direct, netip.AddrPort{}, 0},
	} {
		res := probeIn(t, n, probe.DNS, probe.Target{DNS: probe.DNSQuestion{Name: c.name, ResolvConf: c.conf, Server: c.server}})
		if res.Queries != c.want {
			t.Errorf("%s costs %d queries, want %d: %+v", c.name, res.Queries, c.want, res)
		}
	}
}
