// Package network lays the lab's wires: the switch that joins all members, and the VXLAN overlay between nodes that
// carries the pods' traffic.
package network

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strings"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"github.com/netladder/netladder/hack/lab/internal/layout"
	labnetns "github.com/netladder/netladder/hack/lab/internal/netns"
)

const (
	bridgeName = "br0"
	// UplinkName is a member's interface towards the switch.
	UplinkName = "eth0"
)

// EnsureSwitch makes the switch's namespace: a bridge that also is everybody's default gateway and forwards nothing, so
// that traffic to the outside is lost silently, as behind a firewall.
func EnsureSwitch(lab layout.Lab) error {
	path := lab.Netns(layout.Switch)
	if err := ensureNetns(lab, layout.Switch); err != nil {
		return err
	}
	if err := setSysctls(path, map[string]string{"net/ipv4/ip_forward": "0"}); err != nil {
		return err
	}
	handle, closeHandle, err := open(path)
	if err != nil {
		return err
	}
	defer closeHandle()
	bridge := &netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: bridgeName}}
	if err := handle.LinkAdd(bridge); err != nil && !errors.Is(err, unix.EEXIST) {
		return fmt.Errorf("adding the bridge in %s: %w", path, err)
	}
	return bringUp(handle, bridgeName, underlayNet(net.ParseIP(layout.Gateway)))
}

// EnsureMember makes a member's namespace and its link to the switch.
func EnsureMember(lab layout.Lab, member string, ip net.IP, forward bool) error {
	path := lab.Netns(member)
	if err := ensureNetns(lab, member); err != nil {
		return err
	}
	forwarding := "0"
	if forward {
		forwarding = "1"
	}
	// Reverse-path filters would hide asymmetric faults; a namespace may inherit them from the host.
	if err := setSysctls(path, map[string]string{
		"net/ipv4/ip_forward": forwarding, "net/ipv4/conf/all/rp_filter": "0", "net/ipv4/conf/default/rp_filter": "0",
	}); err != nil {
		return err
	}
	if err := ensureCable(lab, member); err != nil {
		return err
	}
	handle, closeHandle, err := open(path)
	if err != nil {
		return err
	}
	defer closeHandle()
	if err := bringUp(handle, UplinkName, underlayNet(ip)); err != nil {
		return err
	}
	link, err := handle.LinkByName(UplinkName)
	if err != nil {
		return fmt.Errorf("looking for %s in %s: %w", UplinkName, path, err)
	}
	route := &netlink.Route{LinkIndex: link.Attrs().Index, Gw: net.ParseIP(layout.Gateway), Dst: anywhere()}
	if err := handle.RouteReplace(route); err != nil {
		return fmt.Errorf("adding the default route in %s: %w", path, err)
	}
	return nil
}

// EnsureMetadataAddress gives a node the address of the metadata service. It is the node's own, so that its pods' packets end
// in it and nobody else's reach it.
func EnsureMetadataAddress(lab layout.Lab, node string) error {
	handle, closeHandle, err := open(lab.Netns(node))
	if err != nil {
		return err
	}
	defer closeHandle()
	return bringUp(handle, "lo", &net.IPNet{IP: net.ParseIP(layout.MetadataIP), Mask: net.CIDRMask(32, 32)})
}

func ensureNetns(lab layout.Lab, member string) error {
	if err := labnetns.Ensure(lab.Netns(member)); err != nil {
		return err
	}
	return labnetns.Link(lab.Netns(member), lab.NetnsLink(member))
}

// ensureCable makes the veth pair with both ends at their place, so that no end is ever seen in the host's namespace.
func ensureCable(lab layout.Lab, member string) error {
	handle, closeHandle, err := open(lab.Netns(layout.Switch))
	if err != nil {
		return err
	}
	defer closeHandle()
	bridge, err := handle.LinkByName(bridgeName)
	if err != nil {
		return fmt.Errorf("looking for the bridge of %s: %w", lab.Netns(layout.Switch), err)
	}
	if _, err := handle.LinkByName(portName(member)); err == nil {
		return nil
	}
	far, err := netns.GetFromPath(lab.Netns(member))
	if err != nil {
		return fmt.Errorf("opening the network namespace of %s: %w", member, err)
	}
	defer func() { _ = far.Close() }()
	cable := &netlink.Veth{
		LinkAttrs:     netlink.LinkAttrs{Name: portName(member), MasterIndex: bridge.Attrs().Index, Flags: net.FlagUp},
		PeerName:      UplinkName,
		PeerNamespace: netlink.NsFd(far),
	}
	if err := handle.LinkAdd(cable); err != nil {
		return fmt.Errorf("linking %s to the switch: %w", member, err)
	}
	return nil
}

// Unplug removes a member's link to the switch and its namespace.
func Unplug(lab layout.Lab, member string) error {
	if labnetns.Exists(lab.Netns(layout.Switch)) {
		handle, closeHandle, err := open(lab.Netns(layout.Switch))
		if err != nil {
			return err
		}
		defer closeHandle()
		if link, err := handle.LinkByName(portName(member)); err == nil {
			if err := handle.LinkDel(link); err != nil {
				return fmt.Errorf("unlinking %s from the switch: %w", member, err)
			}
		}
	}
	return errors.Join(labnetns.Remove(lab.NetnsLink(member)), labnetns.Remove(lab.Netns(member)))
}

// portName is the switch's end of a member's cable; interface names have 15 characters at most.
func portName(member string) string { return "p-" + member[:min(len(member), 13)] }

func underlayNet(ip net.IP) *net.IPNet {
	return &net.IPNet{IP: ip, Mask: net.CIDRMask(layout.UnderlayPrefix, 32)}
}

func anywhere() *net.IPNet { return &net.IPNet{IP: net.IPv4zero, Mask: net.CIDRMask(0, 32)} }

// bringUp sets an interface and the loopback up, with an address.
func bringUp(handle *netlink.Handle, name string, address *net.IPNet) error {
	for _, each := range []string{"lo", name} {
		link, err := handle.LinkByName(each)
		if err != nil {
			return fmt.Errorf("looking for interface %s: %w", each, err)
		}
		if each == name {
			if err := handle.AddrReplace(link, &netlink.Addr{IPNet: address}); err != nil {
				return fmt.Errorf("adding %s to interface %s: %w", address, each, err)
			}
		}
		if err := handle.LinkSetUp(link); err != nil {
			return fmt.Errorf("setting interface %s up: %w", each, err)
		}
	}
	return nil
}

// open returns a netlink handle inside the namespace.
func open(path string) (*netlink.Handle, func(), error) {
	ns, err := netns.GetFromPath(path)
	if err != nil {
		return nil, nil, fmt.Errorf("opening network namespace %s: %w", path, err)
	}
	defer func() { _ = ns.Close() }()
	handle, err := netlink.NewHandleAt(ns)
	if err != nil {
		return nil, nil, fmt.Errorf("opening netlink in %s: %w", path, err)
	}
	return handle, handle.Close, nil
}

// setSysctls writes kernel parameters of the namespace, keyed by their path below /proc/sys.
func setSysctls(path string, values map[string]string) error {
	return labnetns.Do(path, func() error {
		for key, value := range values {
			if err := os.WriteFile("/proc/sys/"+key, []byte(value), 0o644); err != nil {
				return fmt.Errorf("setting %s in %s: %w", strings.ReplaceAll(key, "/", "."), path, err)
			}
		}
		return nil
	})
}
