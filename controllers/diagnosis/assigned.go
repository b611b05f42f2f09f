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
	// node of the target, where it is on one; echoUID of the echo pod, empty
	// for other targets.
	node, echoUID string
	// second is true for the second IP family of an echo pod.
	second bool
	// pod that the probes start in, nil where that is the prober or the host.
	pod *v1alpha1.AssignedPod
	// target is the row behind addr, nil for mesh kinds, DNS and a hostname.
	target *v1alpha1.AssignedTarget
	addr   netip.AddrPort
}

// aim is the key without the source.
func (p *pair) aim() string {
	if p.pod == nil {
		return p.key
	}
	_, aim, _ := strings.Cut(p.key, ">")
	return aim
}

// targetPod is the UID of the pod that the target is; empty if it is none.
func (p *pair) targetPod() string {
	if p.target == nil {
		return ""
	}
	return p.target.UID
}

// count is how many pairs the group has, provided that its rows are as the
// plan writes them. Nearly all pairs pass and nothing but their number is
// needed, so those of the large groups are not made.
func (c *claim) count() int {
	spec, g := &c.src.report.Assignment.Spec, c.group
	switch {
	case g.From != v1alpha1.SourceProber:
	case g.Kind.IsMesh():
		n := 0
		for _, m := range g.Members {
			if m >= 0 && int(m) < len(spec.Nodes) {
				n += len(spec.Nodes[m].EchoIPs)
			}
		}
		return n
	case g.Host == nil && (g.Kind == v1alpha1.ProbeTCP || g.Kind == v1alpha1.ProbeHTTP || g.Kind == v1alpha1.ProbeTLS || g.Kind == v1alpha1.ProbeGRPC):
		return len(g.Members)
	}
	return len(c.all())
}

// assignedPairs returns the pairs of a group, in the order of its sources and
// of its members.
func assignedPairs(spec *v1alpha1.ProbeAssignmentSpec, g *v1alpha1.ProbeGroup) []pair {
	assigned := spec.Pairs(g)
	pairs := make([]pair, len(assigned))
	for i := range assigned {
		a := &assigned[i]
		pairs[i] = pair{key: a.Key, node: a.NodeName, echoUID: a.EchoUID, pod: a.Source, target: a.Target, addr: a.Addr}
		pairs[i].second = a.EchoUID != "" && i > 0 && a.NodeName == assigned[i-1].NodeName
	}
	return pairs
}

// all returns the pairs of the claim's group. They are made once.
func (c *claim) all() []pair {
	if c.pairs == nil {
		c.pairs = assignedPairs(&c.src.report.Assignment.Spec, c.group)
	}
	return c.pairs
}

// find returns the pair of a group with a key. In a mesh, whose groups are
// many and large when it breaks, it makes none of the others.
func (c *claim) find(key string) (pair, bool) {
	if c.group.Kind.IsMesh() && c.group.From == v1alpha1.SourceProber {
		return findMeshPair(&c.src.report.Assignment.Spec, c.group, key)
	}
	pairs := c.all()
	if c.byKey == nil {
		c.byKey = make(map[string]int, len(pairs))
		for i := range pairs {
			c.byKey[pairs[i].key] = i
		}
	}
	i, ok := c.byKey[key]
	if !ok {
		return pair{}, false
	}
	return pairs[i], true
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
				return pair{key: key, node: name, echoUID: n.EchoUID, second: i > 0, addr: netip.AddrPortFrom(ip.Unmap(), 0)}, true
			}
		}
	}
	return pair{}, false
}
