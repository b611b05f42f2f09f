// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package probe_test

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/netladder/netladder/prober/probe"
	"github.com/netladder/netladder/test/netns"
)

// Both ways that a path can be too narrow, in each direction, and what looks
// alike and is neither.
func TestMTU(t *testing.T) {
	l := newTunnelLab(t)
	l.Source.Sysctl(t, "ipv6.conf.eth0.router_solicitations", "0")
	narrow := func(dev string) func(*testing.T, *lab) {
		return func(t *testing.T, l *lab) { t.Helper(); l.Router.IP(t, "link set "+dev+" mtu 1400") }
	}
	both := func(some ...func(*testing.T, *lab)) func(*testing.T, *lab) {
		return func(t *testing.T, l *lab) {
			t.Helper()
			for _, f := range some {
				f(t, l)
			}
		}
	}
	large := func(rest string) func(*testing.T, *lab) { return nft(router, "forward", "meta length > 1400 "+rest) }
	// As where the plugin sets the bit that forbids fragments.
	unfragmented := nft(source, "output", "udp dport 8472 ip frag-off set 0x4000")
	mute := nft(router, "output", "icmp type destination-unreachable drop")
	cases := []struct {
		name string
		do   func(*testing.T, *lab)
		ip   netip.Addr
		size int
		want probe.Verdict
		says string
	}{
		{"wide", nothing, netns.TargetV4, 1500, probe.Connected, "echo reply of 1500 bytes"},
		{"wide, IPv6", nothing, netns.TargetV6, 1500, probe.Connected, "echo reply of 1500 bytes"},
		{"wide, through a tunnel", nothing, netns.TunnelTarget, netns.TunnelMTU, probe.Connected, "echo reply of 1450 bytes"},
		{"larger than the own link", nothing, netns.TargetV4, 1501, probe.LocalError, "EMSGSIZE"},
		{"mismatch", narrow("target"), netns.TargetV4, 1500, probe.TooBig, "ICMP 3/4 (fragmentation needed, at most 1400 bytes) from 10.77.1.1"},
		{"mismatch, IPv6", narrow("target"), netns.TargetV6, 1500, probe.TooBig, "ICMPv6 2/0 (packet too big, at most 1400 bytes) from fd77:1::1"},
		{"black hole", both(narrow("target"), nft(router, "output", "icmp type destination-unreachable drop")), netns.TargetV4, 1500, probe.Dropped, "lost on the way there, and no hop says so"},
		{"black hole, IPv6", both(narrow("target"), nft(router, "output", "icmpv6 type packet-too-big drop")), netns.TargetV6, 1500, probe.Dropped, "lost on the way there, and no hop says so"},
		{"black hole on the way back", large("ip daddr 10.77.1.2 drop"), netns.TargetV4, 1500, probe.Connected, "gets there; an echo reply of that size does not come back"},
		{"black hole on the way there", large("ip daddr 10.77.2.2 drop"), netns.TargetV4, 1500, probe.Dropped, "lost on the way there, and"},
		{"black hole under a tunnel", large("udp dport 8472 ip daddr 10.77.2.2 drop"), netns.TunnelTarget, netns.TunnelMTU, probe.Dropped, "packets of 1450 bytes are lost on the way there, and"},
		{"mismatch under a tunnel", both(narrow("target"), unfragmented), netns.TunnelTarget, netns.TunnelMTU, probe.TooBig,
			"packets of 1450 bytes have 1500 outside of the tunnel: ICMP 3/4 (fragmentation needed, at most 1400 bytes) from 10.77.1.1"},
		{"black hole under a tunnel, MTU", both(narrow("target"), unfragmented, mute), netns.TunnelTarget, netns.TunnelMTU, probe.Dropped, "are lost on the way there, and no hop says so"},
		{"black hole in a tunnel", nft(target, "input", "iifname flannel.1 meta length > 1400 drop"), netns.TunnelTarget, netns.TunnelMTU, probe.Dropped,
			"and no hop says so; outside of the tunnel 1500 bytes get to 10.77.2.2"},
		{"black hole, datagrams blocked", both(large("ip daddr 10.77.2.2 drop"), nft(target, "input", "udp dport 33434-33523 drop")), netns.TargetV4, 1500, probe.Dropped, "lost on the way there or back"},
		{"only large pings are blocked", large("ip protocol icmp ip daddr 10.77.2.2 drop"), netns.TargetV4, 1500, probe.Connected, "gets there"},
		{"nothing passes", nft(router, "forward", "drop"), netns.TargetV4, 1500, probe.Inconclusive, "small packets do not pass either"},
		{"pings are blocked", nft(router, "forward", "ip protocol icmp drop"), netns.TargetV4, 1500, probe.Inconclusive, "small packets do not pass either"},
		{"rejected", nft(router, "forward", "reject with icmpx type admin-prohibited"), netns.TargetV4, 1500, probe.Rejected, "administratively prohibited"},
		{"no size", nothing, netns.TargetV4, 0, probe.LocalError, "packets of 0 bytes say nothing"},
	}
	for _, ping := range []string{pingAllowed, pingForbidden} {
		for _, c := range cases {
			t.Run(c.name+", ping sockets for "+ping, func(t *testing.T) {
				l.Source.Sysctl(t, "ipv4.ping_group_range", ping)
				c.do(t, l)
				defer func() {
					l.reset(t)
					l.Router.IP(t, "link set target mtu 1500")
					l.Source.IP(t, "route flush cache") // a tunnel would fragment by what it heard
				}()
				target := at(c.ip, 0)
				target.Size = c.size
				if c.ip == netns.TunnelTarget {
					target.Tunnel = probe.TunnelEnd{Endpoint: netip.AddrPortFrom(netns.TargetV4, 0), Size: c.size + 50}
				}
				if c.want != probe.TooBig && c.want != probe.Rejected && !strings.HasPrefix(c.says, "echo reply") {
					target.Timeout = 2 * brief
				}
				res := probeIn(t, l.Source, probe.MTU, target)
				if res.Verdict != c.want || !strings.Contains(res.Evidence, c.says) {
					t.Errorf("got %s: %s\nwant %s: %s", res.Verdict, res.Evidence, c.want, c.says)
				}
			})
		}
	}
}

// What the kernel has heard of the way under a tunnel is told where no hop says
// so any more, and is no verdict: it may be as old as ten minutes.
func TestMTUHeardBefore(t *testing.T) {
	l := newTunnelLab(t)
	l.Router.IP(t, "link set target mtu 1400")
	nft(source, "output", "udp dport 8472 ip frag-off set 0x4000")(t, l)
	target := at(netns.TunnelTarget, 0)
	target.Size, target.Timeout = netns.TunnelMTU, 2*brief
	target.Tunnel = probe.TunnelEnd{Endpoint: netip.AddrPortFrom(netns.TargetV4, 0), Size: 1500}
	if res := probeIn(t, l.Source, probe.MTU, target); res.Verdict != probe.TooBig {
		t.Fatalf("got %+v", res)
	}
	nft(router, "output", "icmp type destination-unreachable drop")(t, l)
	const want = "and no hop says so; the kernel has heard before that the way to 10.77.2.2 takes 1400"
	if res := probeIn(t, l.Source, probe.MTU, target); res.Verdict != probe.Dropped || !strings.Contains(res.Evidence, want) {
		t.Errorf("got %+v", res)
	}
}

// A kernel remembers for ten minutes what a hop said of a path. A path that
// has healed shows at once all the same.
func TestMTUOfAHealedPath(t *testing.T) {
	l := newLab(t)
	target := at(netns.TargetV4, 0)
	target.Size, target.Timeout = 1500, patient
	for _, c := range []struct {
		mtu  string
		want probe.Verdict
	}{{"1300", probe.TooBig}, {"1500", probe.Connected}, {"1300", probe.TooBig}} {
		l.Router.IP(t, "link set target mtu "+c.mtu)
		if res := probeIn(t, l.Source, probe.MTU, target); res.Verdict != c.want || res.Late > time.Second {
			t.Errorf("MTU %s: got %+v, want %s", c.mtu, res, c.want)
		}
	}
}
