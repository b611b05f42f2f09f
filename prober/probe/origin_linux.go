// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"strconv"

	"golang.org/x/sys/unix"
)

// origin is where the sockets of a probe are made, and what they are bound to.
type origin struct {
	entry  Entry
	source netip.Addr
}

// origin of a target's probe.
func (t *Target) origin() origin { return origin{entry: t.Entry, source: t.Source.Unmap()} }

// toward is the origin for another address than the target's, such as a DNS
// server's: if that is of the other IP family the kernel chooses the source.
func (o origin) toward(addr netip.Addr) origin {
	if o.source.IsValid() && o.source.Is4() != addr.Unmap().Is4() {
		o.source = netip.Addr{}
	}
	return o
}

// do runs f in the network namespace.
func (o origin) do(f func() error) error {
	if o.entry == nil {
		return f()
	}
	return o.entry.Do(f)
}

// opEnter is the step of a fault before there is a socket.
const opEnter = "enter the network namespace"

// visits makes the sockets of many probes in as few visits to their network
// namespaces as there are namespaces: to go there and back costs more than a
// socket.
type visits struct {
	entries []Entry
	group   []int
}

// add tells of the next probe; what follows knows it by its number.
func (v *visits) add(t *Target) { v.entries = append(v.entries, t.Entry) }

// each calls open for each probe, in its namespace, or refused for those of a
// namespace that could not be entered or left; some of these may be open.
func (v *visits) each(open func(i int), refused func(i int, err error)) {
	for i, entry := range v.entries {
		switch entry {
		case nil:
			open(i)
			continue
		case visited{}:
			continue
		}
		v.gather(i)
		err := entry.Do(func() error {
			for _, i := range v.group {
				open(i)
			}
			return nil
		})
		if err != nil {
			for _, i := range v.group {
				refused(i, err)
			}
		}
	}
	clear(v.entries)
	v.entries = v.entries[:0]
}

// gather finds the probes from i on that start in the same namespace.
func (v *visits) gather(i int) {
	entry := v.entries[i]
	v.group = append(v.group[:0], i)
	if !reflect.ValueOf(entry).Comparable() {
		return
	}
	for j := i + 1; j < len(v.entries); j++ {
		if v.entries[j] == entry {
			v.group = append(v.group, j)
			v.entries[j] = visited{}
		}
	}
}

// visited stands for an entry that was used already.
type visited struct{ Entry }

// bind binds a socket to the source address, if there is one.
func (o origin) bind(fd int) error {
	if !o.source.IsValid() {
		return nil
	}
	sa, err := kernelAddr(fd, netip.AddrPortFrom(o.source, 0))
	if err != nil {
		return err
	}
	return unix.Bind(fd, sa)
}

// kernelAddr makes the kernel's form of an address for a socket.
func kernelAddr(fd int, addr netip.AddrPort) (unix.Sockaddr, error) {
	ip := addr.Addr()
	if ip.Is4() {
		return &unix.SockaddrInet4{Port: int(addr.Port()), Addr: ip.As4()}, nil
	}
	zone, err := zoneIndex(fd, ip.Zone())
	if err != nil {
		return nil, err
	}
	return &unix.SockaddrInet6{Port: int(addr.Port()), Addr: ip.As16(), ZoneId: zone}, nil
}

// zoneIndex turns the zone of a link-local address into an interface index of
// the namespace that the socket was made in.
func zoneIndex(fd int, zone string) (uint32, error) {
	if zone == "" {
		return 0, nil
	}
	if index, err := strconv.ParseUint(zone, 10, 32); err == nil {
		return uint32(index), nil
	}
	link, err := unix.NewIfreq(zone)
	if err != nil {
		return 0, errors.New("the zone of the address is no interface name")
	}
	if err := unix.IoctlIfreq(fd, unix.SIOCGIFINDEX, link); err != nil {
		return 0, fmt.Errorf("zone of the address: %w", err)
	}
	return link.Uint32(), nil
}

// sockaddrPort returns the port of a sockaddr.
func sockaddrPort(sa unix.Sockaddr) uint16 {
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		return uint16(sa.Port)
	case *unix.SockaddrInet6:
		return uint16(sa.Port)
	default:
		return 0
	}
}

// sockaddrIP returns the address of a sockaddr without its zone.
func sockaddrIP(sa unix.Sockaddr) netip.Addr {
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrFrom4(sa.Addr)
	case *unix.SockaddrInet6:
		return netip.AddrFrom16(sa.Addr).Unmap()
	default:
		return netip.Addr{}
	}
}
