// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/types"
)

// flush works on the pending changes: it brings the shared sets and rings up
// to date, resolves the checks that read them anew, and marks the nodes whose
// assignment that changes.
func (e *Engine) flush() {
	if e.pending.empty() {
		return
	}
	p := e.pending
	e.clear()
	before := heartbeat(e.probers)
	for name, old := range p.nodes {
		e.noteNodeChange(name, old)
	}
	replaced := e.view.updateSets(p.nodes)
	e.view.dropMeshes(replaced, p.advanced)
	stale := e.staleChecks(&p, replaced)
	diff := newDiffer(e.mark)
	for _, key := range stale {
		e.resolveAgain(key, diff)
	}
	e.markEchoes(p.nodes)
	e.markKept(&p, stale)
	if heartbeat(e.probers) != before {
		for name, n := range e.view.cluster.Nodes {
			if n.Prober {
				e.mark(name)
			}
		}
	}
	if len(p.checks) > 0 {
		e.view.sweep(e.checks)
	}
	e.next = e.nextEpoch()
}

func (e *Engine) mark(node string) { e.dirty.nodes[node] = struct{}{} }

// noteNodeChange marks a node itself, if it is or was one with a prober.
func (e *Engine) noteNodeChange(name string, old *Node) {
	now := e.view.cluster.Nodes[name]
	was, is := asSource.plays(old), asSource.plays(now)
	switch {
	case is && !was:
		e.probers++
	case was && !is:
		e.probers--
	}
	if was != is || is && old.UID != now.UID {
		e.mark(name)
	}
}

// updateSets brings the sets up to date with changed nodes and returns those
// that are replaced, by key.
func (v *view) updateSets(changed map[string]*Node) map[setKey]bool {
	replaced := map[setKey]bool{}
	if len(changed) == 0 {
		return replaced
	}
	for key, set := range v.sets {
		sel := v.sel[key]
		var come []string
		gone := map[string]bool{}
		recount := false
		for name, old := range changed {
			now := v.cluster.Nodes[name]
			was, is := key.role.member(old, sel), key.role.member(now, sel)
			switch {
			case is && !was:
				come = append(come, name)
			case was && !is:
				gone[name] = true
			case is && key.role == asTarget:
				recount = recount || len(old.Echo.IPs) != len(now.Echo.IPs)
			}
		}
		if len(come)+len(gone) == 0 && !recount {
			continue
		}
		names := make([]string, 0, set.len()+len(come))
		for _, name := range set.names {
			if !gone[name] {
				names = append(names, name)
			}
		}
		names = append(names, come...)
		slices.Sort(names)
		v.sets[key] = setOf(v.cluster.Nodes, names, key.role)
		replaced[key] = true
	}
	return replaced
}

// dropMeshes forgets the meshes of replaced sets, and the rings whose epoch
// is over.
func (v *view) dropMeshes(replaced map[setKey]bool, advanced bool) {
	for key, m := range v.meshes {
		if replaced[setKey{key.from, asSource}] || replaced[setKey{key.to, asTarget}] {
			delete(v.meshes, key)
			continue
		}
		if !advanced {
			continue
		}
		for length, r := range m.rings {
			if r.at(v.now) != r.index {
				delete(m.rings, length)
			}
		}
	}
}

// staleChecks are the checks that read something that changed, sorted.
func (e *Engine) staleChecks(p *pending, replaced map[setKey]bool) []types.NamespacedName {
	var out []types.NamespacedName
	for key := range p.checks {
		if _, ok := e.checks[key]; ok {
			out = append(out, key)
		} else {
			e.dirty.checks[key] = struct{}{}
		}
	}
	if len(replaced) > 0 || len(p.services) > 0 || p.advanced {
		for key, state := range e.checks {
			if _, ok := p.checks[key]; !ok && e.stale(state, p, replaced) {
				out = append(out, key)
			}
		}
	}
	slices.SortFunc(out, compareKeys)
	return out
}

func (e *Engine) stale(state *checkState, p *pending, replaced map[setKey]bool) bool {
	for i := range state.compiled.paths {
		c := &state.compiled.paths[i]
		if c.idle != nil {
			continue
		}
		if replaced[setKey{c.from.key, asSource}] || c.mesh != nil && replaced[setKey{c.mesh.to.key, asTarget}] {
			return true
		}
		if c.service != nil {
			if _, ok := p.services[c.service.key]; ok {
				return true
			}
		}
	}
	if p.advanced {
		for _, g := range state.resolved.groups {
			if s := g.schedule(); s != nil && s.at(e.view.now) != s.index {
				return true
			}
		}
	}
	return false
}

// schedule of the group's windows; nil if it has none.
func (g *Group) schedule() *schedule {
	switch {
	case g.ring != nil:
		return &g.ring.schedule
	case g.spread != nil:
		return &g.spread.schedule
	default:
		return nil
	}
}

// resolveAgain replaces what a check means and marks whom that touches.
func (e *Engine) resolveAgain(key types.NamespacedName, diff *differ) {
	state := e.checks[key]
	old := state.resolved
	state.resolved = e.view.resolve(state.compiled)
	e.dirty.checks[key] = struct{}{}
	if i, ok := e.find(key); ok {
		e.resolved[i] = state.resolved
	} else {
		e.resolved = slices.Insert(e.resolved, i, state.resolved)
	}
	diff.resolved(old, state.resolved)
}

// markGroups marks every node that holds something of a check; r may be nil.
func (e *Engine) markGroups(r *Resolved) {
	newDiffer(e.mark).resolved(r, nil)
}

// markEchoes marks the nodes that hold a changed echo pod in a window.
func (e *Engine) markEchoes(changed map[string]*Node) {
	for name, old := range changed {
		now := e.view.cluster.Nodes[name]
		if sameEcho(old, now) {
			continue
		}
		for _, m := range e.view.meshes {
			if !m.targets.has(name) {
				continue
			}
			if m.same.has(name) {
				e.mark(name)
			}
			for _, r := range m.rings {
				r.holders(name, e.mark)
			}
		}
	}
}

// markKept marks the nodes that keep a bad pair with a changed target.
func (e *Engine) markKept(p *pending, stale []types.NamespacedName) {
	for node, pairs := range e.kept {
		for _, k := range pairs {
			if k.node != "" {
				if _, ok := p.nodes[k.node]; ok {
					e.mark(node)
				}
				continue
			}
			check, _, _, _ := ParseGroupKey(k.group.Key)
			if _, ok := slices.BinarySearchFunc(stale, check, compareKeys); ok {
				e.mark(node)
			}
		}
	}
}

// sweep forgets sets and meshes that no check reads.
func (v *view) sweep(checks map[types.NamespacedName]*checkState) {
	sets, meshes := map[setKey]bool{}, map[meshKey]bool{}
	for _, state := range checks {
		for i := range state.compiled.paths {
			c := &state.compiled.paths[i]
			if c.idle != nil {
				continue
			}
			sets[setKey{c.from.key, asSource}] = true
			if c.mesh != nil {
				sets[setKey{c.mesh.to.key, asTarget}] = true
				meshes[meshKey{c.from.key, c.mesh.to.key}] = true
			}
		}
	}
	for key := range v.sets {
		if !sets[key] {
			delete(v.sets, key)
			delete(v.sel, key)
		}
	}
	for key := range v.meshes {
		if !meshes[key] {
			delete(v.meshes, key)
		}
	}
}

// nextEpoch is when the first of all windows moves; zero if none does.
func (e *Engine) nextEpoch() time.Time {
	var next time.Time
	for _, r := range e.resolved {
		for _, g := range r.groups {
			s := g.schedule()
			if s == nil || s.count <= 1 {
				continue
			}
			if t := s.next(); next.IsZero() || t.Before(next) {
				next = t
			}
		}
	}
	return next
}
