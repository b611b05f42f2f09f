// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"fmt"
	"slices"

	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/controllers/plan"
	"github.com/netladder/netladder/controllers/policy"
	"github.com/netladder/netladder/controllers/policy/suggest"
)

// selection finds a policy that selects no pod. In a namespace without any pod
// there is nothing to protect, and nothing to tell.
func (a *auditor) selection(p *networkingv1.NetworkPolicy) {
	if len(a.pods) == 0 || everything(&p.Spec.PodSelector) {
		return
	}
	own := []string{a.namespace}
	if matches, ok := a.matchesPod(&p.Spec.PodSelector, own); matches || !ok {
		return
	}
	f := Finding{
		Code: v1alpha1.FindingSelectsNoPod, Severity: v1alpha1.FindingInfo, Policy: p.Name, Clause: "spec.podSelector",
		Message: fmt.Sprintf("podSelector %s matches no pod of %s, so that %s protects nothing: ",
			selectorText(&p.Spec.PodSelector), a.namespace, p.Name),
	}
	if list := a.suggestPods(&p.Spec.PodSelector, own); len(list) > 0 {
		f.Severity = v1alpha1.FindingWarning
		f.Message += suggest.Question(list)
	} else {
		f.Message += "write labels that its pods have, or delete it if there are to be none"
	}
	a.add(f)
}

// coverage finds pods that no policy selects, where policies isolate others.
func (a *auditor) coverage() {
	var open []*plan.Pod
	isolated := false
	for _, k := range a.kindsOf(a.namespace) {
		pods := slices.DeleteFunc(slices.Clone(k.pods), func(p *plan.Pod) bool { return p.HostNetwork }) // policies need not hold for those
		switch {
		case len(pods) == 0:
		case len(a.isolating(&k, policy.Ingress)) > 0 || len(a.isolating(&k, policy.Egress)) > 0:
			isolated = true
		default:
			open = append(open, pods...)
		}
	}
	if a.cost > maxCost {
		return // not all of them were asked about
	}
	if !isolated || len(open) == 0 {
		return
	}
	a.add(Finding{
		Code: v1alpha1.FindingPodsNotCovered, Severity: v1alpha1.FindingInfo,
		Message: fmt.Sprintf("policies isolate pods of %s, but none selects %s: everybody may reach them, and they everybody. "+
			"Select them too, or deny by default with a policy whose podSelector is {}", a.namespace, described(open)),
	})
}

// everything is true for a selector that matches whatever there is.
func everything(s *metav1.LabelSelector) bool {
	return len(s.MatchLabels) == 0 && len(s.MatchExpressions) == 0
}
