// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package prober

import (
	"context"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/prober/climb"
	"github.com/netladder/netladder/prober/kernel"
	"github.com/netladder/netladder/prober/probe"
	"github.com/netladder/netladder/test/netns"
)

// place is a namespace that probes start in.
type place struct {
	t *testing.T
	n *netns.NS
}

// Do implements probe.Entry.
func (p place) Do(f func() error) (err error) {
	p.n.Do(p.t, func() { err = f() })
	return err
}

// ResolvConf implements probe.Entry.
func (p place) ResolvConf() ([]byte, error) { return nil, nil }

// tunnelled is a node of the tests of the overlay.
type tunnelled struct {
	agent *agent
	at    place
	peer  netip.Addr
}

// probe makes one of a kind.
func (n *tunnelled) probe(k v1alpha1.ProbeKind, timeout time.Duration) probe.Result {
	f := n.agent.probeTunnel
	switch k {
	case v1alpha1.ProbeMTU:
		f = n.agent.probeMTU
	case v1alpha1.ProbeIPIP:
		f = n.agent.probeIPIP
	}
	return f(context.Background(), probe.Target{Entry: n.at, Addr: netip.AddrPortFrom(n.peer, 0), Timeout: timeout})
}

// twoNodes have a tunnel between them, through a router.
func twoNodes(t *testing.T) (topo *netns.Topology, a, b *tunnelled) {
	t.Helper()
	topo = netns.NewTopology(t)
	topo.AddTunnel(t)
	spec := &v1alpha1.ProbeAssignmentSpec{Nodes: []v1alpha1.AssignedNode{
		{Name: "node-a", Tunnels: []v1alpha1.AssignedTunnel{{
			Encapsulation: "VXLAN", IP: "10.88.1.0", Endpoint: "10.77.1.2", MAC: netns.TunnelSourceMAC, VNI: 1, PodCIDR: "10.88.1.0/24",
		}}},
		{Name: "node-b", Tunnels: []v1alpha1.AssignedTunnel{{
			Encapsulation: "VXLAN", IP: "10.88.2.0", Endpoint: "10.77.2.2", MAC: netns.TunnelTargetMAC, VNI: 1, PodCIDR: "10.88.2.0/24",
		}}},
	}}
	make := func(name string, n *netns.NS, peer netip.Addr) *tunnelled {
		a := &agent{probes: probe.Kinds(), log: logr.Discard(), overlay: newOverlay()}
		a.overlay.update(spec, name)
		t.Cleanup(a.overlay.close)
		return &tunnelled{agent: a, at: place{t, n}, peer: peer}
	}
	return topo, make("node-a", topo.Source, netns.TunnelTarget), make("node-b", topo.Target, netns.TunnelSource)
}

// tunnelSaid is what one node says of the other. The verdict is empty where a
// router says that it has no route: it does so only now and then.
type tunnelSaid struct {
	verdict probe.Verdict
	cause   string
	says    string
}

// Each fault is told by both nodes, and each knows which way it is.
func TestOverlayFaults(t *testing.T) {
	topo, a, b := twoNodes(t)
	filter := func(rule string) func() {
		return func() {
			topo.Router.RunInput(t, "table inet t { chain c { type filter hook forward priority 0;\n"+rule+"\n}\n}\n", "nft", "-f", "-")
		}
	}
	open := func() { topo.Router.Run(t, "nft", "flush", "ruleset") }
	ip := func(n *netns.NS, batch string) func() { return func() { n.IP(t, batch) } }
	mend := func() {
		topo.Source.TunnelPeer(t, netns.TunnelTarget, netns.TunnelTargetMAC, netns.TunnelTargetCIDR)
		topo.Target.TunnelPeer(t, netns.TunnelSource, netns.TunnelSourceMAC, netns.TunnelSourceCIDR)
		topo.Source.Run(t, "bridge", "fdb", "replace", netns.TunnelTargetMAC, "dev", "flannel.1", "dst", "10.77.2.2", "self", "permanent")
		topo.Target.Run(t, "bridge", "fdb", "replace", netns.TunnelSourceMAC, "dev", "flannel.1", "dst", "10.77.1.2", "self", "permanent")
	}
	const dropped = probe.Dropped
	wayThere := tunnelSaid{dropped, v1alpha1.CauseTunnelWayThere, "the way there is broken: node-"}
	notHeard := tunnelSaid{dropped, v1alpha1.CauseTunnelNotHeard, "nothing was heard from node-"}
	for _, c := range []struct {
		name     string
		do, undo func()
		a, b     tunnelSaid
	}{
		{"port dropped from a to b", filter("ip daddr 10.77.2.2 udp dport 8472 drop"), open, wayThere, notHeard},
		{"port dropped from b to a", filter("ip daddr 10.77.1.2 udp dport 8472 drop"), open, notHeard, wayThere},
		{"port dropped both ways", filter("udp dport 8472 drop"), open, notHeard, notHeard},
		{"port rejected from a to b", filter("ip daddr 10.77.2.2 udp dport 8472 reject with icmpx type admin-prohibited"), open,
			tunnelSaid{probe.Rejected, v1alpha1.CauseTunnelWayThere, "from 10.77.1.1"}, notHeard},
		{"forwarding entry of a deleted", func() {
			topo.Source.Run(t, "bridge", "fdb", "del", netns.TunnelTargetMAC, "dev", "flannel.1", "dst", "10.77.2.2", "self")
		}, mend, tunnelSaid{dropped, v1alpha1.CauseTunnelForwardMissing, "no forwarding entry for node-b (0e:00:00:00:00:02 at 10.77.2.2) on flannel.1"}, notHeard},
		{"neighbour of a wrong", ip(topo.Source, "neigh replace 10.88.2.0 lladdr 0e:00:00:00:00:99 dev flannel.1 nud permanent"), mend,
			tunnelSaid{dropped, v1alpha1.CauseTunnelNeighbourWrong, "the neighbour 10.88.2.0 on flannel.1 has the hardware address 0e:00:00:00:00:99"}, notHeard},
		{"route of b deleted", ip(topo.Target, "route del 10.88.1.0/24"), mend,
			notHeard, tunnelSaid{"", v1alpha1.CauseTunnelRouteMissing, "no route to the tunnel address of node-a, 10.88.1.0 through flannel.1"}},
		{"device of b down", ip(topo.Target, "link set flannel.1 down"), func() { topo.Target.IP(t, "link set flannel.1 up"); mend() },
			tunnelSaid{probe.Refused, v1alpha1.CauseTunnelNotHeard, "nothing on the peer takes VXLAN"}, tunnelSaid{"", v1alpha1.CauseTunnelDeviceDown, "the VXLAN device flannel.1 is down"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, n := range []*tunnelled{a, b} {
				if r := n.probe(v1alpha1.ProbeTunnel, 20*time.Second); r.Verdict != probe.Connected {
					t.Fatalf("healthy: %+v", r)
				}
			}
			c.do()
			defer c.undo()
			var atA, atB probe.Result
			for range 3 { // rounds; in the second each has heard what there is to hear
				atA, atB = a.probe(v1alpha1.ProbeTunnel, 250*time.Millisecond), b.probe(v1alpha1.ProbeTunnel, 250*time.Millisecond)
			}
			for name, got := range map[string][2]any{"a": {atA, c.a}, "b": {atB, c.b}} {
				r, want := got[0].(probe.Result), got[1].(tunnelSaid)
				if want.verdict != "" && r.Verdict != want.verdict || r.Reason != want.cause || !strings.Contains(r.Evidence, want.says) {
					t.Errorf("node-%s says %s, %s: %s\nwant %+v", name, r.Verdict, r.Reason, r.Evidence, want)
				}
			}
		})
	}
}

// What passes through a tunnel is as large as its device, and what is wrong
// with that is named.
func TestOverlayMTU(t *testing.T) {
	topo, a, _ := twoNodes(t)
	if r := a.probe(v1alpha1.ProbeMTU, 20*time.Second); r.Verdict != probe.Connected || r.Evidence != "echo reply of 1450 bytes" {
		t.Errorf("healthy: %+v", r)
	}
	topo.Router.RunInput(t, "table inet t { chain c { type filter hook forward priority 0;\nmeta length > 1400 ip daddr 10.77.2.2 drop\n}\n}\n", "nft", "-f", "-")
	if r := a.probe(v1alpha1.ProbeMTU, 500*time.Millisecond); r.Verdict != probe.Dropped || r.Reason != "" || !strings.Contains(r.Evidence, "packets of 1450 bytes are lost on the way there") {
		t.Errorf("a black hole: %+v", r)
	}
	topo.Router.Run(t, "nft", "flush", "ruleset")
	topo.Source.RunInput(t, "table inet t { chain c { type filter hook output priority 0;\nudp dport 8472 ip frag-off set 0x4000\n}\n}\n", "nft", "-f", "-")
	topo.Router.IP(t, "link set target mtu 1400")
	if r := a.probe(v1alpha1.ProbeMTU, 500*time.Millisecond); r.Verdict != probe.TooBig || r.Offender.String() != "10.77.1.1" || !strings.Contains(r.Evidence, "have 1500 outside of the tunnel: ICMP 3/4 (fragmentation needed, at most 1400 bytes)") {
		t.Errorf("a hop between the nodes that takes less: %+v", r)
	}
	topo.Source.IP(t, "route del 10.88.2.0/24")
	topo.Source.IP(t, "route del default")
	if r := a.probe(v1alpha1.ProbeMTU, time.Second); r.Verdict != probe.LocalError {
		t.Errorf("no route: %+v", r)
	}
}

// Nobody knocks at a device that takes its peers from elsewhere, nor without
// knowing the port.
func TestOverlayKnocksOnlyWhereItMay(t *testing.T) {
	self := kernel.Tunnel{Node: "node-a", Encapsulation: kernel.VXLAN, Inside: netns.TunnelSource, Endpoint: netns.SourceV4}
	for name, c := range map[string]struct {
		device kernel.Device
		peer   kernel.Encapsulation
		want   string
	}{
		"a device with a port":    {kernel.Device{Encapsulation: kernel.VXLAN, Up: true, Port: 8472}, kernel.VXLAN, "10.77.2.2:8472"},
		"on another port":         {kernel.Device{Encapsulation: kernel.VXLAN, Up: true, Port: 4789}, kernel.VXLAN, "10.77.2.2:4789"},
		"peers from elsewhere":    {kernel.Device{Encapsulation: kernel.VXLAN, Up: true, Port: 8472, External: true}, kernel.VXLAN, ""},
		"no port":                 {kernel.Device{Encapsulation: kernel.VXLAN, Up: true}, kernel.VXLAN, ""},
		"down":                    {kernel.Device{Encapsulation: kernel.VXLAN, Port: 8472}, kernel.VXLAN, ""},
		"another kind of tunnels": {kernel.Device{Encapsulation: kernel.IPIP, Up: true}, kernel.IPIP, ""},
	} {
		o := newOverlay()
		o.look = func(kernel.Entry, kernel.Tunnel) (kernel.Snapshot, error) {
			return kernel.Snapshot{Devices: []kernel.Device{c.device}}, nil
		}
		got := ""
		peer := kernel.Tunnel{Node: "node-b", Encapsulation: c.peer, Inside: netns.TunnelTarget, Endpoint: netns.TargetV4}
		if end := o.end(nil, self, peer); end.Endpoint.IsValid() {
			got = end.Endpoint.String()
		}
		if got != c.want {
			t.Errorf("%s: knocks at %q, want %q", name, got, c.want)
		}
	}
}

// Where no tunnel is announced a climb only looks what devices there are, and
// sends nothing. The devices are fixtures.
func TestOverlayThatIsNotProbed(t *testing.T) {
	for want, devices := range map[probe.Verdict][]kernel.Device{
		probe.Unsupported:  {{Encapsulation: kernel.Geneve, Name: "cilium_geneve", Port: 6081, Up: true, External: true}},
		probe.Inconclusive: {{Encapsulation: kernel.IPIP, Name: "tunl0"}},
	} {
		a := &agent{log: logr.Discard(), metrics: newMetrics(), overlay: newOverlay()} // without any probe
		a.overlay.look = func(kernel.Entry, kernel.Tunnel) (kernel.Snapshot, error) {
			return kernel.Snapshot{Devices: devices}, nil
		}
		s := climb.Step{Key: climb.Key{Rung: v1alpha1.RungOverlay, Probe: v1alpha1.ProbeTunnel}, To: probe.Target{Addr: netip.AddrPortFrom(netns.TargetV4, 0)}}
		if r := a.climb(t.Context(), s, time.Second); r.Verdict != want || strings.Contains(r.Evidence, "cilium_geneve") != (want == probe.Unsupported) {
			t.Errorf("got %+v, want %s", r, want)
		}
	}
}

// Assignments are hostile input, and those of before are forgotten.
func TestOverlayUpdate(t *testing.T) {
	o := newOverlay()
	row := func(ip, endpoint, cidr string) v1alpha1.AssignedTunnel {
		return v1alpha1.AssignedTunnel{Encapsulation: "VXLAN", IP: ip, Endpoint: endpoint, PodCIDR: cidr, VNI: -1}
	}
	o.update(&v1alpha1.ProbeAssignmentSpec{Nodes: []v1alpha1.AssignedNode{
		{Name: "node-a", Tunnels: []v1alpha1.AssignedTunnel{row("10.88.1.0", "x", "y"), row("fd00::1", "", "")}},
		{Name: "node-b", Tunnels: []v1alpha1.AssignedTunnel{row("none", "", ""), row("fe80::1%eth0", "", ""), row("::ffff:10.88.2.0", "10.0.0.2", "10.88.2.7/24")}},
	}}, "node-a")
	self, peer, ok := o.ends(netns.TunnelTarget)
	if !ok || len(o.peers) != 1 || self.Inside != netns.TunnelSource || self.Endpoint.IsValid() || len(self.Behind) > 0 ||
		peer.Node != "node-b" || peer.VNI != 0 || peer.Behind[0] != netns.TunnelTargetCIDR {
		t.Errorf("self %+v, peer %+v of %d", self, peer, len(o.peers))
	}
	o.fail(netns.TunnelTarget, time.Now())
	o.update(&v1alpha1.ProbeAssignmentSpec{}, "node-a")
	if _, _, ok := o.ends(netns.TunnelTarget); ok || len(o.failing) > 0 {
		t.Error("it remembers a peer that is gone")
	}
}

// The API says the same of causes as the kernel's judge.
func TestCausesAreTheAPIs(t *testing.T) {
	for code, cause := range map[kernel.Code]string{
		kernel.DeviceMissing: v1alpha1.CauseTunnelDeviceMissing, kernel.DeviceDown: v1alpha1.CauseTunnelDeviceDown,
		kernel.DeviceDiffers: v1alpha1.CauseTunnelDeviceDiffers, kernel.RouteMissing: v1alpha1.CauseTunnelRouteMissing,
		kernel.NeighbourMissing: v1alpha1.CauseTunnelNeighbourMissing, kernel.NeighbourWrong: v1alpha1.CauseTunnelNeighbourWrong,
		kernel.ForwardMissing: v1alpha1.CauseTunnelForwardMissing, kernel.ForwardWrong: v1alpha1.CauseTunnelForwardWrong,
		kernel.MTUTooLarge: v1alpha1.CauseTunnelMTUTooLarge,
	} {
		if string(code) != cause {
			t.Errorf("%s is %s in the API", code, cause)
		}
	}
}
