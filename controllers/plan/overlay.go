// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"net/netip"
	"slices"
	"time"

	"github.com/netladder/netladder/api/v1alpha1"
)

// Tunnel is one node's end of an overlay, as its network plugin announces it.
// Zero fields are not known.
type Tunnel struct {
	// Encapsulation is VXLAN or IPIP.
	Encapsulation v1alpha1.Encapsulation
	// Inside is the node's address in the tunnel, Endpoint the one outside.
	Inside, Endpoint netip.Addr
	// MAC and VNI of a VXLAN device.
	MAC string
	VNI uint32
	// Behind are the addresses of the node's pods.
	Behind netip.Prefix
}

// hashTunnels covers what a prober reads of a node's ends; never zero.
func hashTunnels(n *Node) uint64 {
	h := uint64(1)
	for _, t := range n.Tunnels {
		h = combine(h, hash64(t.row().String()))
	}
	return h | 1
}

func (t Tunnel) row() tunnelRow {
	row := tunnelRow{Encapsulation: t.Encapsulation, MAC: t.MAC, VNI: int32(t.VNI)}
	row.IP = t.Inside.String()
	if t.Endpoint.IsValid() {
		row.Endpoint = t.Endpoint.String()
	}
	if t.Behind.IsValid() {
		row.PodCIDR = t.Behind.String()
	}
	return row
}

type tunnelRow v1alpha1.AssignedTunnel

// String is the row as it is written.
func (r tunnelRow) String() string { return string(mustJSON(r)) }

// roleOf the nodes that an overlay is between.
func roleOf(e v1alpha1.Encapsulation) role {
	switch e {
	case v1alpha1.EncapsulationVXLAN:
		return asVXLAN
	case v1alpha1.EncapsulationIPIP:
		return asIPIP
	default:
		return asTunnel
	}
}

func knownEncapsulation(e v1alpha1.Encapsulation) bool {
	return e == v1alpha1.EncapsulationAuto || e == v1alpha1.EncapsulationVXLAN || e == v1alpha1.EncapsulationIPIP
}

// tunnels that a node of a role has, of those it is in that role for.
func (r role) tunnels(n *Node) []Tunnel {
	var want v1alpha1.Encapsulation
	switch r {
	case asVXLAN:
		want = v1alpha1.EncapsulationVXLAN
	case asIPIP:
		want = v1alpha1.EncapsulationIPIP
	case asTunnel:
		return n.Tunnels
	default:
		return nil
	}
	return slices.DeleteFunc(slices.Clone(n.Tunnels), func(t Tunnel) bool { return t.Encapsulation != want })
}

// pairOverlay aims each of the nodes at the others' ends of the tunnels.
func (v *view) pairOverlay(c *compiledPath, p *pairing) *idle {
	role := roleOf(c.overlay)
	nodes := v.nodes(c.from, role)
	hosts, targets := v.outside(c, p)
	p.sources = p.sources.subset(func(name string) bool { return nodes.has(name) || hosts.has(name) })
	if p.sources.len() == 0 {
		return noOverlay(c, nodes.len() > 0)
	}
	for _, name := range nodes.names {
		n := v.cluster.Nodes[name]
		for _, t := range role.tunnels(n) {
			targets = append(targets, target{addr: netip.AddrPortFrom(t.Inside, 0), node: name, tunnel: hashTunnels(n)})
		}
	}
	p.notOwn = true
	p.spread = newMirrored(p.reachable(sortTargets(targets)), p.epochLength(c), v.now)
	return nil
}

// outside are the nodes that probers can test IP in IP between, by their own
// IPv4 addresses, whether a tunnel is announced there or not.
func (v *view) outside(c *compiledPath, p *pairing) (hosts *nodeSet, targets []target) {
	if c.overlay != v1alpha1.EncapsulationIPIP {
		return newNodeSet(nil, nil), nil
	}
	hosts = v.nodes(c.from, asHost).subset(func(name string) bool {
		return p.sources.has(name) && slices.ContainsFunc(v.cluster.Nodes[name].IPs, netip.Addr.Is4)
	})
	for _, name := range hosts.names {
		for _, ip := range v.cluster.Nodes[name].IPs {
			if ip.Is4() {
				targets = append(targets, target{addr: netip.AddrPortFrom(ip, 0), node: name})
			}
		}
	}
	return hosts, targets
}

func noOverlay(c *compiledPath, some bool) *idle {
	why := &idle{accepted: true, reason: v1alpha1.ReasonNoOverlay}
	what := "an overlay"
	if c.overlay != v1alpha1.EncapsulationAuto {
		what = "tunnels by " + string(c.overlay)
	}
	switch {
	case some:
		why.reason, why.message = v1alpha1.ReasonNoSources, "no node with "+what+" has a prober; see whether the DaemonSet "+v1alpha1.ProberName+" runs"
	case c.from.key != "":
		why.message = "the network plugin announces " + what + " on none of the nodes with the labels " + cut(c.from.key) +
			" (flannel and Calico are known); where pods' addresses are routed this path has nothing to test"
	default:
		why.message = "the network plugin announces " + what + " on none of the nodes (flannel and Calico are known); " +
			"where pods' addresses are routed this path has nothing to test"
	}
	return why
}

// newMirrored deals out targets that are on nodes so that of two nodes either
// holds the other, or none does: the nodes are put into bins by the hash of
// their name, and in each epoch every bin holds one other bin, which holds it.
// What one node hears of another can then tell the directions apart.
func newMirrored(targets []target, length time.Duration, now time.Time) *spread {
	if len(targets) <= WindowSize {
		return newSpread(targets, length, now)
	}
	bins, bits, full := inBins(targets, func(t target) uint64 { return hash64(t.node) })
	return &spread{schedule: moving(uint64(len(bins)), length, full, now), bins: bins, turned: true, mirrored: true, bits: bits}
}

// sameTunnels says whether the ends of two nodes, which may be nil, are the
// same.
func sameTunnels(a, b *Node) bool {
	if a == nil || b == nil {
		return a == b
	}
	return slices.Equal(a.Tunnels, b.Tunnels)
}

// rowsOfTunnels are the sorted names of the nodes whose ends of the overlay
// drafts need: those of their targets, and the one that they start from.
func rowsOfTunnels(drafts []draft) []string {
	var names []string
	for i := range drafts {
		if d := &drafts[i]; d.group.Kind == v1alpha1.ProbeTunnel {
			names = append(names, d.node)
			for _, t := range d.targets {
				names = append(names, t.node)
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// merge sorted names.
func merge(a, b []string) []string {
	if len(b) == 0 {
		return a
	}
	all := slices.Concat(a, b)
	slices.Sort(all)
	return slices.Compact(all)
}

// tunnelRowsOf a node, and their size as JSON.
func tunnelRowsOf(n *Node) (rows []v1alpha1.AssignedTunnel, size int) {
	if n == nil {
		return nil, 0
	}
	for _, t := range n.Tunnels {
		row := t.row()
		rows = append(rows, v1alpha1.AssignedTunnel(row))
		size += len(row.String()) + 1
	}
	if len(rows) > 0 {
		size += tunnelsOverhead
	}
	return rows, size
}
