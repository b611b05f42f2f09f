package network

import (
	"errors"
	"fmt"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/netladder/netladder/hack/lab/internal/layout"
)

// The overlay's parameters, flannel's defaults on Linux.
const (
	VTEPName  = "flannel.1"
	VNI       = 1
	VXLANPort = 8472
	podMTU    = 1450 // 1500 less VXLAN's 50 bytes
)

// Peer is a node as the overlay sees it.
type Peer struct {
	Node    string
	IP      netip.Addr   // on the underlay
	PodCIDR netip.Prefix // its network address is also the VTEP's address
}

// SyncNode makes one node's VXLAN device, routes, neighbours and forwarding entries what they must be for these peers,
// and removes what they no longer are: a node that comes back may have another pod CIDR.
func SyncNode(lab layout.Lab, self Peer, all []Peer) error {
	path := lab.Netns(self.Node)
	handle, closeHandle, err := open(path)
	if err != nil {
		return err
	}
	defer closeHandle()
	vtep, err := ensureVTEP(handle, self)
	if err != nil {
		return fmt.Errorf("node %s: %w", self.Node, err)
	}
	var routes []*netlink.Route
	var neighbours, forwards []*netlink.Neigh
	for _, peer := range all {
		if peer.Node == self.Node {
			continue
		}
		index, mac, gateway := vtep.Attrs().Index, layout.VTEPMAC(peer.IP), net.IP(peer.PodCIDR.Addr().AsSlice())
		routes = append(routes, &netlink.Route{
			LinkIndex: index, Dst: ipNet(peer.PodCIDR), Gw: gateway, Flags: int(netlink.FLAG_ONLINK), Protocol: unix.RTPROT_STATIC,
		})
		neighbours = append(neighbours, &netlink.Neigh{
			LinkIndex: index, Family: unix.AF_INET, State: netlink.NUD_PERMANENT, Type: unix.RTN_UNICAST, IP: gateway, HardwareAddr: mac,
		})
		forwards = append(forwards, &netlink.Neigh{
			LinkIndex: index, Family: unix.AF_BRIDGE, State: netlink.NUD_PERMANENT, Flags: netlink.NTF_SELF,
			IP: peer.IP.AsSlice(), HardwareAddr: mac,
		})
	}
	return errors.Join(
		syncNeighbours(handle, path, vtep, unix.AF_BRIDGE, forwards),
		syncNeighbours(handle, path, vtep, unix.AF_INET, neighbours),
		syncRoutes(handle, path, vtep, routes))
}

// SyncControlPlane routes the pods' addresses to their nodes for the API server, which has no tunnel.
func SyncControlPlane(lab layout.Lab, all []Peer) error {
	path := lab.Netns(layout.ControlPlane)
	handle, closeHandle, err := open(path)
	if err != nil {
		return err
	}
	defer closeHandle()
	uplink, err := handle.LinkByName(UplinkName)
	if err != nil {
		return fmt.Errorf("looking for %s in %s: %w", UplinkName, path, err)
	}
	var routes []*netlink.Route
	for _, peer := range all {
		routes = append(routes, &netlink.Route{
			LinkIndex: uplink.Attrs().Index, Dst: ipNet(peer.PodCIDR), Gw: peer.IP.AsSlice(), Protocol: unix.RTPROT_STATIC,
		})
	}
	return syncRoutes(handle, path, uplink, routes)
}

// ensureVTEP makes the node's VXLAN device with the address that belongs to its pod CIDR.
func ensureVTEP(handle *netlink.Handle, self Peer) (netlink.Link, error) {
	uplink, err := handle.LinkByName(UplinkName)
	if err != nil {
		return nil, fmt.Errorf("looking for %s: %w", UplinkName, err)
	}
	if _, err := handle.LinkByName(VTEPName); err != nil {
		device := &netlink.Vxlan{
			LinkAttrs:    netlink.LinkAttrs{Name: VTEPName, MTU: podMTU, HardwareAddr: layout.VTEPMAC(self.IP)},
			VxlanId:      VNI,
			VtepDevIndex: uplink.Attrs().Index,
			SrcAddr:      self.IP.AsSlice(),
			Port:         VXLANPort,
			Learning:     false,
		}
		if err := handle.LinkAdd(device); err != nil {
			return nil, fmt.Errorf("adding %s: %w", VTEPName, err)
		}
	}
	link, err := handle.LinkByName(VTEPName)
	if err != nil {
		return nil, fmt.Errorf("looking for %s: %w", VTEPName, err)
	}
	want := &net.IPNet{IP: self.PodCIDR.Addr().AsSlice(), Mask: net.CIDRMask(32, 32)}
	addresses, err := handle.AddrList(link, unix.AF_INET)
	if err != nil {
		return nil, fmt.Errorf("listing the addresses of %s: %w", VTEPName, err)
	}
	for _, address := range addresses {
		if address.IPNet.String() == want.String() {
			continue
		}
		if err := handle.AddrDel(link, &address); err != nil {
			return nil, fmt.Errorf("removing %s from %s: %w", address.IPNet, VTEPName, err)
		}
	}
	return link, bringUp(handle, VTEPName, want)
}

func syncRoutes(handle *netlink.Handle, where string, link netlink.Link, want []*netlink.Route) error {
	keep := map[string]bool{}
	for _, route := range want {
		if err := handle.RouteReplace(route); err != nil {
			return fmt.Errorf("routing %s in %s: %w", route.Dst, where, err)
		}
		keep[route.Dst.String()] = true
	}
	filter := &netlink.Route{LinkIndex: link.Attrs().Index, Protocol: unix.RTPROT_STATIC}
	have, err := handle.RouteListFiltered(unix.AF_INET, filter, netlink.RT_FILTER_OIF|netlink.RT_FILTER_PROTOCOL)
	if err != nil {
		return fmt.Errorf("listing the routes in %s: %w", where, err)
	}
	for _, route := range have {
		if route.Dst == nil || keep[route.Dst.String()] {
			continue
		}
		if err := handle.RouteDel(&route); err != nil {
			return fmt.Errorf("removing the route to %s in %s: %w", route.Dst, where, err)
		}
	}
	return nil
}

// syncNeighbours handles both kinds of neighbour entry: ARP (AF_INET) and forwarding (AF_BRIDGE).
func syncNeighbours(handle *netlink.Handle, where string, link netlink.Link, family int, want []*netlink.Neigh) error {
	keep := map[string]bool{}
	for _, neighbour := range want {
		if err := handle.NeighSet(neighbour); err != nil {
			return fmt.Errorf("setting neighbour %s in %s: %w", neighbour.IP, where, err)
		}
		keep[neighbour.IP.String()+neighbour.HardwareAddr.String()] = true
	}
	have, err := handle.NeighList(link.Attrs().Index, family)
	if err != nil {
		return fmt.Errorf("listing the neighbours in %s: %w", where, err)
	}
	for _, neighbour := range have {
		if neighbour.State&netlink.NUD_PERMANENT == 0 || keep[neighbour.IP.String()+neighbour.HardwareAddr.String()] {
			continue
		}
		if err := handle.NeighDel(&neighbour); err != nil {
			return fmt.Errorf("removing neighbour %s in %s: %w", neighbour.IP, where, err)
		}
	}
	return nil
}

func ipNet(prefix netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: prefix.Addr().AsSlice(), Mask: net.CIDRMask(prefix.Bits(), 32)}
}
