// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"net/netip"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/netladder/netladder/api/v1alpha1"
)

// assigner makes assignments on one cluster.
type assigner struct {
	nodes     map[string]*Node
	limit     int
	heartbeat time.Duration
}

// draft is a group of one node before its members have rows.
type draft struct {
	group *Group
	// names of nodes for mesh kinds, addrs for TCP and HTTP: first the
	// window, then those that are kept because they were bad.
	names []string
	addrs []netip.AddrPort
	// window is how many of them take turns.
	window int
	bad    *badGroup
}

func (d *draft) members() int { return len(d.names) + len(d.addrs) }

// shrunk is the draft with a window of at most n, which is above 0. What was
// bad stays, also where the window no longer holds it.
func (d *draft) shrunk(n int) draft {
	if n >= d.window {
		return *d
	}
	out := draft{group: d.group, window: n, bad: d.bad}
	if len(d.names) > 0 {
		out.names = d.bad.keepNodes(d.group, slices.Clone(d.names[:n]))
	} else {
		out.addrs = d.bad.keepAddrs(d.group, slices.Clone(d.addrs[:n]))
	}
	return out
}

func (a *assigner) assign(node string, resolved []*Resolved, previous *v1alpha1.ProbeAssignment) Assignment {
	return a.finish(node, a.drafts(node, resolved, previous))
}

func (a *assigner) drafts(node string, resolved []*Resolved, previous *v1alpha1.ProbeAssignment) []draft {
	bad := badPairs(previous)
	source := hash64(node)
	var drafts []draft
	for _, r := range resolved {
		for _, g := range r.groups {
			if g.sources.has(node) {
				drafts = append(drafts, a.draft(node, source, g, bad[g.Key]))
			}
		}
	}
	return drafts
}

func (a *assigner) finish(node string, drafts []draft) Assignment {
	spec, left := a.fit(drafts)
	spec.Heartbeat = metav1.Duration{Duration: a.heartbeat}
	return Assignment{Node: node, Spec: spec, LeftOut: left}
}

func (a *assigner) draft(node string, source uint64, g *Group, bad *badGroup) draft {
	d := draft{group: g, bad: bad}
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
		d.names = bad.keepNodes(g, d.names)
	case g.spread != nil:
		d.addrs = g.spread.window(source, nil)
		d.window = len(d.addrs)
		d.addrs = bad.keepAddrs(g, d.addrs)
	}
	return d
}
