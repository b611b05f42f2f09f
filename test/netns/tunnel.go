// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package netns

import (
	"net/netip"
	"testing"
)

// A tunnel between the source and the target of a Topology, as flannel makes
// it: a VXLAN device on each, which learns nothing, and for each peer a
// forwarding entry, a permanent neighbour and an on-link route.
const (
	// TunnelDevice is the name of the device.
	TunnelDevice = "flannel.1"
	// TunnelVNI and TunnelPort of it; TunnelMTU leaves room for its headers.
	TunnelVNI  = 1
	TunnelPort = 8472
	TunnelMTU  = 1450
	// Hardware addresses of the devices.
	TunnelSourceMAC = "0e:00:00:00:00:01"
	TunnelTargetMAC = "0e:00:00:00:00:02"
)

// Addresses of the devices, and what is behind them.
var (
	TunnelSource     = netip.MustParseAddr("10.88.1.0")
	TunnelTarget     = netip.MustParseAddr("10.88.2.0")
	TunnelSourceCIDR = netip.MustParsePrefix("10.88.1.0/24")
	TunnelTargetCIDR = netip.MustParsePrefix("10.88.2.0/24")
)

// AddTunnel adds a tunnel.
func (topo *Topology) AddTunnel(t testing.TB) {
	t.Helper()
	topo.Source.tunnelTo(t, tunnelEnd{SourceV4, TargetV4, TunnelSource, TunnelTarget, TunnelSourceMAC, TunnelTargetMAC, TunnelTargetCIDR})
	topo.Target.tunnelTo(t, tunnelEnd{TargetV4, SourceV4, TunnelTarget, TunnelSource, TunnelTargetMAC, TunnelSourceMAC, TunnelSourceCIDR})
}

// tunnelEnd is one end, as it is and as the other is.
type tunnelEnd struct {
	local, remote     netip.Addr
	inside, peer      netip.Addr
	localMAC, peerMAC string
	behind            netip.Prefix
}

func (n *NS) tunnelTo(t testing.TB, e tunnelEnd) {
	t.Helper()
	n.IP(t, `
link add `+TunnelDevice+` address `+e.localMAC+` mtu 1450 type vxlan id 1 local `+e.local.String()+` dev eth0 dstport 8472 nolearning
addr add `+e.inside.String()+`/32 dev `+TunnelDevice+`
link set `+TunnelDevice+` up
`)
	n.TunnelPeer(t, e.peer, e.peerMAC, e.behind)
	n.Run(t, "bridge", "fdb", "append", e.peerMAC, "dev", TunnelDevice, "dst", e.remote.String(), "self", "permanent")
}

// TunnelPeer adds the neighbour and the route of a peer, or sets them right.
func (n *NS) TunnelPeer(t testing.TB, peer netip.Addr, mac string, behind netip.Prefix) {
	t.Helper()
	n.IP(t, `
neigh replace `+peer.String()+` lladdr `+mac+` dev `+TunnelDevice+` nud permanent
route replace `+behind.String()+` via `+peer.String()+` dev `+TunnelDevice+` onlink
`)
}
