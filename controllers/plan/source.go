// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"cmp"
	"fmt"
	"math/bits"
	"slices"
	"strings"
	"time"

	"github.com/netladder/netladder/api/v1alpha1"
)

// sourcesOf a path: the nodes on which its probes start.
func (v *view) sourcesOf(c *compiledPath) (pairing, *idle) {
	if c.fromPods != nil {
		return v.podSourcesOf(c)
	}
	sources := v.nodes(c.from, asSource)
	if sources.len() > 0 {
		return pairing{sources: sources}, nil
	}
	field := "from.probers"
	if c.kind == v1alpha1.SourceHost {
		field = "from.nodes"
	}
	message := "no node has a prober; see whether the DaemonSet " + v1alpha1.ProberName + " runs"
	if c.from.key != "" {
		message = "no node with a prober matches the label selector " + cut(c.from.key) + "; correct " + field + ".nodeSelector, or label a node"
	}
	return pairing{}, &idle{reason: v1alpha1.ReasonNoSources, message: message}
}

func (v *view) podSourcesOf(c *compiledPath) (pairing, *idle) {
	set := v.pods(c.fromPods)
	var names []string
	for _, name := range set.usableNodes() {
		if asSource.plays(v.cluster.Nodes[name]) {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return pairing{}, noPodSources(c, set)
	}
	return pairing{sources: newNodeSet(names, nil), podSet: set}, nil
}

// noPodSources says why no pod of a set can be a source.
func noPodSources(c *compiledPath, set *podSet) *idle {
	if len(set.members) == 0 {
		return &idle{reason: v1alpha1.ReasonNoSources, message: fmt.Sprintf(
			"no running pod %s; correct from.pods, or label a pod", c.fromPods)}
	}
	var host, sandbox, alone tellOne
	for _, p := range set.members {
		switch {
		case p.HostNetwork:
			host.add(p)
		case p.Sandboxed:
			sandbox.add(p)
		default:
			alone.add(p)
		}
	}
	var parts []string
	if host.n > 0 {
		parts = append(parts, fmt.Sprintf("%d in the network of their node, such as %s (from.nodes is about that network)", host.n, host.first.Key))
	}
	if sandbox.n > 0 {
		parts = append(parts, fmt.Sprintf("%d of a sandboxed RuntimeClass, such as %s (no other process gets at their addresses)", sandbox.n, sandbox.first.Key))
	}
	if alone.n > 0 {
		parts = append(parts, fmt.Sprintf("%d on a node without a prober, such as %s on %s (see the DaemonSet %s)",
			alone.n, alone.first.Key, alone.first.Node, v1alpha1.ProberName))
	}
	reason := v1alpha1.ReasonNoSources
	if sandbox.n == len(set.members) {
		reason = v1alpha1.ReasonSandboxedRuntime
	}
	return &idle{reason: reason, message: fmt.Sprintf("none of the pods %s can be a source: %s; select others in from.pods",
		c.fromPods, strings.Join(parts, ", "))}
}

// tellOne counts pods and remembers the first by name.
type tellOne struct {
	n     int
	first *Pod
}

func (t *tellOne) add(p *Pod) {
	t.n++
	if t.first == nil || cmp.Or(compareKeys(p.Key, t.first.Key), strings.Compare(string(p.UID), string(t.first.UID))) < 0 {
		t.first = p
	}
}

// takeTurns lets the pods of each node take turns. Their windows stand still
// until the targets have gone round once, so that each pod meets each target.
func (v *view) takeTurns(c *compiledPath, p *pairing) *podSources {
	s := newPodSources(p.podSet, p.sources, c.perNode)
	if parts := s.parts(); parts > 1 {
		s.schedule = moving(parts, p.round(c), true, v.now)
	}
	return s
}

// round is how long the targets take to go round once; in powers of two, for a
// length that changes moves every window.
func (p *pairing) round(c *compiledPath) (length time.Duration) {
	length = p.epochLength(c)
	if p.spread != nil && p.spread.count > 1 {
		length <<= bits.Len64(p.spread.count - 1)
	}
	return length
}

// dropSelf drops the sources that may aim at nothing but themselves. A source
// without targets would wait for ever for results.
func (p *pairing) dropSelf(c *compiledPath) *idle {
	switch {
	case p.spread == nil:
		return nil
	case len(p.spread.bins) > 1:
		if p.notOwn {
			if some := p.having(func(name string, t target) bool { return t.node != name }); some.len() > 0 {
				p.sources = some
			}
		}
		return nil
	}
	first := p.spread.bins[0][0]
	for _, t := range p.spread.bins[0] {
		if t.node != first.node || !p.notOwn && t.uid != first.uid {
			return nil
		}
	}
	own := func(name string) bool { return p.notOwn && name == first.node }
	if p.podSet != nil && first.uid != "" {
		own = func(name string) bool {
			sources := p.podSet.byNode[name].sources
			return len(sources) == 1 && sources[0].UID == first.uid
		}
	}
	p.sources = p.sources.subset(func(name string) bool { return !own(name) })
	switch {
	case p.sources.len() > 0:
		return nil
	case c.deny != nil && p.notOwn:
		return &idle{reason: v1alpha1.ReasonNotProvable, message: fmt.Sprintf(
			"every target is on node %s, which is the only source too, and no policy applies between a node and the pods on it; select more nodes in from.nodes, or use from.pods",
			first.node)}
	}
	return &idle{reason: v1alpha1.ReasonNoTargets, message: fmt.Sprintf(
		"the only target, on node %s, is the only source too, and nothing probes itself; select more sources or more targets", first.node)}
}

// having are the sources that hold a target of which want is true.
func (p *pairing) having(want func(name string, t target) bool) *nodeSet {
	return p.sources.subset(func(name string) bool {
		held := p.spread.held(p.sources.hashes[p.sources.index[name]])
		return slices.ContainsFunc(p.spread.bins[held], func(t target) bool { return want(name, t) })
	})
}

// holding are the sources that hold a target that a probe aims at.
func (p *pairing) holding(only onlyThese) *nodeSet {
	if only == allTargets {
		return p.sources
	}
	return p.having(func(name string, t target) bool { return only.holds(t) && !(p.notOwn && t.node == name) })
}
