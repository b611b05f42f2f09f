// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package probe_test

import (
	"net/netip"
	"runtime"
	"testing"
	"time"

	"github.com/netladder/netladder/prober/probe"
	"github.com/netladder/netladder/test/netns"
)

// The way from a peer is heard to be open, whatever becomes of the way there.
func TestEar(t *testing.T) {
	l := newTunnelLab(t)
	for _, c := range []struct {
		name, rules  string
		source, peer netip.Addr
		target       probe.Target
		kind         probe.Kind
		heard        bool
	}{
		{"requests", "", netns.TunnelSource, netns.TunnelSource, through(), probe.Tunnel, true},
		{"requests, IPv6", "", netns.SourceV6, netns.SourceV6, at(netns.TargetV6, 0), probe.ICMP, true},
		{"though nothing comes back", "ip daddr 10.77.1.2 " + vxlanPort + "drop", netns.TunnelSource, netns.TunnelSource, through(), probe.Tunnel, true},
		{"nothing gets here", "ip daddr 10.77.2.2 " + vxlanPort + "drop", netns.TunnelSource, netns.TunnelSource, through(), probe.Tunnel, false},
		{"somebody else", "", netns.TunnelSource, netns.SourceV4, through(), probe.Tunnel, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			ear, err := probe.NewEar(enter(t, l.Target))
			if err != nil {
				t.Fatal(err)
			}
			defer ear.Close()
			ear.Expect([]netip.Addr{c.peer})
			nft(router, "forward", c.rules)(t, l)
			defer l.reset(t)
			before := time.Now()
			probeIn(t, l.Source, c.kind, dropTimeout(c.target))
			for until := time.Now().Add(patient); c.heard && ear.Heard(c.peer).IsZero() && time.Now().Before(until); {
				runtime.Gosched()
			}
			if at := ear.Heard(c.peer); at.Before(before) == c.heard {
				t.Errorf("heard at %s, probed at %s", at, before)
			}
			ear.Expect(nil)
			if at := ear.Heard(c.peer); !at.IsZero() {
				t.Errorf("still known: %s", at)
			}
		})
	}
}

// Replies to the own pings are heard, too.
func TestEarHearsReplies(t *testing.T) {
	l := newLab(t)
	ear, err := probe.NewEar(enter(t, l.Source))
	if err != nil {
		t.Fatal(err)
	}
	defer ear.Close()
	ear.Expect([]netip.Addr{netns.TargetV4})
	if res := probeIn(t, l.Source, probe.ICMP, at(netns.TargetV4, 0)); res.Verdict != probe.Connected {
		t.Fatal(res)
	}
	for until := time.Now().Add(patient); ear.Heard(netns.TargetV4).IsZero(); runtime.Gosched() {
		if time.Now().After(until) {
			t.Fatal("not heard")
		}
	}
}

func TestEarInAClosedNamespace(t *testing.T) {
	netns.Require(t)
	before := descriptors(t)
	if _, err := probe.NewEar(closedEntry{}); err == nil {
		t.Error("it listens")
	}
	if after := descriptors(t); after > before {
		t.Errorf("%d descriptors, before %d", after, before)
	}
}
