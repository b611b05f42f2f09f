// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"maps"
	"slices"
)

// maxListeners is how many listeners of a path one node looks at.
const maxListeners = 256

// wire says to which nodes the way is to be proven: those that a source holds
// targets of main on, or always the same.
type wire struct {
	main   *Group
	always []string
}

// listeners are targets on one node, and the pods that they are.
type listeners struct {
	targets []target
	pods    []*Pod
}

// prove adds what proves a Deny path: Wire and Listener for targets that are
// pods, HostControl for others.
func (v *view) prove(c *compiledPath, p *pairing, out *ResolvedPath) {
	main := out.Groups[len(out.Groups)-1] // where there are two, that with the pods
	pods, others, hidden := v.provable(c, p)
	out.Undisclosed = slices.Sorted(maps.Keys(hidden))
	if others {
		g := p.group(c, &c.deny.control, p.sources)
		g.pods, g.notOwn = nil, false
		out.Proofs = append(out.Proofs, g)
	}
	if len(pods) == 0 {
		return
	}
	w := &wire{main: main}
	if p.behind != nil {
		w.main = nil
		for _, t := range pods {
			w.always = append(w.always, t.node)
		}
		slices.Sort(w.always)
		w.always = slices.Compact(w.always)
	}
	wires := p.group(c, &c.deny.wire, p.sources)
	wires.spread, wires.pods, wires.notOwn, wires.wire = nil, nil, false, w
	out.Proofs = append(out.Proofs, v.listenersOf(c, p, pods), wires)
}

// provable are the pods among the targets that some source holds; whether
// others are among all targets; and the namespaces of those that this check may
// learn nothing about.
func (v *view) provable(c *compiledPath, p *pairing) (pods []target, others bool, hidden map[string]struct{}) {
	hidden = map[string]struct{}{}
	if s := c.service; s != nil && !s.apiServer && !v.discloses(s.key.Namespace, c) {
		hidden[s.key.Namespace] = struct{}{}
		return nil, false, hidden
	}
	if p.behind != nil {
		return p.behind, false, hidden
	}
	// A Service that leads to somebody else's pods is no way to learn of them.
	for _, ip := range p.ips {
		if pod := v.podAt(ip); pod != nil && !v.discloses(pod.Key.Namespace, c) {
			hidden[pod.Key.Namespace] = struct{}{}
		}
		v.hiddenServices(ip, c, hidden)
	}
	if p.spread == nil {
		return nil, true, hidden
	}
	for _, b := range p.spread.bins {
		for _, t := range b {
			if t.uid == "" {
				others = others || !v.hiddenServices(t.addr.Addr(), c, hidden)
			} else if pod := v.cluster.Pods[t.uid]; !v.discloses(pod.Key.Namespace, c) {
				hidden[pod.Key.Namespace] = struct{}{}
			}
		}
	}
	if c.service != nil && len(hidden) > 0 {
		others = false
	}
	p.spread.each(p.sources, func(t target) {
		if t.uid == "" {
			return
		}
		if _, ok := hidden[v.cluster.Pods[t.uid].Key.Namespace]; !ok {
			pods = append(pods, t)
		}
	})
	return pods, others, hidden
}

// listenersOf is the group that looks at the sockets of pods on their nodes.
func (v *view) listenersOf(c *compiledPath, p *pairing, pods []target) *Group {
	byNode := map[string]*listeners{}
	for _, t := range sortTargets(slices.Clone(pods)) {
		l := byNode[t.node]
		if l == nil {
			l = &listeners{}
			byNode[t.node] = l
		}
		if len(l.targets) < maxListeners {
			l.targets = append(l.targets, t)
			l.pods = append(l.pods, v.cluster.Pods[t.uid])
		}
	}
	names := slices.DeleteFunc(slices.Sorted(maps.Keys(byNode)), func(name string) bool {
		return !asSource.plays(v.cluster.Nodes[name])
	})
	g := p.group(c, &c.deny.listener, newNodeSet(names, nil))
	g.spread, g.pods, g.notOwn, g.listeners = nil, nil, false, byNode
	return g
}

// equal says whether a node looks at the same listeners in both.
func (l *listeners) equal(b *listeners) bool {
	if l == nil || b == nil {
		return l == b
	}
	return slices.Equal(l.targets, b.targets) && sameRows(l.pods, b.pods)
}
