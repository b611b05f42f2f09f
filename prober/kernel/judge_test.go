// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package kernel_test

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/netladder/netladder/prober/kernel"
)

var (
	self = kernel.Tunnel{
		Node: "node-a", Encapsulation: kernel.VXLAN, Inside: ip("10.88.1.0"), Endpoint: ip("10.77.1.2"),
		MAC: "0e:00:00:00:00:01", VNI: 1, Port: 8472,
	}
	peer = kernel.Tunnel{
		Node: "node-b", Encapsulation: kernel.VXLAN, Inside: ip("10.88.2.0"), Endpoint: ip("10.77.2.2"),
		MAC: "0e:00:00:00:00:02", VNI: 1, Behind: []netip.Prefix{netip.MustParsePrefix("10.88.2.0/24")},
	}
)

func ip(text string) netip.Addr { return netip.MustParseAddr(text) }

// healthy is a kernel that has all it needs.
func healthy() kernel.Snapshot {
	route := kernel.Route{To: ip("10.88.2.0"), Found: true, Dst: netip.MustParsePrefix("10.88.2.0/24"), Device: 5, DeviceName: "flannel.1", Via: ip("10.88.2.0")}
	behind := route
	behind.To = ip("10.88.2.1")
	return kernel.Snapshot{
		Devices: []kernel.Device{{
			Index: 5, Name: "flannel.1", Encapsulation: kernel.VXLAN, Up: true, MAC: "0e:00:00:00:00:01", VNI: 1, Port: 8472,
			Local: ip("10.77.1.2"), MTU: 1450, UnderlayMTU: 1500, Addresses: []netip.Addr{ip("10.88.1.0")},
		}},
		Inside: route, Behind: []kernel.Route{behind},
		Neighbours: []kernel.Neighbour{{Device: 5, IP: ip("10.88.2.0"), MAC: "0e:00:00:00:00:02"}},
		Forwards: []kernel.Forward{
			{Device: 5, MAC: "0e:00:00:00:00:03", Endpoint: ip("10.77.2.3")},
			{Device: 5, MAC: "0e:00:00:00:00:02", Endpoint: ip("10.77.2.2")},
		},
	}
}

func TestJudge(t *testing.T) {
	type found = []kernel.Finding
	for _, c := range []struct {
		name  string
		wreck func(s *kernel.Snapshot, self, peer *kernel.Tunnel)
		want  found
	}{
		{"nothing is missing", func(*kernel.Snapshot, *kernel.Tunnel, *kernel.Tunnel) {}, nil},
		{"no device", func(s *kernel.Snapshot, _, _ *kernel.Tunnel) { s.Devices = nil },
			found{{kernel.DeviceMissing, "this node has no VXLAN device with VNI 1"}}},
		{"no device, of which nothing is known", func(s *kernel.Snapshot, self, _ *kernel.Tunnel) { s.Devices = nil; *self = kernel.Tunnel{} },
			found{{kernel.DeviceMissing, "this node has no VXLAN device"}}},
		{"a device of another kind", func(s *kernel.Snapshot, _, _ *kernel.Tunnel) { s.Devices[0].Encapsulation = kernel.IPIP },
			found{{kernel.DeviceMissing, "this node has no VXLAN device with VNI 1"}}},
		{"device down", func(s *kernel.Snapshot, _, _ *kernel.Tunnel) { s.Devices[0].Up = false },
			found{{kernel.DeviceDown, "the VXLAN device flannel.1 is down"}}},
		{"the right one of two devices", func(s *kernel.Snapshot, _, _ *kernel.Tunnel) {
			s.Devices = append([]kernel.Device{{Index: 4, Name: "vxlan0", Encapsulation: kernel.VXLAN, VNI: 7}}, s.Devices...)
		}, nil},
		{"another VNI", func(s *kernel.Snapshot, _, _ *kernel.Tunnel) { s.Devices[0].VNI = 2 },
			found{{kernel.DeviceDiffers, "flannel.1 has VNI 2, the overlay has 1"}}},
		{"another port", func(s *kernel.Snapshot, _, _ *kernel.Tunnel) { s.Devices[0].Port = 4789 },
			found{{kernel.DeviceDiffers, "flannel.1 uses UDP port 4789, the overlay has 8472"}}},
		{"another hardware address", func(s *kernel.Snapshot, _, _ *kernel.Tunnel) { s.Devices[0].MAC = "0e:00:00:00:00:0f" },
			found{{kernel.DeviceDiffers, "flannel.1 has the hardware address 0e:00:00:00:00:0f, this node announces 0e:00:00:00:00:01"}}},
		{"no address", func(s *kernel.Snapshot, _, _ *kernel.Tunnel) { s.Devices[0].Addresses = nil },
			found{{kernel.DeviceDiffers, "flannel.1 does not have the address 10.88.1.0 that this node announces"}}},
		{"another end", func(s *kernel.Snapshot, _, _ *kernel.Tunnel) { s.Devices[0].Local = ip("10.77.1.9") },
			found{{kernel.DeviceDiffers, "flannel.1 sends from 10.77.1.9, this node announces 10.77.1.2"}}},
		{"no route", func(s *kernel.Snapshot, _, _ *kernel.Tunnel) {
			s.Inside, s.Behind[0] = kernel.Route{To: ip("10.88.2.0")}, kernel.Route{To: ip("10.88.2.1")}
		}, found{{kernel.RouteMissing, "no route to the tunnel address of node-b, 10.88.2.0"}}},
		{"the default route", func(s *kernel.Snapshot, _, _ *kernel.Tunnel) {
			s.Inside = kernel.Route{To: ip("10.88.2.0"), Found: true, Device: 2, DeviceName: "eth0"}
			s.Behind[0] = kernel.Route{To: ip("10.88.2.1"), Found: true, Device: 2, DeviceName: "eth0"}
		}, found{{kernel.RouteMissing, "no route to the tunnel address of node-b, 10.88.2.0 through flannel.1: what goes there leaves by eth0"}}},
		{"no route to the pods alone", func(s *kernel.Snapshot, _, _ *kernel.Tunnel) {
			s.Behind[0] = kernel.Route{To: ip("10.88.2.1"), Found: true, Device: 2, DeviceName: "eth0"}
		}, found{{kernel.RouteMissing, "no route to the pods of node-b, 10.88.2.0/24 through flannel.1: what goes there leaves by eth0"}}},
		{"no neighbour", func(s *kernel.Snapshot, _, _ *kernel.Tunnel) { s.Neighbours = nil },
			found{{kernel.NeighbourMissing, "no neighbour entry for 10.88.2.0 (node-b) on flannel.1"}}},
		{"a neighbour that was not found", func(s *kernel.Snapshot, _, _ *kernel.Tunnel) { s.Neighbours[0].MAC = "" },
			found{{kernel.NeighbourMissing, "no neighbour entry for 10.88.2.0 (node-b) on flannel.1"}}},
		{"neighbour on another device", func(s *kernel.Snapshot, _, _ *kernel.Tunnel) { s.Neighbours[0].Device = 2 },
			found{{kernel.NeighbourMissing, "no neighbour entry for 10.88.2.0 (node-b) on flannel.1"}}},
		{"another neighbour", func(s *kernel.Snapshot, _, _ *kernel.Tunnel) { s.Neighbours[0].MAC = "0e:00:00:00:00:99" },
			found{{kernel.NeighbourWrong, "the neighbour 10.88.2.0 on flannel.1 has the hardware address 0e:00:00:00:00:99, node-b announces 0e:00:00:00:00:02"}}},
		{"hardware addresses are the same in capitals", func(_ *kernel.Snapshot, self, peer *kernel.Tunnel) {
			self.MAC, peer.MAC = "0E:00:00:00:00:01", "0E:00:00:00:00:02"
		}, nil},
		{"no forwarding entry", func(s *kernel.Snapshot, _, _ *kernel.Tunnel) { s.Forwards = s.Forwards[:1] },
			found{{kernel.ForwardMissing, "no forwarding entry for node-b (0e:00:00:00:00:02 at 10.77.2.2) on flannel.1"}}},
		{"forwarding entry on another device", func(s *kernel.Snapshot, _, _ *kernel.Tunnel) { s.Forwards[1].Device = 4 },
			found{{kernel.ForwardMissing, "no forwarding entry for node-b (0e:00:00:00:00:02 at 10.77.2.2) on flannel.1"}}},
		{"a forwarding entry that leads elsewhere", func(s *kernel.Snapshot, _, _ *kernel.Tunnel) { s.Forwards[1].Endpoint = ip("10.77.2.9") },
			found{{kernel.ForwardWrong, "the forwarding entry for node-b (0e:00:00:00:00:02) on flannel.1 leads to 10.77.2.9, not to 10.77.2.2"}}},
		{"a forwarding entry for all", func(s *kernel.Snapshot, _, _ *kernel.Tunnel) { s.Forwards[1].MAC = "00:00:00:00:00:00" }, nil},
		{"neighbour and forwarding entry, in this order", func(s *kernel.Snapshot, _, _ *kernel.Tunnel) { s.Neighbours, s.Forwards = nil, nil },
			found{
				{kernel.NeighbourMissing, "no neighbour entry for 10.88.2.0 (node-b) on flannel.1"},
				{kernel.ForwardMissing, "no forwarding entry for node-b (0e:00:00:00:00:02 at 10.77.2.2) on flannel.1"},
			}},
		{"too large", func(s *kernel.Snapshot, _, _ *kernel.Tunnel) { s.Devices[0].MTU = 1451 },
			found{{kernel.MTUTooLarge, "flannel.1 has an MTU of 1451 and adds 50 bytes, its underlay takes 1500"}}},
		{"too large outside of IPv6", func(s *kernel.Snapshot, self, peer *kernel.Tunnel) {
			s.Devices[0].Local, self.Endpoint, peer.Endpoint = ip("fd77:1::2"), ip("fd77:1::2"), ip("fd77:2::2")
			s.Forwards[1].Endpoint = peer.Endpoint
		}, found{{kernel.MTUTooLarge, "flannel.1 has an MTU of 1450 and adds 70 bytes, its underlay takes 1500"}}},
		{"what was cut is not missing", func(s *kernel.Snapshot, _, _ *kernel.Tunnel) { s.Cut, s.Neighbours, s.Forwards = true, nil, nil }, nil},
		{"a device that was cut is not missing", func(s *kernel.Snapshot, _, _ *kernel.Tunnel) { s.Cut, s.Devices = true, nil }, nil},
		{"a device that learns needs no entries", func(s *kernel.Snapshot, _, _ *kernel.Tunnel) {
			s.Devices[0].Learns, s.Neighbours, s.Forwards = true, nil, nil
		}, nil},
		{"an external device has no entries", func(s *kernel.Snapshot, _, _ *kernel.Tunnel) {
			s.Devices[0].External, s.Devices[0].VNI, s.Neighbours, s.Forwards = true, 0, nil, nil
		}, nil},
		{"nothing announced is not judged", func(s *kernel.Snapshot, self, peer *kernel.Tunnel) {
			*self, *peer = kernel.Tunnel{}, kernel.Tunnel{Node: "node-b", Encapsulation: kernel.VXLAN, Inside: peer.Inside}
			s.Neighbours[0].MAC, s.Forwards, s.Behind = "0e:00:00:00:00:99", nil, nil
		}, nil},
		{"IPIP needs a device and a route", func(s *kernel.Snapshot, self, peer *kernel.Tunnel) {
			*s = kernel.Snapshot{
				Devices: []kernel.Device{{Index: 9, Name: "tunl0", Encapsulation: kernel.IPIP, Up: true, MTU: 1480, UnderlayMTU: 1500}},
				Inside:  kernel.Route{To: peer.Inside, Found: true, Device: 9, DeviceName: "tunl0", Via: peer.Endpoint},
			}
			*self = kernel.Tunnel{Encapsulation: kernel.IPIP}
			*peer = kernel.Tunnel{Node: "node-b", Encapsulation: kernel.IPIP, Inside: peer.Inside, Endpoint: peer.Endpoint}
		}, nil},
		{"IPIP whose route leads past the tunnel", func(s *kernel.Snapshot, self, peer *kernel.Tunnel) {
			*s = kernel.Snapshot{
				Devices: []kernel.Device{{Index: 9, Name: "tunl0", Encapsulation: kernel.IPIP, Up: true}},
				Inside:  kernel.Route{To: peer.Inside, Found: true, Device: 2, DeviceName: "eth0"},
			}
			*self = kernel.Tunnel{Encapsulation: kernel.IPIP}
			*peer = kernel.Tunnel{Node: "node-b", Encapsulation: kernel.IPIP, Inside: peer.Inside}
		}, found{{kernel.RouteMissing, "no route to the tunnel address of node-b, 10.88.2.0 through tunl0: what goes there leaves by eth0"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, a, b := healthy(), self, peer
			c.wreck(&s, &a, &b)
			if diff := cmp.Diff(c.want, kernel.Judge(s, a, b)); diff != "" {
				t.Errorf("want (-), got (+): %s", diff)
			}
		})
	}
}
