// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/netladder/netladder/api/v1alpha1"
)

// view is a cluster at a time, with what several checks need of it.
type view struct {
	cluster *Cluster
	now     time.Time
	sets    map[setKey]*nodeSet
	sel     map[setKey]selector
	meshes  map[meshKey]*meshView
	// podSets by the key of their selector; setsOf has them by namespace, those
	// with a namespaceSelector under the empty one.
	podSets map[string]*podSet
	setsOf  map[string]map[string]*podSet
	// byNamespace and byIP index the pods; nil until somebody asks.
	byNamespace map[string]map[types.UID]*Pod
	byIP        map[netip.Addr][]*Pod
	// serviceIPs are the Services with a cluster IP; nil until somebody asks.
	serviceIPs map[netip.Addr][]types.NamespacedName
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
		podSets: map[string]*podSet{}, setsOf: map[string]map[string]*podSet{},
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
		p := v.resolvePath(&c.paths[i], r)
		if d := r.demands[i]; d != nil {
			d.path = i
		}
		r.Paths = append(r.Paths, p)
		r.groups = append(append(r.groups, p.Groups...), p.Proofs...)
	}
	slices.SortStableFunc(r.groups, func(a, b *Group) int { return strings.Compare(a.Key, b.Key) })
	return r
}

func (v *view) resolvePath(c *compiledPath, r *Resolved) ResolvedPath {
	why := c.idle
	var p pairing
	if why == nil {
		p, why = v.pair(c)
	}
	if why != nil {
		r.demands = append(r.demands, nil)
		return ResolvedPath{Name: c.name, Accepted: why.accepted, Reason: why.reason, Message: why.message}
	}
	out := ResolvedPath{Name: c.name, Accepted: true, Coverage: p.coverage(c)}
	for i := range c.probes {
		if sources := p.holding(c.probes[i].only); sources.len() > 0 {
			out.Groups = append(out.Groups, p.group(c, &c.probes[i], sources))
		}
	}
	switch {
	case c.canary != "":
		v.proveCanary(c, &p, &out)
	case c.deny != nil:
		v.prove(c, &p, &out)
	}
	r.ips = append(r.ips, p.ips...)
	r.demands = append(r.demands, v.demandOf(c, &p, &out))
	return out
}

// pairing is who probes whom.
type pairing struct {
	// sources are the nodes that probes start on; in pods of podSet where that
	// is not nil, of which windows of pods have their turn.
	sources *nodeSet
	podSet  *podSet
	pods    *podSources

	scope  v1alpha1.MeshScope
	mesh   *meshView
	ring   *ring
	spread *spread
	// host is a target by name that comes from a Service; nil otherwise.
	host *v1alpha1.HostTarget
	// notOwn is true where a node must not be aimed at itself.
	notOwn bool
	// own is what each source tests of its own node, and lacking the nodes
	// without the pods for it; of canary pods only.
	own     map[string]*ownPairs
	lacking []string

	// behind are pods that really are behind the addresses of a Service; ips
	// are what else it claims to have.
	behind []target
	ips    []netip.Addr
	// port of a Service where that is one target of probes; nil elsewhere.
	port *ServicePort
	// service is where a climb looks for endpoints; nil elsewhere.
	service *serviceRef
}

// group of one kind of probe.
func (p *pairing) group(c *compiledPath, probe *compiledProbe, sources *nodeSet) *Group {
	hostname := ""
	if p.host != nil {
		probe, hostname = probe.toHost(p.host), fmt.Sprintf("%s:%d", p.host.Hostname, p.host.Port)
	}
	return &Group{
		hostname: hostname,

		Key: probe.group.Key, Kind: probe.group.Kind, Content: probe.content, Sources: sources.names,
		sources: sources, probe: probe, perRound: c.perRound, protocol: c.protocol,
		scope: p.scope, ring: p.ring, mesh: p.mesh, spread: p.spread, pods: p.pods, notOwn: p.notOwn, own: p.own,
		service: p.service,
	}
}

func (v *view) pair(c *compiledPath) (pairing, *idle) {
	p, why := v.sourcesOf(c)
	if why != nil {
		return p, why
	}
	switch {
	case c.mesh != nil:
		return v.pairMesh(c)
	case c.service != nil:
		why = v.pairService(c, &p)
	case c.pods != nil:
		why = v.pairPods(c, &p)
	case c.nodes != nil:
		why = v.pairNodes(c, &p)
	case c.host != nil:
		v.pairHost(c, &p)
	case c.dns != "":
		why = v.pairDNS(c, &p)
	case c.overlay != "":
		why = v.pairOverlay(c, &p)
	case c.canary != "":
		why = v.pairCanary(c, &p)
	}
	if why == nil {
		why = p.dropSelf(c)
	}
	if why == nil && p.podSet != nil {
		p.pods = v.takeTurns(c, &p)
	}
	return p, why
}

// epochLength of everything that rotates on a path.
func (p *pairing) epochLength(c *compiledPath) time.Duration {
	return max(minEpoch(c.perRound, c.probes[0].group.Interval.Duration), deal(p.sources.len()))
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
