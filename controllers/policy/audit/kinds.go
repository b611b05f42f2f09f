// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"maps"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/netladder/netladder/controllers/plan"
	"github.com/netladder/netladder/controllers/policy/suggest"
)

// kind is what pods with the same labels have in common: policies cannot tell
// them apart but by their ports.
type kind struct {
	labels labels.Set
	pods   []*plan.Pod
}

// kindsOf the pods of a namespace, in the order of their first pods.
func (a *auditor) kindsOf(namespace string) []kind {
	if kinds, ok := a.kinds[namespace]; ok {
		return kinds
	}
	var kinds []kind
	at := map[string]int{}
	for _, p := range a.index.Pods(namespace) {
		text := textOf(p.Labels)
		i, ok := at[text]
		if !ok {
			i, at[text] = len(kinds), len(kinds)
			kinds = append(kinds, kind{labels: p.Labels})
		}
		kinds[i].pods = append(kinds[i].pods, p)
	}
	a.kinds[namespace] = kinds
	return kinds
}

// textOf labels is the same for the same labels only.
func textOf(set map[string]string) string {
	var b strings.Builder
	for _, key := range slices.Sorted(maps.Keys(set)) {
		b.WriteString(key)
		b.WriteByte('=')
		b.WriteString(set[key])
		b.WriteByte(',')
	}
	return b.String()
}

// afford takes from what an audit may cost, in comparisons of a selector or a
// rule, and says whether there was enough left.
func (a *auditor) afford(cost int) bool {
	a.cost += cost
	a.partial = a.partial || a.cost > maxCost
	return a.cost <= maxCost
}

// matchesPod says whether a selector matches any pod of the namespaces; ok is
// false where that was too much work to find out.
func (a *auditor) matchesPod(s *metav1.LabelSelector, namespaces []string) (matches, ok bool) {
	memo := s.String() + "\x00" + strings.Join(namespaces, "\x00")
	if known, done := a.matched[memo]; done {
		return known, true
	}
	selector, err := metav1.LabelSelectorAsSelector(s)
	if err != nil {
		return false, false
	}
	for _, namespace := range namespaces {
		for _, k := range a.kindsOf(namespace) {
			if !a.afford(1) {
				return false, false
			}
			if selector.Matches(k.labels) {
				a.matched[memo] = true
				return true, true
			}
		}
	}
	a.matched[memo] = false
	return false, true
}

// namespacesOf are the namespaces that a selector matches, sorted; ok is false
// where that was too much work.
func (a *auditor) namespacesOf(s *metav1.LabelSelector) (names []string, ok bool) {
	selector, err := metav1.LabelSelectorAsSelector(s)
	if err != nil {
		return nil, false
	}
	for _, n := range a.spaces {
		if !a.afford(1) {
			return nil, false
		}
		if selector.Matches(labels.Set(n.Labels)) {
			names = append(names, n.Name)
		}
	}
	return names, true
}

// suggestPods is what was probably meant by a selector that matches no pod of
// the namespaces.
func (a *auditor) suggestPods(s *metav1.LabelSelector, namespaces []string) []suggest.Suggestion {
	if a.suggestions++; a.suggestions > maxSuggestions {
		return nil
	}
	return suggest.For(s, func(yield func(map[string]string) bool) {
		for _, namespace := range namespaces {
			for _, k := range a.kindsOf(namespace) {
				for range k.pods {
					if !yield(k.labels) {
						return
					}
				}
			}
		}
	})
}

// suggestNamespaces is the same for a selector of namespaces, among those whose
// labels may be told.
func (a *auditor) suggestNamespaces(s *metav1.LabelSelector) []suggest.Suggestion {
	if a.suggestions++; a.suggestions > maxSuggestions {
		return nil
	}
	return suggest.For(s, func(yield func(map[string]string) bool) {
		for _, n := range a.spaces {
			if a.open[n.Name] && !yield(n.Labels) {
				return
			}
		}
	})
}

// podsOf a namespace that a selector matches, all of them for nil; ok is false
// where that was too much work.
func (a *auditor) podsOf(namespace string, s *metav1.LabelSelector) (pods []*plan.Pod, ok bool) {
	if s == nil {
		s = &metav1.LabelSelector{}
	}
	selector, err := metav1.LabelSelectorAsSelector(s)
	if err != nil {
		return nil, false
	}
	for _, k := range a.kindsOf(namespace) {
		if !a.afford(1) {
			return nil, false
		}
		if selector.Matches(k.labels) {
			pods = append(pods, k.pods...)
		}
	}
	return pods, true
}
