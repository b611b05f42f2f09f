// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/netladder/netladder/api/v1alpha1"
)

// MaxKept is how many bad pairs of a group stay assigned behind its window.
const MaxKept = 16

// badGroup lists the members of one group of a previous assignment that its
// prober reported as bad.
type badGroup struct {
	content string
	names   []string
	addrs   []netip.AddrPort
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
		b := &badGroup{content: content}
		for _, target := range targets {
			b.add(&previous.Spec, g, target)
		}
		out[g.Key] = b
	}
	return out
}

// add the member of a previous group that a report names, if there is one.
func (b *badGroup) add(spec *v1alpha1.ProbeAssignmentSpec, g *v1alpha1.ProbeGroup, target string) {
	switch g.Kind {
	case v1alpha1.ProbeMeshTCP, v1alpha1.ProbeMeshUDP, v1alpha1.ProbeMeshICMP:
		name, _, _ := strings.Cut(target, "/")
		for _, m := range g.Members {
			if m >= 0 && int(m) < len(spec.Nodes) && spec.Nodes[m].Name == name {
				b.names = append(b.names, name)
				return
			}
		}
	case v1alpha1.ProbeTCP, v1alpha1.ProbeHTTP:
		addr, err := netip.ParseAddrPort(target)
		if err != nil {
			return
		}
		for _, m := range g.Members {
			if m < 0 || int(m) >= len(spec.Targets) {
				continue
			}
			row := spec.Targets[m]
			if ip, err := netip.ParseAddr(row.IP); err == nil && netip.AddrPortFrom(ip, uint16(row.Port)) == addr {
				b.addrs = append(b.addrs, addr)
				return
			}
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

// keepAddrs is keepNodes for addresses.
func (b *badGroup) keepAddrs(g *Group, window []netip.AddrPort) []netip.AddrPort {
	if b == nil || b.content != g.Content {
		return window
	}
	n := len(window)
	slices.SortFunc(b.addrs, netip.AddrPort.Compare)
	for _, addr := range slices.Compact(b.addrs) {
		if len(window)-n < MaxKept && g.spread.has(addr) && !slices.Contains(window[:n], addr) {
			window = append(window, addr)
		}
	}
	return window
}
