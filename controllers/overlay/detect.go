// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

// Package overlay finds out how a cluster's network plugin wraps packets
// between nodes, by what it announces on the Node objects. It is pure.
package overlay

import (
	"encoding/json"
	"net"
	"net/netip"
	"strings"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/controllers/plan"
)

// Node is what is read of a Node object. Its annotations are hostile input:
// whoever may write them could be a node.
type Node struct {
	// Annotations of the node.
	Annotations map[string]string
	// PodCIDRs of the node, one of each family.
	PodCIDRs []string
}

// Prefixes of the annotations that Detect reads.
const (
	flannelPrefix = "flannel.alpha.coreos.com/"
	calicoPrefix  = "projectcalico.org/"
)

const (
	// calicoVNI is Calico's own, unless its configuration says otherwise.
	calicoVNI = 4096
	// maxVNI is the largest that fits into a VXLAN header.
	maxVNI = 1<<24 - 1
	// maxAnnotation bounds what is parsed, in bytes.
	maxAnnotation = 4096
)

// Annotations are the keys of those that Detect reads.
func Annotations() []string {
	var out []string
	for _, key := range []string{"backend-type", "backend-data", "public-ip", "backend-v6-data", "public-ipv6"} {
		out = append(out, flannelPrefix+key)
	}
	for _, key := range []string{
		"IPv4Address", "IPv4VXLANTunnelAddr", "VXLANTunnelMACAddr", "IPv4IPIPTunnelAddr",
		"IPv6Address", "IPv6VXLANTunnelAddr", "VXLANTunnelMACAddrV6",
	} {
		out = append(out, calicoPrefix+key)
	}
	return out
}

// Detect returns the node's ends of the overlay, IPv4 before IPv6: at most one
// of each family inside. There are none where pods' addresses are routed, and
// where another plugin than flannel or Calico makes the network: those that
// make Geneve, or VXLAN whose device takes its peers from elsewhere, announce
// nothing by which their tunnels could be told.
func Detect(n Node) []plan.Tunnel {
	if tunnels := n.flannel(); len(tunnels) > 0 {
		return tunnels
	}
	return n.calico()
}

// vtep is flannel's backend-data.
type vtep struct {
	VNI     *uint32
	VtepMAC string
}

// flannel announces for each family the hardware address of its VXLAN device
// and the address outside. Inside, the device has the first address of the
// node's pods.
func (n Node) flannel() (out []plan.Tunnel) {
	if n.annotation(flannelPrefix+"backend-type") != "vxlan" {
		return nil
	}
	for _, family := range []struct {
		data, endpoint string
		is4            bool
	}{
		{"backend-data", "public-ip", true},
		{"backend-v6-data", "public-ipv6", false},
	} {
		var data vtep
		pods, ok := n.podCIDR(family.is4)
		if err := json.Unmarshal([]byte(n.annotation(flannelPrefix+family.data)), &data); err != nil || !ok {
			continue
		}
		t := plan.Tunnel{
			Encapsulation: v1alpha1.EncapsulationVXLAN, Inside: pods.Addr(), Behind: pods,
			Endpoint: address(n.annotation(flannelPrefix + family.endpoint)), MAC: hardwareAddress(data.VtepMAC),
		}
		if !t.Endpoint.IsValid() || t.MAC == "" {
			continue
		}
		if data.VNI != nil && *data.VNI <= maxVNI {
			t.VNI = *data.VNI
		}
		out = append(out, t)
	}
	return out
}

// calico announces its addresses inside; those of VXLAN come first where it
// has both, because it then routes through that where it can.
func (n Node) calico() (out []plan.Tunnel) {
	for _, known := range []struct {
		inside, endpoint, mac string
		encapsulation         v1alpha1.Encapsulation
		vni                   uint32
		is4                   bool
	}{
		{"IPv4VXLANTunnelAddr", "IPv4Address", "VXLANTunnelMACAddr", v1alpha1.EncapsulationVXLAN, calicoVNI, true},
		{"IPv4IPIPTunnelAddr", "IPv4Address", "", v1alpha1.EncapsulationIPIP, 0, true},
		{"IPv6VXLANTunnelAddr", "IPv6Address", "VXLANTunnelMACAddrV6", v1alpha1.EncapsulationVXLAN, calicoVNI, false},
	} {
		inside := address(n.annotation(calicoPrefix + known.inside))
		if !inside.IsValid() || inside.Is4() != known.is4 || len(out) > 0 && out[len(out)-1].Inside.Is4() == known.is4 {
			continue
		}
		t := plan.Tunnel{
			Encapsulation: known.encapsulation, Inside: inside, VNI: known.vni,
			Endpoint: address(n.annotation(calicoPrefix + known.endpoint)),
		}
		if known.mac != "" {
			t.MAC = hardwareAddress(n.annotation(calicoPrefix + known.mac))
		}
		out = append(out, t)
	}
	return out
}

func (n Node) annotation(key string) string {
	value := n.Annotations[key]
	if len(value) > maxAnnotation {
		return ""
	}
	return value
}

func (n Node) podCIDR(is4 bool) (netip.Prefix, bool) {
	for _, text := range n.PodCIDRs {
		p, err := netip.ParsePrefix(text)
		if err == nil && p.Addr().Is4() == is4 && usable(p.Addr()).IsValid() {
			return p.Masked(), true
		}
	}
	return netip.Prefix{}, false
}

// address parses one, also with the length of its prefix behind it.
func address(text string) netip.Addr {
	text, _, _ = strings.Cut(text, "/")
	ip, err := netip.ParseAddr(text)
	if err != nil || ip.Zone() != "" {
		return netip.Addr{}
	}
	return usable(ip.Unmap())
}

// usable is an address that a node may have; others are not to be probed.
func usable(ip netip.Addr) netip.Addr {
	if ip.IsLoopback() || ip.IsUnspecified() || ip.IsMulticast() || ip.IsLinkLocalUnicast() || ip == netip.AddrFrom4([4]byte{255, 255, 255, 255}) {
		return netip.Addr{}
	}
	return ip
}

// hardwareAddress in the form in which the kernel shows it; empty if it is
// none.
func hardwareAddress(text string) string {
	mac, err := net.ParseMAC(text)
	if err != nil || len(mac) != 6 {
		return ""
	}
	return mac.String()
}
