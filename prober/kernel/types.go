// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

// Package kernel looks at what a node's kernel needs to reach a peer through
// the cluster's overlay: the device, the route, the neighbour and the
// forwarding entry. Read takes a Snapshot, Judge says what of it is missing.
// Nothing is ever changed.
package kernel

import (
	"net/netip"
)

// Encapsulation of a tunnel.
type Encapsulation string

// The encapsulations that can be judged.
const (
	VXLAN Encapsulation = "VXLAN"
	IPIP  Encapsulation = "IPIP"
)

// Those that can only be seen: their devices take their peers from elsewhere,
// which the network plugin does not announce, or only who administers the
// network may read.
const (
	Geneve    Encapsulation = "Geneve"
	WireGuard Encapsulation = "WireGuard"
)

// Tunnel is one node's end of an overlay, as the network plugin announces it.
// A zero field is not known, and not judged.
type Tunnel struct {
	// Node is the name of the node.
	Node string
	// Encapsulation of the tunnel.
	Encapsulation Encapsulation
	// Inside is the node's address in the tunnel.
	Inside netip.Addr
	// Endpoint is the node's address on the underlay.
	Endpoint netip.Addr
	// MAC is the hardware address of a VXLAN device, as in "0e:00:00:00:00:01".
	MAC string
	// VNI and Port of a VXLAN device.
	VNI  uint32
	Port uint16
	// Behind are the addresses of the node's pods.
	Behind []netip.Prefix
}

// Snapshot is what a kernel has for one peer.
type Snapshot struct {
	// Devices that make tunnels.
	Devices []Device
	// Inside is where packets to the peer's address in the tunnel go.
	Inside Route
	// Behind is the same for its pods: one for each of Tunnel.Behind.
	Behind []Route
	// Neighbours of the devices that could be the peer.
	Neighbours []Neighbour
	// Forwards are the forwarding entries of VXLAN devices.
	Forwards []Forward
	// Cut is true where there was more than a snapshot holds: then nothing is
	// missing for certain.
	Cut bool
}

// Device is one that makes tunnels.
type Device struct {
	// Index and Name of it.
	Index int
	Name  string
	// Encapsulation that it makes.
	Encapsulation Encapsulation
	// Up is true for a device that is.
	Up bool
	// MAC, VNI and Port of a VXLAN device; the latter two also of Geneve.
	MAC  string
	VNI  uint32
	Port uint16
	// Received and Sent are how many packets it did.
	Received, Sent uint64
	// Local is its address on the underlay; invalid for any.
	Local netip.Addr
	// External is true for a VXLAN or Geneve device that takes peers from
	// elsewhere, as those of OVS and Cilium do: it has no entries.
	External bool
	// Learns is true for one that finds peers by itself.
	Learns bool
	// MTU of the device, UnderlayMTU of what its packets leave by; 0 if unknown.
	MTU, UnderlayMTU int
	// Addresses of the device.
	Addresses []netip.Addr
}

// Route is where packets to an address go.
type Route struct {
	// To is the address that was looked up.
	To netip.Addr
	// Found is false where there is no route.
	Found bool
	// Dst is the route that matches; the zero value is the default route.
	Dst netip.Prefix
	// Device that it leads to.
	Device int
	// DeviceName is its name.
	DeviceName string
	// Via is the next hop; invalid where there is none.
	Via netip.Addr
}

// Neighbour is an entry of the table of neighbours.
type Neighbour struct {
	// Device that it is on.
	Device int
	// IP of the neighbour.
	IP netip.Addr
	// MAC of it; empty for one that was not found.
	MAC string
}

// Forward is an entry of a VXLAN device's forwarding table.
type Forward struct {
	// Device that it is on.
	Device int
	// MAC of the peer's device; all zeros for whatever has no other entry.
	MAC string
	// Endpoint is where it is.
	Endpoint netip.Addr
}

// Code says in one word what is wrong.
type Code string

// What can be wrong, in the order in which a packet meets it.
const (
	// DeviceMissing: no device makes the tunnel.
	DeviceMissing Code = "TunnelDeviceMissing"
	// DeviceDown: the device is down.
	DeviceDown Code = "TunnelDeviceDown"
	// DeviceDiffers: the device is not as its own node announces it: its VNI,
	// its port, its hardware address or its address.
	DeviceDiffers Code = "TunnelDeviceDiffers"
	// RouteMissing: no route leads to the peer, or one that goes elsewhere.
	RouteMissing Code = "TunnelRouteMissing"
	// NeighbourMissing: the device does not know the peer's hardware address.
	NeighbourMissing Code = "TunnelNeighbourMissing"
	// NeighbourWrong: it knows another than the peer announces.
	NeighbourWrong Code = "TunnelNeighbourWrong"
	// ForwardMissing: the device does not know where the peer is.
	ForwardMissing Code = "TunnelForwardMissing"
	// ForwardWrong: it has it elsewhere than the peer announces.
	ForwardWrong Code = "TunnelForwardWrong"
	// MTUTooLarge: with its headers a full packet does not fit into the link
	// that it leaves by.
	MTUTooLarge Code = "TunnelMTUTooLarge"
)

// Finding is one thing that is wrong.
type Finding struct {
	// Code of it.
	Code Code
	// Message in one line, with the names of the kernel's objects.
	Message string
}
