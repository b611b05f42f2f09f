// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/netladder/netladder/controllers/plan"
	"github.com/netladder/netladder/controllers/policy"
)

// group are pods of the namespace that policies treat alike in one direction.
type group struct {
	// policies that isolate them.
	policies []*networkingv1.NetworkPolicy
	pods     []*plan.Pod

	// comparisons of one judgement; 0 before they are counted.
	comparisons int
}

// groups of the pods that policies isolate in a direction, those apart that the
// function tells apart. Pods of the host's network are left out: policies need
// not hold for them.
func (a *auditor) groups(d policy.Direction, apart func(*plan.Pod) string) []*group {
	var out []*group
	at := map[string]*group{}
	for _, k := range a.kindsOf(a.namespace) {
		isolating := a.isolating(&k, d)
		if len(isolating) == 0 {
			continue
		}
		var names strings.Builder
		for _, key := range isolating {
			names.WriteString(key.Name + "/")
		}
		for _, p := range k.pods {
			if p.HostNetwork {
				continue
			}
			text := names.String() + apart(p)
			g := at[text]
			if g == nil {
				g = &group{policies: a.policiesOf(isolating)}
				at[text] = g
				out = append(out, g)
			}
			g.pods = append(g.pods, p)
		}
	}
	return out
}

// isolating are the policies that isolate pods of a kind of this namespace in a
// direction; none where to find out would cost too much. What was found out once
// is known.
func (a *auditor) isolating(k *kind, d policy.Direction) []types.NamespacedName {
	first := k.pods[0]
	if !a.asked[first] {
		if !a.afford(1 + len(a.policies)/4) {
			return nil
		}
		a.asked[first] = true
	}
	return a.index.Isolating(first, d)
}

func (a *auditor) policiesOf(keys []types.NamespacedName) []*networkingv1.NetworkPolicy {
	var out []*networkingv1.NetworkPolicy
	for _, key := range keys {
		if p := a.index.Policy(key); p != nil {
			out = append(out, p)
		}
	}
	return out
}

// blamed is the policy of a group that closes most: the one with the fewest
// rules of that direction, such as one that denies by default.
func (g *group) blamed(d policy.Direction) *networkingv1.NetworkPolicy {
	return slices.MinFunc(g.policies, func(a, b *networkingv1.NetworkPolicy) int {
		return cmp.Or(cmp.Compare(rules(a, d), rules(b, d)), strings.Compare(a.Name, b.Name))
	})
}

// cost of judging one connection of a group, in comparisons.
func (g *group) cost(d policy.Direction) int {
	if g.comparisons == 0 {
		g.comparisons = 1
		for _, p := range g.policies {
			for _, l := range lists(p) {
				if l.direction == d {
					g.comparisons += 1 + len(l.peers) + len(l.ports())
				}
			}
		}
	}
	return g.comparisons
}

func rules(p *networkingv1.NetworkPolicy, d policy.Direction) int {
	if d == policy.Egress {
		return len(p.Spec.Egress)
	}
	return len(p.Spec.Ingress)
}

// merge the groups on whom the same policy is blamed, sorted by its name.
func merge(groups []*group, d policy.Direction) []*group {
	var out []*group
	at := map[string]*group{}
	for _, g := range groups {
		name := g.blamed(d).Name
		known := at[name]
		if known == nil {
			known = &group{}
			at[name] = known
			out = append(out, known)
		}
		known.pods = append(known.pods, g.pods...)
		for _, p := range g.policies {
			if !slices.Contains(known.policies, p) {
				known.policies = append(known.policies, p)
			}
		}
	}
	for _, g := range out {
		slices.SortFunc(g.policies, func(a, b *networkingv1.NetworkPolicy) int { return strings.Compare(a.Name, b.Name) })
	}
	slices.SortFunc(out, func(a, b *group) int { return strings.Compare(a.blamed(d).Name, b.blamed(d).Name) })
	return out
}

// inNamespace is the peer that means a namespace by its name.
func inNamespace(name string) string {
	return fmt.Sprintf("{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: %s}}}", scalar(name))
}
