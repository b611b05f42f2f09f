// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package probe_test

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/netladder/netladder/prober/probe"
	"github.com/netladder/netladder/test/netns"
)

// newTunnelLab is a lab whose source and target have a VXLAN tunnel, through
// the router.
func newTunnelLab(t *testing.T) *lab {
	t.Helper()
	l := newLab(t)
	l.AddTunnel(t)
	return l
}

// through aims at the target's end of the tunnel.
func through() probe.Target {
	target := at(netns.TunnelTarget, 0)
	target.Tunnel = probe.TunnelEnd{
		Endpoint: netip.AddrPortFrom(netns.TargetV4, netns.TunnelPort), Local: netns.SourceV4, VNI: netns.TunnelVNI,
	}
	return target
}

const vxlanPort = "udp dport 8472 "

// tunnelCondition is what is done to a tunnel, and undone.
type tunnelCondition struct {
	name     string
	do, undo func(*testing.T, *lab)
	want     probe.Verdict
	// says is what the evidence tells.
	says string
}

func TestTunnel(t *testing.T) {
	l := newTunnelLab(t)
	for _, c := range tunnelConditions() {
		for _, ping := range []string{pingAllowed, pingForbidden} {
			t.Run(c.name+", ping sockets for "+ping, func(t *testing.T) {
				l.Source.Sysctl(t, "ipv4.ping_group_range", ping)
				c.do(t, l)
				defer l.reset(t)
				if c.undo != nil {
					defer c.undo(t, l)
				}
				target := through()
				if c.want != probe.Connected {
					target = dropTimeout(target)
				}
				res := probeIn(t, l.Source, probe.Tunnel, target)
				if res.Verdict != c.want || !strings.Contains(res.Evidence, c.says) {
					t.Errorf("got %s: %s\nwant %s: %s", res.Verdict, res.Evidence, c.want, c.says)
				}
			})
		}
	}
}

func nothing(*testing.T, *lab) {}

func tunnelConditions() []tunnelCondition {
	mend := func(t *testing.T, l *lab) {
		t.Helper()
		l.Source.TunnelPeer(t, netns.TunnelTarget, netns.TunnelTargetMAC, netns.TunnelTargetCIDR)
	}
	ip := func(where func(*lab) *netns.NS, batch string) func(*testing.T, *lab) {
		return func(t *testing.T, l *lab) { t.Helper(); where(l).IP(t, batch) }
	}
	fdb := func(args ...string) func(*testing.T, *lab) {
		return func(t *testing.T, l *lab) { t.Helper(); l.Source.Run(t, "bridge", append([]string{"fdb"}, args...)...) }
	}
	return []tunnelCondition{
		{name: "healthy", do: nothing, want: probe.Connected, says: "echo reply through the tunnel"},
		{name: "port dropped there", do: nft(router, "forward", "ip daddr 10.77.2.2 "+vxlanPort+"drop"), want: probe.Dropped, says: "UDP 10.77.2.2:8472 is silent too"},
		{name: "port dropped back", do: nft(router, "forward", "ip daddr 10.77.1.2 "+vxlanPort+"drop"), want: probe.Dropped, says: "UDP 10.77.2.2:8472 is silent too"},
		{name: "port dropped both ways", do: nft(router, "forward", vxlanPort+"drop"), want: probe.Dropped, says: "is silent too"},
		{name: "port rejected on the way", do: nft(router, "forward", vxlanPort+"reject with icmpx type admin-prohibited"), want: probe.Rejected, says: "UDP 10.77.2.2:8472: ICMP 3/13 (administratively prohibited) from 10.77.1.1"},
		{name: "port dropped by the own host", do: nft(source, "output", vxlanPort+"drop"), want: probe.LocalDenied, says: "UDP 10.77.2.2:8472: send: EPERM"},
		{name: "device of the peer down", do: ip(target, "link set flannel.1 down"), undo: func(t *testing.T, l *lab) {
			t.Helper()
			l.Target.IP(t, "link set flannel.1 up")
			l.Target.TunnelPeer(t, netns.TunnelSource, netns.TunnelSourceMAC, netns.TunnelSourceCIDR)
		}, want: probe.Refused, says: "nothing on the peer takes VXLAN: ICMP 3/3 (port unreachable) from 10.77.2.2, the target"},
		{name: "forwarding entry deleted", do: fdb("del", netns.TunnelTargetMAC, "dev", "flannel.1", "dst", "10.77.2.2", "self"), undo: fdb("append", netns.TunnelTargetMAC, "dev", "flannel.1", "dst", "10.77.2.2", "self", "permanent"), want: probe.Dropped, says: "is silent too"},
		{name: "neighbour wrong", do: ip(source, "neigh replace 10.88.2.0 lladdr 0e:00:00:00:00:99 dev flannel.1 nud permanent"), undo: mend, want: probe.Dropped, says: "is silent too"},
		{name: "route of the own node deleted", do: ip(source, "route del 10.88.2.0/24"), undo: mend, want: probe.Unreachable, says: "ICMP 3/0 (net unreachable) from 10.77.1.1"},
		// Not by its routes: the kernel limits how often it says that it has none.
		{name: "no way between the nodes", do: nft(router, "forward", vxlanPort+"reject with icmp type net-unreachable"), want: probe.Unreachable, says: "UDP 10.77.2.2:8472: ICMP 3/0"},
	}
}

// Without an endpoint nothing is known but the address inside: it is pinged,
// and nothing else is sent.
func TestTunnelWithoutEndpoint(t *testing.T) {
	l := newTunnelLab(t)
	target := through()
	target.Tunnel = probe.TunnelEnd{}
	if res := probeIn(t, l.Source, probe.Tunnel, target); res.Verdict != probe.Connected {
		t.Errorf("got %+v", res)
	}
	nft(router, "forward", vxlanPort+"reject with icmpx type admin-prohibited")(t, l)
	defer l.reset(t)
	if res := probeIn(t, l.Source, probe.Tunnel, dropTimeout(target)); res.Verdict != probe.Dropped {
		t.Errorf("nobody knocked, got %+v", res)
	}
}

// The frame that knocks reaches the peer's device and goes no further.
func TestKnockIsForNobody(t *testing.T) {
	l := newTunnelLab(t)
	nft(target, "input", `iifname "flannel.1" counter comment "inside"`)(t, l)
	defer l.reset(t)
	l.Target.RunInput(t, "table netdev n { chain c { type filter hook ingress device flannel.1 priority 0;\nether type 0x88b5 counter\nip protocol icmp drop\n}\n}\n", "nft", "-f", "-")
	if res := probeIn(t, l.Source, probe.Tunnel, dropTimeout(through())); res.Verdict != probe.Dropped {
		t.Errorf("got %+v", res)
	}
	ruleset := l.Target.Run(t, "nft", "list", "ruleset")
	if !strings.Contains(ruleset, "ether type 0x88b5 counter packets 1 ") {
		t.Errorf("the frame did not come out of the tunnel:\n%s", ruleset)
	}
	if !strings.Contains(ruleset, `iifname "flannel.1" counter packets 0 `) {
		t.Errorf("the host took it for a packet:\n%s", ruleset)
	}
}
