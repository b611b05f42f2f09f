// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/netladder/netladder/api/v1alpha1"
)

// tunnelsOf the i-th node; end tells one device from its successor.
func tunnelsOf(i int, end string, dual bool) []Tunnel {
	pods := netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(64 + i>>8), byte(i), 0}), 24)
	out := []Tunnel{{
		Encapsulation: v1alpha1.EncapsulationVXLAN, Inside: pods.Addr(), Behind: pods, VNI: 1,
		Endpoint: netip.AddrFrom4([4]byte{192, 168, byte(i >> 8), byte(i)}), MAC: fmt.Sprintf("0e:00:00:0%s:%02x:%02x", end, i>>8, i&0xff),
	}}
	if dual {
		out = append(out, Tunnel{
			Encapsulation: v1alpha1.EncapsulationIPIP, Inside: netip.MustParseAddr(fmt.Sprintf("fd00:8::%x", i+1)),
			Endpoint: netip.MustParseAddr(fmt.Sprintf("fd00:9::%x", i+1)),
		})
	}
	return out
}

// overlayFixture is n nodes with tunnels, and the path between them.
func overlayFixture(n int, e v1alpha1.Encapsulation) (Input, *v1alpha1.ConnectivityCheck) {
	in := full(n)
	for i, name := range nodeNames(n) {
		in.Cluster.Nodes[name].Tunnels = tunnelsOf(i, "1", false)
	}
	to := v1alpha1.Target{Overlay: &v1alpha1.OverlayTarget{Encapsulation: e}}
	return in, in.addPath(home, "overlay", fromNodes(), to, "")
}

func TestOverlayPairs(t *testing.T) {
	three := []string{
		"0 MTU 10.64.1.0", "0 MTU 10.64.2.0", "0 Tunnel 10.64.1.0", "0 Tunnel 10.64.2.0",
		"1 MTU 10.64.0.0", "1 MTU 10.64.2.0", "1 Tunnel 10.64.0.0", "1 Tunnel 10.64.2.0",
		"2 MTU 10.64.0.0", "2 MTU 10.64.1.0", "2 Tunnel 10.64.0.0", "2 Tunnel 10.64.1.0",
	}
	for name, tc := range map[string]struct {
		encapsulation v1alpha1.Encapsulation
		change        func(in *Input, c *v1alpha1.ConnectivityCheck)
		pairs         []string
		accepted      bool
		reason        string
		message       string
	}{
		"whatever there is": {encapsulation: "", pairs: three, accepted: true},
		"Auto":              {encapsulation: "Auto", pairs: three, accepted: true},
		"VXLAN":             {encapsulation: "VXLAN", pairs: three, accepted: true},
		"IPIP, which is tested between nodes": {encapsulation: "IPIP", accepted: true, pairs: []string{
			"0 IPIP 192.168.0.1", "0 IPIP 192.168.0.2", "1 IPIP 192.168.0.0", "1 IPIP 192.168.0.2", "2 IPIP 192.168.0.0", "2 IPIP 192.168.0.1",
		}},
		"IPIP needs a prober at each end": {encapsulation: "IPIP", accepted: true, change: func(in *Input, _ *v1alpha1.ConnectivityCheck) {
			in.Cluster.Nodes["node-00001"].Prober = false
		}, pairs: []string{"0 IPIP 192.168.0.2", "2 IPIP 192.168.0.0"}},
		"IPIP, of which there is none": {encapsulation: "IPIP", accepted: true, change: func(in *Input, _ *v1alpha1.ConnectivityCheck) {
			for _, n := range in.Cluster.Nodes {
				n.IPs = nil
			}
		}, reason: v1alpha1.ReasonNoOverlay, message: "the network plugin announces tunnels by IPIP on none of the nodes"},
		"IPIP inside of IPv6": {encapsulation: "IPIP", accepted: true, change: func(in *Input, _ *v1alpha1.ConnectivityCheck) {
			in.Cluster.Nodes["node-00000"].Tunnels = tunnelsOf(0, "1", true)
			in.Cluster.Nodes["node-00002"].Tunnels = tunnelsOf(2, "1", true)
			delete(in.Cluster.Nodes, "node-00001")
		}, pairs: []string{"0 IPIP 192.168.0.2", "0 MTU fd00:8::3", "0 Tunnel fd00:8::3", "2 IPIP 192.168.0.0", "2 MTU fd00:8::1", "2 Tunnel fd00:8::1"}},
		"no overlay": {encapsulation: "Auto", accepted: true, change: func(in *Input, _ *v1alpha1.ConnectivityCheck) {
			for _, n := range in.Cluster.Nodes {
				n.Tunnels = nil
			}
		}, reason: v1alpha1.ReasonNoOverlay, message: "announces an overlay on none of the nodes (flannel and Calico are known); where pods' addresses are routed this path has nothing to test"},
		"a node without an end": {encapsulation: "Auto", accepted: true, change: func(in *Input, _ *v1alpha1.ConnectivityCheck) {
			in.Cluster.Nodes["node-00001"].Tunnels = nil
		}, pairs: []string{"0 MTU 10.64.2.0", "0 Tunnel 10.64.2.0", "2 MTU 10.64.0.0", "2 Tunnel 10.64.0.0"}},
		"a node without a prober is aimed at": {encapsulation: "Auto", accepted: true, change: func(in *Input, _ *v1alpha1.ConnectivityCheck) {
			delete(in.Cluster.Nodes, "node-00002")
			in.Cluster.Nodes["node-00001"].Prober = false
		}, pairs: []string{"0 MTU 10.64.1.0", "0 Tunnel 10.64.1.0"}},
		"selected nodes are both ends": {encapsulation: "Auto", accepted: true, change: func(_ *Input, c *v1alpha1.ConnectivityCheck) {
			c.Spec.Paths[0].From.Nodes.NodeSelector = &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{
				{Key: "pool", Operator: metav1.LabelSelectorOpIn, Values: []string{"0", "1"}},
			}}
		}, pairs: []string{"0 MTU 10.64.1.0", "0 Tunnel 10.64.1.0", "1 MTU 10.64.0.0", "1 Tunnel 10.64.0.0"}},
		"one end alone": {encapsulation: "Auto", change: func(in *Input, _ *v1alpha1.ConnectivityCheck) {
			in.Cluster.Nodes["node-00001"].Tunnels, in.Cluster.Nodes["node-00002"].Tunnels = nil, nil
		}, reason: v1alpha1.ReasonNoTargets, message: "is the only source too"},
		"no prober": {encapsulation: "Auto", accepted: true, change: func(in *Input, _ *v1alpha1.ConnectivityCheck) {
			in.Cluster.Nodes["node-00000"].Tunnels = nil
			in.Cluster.Nodes["node-00001"].Prober, in.Cluster.Nodes["node-00002"].Prober = false, false
		}, reason: v1alpha1.ReasonNoSources, message: "no node with an overlay has a prober"},
		"at level Restricted": {encapsulation: "Auto", change: func(in *Input, _ *v1alpha1.ConnectivityCheck) { in.Settings.Level = "" },
			reason: v1alpha1.ReasonUnsupported, message: "from.nodes needs probers of level Full"},
		"a tenant's": {encapsulation: "Auto", change: func(_ *Input, c *v1alpha1.ConnectivityCheck) { c.Namespace = "shop" },
			reason: v1alpha1.ReasonSourceNotPermitted, message: "from.nodes may be used only in Netladder's own namespace"},
		"from probers": {encapsulation: "Auto", change: func(_ *Input, c *v1alpha1.ConnectivityCheck) { c.Spec.Paths[0].From = fromProbers() },
			reason: v1alpha1.ReasonUnsupported, message: "to.overlay needs from.nodes"},
		"to be blocked": {encapsulation: "Auto", change: func(_ *Input, c *v1alpha1.ConnectivityCheck) { c.Spec.Paths[0].Expect = v1alpha1.ExpectDeny },
			reason: v1alpha1.ReasonUnsupported, message: "expect Deny goes with"},
		"of a later version": {encapsulation: "Geneve", reason: v1alpha1.ReasonUnsupported, message: "knows only to.overlay.encapsulation Auto, VXLAN and IPIP"},
	} {
		t.Run(name, func(t *testing.T) {
			in, c := overlayFixture(3, tc.encapsulation)
			if tc.change != nil {
				tc.change(&in, c)
			}
			r := in.resolved(c)
			if r.Accepted != tc.accepted || r.Reason != tc.reason || !strings.Contains(r.Message, tc.message) {
				t.Errorf("%v, %s: %s", r.Accepted, r.Reason, r.Message)
			}
			got := pairsOf(Build(in))
			slices.Sort(got)
			if d := cmp.Diff(tc.pairs, got); d != "" {
				t.Errorf("pairs (-want +got):\n%s", d)
			}
		})
	}
}

// A prober is told both ends of every tunnel that it tests, and nothing else
// of the nodes.
func TestOverlayRows(t *testing.T) {
	in, _ := overlayFixture(3, "Auto")
	end := func(i int) v1alpha1.AssignedNode {
		return v1alpha1.AssignedNode{Name: fmt.Sprintf("node-%05d", i), Tunnels: []v1alpha1.AssignedTunnel{{
			Encapsulation: "VXLAN", IP: fmt.Sprintf("10.64.%d.0", i), Endpoint: fmt.Sprintf("192.168.0.%d", i),
			MAC: fmt.Sprintf("0e:00:00:01:00:%02x", i), VNI: 1, PodCIDR: fmt.Sprintf("10.64.%d.0/24", i),
		}}}
	}
	got := in.assign("node-00001", nil).Spec
	if d := cmp.Diff([]v1alpha1.AssignedNode{end(0), end(1), end(2)}, got.Nodes); d != "" {
		t.Errorf("nodes (-want +got):\n%s", d)
	}
	for i := range got.Groups {
		if g := &got.Groups[i]; g.From != v1alpha1.SourceHost {
			t.Errorf("%s starts from %q", g.Key, g.From)
		}
	}
}

// However many nodes there are, of two of them either probes the other, or
// none does, and in time all do.
func TestOverlayIsMirrored(t *testing.T) {
	const nodes = 150
	in, c := overlayFixture(nodes, "Auto")
	in.Cluster.Nodes["node-00009"].Tunnels = nil
	met := map[string]bool{}
	full := in.resolved(c).Coverage.FullAfter
	if full == nil {
		t.Fatal("it is not known when all will have met")
	}
	for end := in.Now.Add(full.Duration); in.Now.Before(end); in.Now = in.Now.Add(10 * time.Minute) {
		now := map[string]bool{}
		for _, a := range Build(in) {
			for i := range a.Spec.Groups {
				g := &a.Spec.Groups[i]
				if len(g.Members) > WindowSize {
					t.Fatalf("%d members", len(g.Members))
				}
				for _, p := range a.Spec.Pairs(g) {
					now[a.Node+" "+p.NodeName] = true
				}
			}
		}
		for pair := range now {
			a, b, _ := strings.Cut(pair, " ")
			if a == b || !now[b+" "+a] {
				t.Fatalf("%s holds %s alone", a, b)
			}
			met[pair] = true
		}
	}
	if want := (nodes - 1) * (nodes - 2); len(met) != want {
		t.Errorf("%d pairs met, want %d", len(met), want)
	}
}

// A device that is made anew costs the assignments that hold it, and its own.
func TestOverlayChangesTouchWhoHoldsThem(t *testing.T) {
	in, _ := overlayFixture(400, "Auto")
	for name, tc := range map[string]struct {
		change func(n *Node)
		most   int
	}{
		"nothing":     {func(n *Node) { n.Tunnels = tunnelsOf(7, "1", false) }, 0},
		"made anew":   {func(n *Node) { n.Tunnels = tunnelsOf(7, "2", false) }, 2*WindowSize + 1},
		"gone":        {func(n *Node) { n.Tunnels = nil }, 2*WindowSize + 1},
		"other label": {func(n *Node) { n.Labels = map[string]string{"pool": "x"} }, 0},
	} {
		e := in.engine()
		n := *in.Cluster.Nodes["node-00007"]
		tc.change(&n)
		e.SetNode(&n)
		if d := e.TakeDirty(); len(d.Nodes) > tc.most || (len(d.Nodes) == 0) != (tc.most == 0) {
			t.Errorf("%s: %d nodes are dirty", name, len(d.Nodes))
		}
	}
}
