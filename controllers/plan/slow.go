// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"maps"
	"slices"
	"strings"

	"github.com/netladder/netladder/api/v1alpha1"
)

// started is what one path starts on a node, by the groups that belong to it.
type started struct {
	namespace string
	rate      rate
	groups    []int
	stretch   int
}

// slow stretches the intervals of an assignment until each namespace and the
// node are within their budgets. That of a tenant's namespace goes first.
func (a *assigner) slow(spec *v1alpha1.ProbeAssignmentSpec) {
	if rateOf(ProbeRate(spec)) <= min(a.budgets.namespace(), a.budgets.node()).withSlack() {
		return
	}
	paths := startedBy(spec)
	byNamespace := map[string][]*started{}
	for _, p := range paths {
		if p.namespace != a.home {
			byNamespace[p.namespace] = append(byNamespace[p.namespace], p)
		}
	}
	for _, some := range byNamespace {
		share(some, a.budgets.namespace().withSlack())
	}
	share(paths, a.budgets.node().withSlack())
	for _, p := range paths {
		for _, i := range p.groups {
			g := &spec.Groups[i]
			g.Interval.Duration = stretched(g.Interval.Duration, p.stretch)
		}
	}
}

// startedBy sums the groups of an assignment up by their paths.
func startedBy(spec *v1alpha1.ProbeAssignmentSpec) []*started {
	paths := map[string]*started{}
	for i := range spec.Groups {
		g := &spec.Groups[i]
		key := g.Key[:max(0, strings.LastIndexByte(g.Key, '/'))]
		p := paths[key]
		if p == nil {
			namespace, _, _ := strings.Cut(key, "/")
			p = &started{namespace: namespace}
			paths[key] = p
		}
		p.rate += rateOf(perRound(spec, g) / g.Interval.Seconds())
		p.groups = append(p.groups, i)
	}
	return slices.Collect(maps.Values(paths))
}

// share a budget.
func share(paths []*started, budget rate) {
	asked := make([]rate, len(paths))
	for i, p := range paths {
		asked[i] = p.rate
	}
	l := levelOf(asked, budget)
	for _, p := range paths {
		by := l.stretch(p.rate)
		p.rate, p.stretch = slowed(p.rate, by), p.stretch+by
	}
}
