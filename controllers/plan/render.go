// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/types"

	"github.com/netladder/netladder/api/v1alpha1"
)

// rendered is a spec and what its hashes and its size are made of.
type rendered struct {
	spec v1alpha1.ProbeAssignmentSpec
	// size of the spec as JSON, in bytes; at least the true one.
	size int
	// tables of the spec.
	tables *tables
}

// tables are the rows of a spec, and where they are.
type tables struct {
	nodes    map[string]int32
	nodeHash []uint64
	targets  map[rowKey]int32
	pods     map[types.UID]int32
	bundles  map[string]int32
}

// rowKey is what makes a row of spec.targets.
type rowKey struct {
	target
	protocol v1alpha1.Protocol
}

// render gives the members of drafts their rows. Rows stand in the order of
// names and addresses, so that they do not move when windows do.
func (a *assigner) render(drafts []draft) rendered {
	var out rendered
	t := a.tables(&out, drafts)
	out.tables = t
	if len(drafts) > 0 {
		out.spec.Groups = make([]v1alpha1.ProbeGroup, 0, len(drafts))
	}
	for i := range drafts {
		out.spec.Groups = append(out.spec.Groups, t.group(&drafts[i]))
		out.size += drafts[i].group.probe.size + groupOverhead + memberSize*drafts[i].members()
		if n := len(drafts[i].sources); n > 0 {
			out.size += sourceOverhead + sourceSize*n
		}
		if drafts[i].group.probe.caBundle != "" {
			out.size += bundleRow
		}
	}
	out.size += specOverhead
	if len(t.bundles) > 0 {
		out.size += bundlesRow
	}
	return out
}

func (t *tables) group(d *draft) v1alpha1.ProbeGroup {
	g := d.group.probe.group
	g.Interval.Duration = stretched(g.Interval.Duration, d.group.stretch)
	var sum uint64
	if n := d.members(); n > 0 {
		g.Members = make([]int32, 0, n)
		g.Window = int32(d.window)
		g.PerRound = int32(min(d.perRound, d.window))
	}
	for _, name := range d.names {
		g.Members = append(g.Members, t.nodes[name])
		sum += t.nodeHash[t.nodes[name]]
	}
	for _, target := range d.targets {
		g.Members = append(g.Members, t.targets[rowKey{target, d.group.protocol}])
		sum += target.hash()
	}
	if d.group.hostname != "" {
		sum += hash64(d.group.hostname)
	}
	if bundle := d.group.probe.caBundle; bundle != "" {
		g.CABundle = new(t.bundles[bundle])
	}
	for _, p := range d.sources {
		g.Sources = append(g.Sources, t.pods[p.UID])
		sum += hashPod(p)
	}
	for _, p := range d.subjects {
		sum += hashPod(p)
	}
	// The order of members and sources is no part of what is tested, hence a sum.
	g.Hash = fmt.Sprintf("%s-%08x", d.group.Content, uint32(mix(sum+uint64(d.members()+len(d.sources)))>>32))
	return g
}

// tables writes the rows of all drafts.
func (a *assigner) tables(out *rendered, drafts []draft) *tables {
	names, targets, pods := rows(drafts)
	tested, tunnels := names, rowsOfTunnels(drafts)
	names = merge(names, tunnels)
	t := &tables{
		nodes: make(map[string]int32, len(names)), nodeHash: make([]uint64, len(names)),
		targets: make(map[rowKey]int32, len(targets)), pods: make(map[types.UID]int32, len(pods)),
		bundles: map[string]int32{},
	}
	for i, name := range names {
		row, size := v1alpha1.AssignedNode{Name: name}, nodeOverhead+len(name)
		if _, ok := slices.BinarySearch(tested, name); ok {
			row, size = nodeRowOf(name, a.nodes[name])
		}
		if _, ok := slices.BinarySearch(tunnels, name); ok {
			var more int
			row.Tunnels, more = tunnelRowsOf(a.nodes[name])
			size += more
		}
		t.nodes[name] = int32(i)
		t.nodeHash[i] = hashNode(row)
		out.spec.Nodes = append(out.spec.Nodes, row)
		out.size += size
	}
	for i, key := range targets {
		row, size := targetRowOf(key)
		t.targets[key] = int32(i)
		out.spec.Targets = append(out.spec.Targets, row)
		out.size += size
	}
	for i, p := range pods {
		row, size := podRowOf(p)
		t.pods[p.UID] = int32(i)
		out.spec.Pods = append(out.spec.Pods, row)
		out.size += size
	}
	for i, bundle := range bundles(drafts) {
		t.bundles[bundle] = int32(i)
		out.spec.CABundles = append(out.spec.CABundles, bundle)
		out.size += bundleSize(bundle)
	}
	return t
}

// rows are the sorted members and pods of all drafts.
func rows(drafts []draft) ([]string, []rowKey, []*Pod) {
	names, targets, pods := map[string]struct{}{}, map[rowKey]struct{}{}, map[types.UID]*Pod{}
	for i := range drafts {
		d := &drafts[i]
		for _, name := range d.names {
			names[name] = struct{}{}
		}
		for _, target := range d.targets {
			targets[rowKey{target, d.group.protocol}] = struct{}{}
		}
		for _, some := range [][]*Pod{d.sources, d.subjects} {
			for _, p := range some {
				pods[p.UID] = p
			}
		}
	}
	return slices.Sorted(maps.Keys(names)),
		slices.SortedFunc(maps.Keys(targets), compareRows),
		slices.SortedFunc(maps.Values(pods), func(a, b *Pod) int {
			return cmp.Or(compareKeys(a.Key, b.Key), strings.Compare(string(a.UID), string(b.UID)))
		})
}

// bundles are the sorted certificate authorities of all drafts.
func bundles(drafts []draft) []string {
	var all []string
	for i := range drafts {
		if bundle := drafts[i].group.probe.caBundle; bundle != "" {
			all = append(all, bundle)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func compareRows(a, b rowKey) int {
	return cmp.Or(a.addr.Compare(b.addr), strings.Compare(string(a.protocol), string(b.protocol)),
		strings.Compare(string(a.uid), string(b.uid)), strings.Compare(a.node, b.node), cmp.Compare(a.tunnel, b.tunnel))
}

func targetRowOf(key rowKey) (v1alpha1.AssignedTarget, int) {
	row := v1alpha1.AssignedTarget{
		IP: key.addr.Addr().String(), Port: int32(key.addr.Port()), Protocol: key.protocol, Node: key.node, UID: string(key.uid),
	}
	size := targetOverhead + len(row.IP)
	if row.Protocol != "" {
		size += targetProtocol
	}
	if row.Node != "" {
		size += targetNode + len(row.Node)
	}
	if row.UID != "" {
		size += targetUID + len(row.UID)
	}
	return row, size
}

func podRowOf(p *Pod) (v1alpha1.AssignedPod, int) {
	row := v1alpha1.AssignedPod{
		UID: string(p.UID), Namespace: p.Key.Namespace, Name: p.Key.Name,
		IPs: make([]string, 0, len(p.IPs)), Sandboxed: p.Sandboxed,
	}
	size := podOverhead + len(row.UID) + len(row.Namespace) + len(row.Name)
	if row.Sandboxed {
		size += podSandboxed
	}
	for _, ip := range p.IPs {
		text := ip.String()
		row.IPs = append(row.IPs, text)
		size += len(text) + 3
	}
	return row, size
}

// hashPod covers what a prober reads of a pod, apart from its name, which is
// for people and never changes.
func hashPod(p *Pod) uint64 {
	h := hash64(string(p.UID))
	for _, ip := range p.IPs {
		h = combine(h, hashAddr(netip.AddrPortFrom(ip, 0)))
	}
	return combine(h, 1)
}

func nodeRowOf(name string, n *Node) (v1alpha1.AssignedNode, int) {
	row := v1alpha1.AssignedNode{Name: name}
	if !asTarget.plays(n) { // resolved on another cluster than this one
		return row, nodeOverhead + len(name)
	}
	size := 0
	for _, ip := range n.IPs {
		text := ip.String()
		row.IPs = append(row.IPs, text)
		size += len(text) + 3
	}
	if size > 0 {
		size += nodeIPs
	}
	row.EchoUID = string(n.Echo.UID)
	size += nodeOverhead + len(row.Name) + len(row.EchoUID)
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
