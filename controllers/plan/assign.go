// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/netladder/netladder/api/v1alpha1"
)

// assigner makes assignments on one cluster.
type assigner struct {
	cluster   *Cluster
	nodes     map[string]*Node
	limit     int
	heartbeat time.Duration
	budgets   Budgets
	// home is Netladder's own namespace.
	home string
}

func newAssigner(c *Cluster, s Settings, probers int) assigner {
	return assigner{cluster: c, nodes: c.Nodes, limit: s.sizeLimit(), heartbeat: heartbeat(probers), budgets: s.Budgets, home: s.Namespace}
}

// draft is a group of one node before its members have rows.
type draft struct {
	node  string
	group *Group
	// names of nodes for mesh kinds, targets for kinds that dial addresses:
	// first the window, then those that are kept because they were bad.
	names   []string
	targets []target
	// window is how many of them take turns, perRound of them at a time.
	window, perRound int
	// sources are pods, of which the first turn of them have their turn, and
	// the others are kept because they were bad.
	sources []*Pod
	turn    int
	// subjects are the pods whose listeners are looked at.
	subjects []*Pod
	// wanted are the nodes that a wire is to lead to, with an echo pod or not.
	wanted []string
	bad    *badGroup
}

func (d *draft) members() int { return len(d.names) + len(d.targets) }

// void is true for a draft without a member that needs some.
func (d *draft) void() bool {
	g := d.group
	return d.members() == 0 && (g.spread != nil || g.wire != nil || g.listeners != nil || g.own != nil)
}

// keeps is true for a draft that holds what its window does not.
func (d *draft) keeps() bool { return d.members() > d.window || len(d.sources) > d.turn }

// shrunk is the draft with a window of at most n, which is above 0. What was
// bad stays, also where the window no longer holds it.
func (d *draft) shrunk(n int) draft {
	if n >= d.window {
		return *d
	}
	out := *d
	out.window = n
	if len(d.names) > 0 {
		out.names = d.bad.keepNodes(d.group, slices.Clone(d.names[:n]))
	} else {
		out.targets = d.bad.keepTargets(d.group, d.node, slices.Clone(d.targets[:n]))
	}
	if len(d.subjects) > 0 {
		out.subjects = d.subjects[:n]
	}
	return out
}

func (a *assigner) assign(node string, resolved []*Resolved, previous *v1alpha1.ProbeAssignment, near []doubted) Assignment {
	return a.finish(node, a.drafts(node, resolved, previous), near)
}

func (a *assigner) drafts(node string, resolved []*Resolved, previous *v1alpha1.ProbeAssignment) []draft {
	bad := badPairs(previous)
	source := hash64(node)
	var drafts []draft
	for _, r := range resolved {
		for _, g := range r.groups {
			if !g.sources.has(node) {
				continue
			}
			if d := a.draft(node, source, g, bad); !d.void() || len(d.wanted) > 0 {
				drafts = append(drafts, d)
			}
		}
	}
	return drafts
}

func (a *assigner) finish(node string, drafts []draft, near []doubted) Assignment {
	spec, left := a.fit(slices.DeleteFunc(drafts, func(d draft) bool { return d.void() }), near)
	a.slow(&spec)
	spec.Heartbeat = metav1.Duration{Duration: a.heartbeat}
	return Assignment{Node: node, Spec: spec, LeftOut: left}
}

func (a *assigner) draft(node string, source uint64, g *Group, reported map[string]*badGroup) draft {
	d := draft{node: node, group: g, perRound: g.perRound}
	if !g.Kind.Proves() && g.own == nil {
		d.bad = reported[g.Key]
	}
	if g.pods != nil {
		d.sources = g.pods.window(node)
		d.turn = len(d.sources)
		d.sources = d.bad.keepSources(g, node, d.sources)
	}
	switch {
	case g.mesh != nil:
		d.names = make([]string, 0, WindowSize+1)
		// The own node counts as the first member: sampling means what it
		// says, and in- and out-degree stay equal.
		if g.scope != v1alpha1.MeshScopeCrossNode && g.mesh.targets.has(node) {
			d.names = append(d.names, node)
		}
		if g.ring != nil {
			d.names = g.ring.window(node, d.names)
		}
		d.window = len(d.names)
		d.names = d.bad.keepNodes(g, d.names)
	case g.wire != nil:
		a.draftWire(&d, node, source, reported)
	case g.listeners != nil:
		l := g.listeners[node]
		d.targets, d.subjects, d.window = l.targets, l.pods, len(l.targets)
		d.perRound = g.perRound * ((d.window + WindowSize - 1) / WindowSize)
	case g.own != nil:
		own := g.own[node]
		d.targets, d.window = own.targets, len(own.targets)
		if own.source != nil {
			d.sources, d.turn = []*Pod{own.source}, 1
		}
	case g.spread != nil:
		d.targets = g.targets(node, source)
		d.window = len(d.targets)
		d.targets = d.bad.keepTargets(g, node, d.targets)
	}
	return d
}

// targets that a node holds of a group, in the order of turns.
func (g *Group) targets(node string, source uint64) []target {
	window := append(g.spread.extra(node, g.spread.held(source)), g.spread.window(source, nil)...)
	return slices.DeleteFunc(window, func(t target) bool { return !g.aimsAt(node, t) })
}

// aimsAt says whether a node may hold a target of the group.
func (g *Group) aimsAt(node string, t target) bool {
	switch {
	case g.Kind == v1alpha1.ProbeHostControl: // for pods there are better proofs
		return t.uid == ""
	case g.notOwn && t.node == node:
		return false
	}
	return g.probe.only.holds(t)
}

// draftWire leads to the echo pods of the nodes that the main group's targets
// are on.
func (a *assigner) draftWire(d *draft, node string, source uint64, reported map[string]*badGroup) {
	w := d.group.wire
	d.wanted = w.always
	if w.main != nil {
		for _, t := range a.draft(node, source, w.main, reported).targets {
			if t.uid != "" {
				d.wanted = append(d.wanted, t.node)
			}
		}
		slices.Sort(d.wanted)
		d.wanted = slices.Compact(d.wanted)
	}
	for _, name := range d.wanted {
		if asTarget.plays(a.nodes[name]) {
			d.names = append(d.names, name)
		}
	}
	d.window = len(d.names)
}
