// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"fmt"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/netladder/netladder/api/v1alpha1"
)

// view is a cluster at a time, with what several checks need of it.
type view struct {
	cluster *Cluster
	now     time.Time
	sets    map[setKey]*nodeSet
	sel     map[setKey]selector
	meshes  map[meshKey]*meshView
}

type setKey struct {
	selector string
	role     role
}

type meshKey struct{ from, to string }

func newView(c *Cluster, now time.Time) *view {
	return &view{
		cluster: c, now: now,
		sets: map[setKey]*nodeSet{}, sel: map[setKey]selector{}, meshes: map[meshKey]*meshView{},
	}
}

// nodes that match a selector and play a role.
func (v *view) nodes(s selector, r role) *nodeSet {
	key := setKey{s.key, r}
	set, ok := v.sets[key]
	if !ok {
		set = selectNodes(v.cluster.Nodes, s, r)
		v.sets[key], v.sel[key] = set, s
	}
	return set
}

func (v *view) mesh(from, to selector) *meshView {
	key := meshKey{from.key, to.key}
	m, ok := v.meshes[key]
	if !ok {
		m = newMeshView(v.nodes(from, asSource), v.nodes(to, asTarget))
		v.meshes[key] = m
	}
	return m
}

func (v *view) resolve(c *compiledCheck) *Resolved {
	r := &Resolved{Check: c.key, Paths: make([]ResolvedPath, 0, len(c.paths))}
	for i := range c.paths {
		p := v.resolvePath(&c.paths[i])
		r.Paths = append(r.Paths, p)
		r.groups = append(r.groups, p.Groups...)
	}
	slices.SortStableFunc(r.groups, func(a, b *Group) int { return strings.Compare(a.Key, b.Key) })
	return r
}

func (v *view) resolvePath(c *compiledPath) ResolvedPath {
	why := c.idle
	var p pairing
	if why == nil {
		p, why = v.pair(c)
	}
	if why != nil {
		return ResolvedPath{Name: c.name, Accepted: why.accepted, Reason: why.reason, Message: why.message}
	}
	out := ResolvedPath{Name: c.name, Accepted: true, Coverage: p.coverage(c)}
	for i := range c.probes {
		probe := &c.probes[i]
		out.Groups = append(out.Groups, &Group{
			Key: probe.group.Key, Kind: probe.group.Kind, Content: probe.content, Sources: p.sources.names,
			sources: p.sources, probe: probe, perRound: c.perRound,
			scope: p.scope, ring: p.ring, mesh: p.mesh, spread: p.spread,
		})
	}
	return out
}

// pairing is who probes whom.
type pairing struct {
	sources *nodeSet
	scope   v1alpha1.MeshScope
	mesh    *meshView
	ring    *ring
	spread  *spread
}

func (v *view) pair(c *compiledPath) (pairing, *idle) {
	sources := v.nodes(c.from, asSource)
	if sources.len() == 0 {
		message := "no node has a prober; see whether the DaemonSet " + v1alpha1.ProberName + " runs"
		if c.from.key != "" {
			message = "no node with a prober matches the label selector " + cut(c.from.key) + "; correct from.probers.nodeSelector, or label a node"
		}
		return pairing{}, &idle{reason: v1alpha1.ReasonNoSources, message: message}
	}
	switch {
	case c.mesh != nil:
		return v.pairMesh(c)
	case c.service != nil:
		return v.pairService(c, sources)
	default:
		return pairing{sources: sources}, nil
	}
}

func (v *view) pairMesh(c *compiledPath) (pairing, *idle) {
	m := v.mesh(c.from, c.mesh.to)
	sources := m.holding(c.mesh.scope)
	if sources.len() == 0 {
		return pairing{}, &idle{reason: v1alpha1.ReasonNoTargets, message: noMeshTargets(c, m)}
	}
	p := pairing{sources: sources, scope: c.mesh.scope, mesh: m}
	if p.scope != v1alpha1.MeshScopeSameNode {
		interval := c.probes[0].group.Interval.Duration
		p.ring = m.ring(minEpoch(c.perRound, interval), v.now)
	}
	return p, nil
}

func noMeshTargets(c *compiledPath, m *meshView) string {
	what := "no node has an echo pod"
	if c.mesh.to.key != "" {
		what = "no node with an echo pod matches the label selector " + cut(c.mesh.to.key)
	}
	switch {
	case m.targets.len() == 0:
		return what + "; correct to.mesh.nodeSelector, or see whether the DaemonSet " + v1alpha1.EchoName + " runs there"
	case c.mesh.scope == v1alpha1.MeshScopeSameNode:
		return "no source node is also a target of scope SameNode; make from.probers.nodeSelector and to.mesh.nodeSelector overlap"
	default:
		return fmt.Sprintf("node %s is the only source and the only target, and scope CrossNode needs two nodes; use scope Any, or select more nodes", m.targets.names[0])
	}
}

func (v *view) pairService(c *compiledPath, sources *nodeSet) (pairing, *idle) {
	key := c.service.key
	s, ok := v.cluster.Services[key]
	if !ok {
		return pairing{}, &idle{reason: v1alpha1.ReasonServiceNotFound, message: fmt.Sprintf(
			"Service %s does not exist; create it, or correct the name and namespace in to.service", key)}
	}
	if s.ExternalName {
		return pairing{}, &idle{reason: v1alpha1.ReasonUnsupportedService, message: fmt.Sprintf(
			"Service %s has type ExternalName, which has no addresses of its own; aim at the Service behind it", key)}
	}
	port, ok := findPort(s, c.service)
	if !ok {
		return pairing{}, &idle{reason: v1alpha1.ReasonPortNotFound, message: portNotFound(s, c.service)}
	}
	if !s.Headless {
		if len(s.ClusterIPs) == 0 {
			return pairing{}, &idle{reason: v1alpha1.ReasonNoTargets, message: fmt.Sprintf(
				"Service %s has no cluster IP yet; it is probed as soon as it has one", key)}
		}
		return pairing{sources: sources, spread: fixed(withPort(s, port.Port))}, nil
	}
	if len(port.Endpoints) == 0 {
		return pairing{}, &idle{accepted: true, reason: v1alpha1.ReasonNoEndpoints, message: fmt.Sprintf(
			"headless Service %s has no endpoints on port %s; see whether its pods run and are ready", key, portName(*port))}
	}
	length := max(minEpoch(c.perRound, c.probes[0].group.Interval.Duration), deal(sources.len()))
	return pairing{sources: sources, spread: newSpread(port.Endpoints, length, v.now)}, nil
}

// coverage of all probes of a path together.
func (p *pairing) coverage(c *compiledPath) *v1alpha1.Coverage {
	n := int64(p.sources.len())
	out := &v1alpha1.Coverage{AssignedPairs: n, PossiblePairs: n}
	interval := c.probes[0].group.Interval.Duration
	after, full := interval, true
	switch {
	case p.mesh != nil:
		out.AssignedPairs, out.PossiblePairs = p.mesh.pairs(p.scope, p.ring)
		if p.ring != nil {
			after, full = p.meshFullAfter(c, interval)
		}
	case p.spread != nil:
		var largest int
		out.AssignedPairs, out.PossiblePairs, largest = p.spread.pairs(p.sources)
		after = rotation(largest, c.perRound, interval)
		if p.spread.count > 1 {
			after, full = p.spread.fullAfter()
		}
	}
	out.AssignedPairs *= int64(len(c.probes))
	out.PossiblePairs *= int64(len(c.probes))
	if full {
		out.FullAfter = &metav1.Duration{Duration: after}
	}
	return out
}

func (p *pairing) meshFullAfter(c *compiledPath, interval time.Duration) (time.Duration, bool) {
	if p.ring.count > 1 {
		return p.ring.fullAfter()
	}
	largest := 0
	for _, n := range p.ring.order {
		if !n.source {
			continue
		}
		w := p.ring.windowLen(n)
		if p.scope == v1alpha1.MeshScopeAny && n.target {
			w++
		}
		largest = max(largest, w)
	}
	return rotation(largest, c.perRound, interval), true
}
