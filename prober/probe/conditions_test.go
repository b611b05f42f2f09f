// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package probe_test

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/netladder/netladder/prober/probe"
	"github.com/netladder/netladder/test/netns"
)

// condition is a real condition of a real network and what a probe must say.
type condition struct {
	name   string
	setup  func(t *testing.T, l *lab)
	kind   probe.Kind
	target probe.Target
	want   probe.Verdict
	// offender who must be named, if any.
	offender netip.Addr
	// evidence must contain this.
	evidence string
	// halfOpen: that of a half-open probe must contain this, where it differs.
	halfOpen string
	// once: the condition does not last, so that other ways to see it must not
	// be tried.
	once bool
}

// nft installs a filter chain with one rule.
func nft(where func(*lab) *netns.NS, hook, rule string) func(*testing.T, *lab) {
	return func(t *testing.T, l *lab) {
		t.Helper()
		where(l).RunInput(t, "table inet t { chain c { type filter hook "+hook+" priority 0;\n"+rule+"\n}\n}\n", "nft", "-f", "-")
	}
}

func source(l *lab) *netns.NS { return l.Source }
func router(l *lab) *netns.NS { return l.Router }
func target(l *lab) *netns.NS { return l.Target }

func dropTimeout(t probe.Target) probe.Target {
	t.Timeout = brief
	return t
}

func TestConditions(t *testing.T) {
	l := newLab(t)
	for _, group := range [][]condition{workingConditions(), filterConditionsV4(), filterConditionsV6(), routeConditions(), neighbourConditions()} {
		for _, c := range group {
			t.Run(c.name, func(t *testing.T) { l.run(t, c) })
		}
	}
}

func (l *lab) run(t *testing.T, c condition) {
	defer l.reset(t)
	if c.setup != nil {
		c.setup(t, l)
	}
	if c.once {
		c.check(t, "once", probeIn(t, l.Source, c.kind, c.target))
		return
	}
	pod := enter(t, l.Source)
	for _, v := range c.alike() {
		for way, f := range ways(t, v.kind) {
			v.check(t, string(v.kind)+" "+way, probeBy(t, l.Source, f, v.target))
			v.target.Entry, v.target.Source = pod, netns.SourceV4
			if v.target.Addr.Addr().Unmap().Is6() {
				v.target.Source = netns.SourceV6
			}
			v.check(t, string(v.kind)+" entered "+way, probeBy(t, l.Source, f, v.target))
			v.target.Entry, v.target.Source = nil, netip.Addr{}
		}
	}
	if c.kind == probe.MeshICMP {
		l.Source.Sysctl(t, "ipv4.ping_group_range", pingForbidden)
		c.check(t, "raw", probeIn(t, l.Source, c.kind, c.target))
		l.Source.Sysctl(t, "ipv4.ping_group_range", pingAllowed)
	}
}

// alike returns the condition for all kinds that must see the same.
func (c condition) alike() []condition {
	other := c
	switch {
	case c.kind == probe.TCP:
		other.kind = probe.TCPHalfOpen
		switch {
		case c.want == probe.Refused:
			other.evidence = "TCP reset after "
		case c.halfOpen != "":
			other.evidence = c.halfOpen
		}
	case c.kind == probe.MeshICMP:
		other.kind = probe.ICMP
	case c.kind == probe.MeshUDP && !slices.Contains(ofExchange, c.want):
		other.kind, other.target.SilenceDenies = probe.UDP, true
	default:
		return []condition{c}
	}
	return []condition{c, other}
}

// ofExchange are verdicts on what only the mesh's exchange makes.
var ofExchange = []probe.Verdict{probe.Connected, probe.WrongIdentity, probe.TooBig}

func (c condition) check(t *testing.T, way string, got probe.Result) {
	t.Helper()
	if got.Verdict != c.want {
		t.Errorf("%s: verdict %s, want %s: %+v", way, got.Verdict, c.want, got)
	}
	if got.Offender != c.offender {
		t.Errorf("%s: offender %v, want %v: %+v", way, got.Offender, c.offender, got)
	}
	if !strings.Contains(got.Evidence, c.evidence) {
		t.Errorf("%s: evidence %q does not contain %q", way, got.Evidence, c.evidence)
	}
}

func workingConditions() []condition {
	v4, v6 := netns.TargetV4, netns.TargetV6
	return []condition{
		{name: "tcp v4", kind: probe.TCP, target: at(v4, echoPort), want: probe.Connected},
		{name: "tcp v6", kind: probe.TCP, target: at(v6, echoPort), want: probe.Connected},
		{name: "tcp v4-mapped", kind: probe.TCP, target: at(netip.AddrFrom16(v4.As16()), echoPort), want: probe.Connected},
		{name: "mesh tcp v4", kind: probe.MeshTCP, target: at(v4, echoPort), want: probe.Connected},
		{name: "mesh tcp v6", kind: probe.MeshTCP, target: at(v6, echoPort), want: probe.Connected},
		{name: "mesh udp v4", kind: probe.MeshUDP, target: at(v4, echoPort), want: probe.Connected},
		{name: "mesh udp v6", kind: probe.MeshUDP, target: at(v6, echoPort), want: probe.Connected},
		{name: "icmp v4", kind: probe.MeshICMP, target: at(v4, 0), want: probe.Connected},
		{name: "icmp v6", kind: probe.MeshICMP, target: at(v6, 0), want: probe.Connected},
		{name: "icmp port is ignored", kind: probe.MeshICMP, target: at(v4, 99), want: probe.Connected},
		{name: "http v4", kind: probe.HTTP, target: at(v4, httpPort), want: probe.ProtocolError, evidence: "HTTP status 404"},
		{name: "tcp v4 closed", kind: probe.TCP, target: at(v4, closedPort), want: probe.Refused, evidence: "ECONNREFUSED"},
		{name: "tcp v6 closed", kind: probe.TCP, target: at(v6, closedPort), want: probe.Refused, evidence: "ECONNREFUSED"},
		{name: "udp v4 closed", kind: probe.MeshUDP, target: at(v4, closedPort), want: probe.Refused, offender: v4, evidence: "ICMP 3/3"},
		{name: "udp v6 closed", kind: probe.MeshUDP, target: at(v6, closedPort), want: probe.Refused, offender: v6, evidence: "ICMPv6 1/4"},
		{name: "wrong identity tcp", kind: probe.MeshTCP, target: expecting("other", at(v4, echoPort)), want: probe.WrongIdentity, evidence: "node-a"},
		{name: "wrong identity udp", kind: probe.MeshUDP, target: expecting("other", at(v4, echoPort)), want: probe.WrongIdentity, evidence: echoUID},
	}
}

func expecting(uid string, t probe.Target) probe.Target {
	t.EchoUID = uid
	return t
}

func filterConditionsV4() []condition {
	ip, hop := netns.TargetV4, netns.RouterV4
	tcp, udp, ping := at(ip, echoPort), at(ip, echoPort), at(ip, 0)
	return []condition{
		{name: "v4 tcp-reset at router", setup: nft(router, "forward", "meta l4proto tcp reject with tcp reset"),
			kind: probe.TCP, target: tcp, want: probe.Refused},
		{name: "v4 port-unreachable at router", setup: nft(router, "forward", "reject with icmp port-unreachable"),
			kind: probe.TCP, target: tcp, want: probe.Rejected, offender: hop, evidence: "ICMP 3/3 (port unreachable) from 10.77.1.1 after "},
		{name: "v4 port-unreachable at target", setup: nft(target, "input", "reject with icmp port-unreachable"),
			kind: probe.TCP, target: tcp, want: probe.Rejected, offender: ip, evidence: "ICMP 3/3"},
		{name: "v4 admin-prohibited at router", setup: nft(router, "forward", "reject with icmp admin-prohibited"),
			kind: probe.TCP, target: tcp, want: probe.Rejected, offender: hop, evidence: "ICMP 3/13"},
		{name: "v4 admin-prohibited at target", setup: nft(target, "input", "reject with icmp admin-prohibited"),
			kind: probe.TCP, target: tcp, want: probe.Rejected, offender: ip, evidence: "ICMP 3/13"},
		{name: "v4 net-prohibited at router", setup: nft(router, "forward", "reject with icmp net-prohibited"),
			kind: probe.TCP, target: tcp, want: probe.Rejected, offender: hop, evidence: "ICMP 3/9"},
		{name: "v4 host-prohibited at router", setup: nft(router, "forward", "reject with icmp host-prohibited"),
			kind: probe.MeshTCP, target: tcp, want: probe.Rejected, offender: hop, evidence: "ICMP 3/10"},
		{name: "v4 net-unreachable at router", setup: nft(router, "forward", "reject with icmp net-unreachable"),
			kind: probe.TCP, target: tcp, want: probe.Unreachable, offender: hop, evidence: "ICMP 3/0"},
		{name: "v4 protocol unreachable", setup: nft(router, "forward", "reject with icmp prot-unreachable"),
			kind: probe.TCP, target: tcp, want: probe.ProtocolUnreachable, offender: hop, evidence: "ICMP 3/2"},
		{name: "v4 reject in own output", setup: nft(source, "output", "oifname eth0 reject with icmp port-unreachable"),
			kind: probe.TCP, target: tcp, want: probe.Rejected, offender: netns.SourceV4, evidence: "ICMP 3/3"},
		{name: "v4 udp port-unreachable at router", setup: nft(router, "forward", "reject with icmp port-unreachable"),
			kind: probe.MeshUDP, target: udp, want: probe.Rejected, offender: hop, evidence: "ICMP 3/3"},
		{name: "v4 udp admin-prohibited at target", setup: nft(target, "input", "reject with icmp admin-prohibited"),
			kind: probe.MeshUDP, target: udp, want: probe.Rejected, offender: ip, evidence: "ICMP 3/13"},
		{name: "v4 icmp admin-prohibited at router", setup: nft(router, "forward", "reject with icmp admin-prohibited"),
			kind: probe.MeshICMP, target: ping, want: probe.Rejected, offender: hop, evidence: "ICMP 3/13"},
		{name: "v4 icmp port-unreachable at target", setup: nft(target, "input", "reject with icmp port-unreachable"),
			kind: probe.MeshICMP, target: ping, want: probe.Rejected, offender: ip, evidence: "ICMP 3/3"},
		{name: "v4 tcp drop at router", setup: nft(router, "forward", "drop"),
			kind: probe.TCP, target: dropTimeout(tcp), want: probe.Dropped, evidence: "no answer within 250ms"},
		{name: "v4 answers dropped at router", setup: nft(router, "forward", "iifname target drop"),
			kind: probe.MeshTCP, target: dropTimeout(tcp), want: probe.Dropped},
		{name: "v4 tcp drop in own output", setup: nft(source, "output", "drop"),
			kind: probe.TCP, target: dropTimeout(tcp), want: probe.Dropped, halfOpen: "no answer within 250ms: a packet filter of the source's own host forbids it"},
		{name: "v4 udp drop at router", setup: nft(router, "forward", "drop"),
			kind: probe.MeshUDP, target: dropTimeout(udp), want: probe.Dropped},
		{name: "v4 udp drop in own output", setup: nft(source, "output", "drop"),
			kind: probe.MeshUDP, target: udp, want: probe.LocalDenied, evidence: "EPERM"},
		{name: "v4 icmp drop at target", setup: nft(target, "input", "drop"),
			kind: probe.MeshICMP, target: dropTimeout(ping), want: probe.Dropped},
		{name: "v4 icmp drop in own output", setup: nft(source, "output", "drop"),
			kind: probe.MeshICMP, target: ping, want: probe.LocalDenied, evidence: "EPERM"},
		{name: "v4 exchange dropped after handshake", setup: nft(router, "forward", "tcp dport 8441 meta length > 100 drop"),
			kind: probe.MeshTCP, target: dropTimeout(tcp), want: probe.Dropped, evidence: "connected after "},
		{name: "v4 exchange rejected after handshake", setup: nft(router, "forward", "tcp dport 8441 meta length > 100 reject with icmp admin-prohibited"),
			// The kernel queues ICMP errors of the handshake alone: who said it is lost.
			kind: probe.MeshTCP, target: tcp, want: probe.Unreachable, evidence: "connected after "},
		{name: "v4 exchange rejected by port-unreachable after handshake", setup: nft(router, "forward", "tcp dport 8441 meta length > 100 reject with icmp port-unreachable"),
			kind: probe.MeshTCP, target: tcp, want: probe.Rejected, evidence: "connected after "},
	}
}

func filterConditionsV6() []condition {
	ip, hop := netns.TargetV6, netns.RouterV6
	tcp, udp, ping := at(ip, echoPort), at(ip, echoPort), at(ip, 0)
	return []condition{
		{name: "v6 tcp-reset at router", setup: nft(router, "forward", "meta l4proto tcp reject with tcp reset"),
			kind: probe.TCP, target: tcp, want: probe.Refused},
		{name: "v6 port-unreachable at router", setup: nft(router, "forward", "reject with icmpv6 port-unreachable"),
			kind: probe.TCP, target: tcp, want: probe.Rejected, offender: hop, evidence: "ICMPv6 1/4 (port unreachable) from fd77:1::1 after "},
		{name: "v6 admin-prohibited at router", setup: nft(router, "forward", "reject with icmpv6 admin-prohibited"),
			kind: probe.TCP, target: tcp, want: probe.Rejected, offender: hop, evidence: "ICMPv6 1/1"},
		{name: "v6 admin-prohibited at target", setup: nft(target, "input", "reject with icmpv6 admin-prohibited"),
			kind: probe.TCP, target: tcp, want: probe.Rejected, offender: ip, evidence: "ICMPv6 1/1"},
		{name: "v6 no-route at router", setup: nft(router, "forward", "reject with icmpv6 no-route"),
			kind: probe.TCP, target: tcp, want: probe.Unreachable, offender: hop, evidence: "ICMPv6 1/0"},
		{name: "v6 addr-unreachable at router", setup: nft(router, "forward", "reject with icmpv6 addr-unreachable"),
			kind: probe.TCP, target: tcp, want: probe.Unreachable, offender: hop, evidence: "ICMPv6 1/3"},
		{name: "v6 udp port-unreachable at router", setup: nft(router, "forward", "reject with icmpv6 port-unreachable"),
			kind: probe.MeshUDP, target: udp, want: probe.Rejected, offender: hop, evidence: "ICMPv6 1/4"},
		{name: "v6 icmp admin-prohibited at router", setup: nft(router, "forward", "reject with icmpv6 admin-prohibited"),
			kind: probe.MeshICMP, target: ping, want: probe.Rejected, offender: hop, evidence: "ICMPv6 1/1"},
		{name: "v6 tcp drop at router", setup: nft(router, "forward", "drop"),
			kind: probe.TCP, target: dropTimeout(tcp), want: probe.Dropped},
		{name: "v6 udp drop at router", setup: nft(router, "forward", "drop"),
			kind: probe.MeshUDP, target: dropTimeout(udp), want: probe.Dropped},
		{name: "v6 icmp drop at router", setup: nft(router, "forward", "drop"),
			kind: probe.MeshICMP, target: dropTimeout(ping), want: probe.Dropped},
		{name: "v6 udp drop in own output", setup: nft(source, "output", "udp dport 8441 drop"),
			kind: probe.MeshUDP, target: udp, want: probe.LocalDenied, evidence: "EPERM"},
	}
}

// sourceRoute adds a route at the source for the test's time.
func sourceRoute(route string) func(*testing.T, *lab) { return route2(source, route) }

func route2(where func(*lab) *netns.NS, route string) func(*testing.T, *lab) {
	return func(t *testing.T, l *lab) {
		t.Helper()
		where(l).IP(t, "route add "+route)
		t.Cleanup(func() { where(l).IP(t, "route del "+route) })
	}
}

func routeConditions() []condition {
	v4, v6 := netip.MustParseAddr("10.88.0.1"), netip.MustParseAddr("fd88::1")
	return []condition{
		// Kernels say so five times, then once a second: a ping sends nothing twice.
		{name: "v4 icmp no route at router", once: true, kind: probe.MeshICMP, target: at(netns.NowhereV4, 0), want: probe.Unreachable, offender: netns.RouterV4},
		{name: "v4 no route at router", kind: probe.TCP, target: at(netns.NowhereV4, 80), want: probe.Unreachable, offender: netns.RouterV4, evidence: "ICMP 3/0"},
		{name: "v6 no route at router", kind: probe.TCP, target: at(netns.NowhereV6, 80), want: probe.Unreachable, offender: netns.RouterV6, evidence: "ICMPv6 1/0"},
		{name: "v4 prohibit route at router", setup: route2(router, "prohibit 10.88.0.1"), kind: probe.TCP, target: at(v4, 80),
			want: probe.Rejected, offender: netns.RouterV4, evidence: "ICMP 3/13"},
		{name: "v4 blackhole route at router", setup: route2(router, "blackhole 10.88.0.1"), kind: probe.TCP, target: dropTimeout(at(v4, 80)), want: probe.Dropped},
		{name: "v4 local prohibit", setup: sourceRoute("prohibit 10.88.0.1"), kind: probe.TCP, target: at(v4, 80), want: probe.LocalDenied, evidence: "EACCES"},
		{name: "v4 local unreachable", setup: sourceRoute("unreachable 10.88.0.1"), kind: probe.TCP, target: at(v4, 80), want: probe.LocalDenied, evidence: "EHOSTUNREACH"},
		{name: "v4 local blackhole", setup: sourceRoute("blackhole 10.88.0.1"), kind: probe.TCP, target: at(v4, 80), want: probe.LocalDenied, evidence: "EINVAL"},
		{name: "v4 udp local prohibit", setup: sourceRoute("prohibit 10.88.0.1"), kind: probe.MeshUDP, target: at(v4, 80), want: probe.LocalDenied, evidence: "EACCES"},
		{name: "v4 icmp local blackhole", setup: sourceRoute("blackhole 10.88.0.1"), kind: probe.MeshICMP, target: at(v4, 0), want: probe.LocalDenied, evidence: "EINVAL"},
		{name: "v6 local prohibit", setup: sourceRoute("prohibit fd88::1"), kind: probe.TCP, target: at(v6, 80), want: probe.LocalDenied, evidence: "EACCES"},
		{name: "v6 local unreachable", setup: sourceRoute("unreachable fd88::1"), kind: probe.TCP, target: at(v6, 80), want: probe.LocalDenied, evidence: "EHOSTUNREACH"},
		{name: "v6 local blackhole", setup: sourceRoute("blackhole fd88::1"), kind: probe.TCP, target: at(v6, 80), want: probe.LocalDenied, evidence: "EINVAL"},
		{name: "v4 udp too big for the next link", setup: smallLink, once: true, kind: probe.MeshUDP, target: at(netns.TargetV4, echoPort),
			want: probe.TooBig, offender: netns.RouterV4, evidence: "ICMP 3/4"},
	}
}

// smallLink makes the link behind the router too small for a mesh message.
func smallLink(t *testing.T, l *lab) {
	t.Helper()
	l.Router.IP(t, "link set target mtu 128")
	t.Cleanup(func() {
		l.Router.IP(t, "link set target mtu 1500")
		// Lost with the MTU of IPv6.
		l.Router.IP(t, "addr replace fd77:2::1/64 dev target nodad")
		l.Router.Sysctl(t, "ipv6.neigh.target.retrans_time_ms", "50")
		l.Source.IP(t, "route flush cache")
	})
}

func neighbourConditions() []condition {
	return []condition{
		{name: "v4 gone behind router", kind: probe.TCP, target: at(netns.GoneV4, 80), want: probe.Unreachable, offender: netns.RouterV4, evidence: "ICMP 3/1"},
		{name: "v6 gone behind router", kind: probe.TCP, target: at(netns.GoneV6, 80), want: probe.Unreachable, offender: netns.RouterV6, evidence: "ICMPv6 1/3"},
		{name: "v4 udp gone behind router", kind: probe.MeshUDP, target: at(netns.GoneV4, 80), want: probe.Unreachable, offender: netns.RouterV4, evidence: "ICMP 3/1"},
		{name: "v4 icmp gone behind router", kind: probe.MeshICMP, target: at(netns.GoneV4, 0), want: probe.Unreachable, offender: netns.RouterV4, evidence: "ICMP 3/1"},
		{name: "v4 no neighbour", kind: probe.TCP, target: at(netns.NeighbourV4, 80), want: probe.Unreachable, offender: netns.SourceV4, evidence: "ICMP 3/1"},
		{name: "v6 no neighbour", kind: probe.TCP, target: at(netns.NeighbourV6, 80), want: probe.Unreachable, offender: netns.SourceV6, evidence: "ICMPv6 1/3"},
		{name: "v4 udp no neighbour", kind: probe.MeshUDP, target: at(netns.NeighbourV4, 80), want: probe.Unreachable, offender: netns.SourceV4, evidence: "ICMP 3/1"},
		{name: "v4 icmp no neighbour", kind: probe.MeshICMP, target: at(netns.NeighbourV4, 0), want: probe.Unreachable, offender: netns.SourceV4, evidence: "ICMP 3/1"},
	}
}
