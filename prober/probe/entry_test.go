// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package probe_test

import (
	"bufio"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/netladder/netladder/prober/probe"
	"github.com/netladder/netladder/test/netns"
)

// A source address that the namespace does not have means that it is not the
// pod's: nothing may be sent from there.
func TestForeignNamespace(t *testing.T) {
	l := newLab(t)
	l.Target.RunInput(t, "table inet t { counter any {}\nchain c { type filter hook input priority 0;\ncounter name any\n}\n}\n", "nft", "-f", "-")
	pod := enter(t, l.Source)
	pod.resolvConf = []byte("nameserver " + netns.TargetV4.String() + "\n")
	for _, c := range []struct{ source, target netip.Addr }{
		{netip.MustParseAddr("10.77.1.77"), netns.TargetV4}, {netip.MustParseAddr("fd77:1::77"), netns.TargetV6},
	} {
		for kind := range probe.Kinds() {
			if kind == probe.DNS && c.source.Is6() {
				continue // its server is of the other family: the kernel chooses the source
			}
			if kind == probe.IPIP && c.source.Is6() {
				continue // of IPv4 only
			}
			for way, f := range ways(t, kind) {
				target := at(c.target, echoPort)
				target.Entry, target.Source, target.DNS.Name = pod, c.source, "good.test."
				if res := probeBy(t, l.Source, f, target); res.Verdict != probe.LocalError || !strings.Contains(res.Evidence, "EADDRNOTAVAIL: not the pod's network namespace any more") {
					t.Errorf("%s %s: %+v", kind, way, res)
				}
			}
		}
	}
	if out := l.Target.Run(t, "nft", "list", "counter", "inet", "t", "any"); !strings.Contains(out, "packets 0 ") {
		t.Errorf("something was sent: %s", out)
	}
}

// A namespace that cannot be entered is no verdict on the path.
func TestNoEntry(t *testing.T) {
	for kind := range probe.Kinds() {
		for way, f := range ways(t, kind) {
			target := at(loopback, 80)
			target.Entry, target.Timeout = closedEntry{}, patient
			if res := f(t.Context(), target); res.Verdict != probe.LocalError || !strings.Contains(res.Evidence, "ESRCH") && kind != probe.DNS {
				t.Errorf("%s %s: %+v", kind, way, res)
			}
		}
	}
}

// closedEntry is the namespace of a pod that has ended.
type closedEntry struct{}

func (closedEntry) Do(func() error) error       { return os.NewSyscallError("setns", unix.ESRCH) }
func (closedEntry) ResolvConf() ([]byte, error) { return nil, errSecret }

// errSecret is an error whose text is nobody's business.
var errSecret = errors.New("open /secret")

func TestFamiliesMustMatch(t *testing.T) {
	target := at(loopback, 80)
	target.Source, target.Timeout = netip.IPv6Loopback(), patient
	for _, kind := range []probe.Kind{probe.TCP, probe.TCPHalfOpen, probe.UDP, probe.ICMP, probe.HTTP} {
		if res := probe.Kinds()[kind].Probe(t.Context(), target); res.Verdict != probe.LocalError || !strings.Contains(res.Evidence, "different IP families") {
			t.Errorf("%s: %+v", kind, res)
		}
	}
}

// What a target sees of a probe is the source that was asked for.
func TestSourceAddress(t *testing.T) {
	l := newLab(t)
	second := netip.MustParseAddr("10.77.1.3")
	l.Source.IP(t, "addr add 10.77.1.3/24 dev eth0")
	pod := enter(t, l.Source)
	for _, source := range []netip.Addr{netns.SourceV4, second} {
		l.Target.RunInput(t, "table inet t { chain c { type filter hook input priority 0;\nip saddr != "+source.String()+" drop\n}\n}\n", "nft", "-f", "-")
		for _, kind := range []probe.Kind{probe.TCP, probe.TCPHalfOpen, probe.MeshUDP, probe.MeshICMP, probe.ICMP} {
			target := at(netns.TargetV4, echoPort)
			target.Entry, target.Source = pod, source
			if res := probeIn(t, l.Source, kind, target); res.Verdict != probe.Connected {
				t.Errorf("%s from %s: %+v", kind, source, res)
			}
		}
		l.reset(t)
	}
}

// The zone of a link-local address is an interface of the namespace that is
// entered, not of the prober's.
func TestLinkLocal(t *testing.T) {
	l := newLab(t)
	l.Router.IP(t, "addr add fe80::a/64 dev source nodad")
	l.Source.IP(t, "link property add dev eth0 altname nluplink0")
	l.Source.IP(t, "addr add fe80::b/64 dev eth0 nodad")
	pod := enter(t, l.Source)
	for kind, want := range map[probe.Kind]probe.Verdict{probe.TCP: probe.Refused, probe.TCPHalfOpen: probe.Refused, probe.UDP: probe.Refused, probe.ICMP: probe.Connected} {
		for way, f := range ways(t, kind) {
			for _, source := range []netip.Addr{{}, netip.MustParseAddr("fe80::b%nluplink0")} {
				target := at(netip.MustParseAddr("fe80::a%nluplink0"), closedPort)
				target.Source = source
				for _, target.Entry = range []probe.Entry{nil, pod} {
					if res := probeBy(t, l.Source, f, target); res.Verdict != want {
						t.Errorf("%s %s from %s: %+v", kind, way, source, res)
					}
				}
			}
		}
	}
}

// UDP knows three ends: an answer, a refusal and silence.
func TestUDP(t *testing.T) {
	l := newLab(t)
	for _, c := range []struct {
		source, target netip.Addr
		network        string
	}{{netns.SourceV4, netns.TargetV4, "udp4"}, {netns.SourceV6, netns.TargetV6, "udp6"}} {
		got := make(chan string, 1)
		answerUDP(t, l.Target, c.network, netip.AddrPortFrom(c.target, 5353), func(b []byte) []byte { got <- string(b); return nil })
		answerUDP(t, l.Target, c.network, netip.AddrPortFrom(c.target, 5354), func([]byte) []byte { return make([]byte, 4000) })
		answerUDP(t, l.Target, c.network, netip.AddrPortFrom(c.target, 5355), func([]byte) []byte { return []byte{} })
		for _, p := range []struct {
			port   uint16
			denies bool
			want   probe.Verdict
		}{{5353, false, probe.Inconclusive}, {5353, true, probe.Dropped}, {5354, false, probe.Connected}, {5355, true, probe.Connected}, {closedPort, false, probe.Refused}, {closedPort, true, probe.Refused}} {
			target := at(c.target, p.port)
			target.Entry, target.Source, target.SilenceDenies = enter(t, l.Source), c.source, p.denies
			if p.port == 5353 {
				target = dropTimeout(target)
			}
			if res := probeIn(t, l.Source, probe.UDP, target); res.Verdict != p.want || strings.HasPrefix(res.Evidence, "no answer within 250ms") != (p.port == 5353) {
				t.Errorf("%s %+v: %+v", c.network, p, res)
			}
			if p.port == 5353 {
				if sent := <-got; sent != "netladder\n" {
					t.Errorf("sent %q", sent)
				}
			}
		}
	}
}

// answerUDP answers each datagram, unless with nil.
func answerUDP(t *testing.T, n *netns.NS, network string, addr netip.AddrPort, answer func([]byte) []byte) {
	t.Helper()
	var conn net.PacketConn
	var err error
	n.Do(t, func() { conn, err = net.ListenPacket(network, addr.String()) })
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		b := make([]byte, 100)
		for {
			n, from, err := conn.ReadFrom(b)
			if err != nil {
				return
			}
			if reply := answer(b[:n]); reply != nil {
				_, _ = conn.WriteTo(reply, from)
			}
		}
	}()
	t.Cleanup(func() { _ = conn.Close(); <-ended })
}

func TestHTTPFromEntry(t *testing.T) {
	l := newLab(t)
	runTCP(t, l.Target, "10.77.2.2:8000", func(conn *net.TCPConn) {
		if req, err := http.ReadRequest(bufio.NewReader(conn)); err == nil && strings.HasPrefix(conn.RemoteAddr().String(), netns.SourceV4.String()+":") {
			answer("HTTP/1.1 204 No Content\r\n\r\n")(conn, req)
		}
	})
	target := at(netns.TargetV4, 8000)
	target.Entry, target.Source = enter(t, l.Source), netns.SourceV4
	if res := probeIn(t, l.Source, probe.HTTP, target); res.Verdict != probe.Connected || res.Evidence != "HTTP status 204" {
		t.Errorf("%+v", res)
	}
}

// Where a sidecar takes every connection, one to nobody succeeds.
func TestCanary(t *testing.T) {
	l := newLab(t)
	pod := enter(t, l.Source)
	sources := map[string]netip.Addr{"": {}, "ip": netns.SourceV4, "ip6": netns.SourceV6}
	for name, source := range sources {
		// No route, a reset on the way, and silence.
		for _, rule := range []string{"accept", "meta l4proto tcp reject with tcp reset", "drop"} {
			nft(router, "forward", rule)(t, l)
			if intercepted, err := probe.Canary(t.Context(), pod, source, brief); err != nil || intercepted {
				t.Errorf("%q, %s: %v %v", name, rule, intercepted, err)
			}
			l.reset(t)
		}
	}
	runTCP(t, l.Source, "[::]:15001", func(*net.TCPConn) {})
	l.Source.RunInput(t, "table inet t { chain c { type nat hook output priority -100;\nmeta l4proto tcp redirect to :15001\n}\n}\n", "nft", "-f", "-")
	for name, source := range sources {
		if intercepted, err := probe.Canary(t.Context(), pod, source, patient); err != nil || !intercepted {
			t.Errorf("%q redirected: %v %v", name, intercepted, err)
		}
	}
	l.reset(t)
	if intercepted, err := probe.Canary(t.Context(), pod, netip.MustParseAddr("10.77.1.77"), time.Second); err == nil || intercepted {
		t.Errorf("from a foreign address: %v %v", intercepted, err)
	}
	if intercepted, err := probe.Canary(t.Context(), closedEntry{}, netip.Addr{}, time.Second); err == nil || intercepted {
		t.Errorf("without a namespace: %v %v", intercepted, err)
	}
}
