// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package kernel_test

import (
	"os"
	"testing"

	"github.com/netladder/netladder/prober/kernel"
	"github.com/netladder/netladder/test/netns"
)

// inside runs everything in one namespace.
type inside struct {
	t *testing.T
	n *netns.NS
}

// Do implements kernel.Entry.
func (i inside) Do(f func() error) (err error) {
	i.n.Do(i.t, func() { err = f() })
	return err
}

// What is taken out of a real kernel is what is missing.
func TestReadAndJudge(t *testing.T) {
	topo := netns.NewTopology(t)
	topo.AddTunnel(t)
	here := inside{t, topo.Source}
	announced := self
	look := func(t *testing.T) []kernel.Finding {
		t.Helper()
		s, err := kernel.Read(here, peer)
		if err != nil {
			t.Fatal(err)
		}
		return kernel.Judge(s, announced, peer)
	}
	mend := func() {
		topo.Source.TunnelPeer(t, netns.TunnelTarget, netns.TunnelTargetMAC, netns.TunnelTargetCIDR)
		topo.Source.Run(t, "bridge", "fdb", "replace", netns.TunnelTargetMAC, "dev", "flannel.1", "dst", "10.77.2.2", "self", "permanent")
	}
	ip := func(batch string) func() { return func() { topo.Source.IP(t, batch) } }
	fdb := func(args ...string) func() {
		return func() { topo.Source.Run(t, "bridge", append([]string{"fdb"}, args...)...) }
	}
	if got := look(t); len(got) > 0 {
		t.Fatalf("healthy: %v", got)
	}
	for _, c := range []struct {
		name     string
		do, undo func()
		want     kernel.Code
		says     string
	}{
		{"forwarding entry deleted", fdb("del", netns.TunnelTargetMAC, "dev", "flannel.1", "dst", "10.77.2.2", "self"), mend,
			kernel.ForwardMissing, "no forwarding entry for node-b (0e:00:00:00:00:02 at 10.77.2.2) on flannel.1"},
		{"forwarding entry to another node", fdb("replace", netns.TunnelTargetMAC, "dev", "flannel.1", "dst", "10.77.2.9", "self", "permanent"), mend,
			kernel.ForwardWrong, "the forwarding entry for node-b (0e:00:00:00:00:02) on flannel.1 leads to 10.77.2.9, not to 10.77.2.2"},
		{"neighbour deleted", ip("neigh del 10.88.2.0 dev flannel.1"), mend,
			kernel.NeighbourMissing, "no neighbour entry for 10.88.2.0 (node-b) on flannel.1"},
		{"neighbour wrong", ip("neigh replace 10.88.2.0 lladdr 0e:00:00:00:00:99 dev flannel.1 nud permanent"), mend,
			kernel.NeighbourWrong, "the neighbour 10.88.2.0 on flannel.1 has the hardware address 0e:00:00:00:00:99, node-b announces 0e:00:00:00:00:02"},
		{"route deleted", ip("route del 10.88.2.0/24"), mend,
			kernel.RouteMissing, "no route to the tunnel address of node-b, 10.88.2.0 through flannel.1: what goes there leaves by eth0"},
		{"route deleted, and no default route", ip("route del 10.88.2.0/24\nroute del default"), func() { topo.Source.IP(t, "route add default via 10.77.1.1"); mend() },
			kernel.RouteMissing, "no route to the tunnel address of node-b, 10.88.2.0"},
		{"route to nowhere", ip("route add blackhole 10.88.2.0/25"), ip("route del blackhole 10.88.2.0/25"),
			kernel.RouteMissing, "no route to the tunnel address of node-b, 10.88.2.0"},
		{"pods routed elsewhere", ip("route add 10.88.2.1/32 via 10.77.1.1"), ip("route del 10.88.2.1/32"),
			kernel.RouteMissing, "no route to the pods of node-b, 10.88.2.0/24 through flannel.1: what goes there leaves by eth0"},
		{"MTU too large", ip("link set eth0 mtu 1400"), ip("link set eth0 mtu 1500"),
			kernel.MTUTooLarge, "flannel.1 has an MTU of 1450 and adds 50 bytes, its underlay takes 1400"},
		{"address gone", ip("addr del 10.88.1.0/32 dev flannel.1"), ip("addr add 10.88.1.0/32 dev flannel.1"),
			kernel.DeviceDiffers, "flannel.1 does not have the address 10.88.1.0 that this node announces"},
		{"another VNI announced", func() { announced.VNI = 7 }, func() { announced.VNI = 1 },
			kernel.DeviceDiffers, "flannel.1 has VNI 1, the overlay has 7"},
		{"device down", ip("link set flannel.1 down"), func() { topo.Source.IP(t, "link set flannel.1 up"); mend() },
			kernel.DeviceDown, "the VXLAN device flannel.1 is down"},
		{"device deleted", ip("link del flannel.1"), func() {},
			kernel.DeviceMissing, "this node has no VXLAN device with VNI 1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.do()
			defer c.undo()
			got := look(t)
			if len(got) == 0 || got[0].Code != c.want || got[0].Message != c.says {
				t.Errorf("got %v, want first %s: %s", got, c.want, c.says)
			}
		})
	}
}

// MTU of the link by which a packet leaves, whatever was heard of the path.
func TestMTU(t *testing.T) {
	topo := netns.NewTopology(t)
	topo.AddTunnel(t)
	here := inside{t, topo.Source}
	for to, want := range map[string]int{"10.88.2.0": netns.TunnelMTU, "10.77.2.2": 1500, "fd77:2::2": 1500} {
		if got, err := kernel.MTU(here, ip(to)); err != nil || got != want {
			t.Errorf("MTU to %s is %d (%v), want %d", to, got, err, want)
		}
	}
	topo.Source.IP(t, "route del default")
	if got, err := kernel.MTU(here, ip("10.99.9.9")); err == nil {
		t.Errorf("MTU to nowhere is %d", got)
	}
}

// Netlink sockets keep a namespace alive.
func TestReadClosesWhatItOpens(t *testing.T) {
	n := netns.New(t, "empty")
	count := func() int {
		open, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		return len(open)
	}
	before := count()
	for range 20 {
		if _, err := kernel.Read(inside{t, n}, peer); err != nil {
			t.Fatal(err)
		}
	}
	if after := count(); after > before {
		t.Errorf("%d descriptors, before %d", after, before)
	}
}
