// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// What a tunnel adds to a packet, in bytes, by the IP version outside: for
// VXLAN an Ethernet header, its own, UDP's and IP's.
const (
	vxlanOverhead4 = 50
	vxlanOverhead6 = 70
	ipipOverhead   = 20
)

// anyMAC stands in a forwarding table for all that have no entry.
const anyMAC = "00:00:00:00:00:00"

// Judge says what the kernel of self lacks to reach peer, in the order in
// which a packet meets it; empty where nothing is missing.
func Judge(s Snapshot, self, peer Tunnel) []Finding {
	d, wrong := s.device(self, peer)
	if d == nil {
		return wrong
	}
	j := judge{Snapshot: s, device: d, peer: peer, found: wrong}
	gateway := j.routes()
	if d.Encapsulation == VXLAN && !d.External && !d.Learns {
		j.neighbour(gateway)
		j.forward()
	}
	j.mtu()
	return j.found
}

type judge struct {
	Snapshot
	device *Device
	peer   Tunnel
	found  []Finding
}

func (j *judge) add(code Code, format string, args ...any) {
	j.found = append(j.found, Finding{Code: code, Message: fmt.Sprintf(format, args...)})
}

// device is the one of the tunnel, and what is wrong with it; nil where it is
// no use to look further.
func (s *Snapshot) device(self, peer Tunnel) (*Device, []Finding) {
	encapsulation := peer.Encapsulation
	if self.Encapsulation != "" {
		encapsulation = self.Encapsulation
	}
	var candidates []*Device
	for i := range s.Devices {
		if s.Devices[i].Encapsulation == encapsulation {
			candidates = append(candidates, &s.Devices[i])
		}
	}
	d := choose(candidates, self)
	switch {
	case d == nil && s.Cut:
		return nil, nil
	case d == nil:
		return nil, []Finding{{DeviceMissing, fmt.Sprintf("this node has no %s device%s", encapsulation, withVNI(self))}}
	case !d.Up:
		return nil, []Finding{{DeviceDown, fmt.Sprintf("the %s device %s is down", encapsulation, d.Name)}}
	}
	return d, d.differs(self, peer)
}

// Own is the device of the tunnel between self and peer; false without one.
func (s *Snapshot) Own(self, peer Tunnel) (Device, bool) {
	d, _ := s.device(self, peer)
	if d == nil {
		return Device{}, false
	}
	return *d, true
}

// choose the device that is most like what its node announces.
func choose(candidates []*Device, self Tunnel) *Device {
	var best *Device
	score := -1
	for _, d := range candidates {
		n := 0
		for _, same := range []bool{
			self.VNI != 0 && d.VNI == self.VNI,
			self.MAC != "" && strings.EqualFold(d.MAC, self.MAC),
			self.Inside.IsValid() && slices.Contains(d.Addresses, self.Inside),
		} {
			if same {
				n++
			}
		}
		if n > score {
			best, score = d, n
		}
	}
	return best
}

func withVNI(t Tunnel) string {
	if t.Encapsulation != VXLAN || t.VNI == 0 {
		return ""
	}
	return fmt.Sprintf(" with VNI %d", t.VNI)
}

// differs says in what a device is not as its node announces it. What the
// peer announces must be the same, where a tunnel has one for all.
func (d *Device) differs(self, peer Tunnel) []Finding {
	var out []Finding
	say := func(format string, args ...any) {
		out = append(out, Finding{DeviceDiffers, d.Name + " " + fmt.Sprintf(format, args...)})
	}
	if vni := firstSet(self.VNI, peer.VNI); d.Encapsulation == VXLAN && vni != 0 && d.VNI != vni && !d.External {
		say("has VNI %d, the overlay has %d", d.VNI, vni)
	}
	if port := firstSet(self.Port, peer.Port); d.Encapsulation == VXLAN && port != 0 && d.Port != 0 && d.Port != port {
		say("uses UDP port %d, the overlay has %d", d.Port, port)
	}
	if d.Encapsulation == VXLAN && self.MAC != "" && d.MAC != "" && !strings.EqualFold(d.MAC, self.MAC) {
		say("has the hardware address %s, this node announces %s", d.MAC, self.MAC)
	}
	if self.Inside.IsValid() && !slices.Contains(d.Addresses, self.Inside) {
		say("does not have the address %s that this node announces", self.Inside)
	}
	if d.Local.IsValid() && self.Endpoint.IsValid() && d.Local != self.Endpoint {
		say("sends from %s, this node announces %s", d.Local, self.Endpoint)
	}
	return out
}

func firstSet[T uint16 | uint32](values ...T) T {
	for _, v := range values {
		if v != 0 {
			return v
		}
	}
	return 0
}

// routes looks whether packets to the peer go into the tunnel, and returns
// the neighbour that they go to.
func (j *judge) routes() (gateway netip.Addr) {
	gateway = j.peer.Inside
	ok := j.route(j.Inside, "the tunnel address of "+j.peer.Node+", "+j.Inside.To.String())
	if ok && j.Inside.Via.IsValid() {
		gateway = j.Inside.Via
	}
	for i, r := range j.Behind {
		if !ok && i == 0 && r.Dst == j.Inside.Dst && r.Found == j.Inside.Found {
			continue // the same one
		}
		j.route(r, "the pods of "+j.peer.Node+", "+j.peer.Behind[i].String())
	}
	return gateway
}

func (j *judge) route(r Route, to string) bool {
	switch {
	case !r.To.IsValid():
		return false
	case !r.Found:
		j.add(RouteMissing, "no route to %s", to)
		return false
	case r.Device != j.device.Index:
		j.add(RouteMissing, "no route to %s through %s: what goes there leaves by %s", to, j.device.Name, r.DeviceName)
		return false
	}
	return true
}

// neighbour looks for the hardware address behind a next hop.
func (j *judge) neighbour(gateway netip.Addr) {
	if !gateway.IsValid() {
		return
	}
	for _, n := range j.Neighbours {
		if n.Device != j.device.Index || n.IP != gateway || n.MAC == "" {
			continue
		}
		if j.peer.MAC != "" && !strings.EqualFold(n.MAC, j.peer.MAC) {
			j.add(NeighbourWrong, "the neighbour %s on %s has the hardware address %s, %s announces %s",
				gateway, j.device.Name, n.MAC, j.peer.Node, j.peer.MAC)
		}
		return
	}
	if !j.Cut {
		j.add(NeighbourMissing, "no neighbour entry for %s (%s) on %s", gateway, j.peer.Node, j.device.Name)
	}
}

// forward looks where the device has the peer.
func (j *judge) forward() {
	if j.peer.MAC == "" || !j.peer.Endpoint.IsValid() {
		return
	}
	var elsewhere netip.Addr
	for _, f := range j.Forwards {
		switch {
		case f.Device != j.device.Index:
		case f.Endpoint == j.peer.Endpoint && (strings.EqualFold(f.MAC, j.peer.MAC) || f.MAC == anyMAC):
			return
		case strings.EqualFold(f.MAC, j.peer.MAC):
			elsewhere = f.Endpoint
		}
	}
	switch {
	case j.Cut:
	case elsewhere.IsValid():
		j.add(ForwardWrong, "the forwarding entry for %s (%s) on %s leads to %s, not to %s",
			j.peer.Node, j.peer.MAC, j.device.Name, elsewhere, j.peer.Endpoint)
	default:
		j.add(ForwardMissing, "no forwarding entry for %s (%s at %s) on %s", j.peer.Node, j.peer.MAC, j.peer.Endpoint, j.device.Name)
	}
}

// Overhead is what a tunnel adds to a packet, in bytes; is6 is true if that is
// IPv6 outside.
func (e Encapsulation) Overhead(is6 bool) int {
	switch {
	case e != VXLAN:
		return ipipOverhead
	case is6:
		return vxlanOverhead6
	}
	return vxlanOverhead4
}

// mtu looks whether a full packet fits into the underlay.
func (j *judge) mtu() {
	d := j.device
	overhead := d.Encapsulation.Overhead(j.peer.Endpoint.Is6() || d.Local.Is6())
	if d.MTU > 0 && d.UnderlayMTU > 0 && d.MTU+overhead > d.UnderlayMTU {
		j.add(MTUTooLarge, "%s has an MTU of %d and adds %d bytes, its underlay takes %d", d.Name, d.MTU, overhead, d.UnderlayMTU)
	}
}
