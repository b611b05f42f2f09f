// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package kernel_test

import (
	"net/netip"
	"testing"

	"github.com/netladder/netladder/prober/kernel"
	"github.com/netladder/netladder/test/netns"
)

// What a real kernel says of the route to a pod when that was taken away: the
// router is the node, and source and target are pods on it.
func TestPodRoutes(t *testing.T) {
	topo := netns.NewTopology(t)
	topo.Router.IP(t, `
route del 10.77.1.0/24 dev source
route del 10.77.2.0/24 dev target
route add 10.77.1.2/32 dev source
route add 10.77.2.2/32 dev target
link add eth0 type bridge
addr add 172.30.0.11/24 dev eth0
link set eth0 up
route add default via 172.30.0.1
route del fd77:1::/64 dev source
route del fd77:2::/64 dev target
route add fd77:1::2/128 dev source
route add fd77:2::2/128 dev target
`)
	ip := func(batch string) { topo.Router.IP(t, batch) }
	for _, c := range []struct {
		name, do, undo string
		to             netip.Addr
		known          bool
		missing        string
	}{
		{"healthy", "", "", netns.TargetV4, true, ""},
		{"IPv6", "", "", netns.TargetV6, true, ""},
		{"taken away", "route del 10.77.2.2/32", "route add 10.77.2.2/32 dev target", netns.TargetV4, true,
			"the node has no route to 10.77.2.2 but the default route by eth0"},
		{"taken away, with a route to all pods", "route del 10.77.2.2/32\nroute add 10.77.0.0/16 via 172.30.0.1", "route del 10.77.0.0/16\nroute add 10.77.2.2/32 dev target", netns.TargetV4, true,
			"the node has no route to 10.77.2.2 but that to 10.77.0.0/16 by eth0"},
		{"taken away, with a block that is a black hole", "route del 10.77.2.2/32\nroute add blackhole 10.77.2.0/26", "route del blackhole 10.77.2.0/26\nroute add 10.77.2.2/32 dev target", netns.TargetV4, true,
			"the node has no route to 10.77.2.2"},
		{"IPv6 taken away, without a default route", "route del fd77:2::2/128", "route add fd77:2::2/128 dev target", netns.TargetV6, true,
			"the node has no route to fd77:2::2"},
		{"all pods behind one bridge", "route del 10.77.2.2/32\nroute add 10.77.2.0/24 dev source", "route del 10.77.2.0/24\nroute add 10.77.2.2/32 dev target", netns.TargetV4, true, ""},
		{"nothing to compare with", "route del 10.77.1.2/32\nroute del 10.77.2.2/32", "route add 10.77.1.2/32 dev source\nroute add 10.77.2.2/32 dev target", netns.TargetV4, false, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.do != "" {
				ip(c.do)
				defer ip(c.undo)
			}
			var got kernel.PodRoutes
			var err error
			topo.Source.Do(t, func() { got, err = kernel.ReadPodRoutes(inside{t, topo.Router}, c.to) })
			if err != nil {
				t.Fatal(err)
			}
			if got.Missing() != c.missing || got.Known() != c.known {
				t.Errorf("missing %q, known %t: %+v", got.Missing(), got.Known(), got)
			}
		})
	}
}
