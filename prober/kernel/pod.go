// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"fmt"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// PodRoutes are the routes of a node to two pods that are on it.
type PodRoutes struct {
	// To is the one to the pod in question, Other that to a pod that is there for
	// certain: the one that looks.
	To, Other Route
}

// ReadPodRoutes looks in a node's own namespace for the routes to a pod of the
// node and to the thread's own namespace, which is another of its pods. It needs
// no capability but to enter the namespace.
func ReadPodRoutes(host Entry, to netip.Addr) (PodRoutes, error) {
	own, err := ownAddress(to)
	if err != nil {
		return PodRoutes{}, err
	}
	h, err := open(host)
	if err != nil {
		return PodRoutes{}, err
	}
	defer h.Close()
	r := reader{handle: h, names: map[int]string{}}
	var out PodRoutes
	for _, each := range []struct {
		to  netip.Addr
		out *Route
	}{{to, &out.To}, {own, &out.Other}} {
		if *each.out, err = r.route(each.to); err != nil {
			return PodRoutes{}, err
		}
		if link, err := h.LinkByIndex(each.out.Device); each.out.Found && err == nil {
			each.out.DeviceName = link.Attrs().Name
		}
	}
	return out, nil
}

// ownAddress of the thread's namespace, in the family of another.
func ownAddress(family netip.Addr) (netip.Addr, error) {
	h, err := open(nil)
	if err != nil {
		return netip.Addr{}, err
	}
	defer h.Close()
	which := netlink.FAMILY_V6
	if family.Is4() {
		which = netlink.FAMILY_V4
	}
	list, err := h.AddrList(nil, which)
	if err != nil {
		return netip.Addr{}, fmt.Errorf("listing the own addresses: %w", err)
	}
	for _, a := range list {
		if ip, ok := addrOf(a.IP); ok && ip.IsGlobalUnicast() && a.Scope == unix.RT_SCOPE_UNIVERSE {
			return ip, nil
		}
	}
	return netip.Addr{}, fmt.Errorf("no own address in the family of %s", family)
}

// Missing says what is wrong with the route to the pod; empty where nothing is,
// or where nothing is known to compare with. A node that has a route to one of
// its pods that is no default route has some to each of them: if all that is left
// for the pod is less exact and leads elsewhere, its own is missing.
func (r PodRoutes) Missing() string {
	switch {
	case !r.Other.Found || r.Other.Dst.Bits() <= 0:
		return ""
	case !r.To.Found:
		return fmt.Sprintf("the node has no route to %s", r.To.To)
	case r.To.Device == r.Other.Device || r.To.Dst.Bits() >= r.Other.Dst.Bits():
		return ""
	}
	left := "the default route"
	if r.To.Dst.Bits() > 0 {
		left = "that to " + r.To.Dst.String()
	}
	return fmt.Sprintf("the node has no route to %s but %s by %s", r.To.To, left, r.To.DeviceName)
}

// Known is false where there is nothing to compare with.
func (r PodRoutes) Known() bool { return r.Other.Found && r.Other.Dst.Bits() > 0 }
