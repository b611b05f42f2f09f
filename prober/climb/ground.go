// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package climb

import (
	"net/netip"
	"sync"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/prober/probe"
)

// Ground is one assignment as climbs read it. It is surveyed when the first pair
// is bad, and not for each: many are bad at once. Its methods may be called from
// any goroutine.
type Ground struct {
	spec *v1alpha1.ProbeAssignmentSpec
	once sync.Once
	// nodes by name, the Services that each target is an address of, and those of
	// the cluster's DNS.
	nodes    map[string]*v1alpha1.AssignedNode
	services map[*v1alpha1.AssignedTarget][]*v1alpha1.AssignedService
	dns      []*v1alpha1.AssignedService
	groups   map[string]*v1alpha1.ProbeGroup

	mu sync.Mutex
	// pairs of the groups that were asked for, by key.
	pairs map[string]map[string]*v1alpha1.Pair
}

// NewGround returns that of an assignment, which must not change any more.
func NewGround(spec *v1alpha1.ProbeAssignmentSpec) *Ground {
	return &Ground{spec: spec, pairs: map[string]map[string]*v1alpha1.Pair{}}
}

func (g *Ground) survey() {
	g.once.Do(func() {
		g.nodes = make(map[string]*v1alpha1.AssignedNode, len(g.spec.Nodes))
		g.services = map[*v1alpha1.AssignedTarget][]*v1alpha1.AssignedService{}
		g.groups = make(map[string]*v1alpha1.ProbeGroup, len(g.spec.Groups))
		for i := range g.spec.Nodes {
			if n := &g.spec.Nodes[i]; g.nodes[n.Name] == nil && n.Name != "" {
				g.nodes[n.Name] = n
			}
		}
		for i := range g.spec.Services {
			s := &g.spec.Services[i]
			if s.DNS {
				g.dns = append(g.dns, s)
			}
			for _, row := range s.Targets {
				if row >= 0 && int(row) < len(g.spec.Targets) {
					t := &g.spec.Targets[row]
					g.services[t] = append(g.services[t], s)
				}
			}
		}
		for i := range g.spec.Groups {
			if pg := &g.spec.Groups[i]; g.groups[pg.Key] == nil {
				g.groups[pg.Key] = pg
			}
		}
	})
}

// Pair finds a pair and its group; nil for one that is not in the assignment.
func (g *Ground) Pair(ref Ref) (*v1alpha1.ProbeGroup, *v1alpha1.Pair) {
	g.survey()
	pg := g.groups[ref.Group]
	if pg == nil {
		return nil, nil
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	pairs := g.pairs[ref.Group]
	if pairs == nil {
		list := g.spec.Pairs(pg)
		pairs = make(map[string]*v1alpha1.Pair, len(list))
		for i := range list {
			pairs[list[i].Key] = &list[i]
		}
		g.pairs[ref.Group] = pairs
	}
	return pg, pairs[ref.Pair]
}

// Doubts are the steps by which a node looks at pods of its own that others do
// not reach: whether they listen, and answer the node; and whether the node's
// kernel has a route to them.
func (g *Ground) Doubts() []Step {
	var out []Step
	for _, row := range g.spec.Doubts {
		if row < 0 || int(row) >= len(g.spec.Targets) || g.spec.Targets[row].UID == "" {
			continue
		}
		t := &g.spec.Targets[row]
		each([]v1alpha1.AssignedTarget{*t}, func(_ *v1alpha1.AssignedTarget, addr netip.AddrPort) {
			key, to := v1alpha1.TargetPairKey(addr, t.Protocol), probe.Target{Addr: addr}
			out = append(out,
				Step{Key: Key{SourceHost, v1alpha1.RungListener, v1alpha1.ProbeListener, key}, Pod: t.UID, To: to},
				Step{Key: Key{SourceHost, v1alpha1.RungPodNetwork, v1alpha1.ProbePodRoute, key}, To: to})
		})
	}
	return out
}
