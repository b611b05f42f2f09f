// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/netladder/netladder/api/v1alpha1"
)

// rendered is a spec and what its hashes and its size are made of.
type rendered struct {
	spec v1alpha1.ProbeAssignmentSpec
	// size of the spec as JSON, in bytes; at least the true one.
	size int
}

// render gives the members of drafts their rows. Rows stand in the order of
// names and addresses, so that they do not move when windows do.
func (a *assigner) render(drafts []draft) rendered {
	var out rendered
	names, addrs := rows(drafts)
	nodeRow := make(map[string]int32, len(names))
	nodeHash := make([]uint64, len(names))
	for i, name := range names {
		row, size := nodeRowOf(name, a.nodes[name])
		nodeRow[name] = int32(i)
		nodeHash[i] = hashNode(row)
		out.spec.Nodes = append(out.spec.Nodes, row)
		out.size += size
	}
	addrRow := make(map[netip.AddrPort]int32, len(addrs))
	for i, addr := range addrs {
		row := v1alpha1.AssignedTarget{IP: addr.Addr().String(), Port: int32(addr.Port())}
		addrRow[addr] = int32(i)
		out.spec.Targets = append(out.spec.Targets, row)
		out.size += targetOverhead + len(row.IP)
	}
	if len(drafts) > 0 {
		out.spec.Groups = make([]v1alpha1.ProbeGroup, 0, len(drafts))
	}
	for i := range drafts {
		d := &drafts[i]
		g := d.group.probe.group
		var sum uint64
		if n := d.members(); n > 0 {
			g.Members = make([]int32, 0, n)
			g.Window = int32(d.window)
			g.PerRound = int32(min(d.group.perRound, d.window))
		}
		for _, name := range d.names {
			g.Members = append(g.Members, nodeRow[name])
			sum += nodeHash[nodeRow[name]]
		}
		for _, addr := range d.addrs {
			g.Members = append(g.Members, addrRow[addr])
			sum += hashAddr(addr)
		}
		// The order of the members is no part of what is tested, hence a sum.
		g.Hash = fmt.Sprintf("%s-%08x", d.group.Content, uint32(mix(sum+uint64(d.members()))>>32))
		out.spec.Groups = append(out.spec.Groups, g)
		out.size += d.group.probe.size + groupOverhead + memberSize*d.members()
	}
	out.size += specOverhead
	return out
}

// rows are the sorted members of all drafts.
func rows(drafts []draft) ([]string, []netip.AddrPort) {
	var names []string
	var addrs []netip.AddrPort
	seenName, seenAddr := map[string]struct{}{}, map[netip.AddrPort]struct{}{}
	for i := range drafts {
		for _, name := range drafts[i].names {
			if _, ok := seenName[name]; !ok {
				seenName[name] = struct{}{}
				names = append(names, name)
			}
		}
		for _, addr := range drafts[i].addrs {
			if _, ok := seenAddr[addr]; !ok {
				seenAddr[addr] = struct{}{}
				addrs = append(addrs, addr)
			}
		}
	}
	slices.Sort(names)
	slices.SortFunc(addrs, netip.AddrPort.Compare)
	return names, addrs
}

func nodeRowOf(name string, n *Node) (v1alpha1.AssignedNode, int) {
	row := v1alpha1.AssignedNode{Name: name, EchoIPs: []string{}}
	if !asTarget.plays(n) { // resolved on another cluster than this one
		return row, nodeOverhead + len(name)
	}
	row.EchoUID = string(n.Echo.UID)
	size := nodeOverhead + len(row.Name) + len(row.EchoUID)
	for _, ip := range n.Echo.IPs {
		text := ip.String()
		row.EchoIPs = append(row.EchoIPs, text)
		size += len(text) + 3
	}
	return row, size
}

func hashNode(row v1alpha1.AssignedNode) uint64 {
	h := combine(hash64(row.Name), hash64(row.EchoUID))
	for _, ip := range row.EchoIPs {
		h = combine(h, hash64(ip))
	}
	return h
}
