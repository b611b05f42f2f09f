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

// TakeForward removes the tunnel's forwarding entry for a peer from a node.
func TakeForward(lab layout.Lab, node string, peer Peer) error {
	return onVTEP(lab, node, func(handle *netlink.Handle, vtep netlink.Link) error {
		return gone(handle.NeighDel(&netlink.Neigh{
			LinkIndex: vtep.Attrs().Index, Family: unix.AF_BRIDGE, State: netlink.NUD_PERMANENT, Flags: netlink.NTF_SELF,
			IP: peer.IP.AsSlice(), HardwareAddr: layout.VTEPMAC(peer.IP),
		}))
	})
}

// TakeRoute removes the route to a peer's pods from a node.
func TakeRoute(lab layout.Lab, node string, peer Peer) error {
	return onVTEP(lab, node, func(handle *netlink.Handle, vtep netlink.Link) error {
		return gone(handle.RouteDel(&netlink.Route{LinkIndex: vtep.Attrs().Index, Dst: ipNet(peer.PodCIDR)}))
	})
}

// SpoilNeighbour gives a peer's address in the tunnel a hardware address that nobody has.
func SpoilNeighbour(lab layout.Lab, node string, peer Peer) error {
	wrong := layout.VTEPMAC(peer.IP)
	wrong[1] ^= 0xff
	return onVTEP(lab, node, func(handle *netlink.Handle, vtep netlink.Link) error {
		return handle.NeighSet(&netlink.Neigh{
			LinkIndex: vtep.Attrs().Index, Family: unix.AF_INET, State: netlink.NUD_PERMANENT, Type: unix.RTN_UNICAST,
			IP: peer.PodCIDR.Addr().AsSlice(), HardwareAddr: wrong,
		})
	})
}

// SetCable pulls a member's cable out of the switch, or plugs it in.
func SetCable(lab layout.Lab, member string, plugged bool) error {
	return on(lab, layout.Switch, portName(member), func(handle *netlink.Handle, port netlink.Link) error {
		if plugged {
			return handle.LinkSetUp(port)
		}
		return handle.LinkSetDown(port)
	})
}

// EnsureHop makes a router on the underlay. What it forwards there may have mtu bytes; to the sender of more that must not
// be fragmented it says so. It never tells anybody of the straight way.
func EnsureHop(lab layout.Lab, mtu int) error {
	if err := EnsureMember(lab, layout.Hop, net.ParseIP(layout.HopIP), true); err != nil {
		return err
	}
	if err := setSysctls(lab.Netns(layout.Hop), map[string]string{
		"net/ipv4/conf/all/send_redirects": "0", "net/ipv4/conf/" + UplinkName + "/send_redirects": "0",
		"net/ipv4/icmp_ratelimit": "0", "net/ipv4/icmp_msgs_per_sec": "10000",
	}); err != nil {
		return err
	}
	return on(lab, layout.Hop, UplinkName, func(handle *netlink.Handle, uplink netlink.Link) error {
		// Nodes remember the hardware address of the router that was there before.
		if err := handle.LinkSetHardwareAddr(uplink, layout.VTEPMAC(netip.MustParseAddr(layout.HopIP))); err != nil {
			return err
		}
		// A forwarder heeds the MTU of a route only where it is locked.
		return handle.RouteReplace(&netlink.Route{
			LinkIndex: uplink.Attrs().Index, Dst: underlayNet(net.ParseIP(layout.Gateway).Mask(net.CIDRMask(layout.UnderlayPrefix, 32))),
			Src: net.ParseIP(layout.HopIP), Scope: netlink.SCOPE_LINK, Protocol: unix.RTPROT_KERNEL, MTU: mtu, MTULock: true,
		})
	})
}

// RouteByHop leads what one node sends to another by the router.
func RouteByHop(lab layout.Lab, from, to string) error {
	return onUplinkTo(lab, from, to, func(handle *netlink.Handle, route *netlink.Route) error { return handle.RouteReplace(route) })
}

// RouteStraight ends that.
func RouteStraight(lab layout.Lab, from, to string) error {
	return onUplinkTo(lab, from, to, func(handle *netlink.Handle, route *netlink.Route) error { return gone(handle.RouteDel(route)) })
}

// onUplinkTo gives do the route from one node to another by the router.
func onUplinkTo(lab layout.Lab, from, to string, do func(*netlink.Handle, *netlink.Route) error) error {
	ip, err := layout.NodeIP(to)
	if err != nil {
		return err
	}
	return on(lab, from, UplinkName, func(handle *netlink.Handle, uplink netlink.Link) error {
		return do(handle, &netlink.Route{
			LinkIndex: uplink.Attrs().Index, Dst: hostNet(ip), Gw: net.ParseIP(layout.HopIP), Protocol: unix.RTPROT_STATIC,
		})
	})
}

// PodLink is the interface that a node reaches one of its pods by; empty if it has no route to it.
func PodLink(lab layout.Lab, node, ip string) (string, error) {
	var name string
	err := onPod(lab, node, ip, func(handle *netlink.Handle, pod *net.IPNet) error {
		routes, err := handle.RouteListFiltered(unix.AF_INET, &netlink.Route{Dst: pod}, netlink.RT_FILTER_DST)
		if err != nil || len(routes) == 0 {
			return err
		}
		link, err := handle.LinkByIndex(routes[0].LinkIndex)
		if err == nil {
			name = link.Attrs().Name
		}
		return err
	})
	return name, err
}

// TakePodRoute removes a node's route to one of its pods.
func TakePodRoute(lab layout.Lab, node, ip string) error {
	return onPod(lab, node, ip, func(handle *netlink.Handle, pod *net.IPNet) error {
		return gone(handle.RouteDel(&netlink.Route{Dst: pod, Scope: netlink.SCOPE_NOWHERE}))
	})
}

// GivePodRoute puts it back as the network plugin had made it, if the pod's interface is still there.
func GivePodRoute(lab layout.Lab, node, ip, name string) error {
	return onPod(lab, node, ip, func(handle *netlink.Handle, pod *net.IPNet) error {
		link, err := handle.LinkByName(name)
		if errors.As(err, new(netlink.LinkNotFoundError)) {
			return nil
		}
		if err != nil {
			return err
		}
		return handle.RouteReplace(&netlink.Route{LinkIndex: link.Attrs().Index, Dst: pod, Scope: netlink.SCOPE_HOST})
	})
}

func onPod(lab layout.Lab, node, ip string, do func(*netlink.Handle, *net.IPNet) error) error {
	address, err := netip.ParseAddr(ip)
	if err != nil || !address.Is4() {
		return fmt.Errorf("the pod has the address %q: want an IPv4 address", ip)
	}
	handle, closeHandle, err := open(lab.Netns(node))
	if err != nil {
		return err
	}
	defer closeHandle()
	if err := do(handle, hostNet(address)); err != nil {
		return fmt.Errorf("the route of node %s to %s: %w", node, ip, err)
	}
	return nil
}

func onVTEP(lab layout.Lab, node string, do func(*netlink.Handle, netlink.Link) error) error {
	return on(lab, node, VTEPName, do)
}

// on gives do an interface of a member.
func on(lab layout.Lab, member, name string, do func(*netlink.Handle, netlink.Link) error) error {
	handle, closeHandle, err := open(lab.Netns(member))
	if err != nil {
		return err
	}
	defer closeHandle()
	link, err := handle.LinkByName(name)
	if err != nil {
		return fmt.Errorf("looking for interface %s of %s: %w", name, member, err)
	}
	if err := do(handle, link); err != nil {
		return fmt.Errorf("interface %s of %s: %w", name, member, err)
	}
	return nil
}

func hostNet(ip netip.Addr) *net.IPNet { return ipNet(netip.PrefixFrom(ip, ip.BitLen())) }

// gone makes nothing of an error that says that there was nothing to remove.
func gone(err error) error {
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ESRCH) {
		return nil
	}
	return err
}
