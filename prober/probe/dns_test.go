// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package probe_test

import (
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/netladder/netladder/prober/probe"
	"github.com/netladder/netladder/test/netns"
)

const (
	goodServer    = "127.0.0.1"
	silentServer  = "127.0.0.2" // takes queries and says nothing
	closedServer  = "127.0.0.3"
	refusesServer = "127.0.0.4"
	udpOnlyServer = "127.0.0.5"
)

// dnsLog is what a server was asked.
type dnsLog struct {
	mu    sync.Mutex
	names []string
}

func (l *dnsLog) add(s string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.names = append(l.names, s)
}

func (l *dnsLog) take() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := strings.Join(l.names, " ")
	l.names = nil
	return s
}

// zone answers by what the name asks for.
func (l *dnsLog) zone(w dns.ResponseWriter, q *dns.Msg) {
	transport := w.LocalAddr().Network()
	question := q.Question[0]
	l.add(question.Name + "/" + transport)
	m := new(dns.Msg).SetReply(q)
	record := func(ip string) dns.RR {
		return &dns.A{Hdr: dns.RR_Header{Name: question.Name, Rrtype: dns.TypeA, Class: dns.ClassINET, Ttl: 5}, A: net.ParseIP(ip).To4()}
	}
	label, _, _ := strings.Cut(strings.ToLower(question.Name), ".")
	switch {
	case label == "good" && question.Qtype == dns.TypeA, strings.ToLower(question.Name) == "web.b.test.":
		m.Answer = append(m.Answer, record("10.0.0.1"))
	case label == "good", strings.HasPrefix(question.Name, "empty."):
		// The name exists without a record of this type.
	case label == "fail":
		m.Rcode = dns.RcodeServerFailure
	case label == "refuse":
		m.Rcode = dns.RcodeRefused
	case label == "broken":
		m.Rcode = dns.RcodeFormatError
	case label == "big" && transport == "udp":
		m.Truncated = true
	case label == "big":
		for range 100 {
			m.Answer = append(m.Answer, record("10.0.0.1"))
		}
	case label == "liar":
		// Three answers that must be ignored, then none.
		for _, change := range []func(*dns.Msg){
			func(m *dns.Msg) { m.Id++ },
			func(m *dns.Msg) { m.Question[0].Name = "other.test." },
			func(m *dns.Msg) { m.Response = false },
		} {
			lie := m.Copy()
			lie.Answer = append(lie.Answer, record("10.6.6.6"))
			change(lie)
			_ = w.WriteMsg(lie)
		}
		return
	default:
		m.Rcode = dns.RcodeNameError
	}
	_ = w.WriteMsg(m)
}

// runDNS serves a handler on an address in a namespace.
func runDNS(t *testing.T, n *netns.NS, ip string, tcp bool, handler dns.HandlerFunc) {
	t.Helper()
	addr := net.JoinHostPort(ip, "53")
	var packets net.PacketConn
	var listener net.Listener
	var err, tcpErr error
	n.Do(t, func() {
		if packets, err = net.ListenPacket("udp", addr); tcp {
			listener, tcpErr = net.Listen("tcp", addr)
		}
	})
	if err != nil || tcpErr != nil {
		t.Fatal(err, tcpErr)
	}
	var servers []*dns.Server
	servers = append(servers, &dns.Server{PacketConn: packets, Handler: handler})
	if tcp {
		servers = append(servers, &dns.Server{Listener: listener, Handler: handler})
	}
	for _, server := range servers {
		started, ended := make(chan struct{}), make(chan struct{})
		server.NotifyStartedFunc = func() { close(started) }
		go func() {
			defer close(ended)
			_ = server.ActivateAndServe() // it ends by Shutdown
		}()
		<-started
		t.Cleanup(func() {
			_ = server.Shutdown()
			<-ended
		})
	}
}

func resolvConf(t *testing.T, lines ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "resolv.conf")
	if err := os.WriteFile(path, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestDNS(t *testing.T) {
	n := netns.New(t, "dns")
	log := &dnsLog{}
	runDNS(t, n, goodServer, true, log.zone)
	runDNS(t, n, silentServer, true, func(dns.ResponseWriter, *dns.Msg) { log.add("silent") })
	runDNS(t, n, refusesServer, true, func(w dns.ResponseWriter, q *dns.Msg) {
		_ = w.WriteMsg(new(dns.Msg).SetRcode(q, dns.RcodeRefused))
	})
	runDNS(t, n, udpOnlyServer, false, log.zone)
	search := "search a.test b.test"
	for _, c := range []struct {
		name     string
		servers  string
		options  string
		question probe.DNSQuestion
		timeout  time.Duration
		want     probe.Verdict
		evidence string
		asked    string
	}{
		{name: "found", question: probe.DNSQuestion{Name: "good.test."}, want: probe.Connected, evidence: "A good.test. at 127.0.0.1: 1 records", asked: "good.test./udp"},
		{name: "found by TCP", question: probe.DNSQuestion{Name: "good.test.", Transport: "TCP"}, want: probe.Connected, asked: "good.test./tcp"},
		{name: "no AAAA", question: probe.DNSQuestion{Name: "good.test.", Type: "AAAA"}, want: probe.DNSNoAnswer, evidence: "AAAA good.test.", asked: "good.test./udp"},
		{name: "no such name", question: probe.DNSQuestion{Name: "none.test."}, want: probe.DNSNameError, evidence: "NXDOMAIN", asked: "none.test./udp"},
		{name: "search", question: probe.DNSQuestion{Name: "web"}, want: probe.Connected, evidence: "web.b.test. at 127.0.0.1: 1 records (2 queries)", asked: "web.a.test./udp web.b.test./udp"},
		{name: "search in vain", question: probe.DNSQuestion{Name: "none"}, want: probe.DNSNameError, evidence: "nor do 2 more names of the search list (3 queries)", asked: "none.a.test./udp none.b.test./udp none./udp"},
		{name: "ndots", options: "options ndots:1", question: probe.DNSQuestion{Name: "good.test"}, want: probe.Connected, asked: "good.test./udp"},
		{name: "ndots of a pod", options: "options ndots:5", question: probe.DNSQuestion{Name: "none.test"}, want: probe.DNSNameError, asked: "none.test.a.test./udp none.test.b.test./udp none.test./udp"},
		{name: "existing name without records is remembered", question: probe.DNSQuestion{Name: "empty"}, want: probe.DNSNoAnswer, asked: "empty.a.test./udp empty.b.test./udp empty./udp"},
		{name: "failure", question: probe.DNSQuestion{Name: "fail.test."}, want: probe.DNSServerFailure, evidence: "SERVFAIL", asked: "fail.test./udp"},
		{name: "refusal", question: probe.DNSQuestion{Name: "refuse.test."}, want: probe.DNSServerFailure, evidence: "REFUSED", asked: "refuse.test./udp"},
		{name: "other code", question: probe.DNSQuestion{Name: "broken.test."}, want: probe.ProtocolError, evidence: "FORMERR", asked: "broken.test./udp"},
		{name: "truncated", question: probe.DNSQuestion{Name: "big.test."}, want: probe.Connected, evidence: "100 records (2 queries)", asked: "big.test./udp big.test./tcp"},
		{name: "truncated without TCP", servers: udpOnlyServer, question: probe.DNSQuestion{Name: "big.test."}, want: probe.DNSTruncated, evidence: "ECONNREFUSED", asked: "big.test./udp"},
		{name: "forged answers", question: probe.DNSQuestion{Name: "liar.test."}, timeout: brief, want: probe.DNSTimeout, evidence: "no answer within", asked: "liar.test./udp"},
		{name: "silence", servers: silentServer, question: probe.DNSQuestion{Name: "good.test."}, timeout: brief, want: probe.DNSTimeout, evidence: "127.0.0.2", asked: "silent"},
		{name: "silence by TCP", servers: silentServer, question: probe.DNSQuestion{Name: "good.test.", Transport: "TCP"}, timeout: brief, want: probe.DNSTimeout, evidence: "connected after ", asked: "silent"},
		{name: "silence ends the search", servers: silentServer, question: probe.DNSQuestion{Name: "web"}, timeout: brief, want: probe.DNSTimeout, asked: "silent"},
		{name: "second server", servers: silentServer + " " + goodServer, question: probe.DNSQuestion{Name: "web"}, timeout: 2 * time.Second, want: probe.Connected,
			evidence: "(3 queries)", asked: "silent web.a.test./udp web.b.test./udp"},
		{name: "second server after a refusal", servers: refusesServer + " " + goodServer, question: probe.DNSQuestion{Name: "good.test."}, want: probe.Connected, asked: "good.test./udp"},
		{name: "second server after a closed port", servers: closedServer + " " + goodServer, question: probe.DNSQuestion{Name: "good.test."}, want: probe.Connected, asked: "good.test./udp"},
		{name: "one server only", servers: silentServer, question: probe.DNSQuestion{Name: "web", Server: netip.MustParseAddrPort(goodServer + ":53")}, want: probe.Connected,
			asked: "web.a.test./udp web.b.test./udp"},
		{name: "closed port", servers: closedServer, question: probe.DNSQuestion{Name: "good.test."}, want: probe.Refused, evidence: "ICMP 3/3"},
		{name: "closed port by TCP", servers: closedServer, question: probe.DNSQuestion{Name: "good.test.", Transport: "TCP"}, want: probe.Refused, evidence: "ECONNREFUSED"},
		{name: "closed port tells more than silence", servers: silentServer + " " + closedServer, question: probe.DNSQuestion{Name: "good.test."}, timeout: brief, want: probe.Refused, asked: "silent"},
	} {
		t.Run(c.name, func(t *testing.T) {
			log.take()
			if c.servers == "" {
				c.servers = goodServer
			}
			lines := []string{search, c.options}
			for _, server := range strings.Fields(c.servers) {
				lines = append(lines, "nameserver "+server)
			}
			c.question.ResolvConf = resolvConf(t, lines...)
			res := probeIn(t, n, probe.DNS, probe.Target{DNS: c.question, Timeout: c.timeout})
			if res.Verdict != c.want || !strings.Contains(res.Evidence, c.evidence) || strings.Contains(res.Evidence, "10.") {
				t.Errorf("got %+v, want %s with evidence of %q", res, c.want, c.evidence)
			}
			if asked := log.take(); asked != c.asked {
				t.Errorf("asked %q, want %q", asked, c.asked)
			}
			if len(res.Phases) != 1 || res.Phases[0].Name != "resolve" {
				t.Errorf("phases %v", res.Phases)
			}
		})
	}
}

// Network faults on the way to the server keep their own verdicts.
func TestDNSBehindFilters(t *testing.T) {
	l := newLab(t)
	conf := resolvConf(t, "nameserver "+netns.TargetV4.String())
	question := probe.Target{DNS: probe.DNSQuestion{Name: "good.test.", ResolvConf: conf}}
	for _, c := range []struct {
		rule     func(*testing.T, *lab)
		want     probe.Verdict
		offender netip.Addr
	}{
		{nft(router, "forward", "reject with icmp admin-prohibited"), probe.Rejected, netns.RouterV4},
		{nft(source, "output", "udp dport 53 drop"), probe.LocalDenied, netip.Addr{}},
		{nft(router, "forward", "udp dport 53 drop"), probe.DNSTimeout, netip.Addr{}},
	} {
		c.rule(t, l)
		if c.want == probe.DNSTimeout {
			question.Timeout = brief
		}
		if res := probeIn(t, l.Source, probe.DNS, question); res.Verdict != c.want || res.Offender != c.offender {
			t.Errorf("got %+v, want %s by %v", res, c.want, c.offender)
		}
		l.reset(t)
	}
}

func TestDNSLocalErrors(t *testing.T) {
	big := resolvConf(t, "nameserver 127.0.0.1", strings.Repeat("# padding\n", 10000))
	for name, q := range map[string]probe.DNSQuestion{
		"no file":    {Name: "a.", ResolvConf: filepath.Join(t.TempDir(), "none")},
		"directory":  {Name: "a.", ResolvConf: t.TempDir()},
		"device":     {Name: "a.", ResolvConf: "/dev/zero"},
		"too large":  {Name: "a.", ResolvConf: big},
		"no servers": {Name: "a.", ResolvConf: resolvConf(t, "search secret.test")},
		"bad server": {Name: "a.", ResolvConf: resolvConf(t, "nameserver secret")},
		"bad name":   {Name: strings.Repeat("a", 64) + ".", ResolvConf: resolvConf(t, "nameserver 127.0.0.1")},
		"bad type":   {Name: "a.", Type: "AXFR", ResolvConf: resolvConf(t, "nameserver 127.0.0.1")},
		"bad carry":  {Name: "a.", Transport: "SCTP", ResolvConf: resolvConf(t, "nameserver 127.0.0.1")},
	} {
		res := probe.Kinds()[probe.DNS].Probe(t.Context(), probe.Target{DNS: q, Timeout: patient})
		if res.Verdict != probe.LocalError || res.Evidence == "" || strings.Contains(res.Evidence, "secret") {
			t.Errorf("%s: %+v", name, res)
		}
	}
}
