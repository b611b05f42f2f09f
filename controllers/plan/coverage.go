// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/netladder/netladder/api/v1alpha1"
)

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
	case p.own != nil:
		out.AssignedPairs = 0
		for _, own := range p.own {
			out.AssignedPairs += own.pairs()
		}
		out.PossiblePairs = out.AssignedPairs
	case p.spread != nil:
		out.AssignedPairs, out.PossiblePairs = p.spread.pairs(p.sources, p.notOwn)
		after = rotation(p.spread.largest(), c.perRound, interval)
		if p.spread.count > 1 {
			after, full = p.spread.fullAfter()
		}
	}
	if p.pods != nil {
		out.AssignedPairs, out.PossiblePairs = p.podPairs()
		if p.pods.count > 1 {
			after, full = p.pods.fullAfter()
			full = full && (p.spread == nil || p.spread.full)
		}
	}
	if c.probes[0].only == allTargets {
		out.AssignedPairs *= int64(len(c.probes))
		out.PossiblePairs *= int64(len(c.probes))
	}
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

// families counts addresses, IPv4 and IPv6.
type families [2]int64

func (f *families) add(is4 bool) {
	if is4 {
		f[0]++
	} else {
		f[1]++
	}
}

// familiesOf counts pods by the families of their addresses.
func familiesOf(pods []*Pod) (f families) {
	for _, p := range pods {
		for _, ip := range p.IPs {
			f.add(ip.Is4())
		}
	}
	return f
}

// podPairs counts source pod and target of the same family: those held now,
// and all.
func (p *pairing) podPairs() (assigned, possible int64) {
	var bins []families
	var all families
	self := map[types.UID][]int{}
	if p.spread != nil {
		bins = make([]families, len(p.spread.bins))
		for i, b := range p.spread.bins {
			for _, t := range b {
				bins[i].add(t.addr.Addr().Is4())
				all.add(t.addr.Addr().Is4())
				if t.uid != "" {
					self[t.uid] = append(self[t.uid], i)
				}
			}
		}
	}
	for i, name := range p.sources.names {
		window, every := p.pods.window(name), p.pods.byNode[name].sources
		if p.spread == nil {
			assigned, possible = assigned+int64(len(window)), possible+int64(len(every))
			continue
		}
		held := p.spread.held(p.sources.hashes[i])
		w, e, at := familiesOf(window), familiesOf(every), bins[held]
		for _, t := range p.spread.extra(name, held) {
			at.add(t.addr.Addr().Is4())
		}
		assigned += w[0]*at[0] + w[1]*at[1]
		possible += e[0]*all[0] + e[1]*all[1]
		for _, pod := range every {
			possible -= int64(len(self[pod.UID]))
		}
		for _, pod := range window {
			for _, b := range self[pod.UID] {
				if b == held {
					assigned--
				}
			}
		}
	}
	return assigned, possible
}
