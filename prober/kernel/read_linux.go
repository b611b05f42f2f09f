// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

const (
	// readTimeout bounds one wait for the kernel, which answers at once.
	readTimeout = 2 * time.Second
	// maxDevices bounds how many tunnel devices are looked at, maxEntries how
	// many entries of them are kept.
	maxDevices = 64
	maxEntries = 65536
)

// Entry is a network namespace: Do runs f on a thread that is inside.
type Entry interface {
	Do(f func() error) error
}

// Read takes what the kernel has for a peer; the namespace is the thread's own
// if entry is nil. It needs no capability.
func Read(entry Entry, peer Tunnel) (Snapshot, error) {
	h, err := open(entry)
	if err != nil {
		return Snapshot{}, err
	}
	defer h.Close()
	r := reader{handle: h, names: map[int]string{}}
	if err := r.devices(); err != nil {
		return Snapshot{}, err
	}
	if peer.Inside.IsValid() {
		if r.out.Inside, err = r.route(peer.Inside); err != nil {
			return Snapshot{}, err
		}
	}
	for _, prefix := range peer.Behind {
		// The first address is often the tunnel's own; pods have those behind it.
		to := prefix.Addr()
		if next := to.Next(); prefix.Contains(next) {
			to = next
		}
		found, err := r.route(to)
		if err != nil {
			return Snapshot{}, err
		}
		r.out.Behind = append(r.out.Behind, found)
	}
	if err := r.entries(peer); err != nil {
		return Snapshot{}, err
	}
	return r.out, nil
}

// MTU of the link by which packets to an address leave.
func MTU(entry Entry, to netip.Addr) (int, error) {
	h, err := open(entry)
	if err != nil {
		return 0, err
	}
	defer h.Close()
	r := reader{handle: h}
	found, err := r.route(to)
	switch {
	case err != nil:
		return 0, err
	case !found.Found:
		return 0, fmt.Errorf("no route to %s", to)
	}
	link, err := h.LinkByIndex(found.Device)
	if err != nil {
		return 0, fmt.Errorf("the link to %s: %w", to, err)
	}
	return link.Attrs().MTU, nil
}

func open(entry Entry) (*netlink.Handle, error) {
	var h *netlink.Handle
	create := func() (err error) { h, err = netlink.NewHandle(unix.NETLINK_ROUTE); return err }
	in := create
	if entry != nil {
		in = func() error { return entry.Do(create) }
	}
	if err := in(); err != nil {
		if h != nil {
			h.Close()
		}
		return nil, fmt.Errorf("opening netlink: %w", err)
	}
	if err := h.SetSocketTimeout(readTimeout); err != nil {
		h.Close()
		return nil, fmt.Errorf("opening netlink: %w", err)
	}
	return h, nil
}

type reader struct {
	handle *netlink.Handle
	names  map[int]string
	out    Snapshot
}

// devices takes those that make tunnels.
func (r *reader) devices() error {
	links, err := r.handle.LinkList()
	if err != nil && !errors.Is(err, netlink.ErrDumpInterrupted) {
		return fmt.Errorf("listing links: %w", err)
	}
	mtus := map[int]int{}
	for _, link := range links {
		r.names[link.Attrs().Index], mtus[link.Attrs().Index] = link.Attrs().Name, link.Attrs().MTU
	}
	for _, link := range links {
		d, underlay, ok := deviceOf(link)
		if !ok {
			continue
		}
		if len(r.out.Devices) == maxDevices {
			r.out.Cut = true
			break
		}
		d.UnderlayMTU = mtus[underlay]
		addrs, err := r.handle.AddrList(link, unix.AF_UNSPEC)
		if err != nil && !errors.Is(err, netlink.ErrDumpInterrupted) {
			return fmt.Errorf("listing the addresses of %s: %w", d.Name, err)
		}
		for _, a := range addrs {
			if ip, ok := addrOf(a.IP); ok {
				d.Addresses = append(d.Addresses, ip)
			}
		}
		r.out.Devices = append(r.out.Devices, d)
	}
	return nil
}

// deviceOf a link that makes tunnels, and the index of the link that its
// packets leave by.
func deviceOf(link netlink.Link) (d Device, underlay int, ok bool) {
	attrs := link.Attrs()
	d = Device{Index: attrs.Index, Name: attrs.Name, Up: attrs.Flags&net.FlagUp != 0, MTU: attrs.MTU}
	if s := attrs.Statistics; s != nil {
		d.Received, d.Sent = s.RxPackets, s.TxPackets
	}
	switch l := link.(type) {
	case *netlink.Vxlan:
		d.Encapsulation, d.MAC, d.VNI, d.Port = VXLAN, attrs.HardwareAddr.String(), uint32(l.VxlanId), uint16(l.Port)
		d.External, d.Learns = l.FlowBased, l.Learning
		d.Local, _ = addrOf(l.SrcAddr)
		return d, l.VtepDevIndex, true
	case *netlink.Iptun:
		d.Encapsulation = IPIP
		d.Local, _ = addrOf(l.Local)
		return d, int(l.Link), true
	case *netlink.Geneve:
		d.Encapsulation, d.VNI, d.Port, d.External = Geneve, l.ID, l.Dport, l.FlowBased
		return d, int(l.Link), true
	case *netlink.Wireguard:
		d.Encapsulation = WireGuard
		return d, 0, true
	default:
		return d, 0, false
	}
}

// route asks the kernel where packets to an address go.
func (r *reader) route(to netip.Addr) (Route, error) {
	out := Route{To: to}
	found, err := r.handle.RouteGetWithOptions(to.AsSlice(), &netlink.RouteGetOptions{FIBMatch: true})
	switch {
	case isNoRoute(err), err == nil && len(found) == 0:
		return out, nil
	case err != nil:
		return out, fmt.Errorf("the route to %s: %w", to, err)
	}
	f := &found[0]
	switch f.Type {
	case unix.RTN_UNREACHABLE, unix.RTN_BLACKHOLE, unix.RTN_PROHIBIT, unix.RTN_THROW:
		return out, nil
	}
	out.Found, out.Device = true, f.LinkIndex
	out.Via, _ = addrOf(f.Gw)
	if len(f.MultiPath) > 0 {
		out.Device = f.MultiPath[0].LinkIndex
		out.Via, _ = addrOf(f.MultiPath[0].Gw)
	}
	out.DeviceName = r.names[out.Device]
	if f.Dst != nil {
		if ip, ok := addrOf(f.Dst.IP); ok {
			bits, _ := f.Dst.Mask.Size()
			out.Dst = netip.PrefixFrom(ip, bits)
		}
	}
	return out, nil
}

func isNoRoute(err error) bool {
	return errors.Is(err, unix.ENETUNREACH) || errors.Is(err, unix.EHOSTUNREACH) || errors.Is(err, unix.EACCES) || errors.Is(err, unix.EINVAL)
}

// entries takes the neighbours and the forwarding entries of VXLAN devices.
func (r *reader) entries(peer Tunnel) error {
	family := unix.AF_INET
	if peer.Inside.Is6() {
		family = unix.AF_INET6
	}
	for i := range r.out.Devices {
		d := &r.out.Devices[i]
		if d.Encapsulation != VXLAN {
			continue
		}
		neighbours, err := r.list(d, family)
		if err != nil {
			return err
		}
		for i := range neighbours {
			n := &neighbours[i]
			if ip, ok := addrOf(n.IP); ok && (ip == peer.Inside || ip == r.out.Inside.Via) {
				r.out.Neighbours = append(r.out.Neighbours, Neighbour{Device: d.Index, IP: ip, MAC: macOf(n)})
			}
		}
		forwards, err := r.list(d, unix.AF_BRIDGE)
		if err != nil {
			return err
		}
		for i := range forwards {
			if ip, ok := addrOf(forwards[i].IP); ok {
				r.out.Forwards = append(r.out.Forwards, Forward{Device: d.Index, MAC: forwards[i].HardwareAddr.String(), Endpoint: ip})
			}
		}
	}
	return nil
}

// list the entries of one table. A table that changed meanwhile may lack
// some of them.
func (r *reader) list(d *Device, family int) ([]netlink.Neigh, error) {
	entries, err := r.handle.NeighList(d.Index, family)
	switch {
	case errors.Is(err, netlink.ErrDumpInterrupted), err == nil && len(entries) > maxEntries:
		r.out.Cut = true
	case err != nil:
		return nil, fmt.Errorf("listing the entries of %s: %w", d.Name, err)
	}
	return entries[:min(len(entries), maxEntries)], nil
}

// macOf a neighbour that was found.
func macOf(n *netlink.Neigh) string {
	if n.State&(netlink.NUD_FAILED|netlink.NUD_INCOMPLETE) != 0 || len(n.HardwareAddr) == 0 {
		return ""
	}
	return n.HardwareAddr.String()
}

func addrOf(ip net.IP) (netip.Addr, bool) {
	a, ok := netip.AddrFromSlice(ip)
	a = a.Unmap()
	return a, ok && !a.IsUnspecified()
}
