// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"net/netip"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/types"

	"github.com/netladder/netladder/api/v1alpha1"
)

// MaxKept is how many bad members of a group stay assigned behind its window,
// and how many pods with a bad pair stay sources after their turn.
const MaxKept = 16

// badGroup lists the members and sources of one group of a previous assignment that its
// prober reported as bad.
type badGroup struct {
	content string
	names   []string
	addrs   []netip.AddrPort
	// sources are UIDs of pods.
	sources map[types.UID]struct{}
}

// badPairs reads the bad pairs from a previous assignment, by group. The
// status is hostile input: only pairs that the previous spec holds count, so
// a prober can at most keep what it already had.
func badPairs(previous *v1alpha1.ProbeAssignment) map[string]*badGroup {
	if previous == nil || len(previous.Status.NotPassing) == 0 {
		return nil
	}
	reported := map[string][]string{}
	for i := range previous.Status.NotPassing {
		p := &previous.Status.NotPassing[i]
		if p.State == v1alpha1.StateFailing || p.Streak > 0 {
			reported[p.Group] = append(reported[p.Group], p.Target)
		}
	}
	out := map[string]*badGroup{}
	for i := range previous.Spec.Groups {
		g := &previous.Spec.Groups[i]
		targets, ok := reported[g.Key]
		if !ok {
			continue
		}
		content, _, _ := strings.Cut(g.Hash, "-")
		b := &badGroup{content: content, sources: map[types.UID]struct{}{}}
		if g.Kind.IsMesh() {
			for _, target := range targets {
				b.addNode(&previous.Spec, g, target)
			}
		} else {
			b.addPairs(previous.Spec.Pairs(g), targets)
		}
		out[g.Key] = b
	}
	return out
}

// addNode adds the node of a previous mesh that a report names, if there is
// one.
func (b *badGroup) addNode(spec *v1alpha1.ProbeAssignmentSpec, g *v1alpha1.ProbeGroup, target string) {
	name, _, _ := strings.Cut(target, "/")
	for _, m := range g.Members {
		if m >= 0 && int(m) < len(spec.Nodes) && spec.Nodes[m].Name == name {
			b.names = append(b.names, name)
			return
		}
	}
}

// addPairs adds target and source of those pairs of a previous group that a
// report names.
func (b *badGroup) addPairs(pairs []v1alpha1.Pair, reported []string) {
	named := make(map[string]struct{}, len(reported))
	for _, key := range reported {
		named[key] = struct{}{}
	}
	for i := range pairs {
		p := &pairs[i]
		if _, ok := named[p.Key]; !ok {
			continue
		}
		if p.Addr.IsValid() {
			b.addrs = append(b.addrs, p.Addr)
		}
		if p.Source != nil {
			b.sources[types.UID(p.Source.UID)] = struct{}{}
		}
	}
}

// keepNodes appends to a window the bad nodes that are still targets and not
// in it. b may be nil.
func (b *badGroup) keepNodes(g *Group, window []string) []string {
	if b == nil || b.content != g.Content {
		return window
	}
	n := len(window)
	slices.Sort(b.names)
	for _, name := range slices.Compact(b.names) {
		if len(window)-n < MaxKept && g.ring != nil && g.mesh.targets.has(name) && !slices.Contains(window[:n], name) {
			window = append(window, name)
		}
	}
	return window
}

// keepTargets is keepNodes for addresses.
func (b *badGroup) keepTargets(g *Group, node string, window []target) []target {
	if b == nil || b.content != g.Content {
		return window
	}
	n := len(window)
	slices.SortFunc(b.addrs, netip.AddrPort.Compare)
	for _, addr := range slices.Compact(b.addrs) {
		held := slices.ContainsFunc(window[:n], func(t target) bool { return t.addr == addr })
		if t, ok := g.spread.find(addr); ok && !held && g.aimsAt(node, t) && len(window)-n < MaxKept {
			window = append(window, t)
		}
	}
	return window
}

// keepSources appends to a window of pods those of the node that have a bad
// pair and can still be sources. The window itself is not changed.
func (b *badGroup) keepSources(g *Group, node string, window []*Pod) []*Pod {
	if b == nil || b.content != g.Content || len(b.sources) == 0 {
		return window
	}
	out := slices.Clone(window)
	for _, p := range g.pods.byNode[node].sources {
		if _, bad := b.sources[p.UID]; bad && !slices.Contains(window, p) && len(out)-len(window) < MaxKept {
			out = append(out, p)
		}
	}
	return out
}
