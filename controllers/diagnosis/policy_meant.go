// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package diagnosis

import (
	"fmt"
	"slices"

	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"

	"github.com/netladder/netladder/controllers/plan"
	"github.com/netladder/netladder/controllers/policy"
	"github.com/netladder/netladder/controllers/policy/suggest"
)

// Bounds of the search for what was meant, in one namespace: nothing is observed
// meanwhile.
const (
	// maxSearched of the policies are looked at.
	maxSearched = 500
	// maxTypos of the policies that select no pod are looked at.
	maxTypos = 16
)

// typo is a policy that selects no pod, and what was probably meant.
type typo struct {
	policy   types.NamespacedName
	selector string
	meant    []suggest.Suggestion
}

type typoAt struct {
	namespace string
	direction policy.Direction
}

// meant names a policy that selects no pod and was probably meant to select
// this one; empty without one.
func (e *explainer) meant(pod *plan.Pod, d policy.Direction) string {
	if e.secret(pod.Key.Namespace) {
		return ""
	}
	at := typoAt{pod.Key.Namespace, d}
	if _, ok := e.typos[at]; !ok {
		e.typos[at] = e.findTypos(at)
	}
	for _, t := range e.typos[at] {
		if slices.ContainsFunc(t.meant, func(s suggest.Suggestion) bool { return has(pod, s.Meant) }) {
			return fmt.Sprintf("; %s selects %s, which matches no pod: %s", t.policy, t.selector, suggest.Question(t.meant))
		}
	}
	return ""
}

func has(pod *plan.Pod, l suggest.Label) bool {
	value, ok := pod.Labels[l.Key]
	return ok && (l.Value == "" || l.Value == value)
}

// findTypos in the policies of a namespace.
func (e *explainer) findTypos(at typoAt) []typo {
	var out []typo
	all, pods, empty := e.index.Policies(at.namespace), e.index.Pods(at.namespace), 0
	for _, p := range all[:min(len(all), maxSearched)] {
		selector, err := metav1.LabelSelectorAsSelector(&p.Spec.PodSelector)
		if err != nil || !isolates(p, at.direction) {
			continue
		}
		if slices.ContainsFunc(pods, func(pod *plan.Pod) bool { return selector.Matches(labels.Set(pod.Labels)) }) {
			continue
		}
		if empty++; empty > maxTypos {
			break
		}
		if meant := suggest.For(&p.Spec.PodSelector, suggest.Pods(pods)); len(meant) > 0 {
			key := types.NamespacedName{Namespace: p.Namespace, Name: p.Name}
			out = append(out, typo{key, metav1.FormatLabelSelector(&p.Spec.PodSelector), meant})
		}
	}
	return out
}

// isolates says whether a policy is about a direction at all.
func isolates(p *networkingv1.NetworkPolicy, d policy.Direction) bool {
	if len(p.Spec.PolicyTypes) == 0 {
		return d == policy.Ingress || len(p.Spec.Egress) > 0
	}
	return slices.Contains(p.Spec.PolicyTypes, networkingv1.PolicyType(d))
}
