// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package diagnosis

import (
	"net/netip"
	"strings"

	"github.com/netladder/netladder/api/v1alpha1"
)

// pair is one assigned pair of a source.
type pair struct {
	key string
	// node and echoUID of the echo pod; empty for other targets.
	node, echoUID string
	// second is true for the second IP family of a node.
	second bool
}

// countPairs is how many pairs a group has, provided that its rows are as the
// plan writes them. Nearly all pairs pass and nothing but their number is
// needed, so none of them is made.
func countPairs(spec *v1alpha1.ProbeAssignmentSpec, g *v1alpha1.ProbeGroup) int {
	switch {
	case g.Kind.IsMesh():
		n := 0
		for _, m := range g.Members {
			if m >= 0 && int(m) < len(spec.Nodes) {
				n += len(spec.Nodes[m].EchoIPs)
			}
		}
		return n
	case g.Kind == v1alpha1.ProbeTCP || g.Kind == v1alpha1.ProbeHTTP:
		return len(g.Members)
	}
	return 1
}

// assignedPairs returns the pairs of a group, in the order of its members.
func assignedPairs(spec *v1alpha1.ProbeAssignmentSpec, g *v1alpha1.ProbeGroup) []pair {
	assigned := spec.Pairs(g)
	pairs := make([]pair, len(assigned))
	for i := range assigned {
		a := &assigned[i]
		pairs[i] = pair{key: a.Key, node: a.NodeName, echoUID: a.EchoUID}
		pairs[i].second = i > 0 && a.NodeName != "" && a.NodeName == assigned[i-1].NodeName
	}
	return pairs
}

// findPair returns the pair of a group with a key. In a mesh, whose groups
// are many and large when it breaks, it makes none of the others.
func findPair(spec *v1alpha1.ProbeAssignmentSpec, g *v1alpha1.ProbeGroup, key string) (pair, bool) {
	if g.Kind.IsMesh() {
		return findMeshPair(spec, g, key)
	}
	for _, p := range assignedPairs(spec, g) {
		if p.key == key {
			return p, true
		}
	}
	return pair{}, false
}

func findMeshPair(spec *v1alpha1.ProbeAssignmentSpec, g *v1alpha1.ProbeGroup, key string) (pair, bool) {
	name, family, ok := strings.Cut(key, "/")
	if !ok {
		return pair{}, false
	}
	for _, m := range g.Members {
		if m < 0 || int(m) >= len(spec.Nodes) || spec.Nodes[m].Name != name {
			continue
		}
		n := &spec.Nodes[m]
		for i, text := range n.EchoIPs {
			ip, err := netip.ParseAddr(text)
			if err == nil && ip.Unmap().Is4() == (family == "IPv4") && v1alpha1.MeshPairKey(name, ip.Unmap()) == key {
				return pair{key: key, node: name, echoUID: n.EchoUID, second: i > 0}, true
			}
		}
	}
	return pair{}, false
}

// display names a target for people: a mesh target by its node, with the
// protocol where the path tests several and the IP family where it is not the
// node's first; anything else as it is dialled.
func (p *pair) display(protocol string) string {
	if p.node == "" {
		return printable(p.key, maxTarget)
	}
	family := ""
	if p.second {
		_, family, _ = strings.Cut(p.key, "/")
	}
	switch {
	case protocol != "" && family != "":
		return p.node + " (" + protocol + ", " + family + ")"
	case protocol != "" || family != "":
		return p.node + " (" + protocol + family + ")"
	}
	return p.node
}
