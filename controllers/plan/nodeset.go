// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/labels"
)

// nodeSet is an immutable set of nodes, in the order of their names.
type nodeSet struct {
	names  []string
	hashes []uint64
	// ips is how many IPs the echo pod of each node has; of targets only.
	ips   []int
	index map[string]int32
}

func newNodeSet(names []string, ips []int) *nodeSet {
	s := &nodeSet{
		names: names, ips: ips,
		hashes: make([]uint64, len(names)),
		index:  make(map[string]int32, len(names)),
	}
	for i, name := range names {
		s.hashes[i] = hash64(name)
		s.index[name] = int32(i)
	}
	return s
}

func (s *nodeSet) len() int { return len(s.names) }

func (s *nodeSet) has(name string) bool {
	_, ok := s.index[name]
	return ok
}

// selector is a parsed label selector; key is its canonical text.
type selector struct {
	key string
	sel labels.Selector
}

// role is what a node is selected for.
type role int

const (
	// asSource: by its prober.
	asSource role = iota
	// asTarget: by its echo pod.
	asTarget
	// asHost: by its own addresses.
	asHost
	// asCanary: by its canary pod.
	asCanary
	// asTunnel: by its ends of the overlay; asVXLAN and asIPIP by those of an
	// encapsulation.
	asTunnel
	asVXLAN
	asIPIP
)

// plays says whether a node, which may be nil, can play a role.
func (r role) plays(n *Node) bool {
	switch {
	case n == nil:
		return false
	case r == asSource:
		return n.Prober
	case r == asHost:
		return len(n.IPs) > 0
	case r == asTunnel, r == asVXLAN, r == asIPIP:
		return len(r.tunnels(n)) > 0
	case r == asCanary:
		return n.Canary != nil && len(n.Canary.IPs) > 0
	default:
		return n.Echo != nil && len(n.Echo.IPs) > 0
	}
}

// member says whether a node, which may be nil, belongs to the set of those
// that match a selector and play a role.
func (r role) member(n *Node, s selector) bool {
	return r.plays(n) && s.sel.Matches(labels.Set(n.Labels))
}

func selectNodes(nodes map[string]*Node, s selector, r role) *nodeSet {
	var names []string
	for name, n := range nodes {
		if r.member(n, s) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return setOf(nodes, names, r)
}

// setOf makes a set of sorted names.
func setOf(nodes map[string]*Node, names []string, r role) *nodeSet {
	if r != asTarget {
		return newNodeSet(names, nil)
	}
	ips := make([]int, len(names))
	for i, name := range names {
		ips[i] = len(nodes[name].Echo.IPs)
	}
	return newNodeSet(names, ips)
}

// union merges two sets; ips are lost.
func union(a, b *nodeSet) []string {
	if a == b {
		return a.names
	}
	out := make([]string, 0, len(a.names)+len(b.names))
	i, j := 0, 0
	for i < len(a.names) && j < len(b.names) {
		switch c := strings.Compare(a.names[i], b.names[j]); {
		case c < 0:
			out = append(out, a.names[i])
			i++
		case c > 0:
			out = append(out, b.names[j])
			j++
		default:
			out = append(out, a.names[i])
			i++
			j++
		}
	}
	out = append(out, a.names[i:]...)
	return append(out, b.names[j:]...)
}

// subset of a set, of the names that keep admits.
func (s *nodeSet) subset(keep func(name string) bool) *nodeSet {
	var names []string
	for _, name := range s.names {
		if keep(name) {
			names = append(names, name)
		}
	}
	if len(names) == len(s.names) {
		return s
	}
	return newNodeSet(names, nil)
}
