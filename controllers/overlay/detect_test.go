// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package overlay_test

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/controllers/overlay"
	"github.com/netladder/netladder/controllers/plan"
)

func ip(text string) netip.Addr { return netip.MustParseAddr(text) }

// flannel as the lab's nodes have it, which is as flannel writes it.
func flannel() overlay.Node {
	return overlay.Node{PodCIDRs: []string{"10.244.1.0/24"}, Annotations: map[string]string{
		"flannel.alpha.coreos.com/backend-type":        "vxlan",
		"flannel.alpha.coreos.com/backend-data":        `{"VNI":1,"VtepMAC":"0e:00:ac:1e:00:0b"}`,
		"flannel.alpha.coreos.com/public-ip":           "172.30.0.11",
		"flannel.alpha.coreos.com/kube-subnet-manager": "true",
		"node.alpha.kubernetes.io/ttl":                 "0",
	}}
}

func flannelTunnel() plan.Tunnel {
	return plan.Tunnel{
		Encapsulation: v1alpha1.EncapsulationVXLAN, Inside: ip("10.244.1.0"), Endpoint: ip("172.30.0.11"),
		MAC: "0e:00:ac:1e:00:0b", VNI: 1, Behind: netip.MustParsePrefix("10.244.1.0/24"),
	}
}

// calico is a fixture: no such cluster was at hand. The names are those of
// Calico's Kubernetes backend.
func calico(values ...string) overlay.Node {
	n := overlay.Node{PodCIDRs: []string{"10.244.1.0/24"}, Annotations: map[string]string{"projectcalico.org/IPv4Address": "10.0.0.11/24"}}
	for i := 0; i < len(values); i += 2 {
		n.Annotations["projectcalico.org/"+values[i]] = values[i+1]
	}
	return n
}

func TestDetect(t *testing.T) {
	change := func(key, value string) overlay.Node {
		n := flannel()
		n.Annotations["flannel.alpha.coreos.com/"+key] = value
		return n
	}
	changed := func(edit func(t *plan.Tunnel)) []plan.Tunnel {
		out := flannelTunnel()
		edit(&out)
		return []plan.Tunnel{out}
	}
	dual := flannel()
	dual.PodCIDRs = append(dual.PodCIDRs, "fd00:244:1::/64")
	dual.Annotations["flannel.alpha.coreos.com/backend-v6-data"] = `{"VNI":1,"VtepMAC":"0e:00:ac:1e:00:0c"}`
	dual.Annotations["flannel.alpha.coreos.com/public-ipv6"] = "fd00:30::11"
	noCIDR := flannel()
	noCIDR.PodCIDRs = nil
	vxlan := plan.Tunnel{Encapsulation: v1alpha1.EncapsulationVXLAN, Inside: ip("10.244.1.65"), Endpoint: ip("10.0.0.11"), MAC: "66:cf:23:df:22:07", VNI: 4096}
	ipip := plan.Tunnel{Encapsulation: v1alpha1.EncapsulationIPIP, Inside: ip("10.244.1.64"), Endpoint: ip("10.0.0.11")}
	for _, c := range []struct {
		name string
		node overlay.Node
		want []plan.Tunnel
	}{
		{"no annotations", overlay.Node{PodCIDRs: []string{"10.244.1.0/24"}}, nil},
		{"flannel", flannel(), []plan.Tunnel{flannelTunnel()}},
		{"flannel, dual stack", dual, []plan.Tunnel{flannelTunnel(), {
			Encapsulation: v1alpha1.EncapsulationVXLAN, Inside: ip("fd00:244:1::"), Endpoint: ip("fd00:30::11"),
			MAC: "0e:00:ac:1e:00:0c", VNI: 1, Behind: netip.MustParsePrefix("fd00:244:1::/64"),
		}}},
		{"flannel that routes", change("backend-type", "host-gw"), nil},
		{"flannel by WireGuard", change("backend-type", "wireguard"), nil},
		{"flannel without data", change("backend-data", "null"), nil},
		{"flannel whose data is none", change("backend-data", `{"VNI":`), nil},
		{"flannel whose data is too long", change("backend-data", `{"VNI":1,"VtepMAC":"0e:00:ac:1e:00:0b"`+strings.Repeat(" ", 5000)+`}`), nil},
		{"flannel without VNI", change("backend-data", `{"VtepMAC":"0e:00:ac:1e:00:0b"}`), changed(func(t *plan.Tunnel) { t.VNI = 0 })},
		{"flannel whose VNI is none", change("backend-data", `{"VNI":99999999,"VtepMAC":"0e:00:ac:1e:00:0b"}`), changed(func(t *plan.Tunnel) { t.VNI = 0 })},
		{"flannel in capitals", change("backend-data", `{"VNI":1,"VtepMAC":"0E:00:AC:1E:00:0B"}`), []plan.Tunnel{flannelTunnel()}},
		{"flannel whose hardware address is none", change("backend-data", `{"VNI":1,"VtepMAC":"0e:00"}`), nil},
		{"flannel on loopback", change("public-ip", "127.0.0.1"), nil},
		{"flannel on the metadata service", change("public-ip", "169.254.169.254"), nil},
		{"flannel nowhere", change("public-ip", "node-1"), nil},
		{"flannel before the node has pods", noCIDR, nil},
		{"Calico by VXLAN", calico("IPv4VXLANTunnelAddr", "10.244.1.65", "VXLANTunnelMACAddr", "66:cf:23:df:22:07"), []plan.Tunnel{vxlan}},
		{"Calico by IPIP", calico("IPv4IPIPTunnelAddr", "10.244.1.64"), []plan.Tunnel{ipip}},
		{"Calico by both", calico("IPv4IPIPTunnelAddr", "10.244.1.64", "IPv4VXLANTunnelAddr", "10.244.1.65", "VXLANTunnelMACAddr", "66:cf:23:df:22:07"), []plan.Tunnel{vxlan}},
		{"Calico by VXLAN, dual stack", calico("IPv4VXLANTunnelAddr", "10.244.1.65", "VXLANTunnelMACAddr", "66:cf:23:df:22:07", "IPv6Address", "fd00::11/64",
			"IPv6VXLANTunnelAddr", "fd00:244::65", "VXLANTunnelMACAddrV6", "66:cf:23:df:22:08"), []plan.Tunnel{vxlan, {
			Encapsulation: v1alpha1.EncapsulationVXLAN, Inside: ip("fd00:244::65"), Endpoint: ip("fd00::11"), MAC: "66:cf:23:df:22:08", VNI: 4096,
		}}},
		{"Calico that routes", calico(), nil},
		{"Calico whose address is none", calico("IPv4VXLANTunnelAddr", "x"), nil},
		{"Calico whose address is of the other family", calico("IPv4VXLANTunnelAddr", "fd00::1"), nil},
		{"Calico, of which little is known", overlay.Node{Annotations: map[string]string{"projectcalico.org/IPv4IPIPTunnelAddr": "10.244.1.64"}},
			[]plan.Tunnel{{Encapsulation: v1alpha1.EncapsulationIPIP, Inside: ip("10.244.1.64")}}},
		// A fixture, too. Whether Cilium wraps packets is in its configuration,
		// and nothing is ever sent to the ports of its devices.
		{"Cilium", overlay.Node{PodCIDRs: []string{"10.244.1.0/24"}, Annotations: map[string]string{
			"network.cilium.io/ipv4-cilium-host": "10.244.1.28", "network.cilium.io/ipv4-health-ip": "10.244.1.9", "network.cilium.io/ipv4-pod-cidr": "10.244.1.0/24",
		}}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, overlay.Detect(c.node), cmp.Comparer(func(a, b netip.Addr) bool { return a == b }), cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })); diff != "" {
				t.Errorf("want (-), got (+): %s", diff)
			}
			// What is not kept of a node must not matter.
			kept := overlay.Node{PodCIDRs: c.node.PodCIDRs, Annotations: map[string]string{}}
			for _, key := range overlay.Annotations() {
				if value, ok := c.node.Annotations[key]; ok {
					kept.Annotations[key] = value
				}
			}
			if !slices.Equal(overlay.Detect(kept), overlay.Detect(c.node)) {
				t.Errorf("an annotation is read that is not kept")
			}
		})
	}
}

// Whatever annotations say, what comes out may be probed.
func TestDetectIsCareful(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		value := rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{
			"vxlan", "10.244.1.0", "10.244.1.0/24", "::", "fe80::1%eth0", "255.255.255.255", `{"VNI":1,"VtepMAC":"0e:00:ac:1e:00:0b"}`,
			`{"VNI":-1}`, `{"VNI":1e400}`, "[]", "0.0.0.0", "::ffff:127.0.0.1",
		}))
		n := overlay.Node{Annotations: map[string]string{}}
		for _, key := range []string{"backend-type", "backend-data", "public-ip", "backend-v6-data", "public-ipv6"} {
			n.Annotations["flannel.alpha.coreos.com/"+key] = value.Draw(t, key)
		}
		for _, key := range []string{"IPv4Address", "IPv4VXLANTunnelAddr", "IPv4IPIPTunnelAddr", "VXLANTunnelMACAddr", "IPv6VXLANTunnelAddr"} {
			n.Annotations["projectcalico.org/"+key] = value.Draw(t, key)
		}
		n.PodCIDRs = rapid.SliceOfN(value, 0, 2).Draw(t, "pods")
		tunnels := overlay.Detect(n)
		if len(tunnels) > 2 || len(tunnels) == 2 && tunnels[0].Inside.Is4() == tunnels[1].Inside.Is4() {
			t.Fatalf("%+v", tunnels)
		}
		for _, tunnel := range tunnels {
			for _, a := range []netip.Addr{tunnel.Inside, tunnel.Endpoint} {
				if a.IsValid() && (a.Is4In6() || a.Zone() != "" || a.IsLoopback() || a.IsUnspecified() || a.IsMulticast()) {
					t.Fatalf("%+v", tunnel)
				}
			}
			if !tunnel.Inside.IsValid() || tunnel.VNI >= 1<<24 || len(tunnel.MAC) > 17 {
				t.Fatalf("%+v", tunnel)
			}
		}
	})
}
