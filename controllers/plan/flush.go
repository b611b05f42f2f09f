// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"maps"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/netladder/netladder/api/v1alpha1"
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
	touched := map[types.NamespacedName]struct{}{}
	e.changePods(&p, touched)
	e.changeDoubts(&p)
	if len(touched)+len(p.nodes)+len(p.services)+len(p.checks) == 0 && !p.advanced {
		return
	}
	before := heartbeat(e.probers)
	for name, old := range p.nodes {
		e.noteNodeChange(name, old)
	}
	replaced := e.view.updateSets(p.nodes)
	e.view.dropMeshes(replaced, p.advanced)
	stale := e.staleChecks(&p, replaced, touched)
	for key := range p.services {
		if s := e.view.cluster.Services[key]; s != nil {
			e.ledger.share(s)
		}
	}
	for _, key := range stale {
		e.resolveAgain(key)
	}
	diff := newDiffer(e.mark)
	for _, key := range slices.SortedFunc(maps.Keys(e.ledger.settle()), compareKeys) {
		e.settle(key, diff)
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
		e.sweepPods()
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
	if was != is || is && (old.UID != now.UID || !sameTunnels(old, now)) {
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
			case is && key.role == asHost:
				recount = recount || !slices.Equal(old.IPs, now.IPs)
			case is && key.role.tunnels(now) != nil:
				recount = recount || !sameTunnels(old, now)
			case is && key.role == asCanary:
				recount = recount || !old.Canary.Equal(now.Canary) || !sameEcho(old, now)
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

// staleChecks are the checks that read something that changed, sorted; touched
// are those of which that is known.
func (e *Engine) staleChecks(p *pending, replaced map[setKey]bool, touched map[types.NamespacedName]struct{}) []types.NamespacedName {
	for key := range p.checks {
		if _, ok := e.checks[key]; ok {
			touched[key] = struct{}{}
		} else {
			e.dirty.checks[key] = struct{}{}
		}
	}
	if len(replaced) > 0 || len(p.services) > 0 || len(p.nodes) > 0 || p.advanced {
		for key, state := range e.checks {
			if _, ok := touched[key]; !ok && e.stale(state, p, replaced) {
				touched[key] = struct{}{}
			}
		}
	}
	return slices.SortedFunc(maps.Keys(touched), compareKeys)
}

func (e *Engine) stale(state *checkState, p *pending, replaced map[setKey]bool) bool {
	for i := range state.compiled.paths {
		c := &state.compiled.paths[i]
		if c.idle != nil {
			continue
		}
		for _, key := range c.setKeys() {
			if replaced[key] {
				return true
			}
		}
		if c.readsChanged(p.services) {
			return true
		}
	}
	for _, g := range state.resolved.groups {
		if p.advanced && g.turned(e.view.now) || e.proberChanged(p, g) {
			return true
		}
	}
	return false
}

// setKeys of the sets of nodes that a path reads.
func (c *compiledPath) setKeys() []setKey {
	var out []setKey
	if c.fromPods == nil {
		out = append(out, setKey{c.from.key, asSource})
	}
	if c.mesh != nil {
		out = append(out, setKey{c.mesh.to.key, asTarget})
	}
	if c.nodes != nil {
		out = append(out, setKey{c.nodes.sel.key, asHost})
	}
	if c.overlay != "" {
		out = append(out, setKey{c.from.key, roleOf(c.overlay)})
		if c.overlay == v1alpha1.EncapsulationIPIP {
			out = append(out, setKey{c.from.key, asHost})
		}
	}
	if c.canary != "" {
		out = append(out, setKey{everyNode().key, asCanary})
	}
	if c.service != nil && c.service.via == v1alpha1.ViaNodePort {
		out = append(out, setKey{everyNode().key, asHost})
	}
	return out
}

// proberChanged says whether a node got a prober or lost it that has listeners
// to look at.
func (e *Engine) proberChanged(p *pending, g *Group) bool {
	if g.listeners == nil {
		return false
	}
	for name, old := range p.nodes {
		if g.listeners[name] != nil && asSource.plays(old) != asSource.plays(e.view.cluster.Nodes[name]) {
			return true
		}
	}
	return false
}

// schedules of the group's windows.
func (g *Group) schedules() []*schedule {
	var out []*schedule
	if g.ring != nil {
		out = append(out, &g.ring.schedule)
	}
	if g.spread != nil {
		out = append(out, &g.spread.schedule)
	}
	if g.pods != nil {
		out = append(out, &g.pods.schedule)
	}
	return out
}

// turned says whether an epoch of the group is over.
func (g *Group) turned(now time.Time) bool {
	for _, s := range g.schedules() {
		if s.at(now) != s.index {
			return true
		}
	}
	return false
}

// resolveAgain replaces what a check means by itself.
func (e *Engine) resolveAgain(key types.NamespacedName) {
	state := e.checks[key]
	state.alone = e.view.resolve(state.compiled)
	e.readers.replace(key, state, state)
	e.ledger.replace(key, state.alone.demands)
}

// settle replaces what a check means among others, and marks whom that
// touches.
func (e *Engine) settle(key types.NamespacedName, diff *differ) {
	state, ok := e.checks[key]
	if !ok { // deleted
		return
	}
	old := state.resolved
	state.resolved = state.alone.stretchedBy(e.ledger.demands[key], e.ledger.budget)
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
		if sameEcho(old, now) && (!asTarget.plays(now) || slices.Equal(old.IPs, now.IPs)) {
			continue
		}
		for holder := range e.wired[name] {
			e.mark(holder)
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
	if len(p.nodes)+len(stale) == 0 {
		return
	}
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
			for _, key := range c.setKeys() {
				sets[key] = true
			}
			if c.mesh != nil {
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
			for _, s := range g.schedules() {
				if t := s.next(); s.count > 1 && (next.IsZero() || t.Before(next)) {
					next = t
				}
			}
		}
	}
	return next
}
