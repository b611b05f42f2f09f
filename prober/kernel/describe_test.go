// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"fmt"
	"net"
	"testing"

	"github.com/vishvananda/netlink"
)

// Fixtures: no kernel that these tests have run on makes Geneve or WireGuard.
// They are as Cilium, Antrea and flannel configure their devices.
func TestDescribe(t *testing.T) {
	up := func(name string, index, mtu int, received, sent uint64) netlink.LinkAttrs {
		a := netlink.NewLinkAttrs()
		a.Name, a.Index, a.MTU, a.Flags = name, index, mtu, net.FlagUp
		a.Statistics = &netlink.LinkStatistics{RxPackets: received, TxPackets: sent}
		return a
	}
	down := up("flannel-wg", 4, 1420, 0, 3)
	down.Flags, down.Statistics = 0, nil
	for want, links := range map[string][]netlink.Link{
		"": {&netlink.Dummy{LinkAttrs: up("eth0", 1, 1500, 1, 1)}, &netlink.Iptun{LinkAttrs: up("tunl0", 2, 1480, 1, 1)}, &netlink.Vxlan{LinkAttrs: up("flannel.1", 3, 1450, 1, 1), VxlanId: 1, Port: 8472}},
		"Geneve cilium_geneve (UDP 6081, up, MTU 1500, received 12 packets, sent 40)": {
			&netlink.Vxlan{LinkAttrs: up("flannel.1", 3, 1450, 1, 1), VxlanId: 1, Port: 8472},
			&netlink.Geneve{LinkAttrs: up("cilium_geneve", 4, 1500, 12, 40), Dport: 6081, FlowBased: true},
		},
		"Geneve antrea-tun0 (VNI 7, UDP 6081, up, MTU 1450, received 0 packets, sent 9)": {&netlink.Geneve{LinkAttrs: up("antrea-tun0", 4, 1450, 0, 9), ID: 7, Dport: 6081}},
		"WireGuard flannel-wg (down, MTU 1420, received 0 packets, sent 0)":              {&netlink.Wireguard{LinkAttrs: down}},
		"VXLAN cilium_vxlan (UDP 8472, up, MTU 1500, received 1 packets, sent 2)":        {&netlink.Vxlan{LinkAttrs: up("cilium_vxlan", 5, 1500, 1, 2), Port: 8472, FlowBased: true}},
		"WireGuard wg0 (up, MTU 1420, received 1 packets, sent 2), WireGuard wg1 (up, MTU 1420, received 1 packets, sent 2), 2 more": {
			&netlink.Wireguard{LinkAttrs: up("wg0", 1, 1420, 1, 2)}, &netlink.Wireguard{LinkAttrs: up("wg1", 2, 1420, 1, 2)},
			&netlink.Wireguard{LinkAttrs: up("wg2", 3, 1420, 1, 2)}, &netlink.Wireguard{LinkAttrs: up("wg3", 4, 1420, 1, 2)},
		},
	} {
		var s Snapshot
		for _, link := range links {
			if d, _, ok := deviceOf(link); ok {
				s.Devices = append(s.Devices, d)
			}
		}
		if got := s.Describe(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
		// What cannot be judged is never taken for a tunnel that can.
		for _, peer := range []Encapsulation{VXLAN, IPIP} {
			if d, ok := s.Own(Tunnel{}, Tunnel{Encapsulation: peer}); ok && d.Encapsulation != peer {
				t.Errorf("%s is taken for %s", fmt.Sprint(&d), peer)
			}
		}
	}
}
