// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"fmt"
	"slices"

	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/controllers/policy"
	"github.com/netladder/netladder/controllers/policy/suggest"
)

// list of peers of one rule.
type list struct {
	policy *networkingv1.NetworkPolicy
	// direction and index of the rule.
	direction policy.Direction
	rule      int
	peers     []networkingv1.NetworkPolicyPeer
}

// clause is where the i-th peer stands.
func (l *list) clause(i int) string {
	if l.direction == policy.Egress {
		return fmt.Sprintf("spec.egress[%d].to[%d]", l.rule, i)
	}
	return fmt.Sprintf("spec.ingress[%d].from[%d]", l.rule, i)
}

// item is the i-th peer within its rule.
func (l *list) item(i int) string {
	if l.direction == policy.Egress {
		return fmt.Sprintf("to[%d]", i)
	}
	return fmt.Sprintf("from[%d]", i)
}

// lists of peers of a policy, those that have an effect.
func lists(p *networkingv1.NetworkPolicy) []list {
	var out []list
	if len(p.Spec.PolicyTypes) == 0 || slices.Contains(p.Spec.PolicyTypes, networkingv1.PolicyTypeIngress) {
		for i := range p.Spec.Ingress {
			out = append(out, list{p, policy.Ingress, i, p.Spec.Ingress[i].From})
		}
	}
	if len(p.Spec.PolicyTypes) == 0 || slices.Contains(p.Spec.PolicyTypes, networkingv1.PolicyTypeEgress) {
		for i := range p.Spec.Egress {
			out = append(out, list{p, policy.Egress, i, p.Spec.Egress[i].To})
		}
	}
	return out
}

// peers finds items that read otherwise than they look, and such that match
// nothing.
func (a *auditor) peers(p *networkingv1.NetworkPolicy) {
	for _, l := range lists(p) {
		for i := range l.peers {
			if !a.afford(peerCost) {
				return
			}
			if a.readAsOr(&l, i) {
				continue
			}
			a.matchesNothing(&l, i)
		}
	}
}

// readAsOr finds a podSelector beside a namespaceSelector, each an item of its
// own: together they admit all pods of those namespaces, and the pods of this
// one. That is most suspicious where the podSelector adds nothing to it.
func (a *auditor) readAsOr(l *list, i int) bool {
	pods := &l.peers[i]
	if pods.PodSelector == nil || pods.NamespaceSelector != nil || pods.IPBlock != nil || everything(pods.PodSelector) {
		return false
	}
	other := -1
	for _, j := range []int{i - 1, i + 1} {
		if other < 0 && j >= 0 && j < len(l.peers) && l.peers[j].NamespaceSelector != nil && l.peers[j].PodSelector == nil && l.peers[j].IPBlock == nil {
			other = j
		}
	}
	if other < 0 {
		return false
	}
	spaces := l.peers[other].NamespaceSelector
	f := Finding{
		Code: v1alpha1.FindingPeersReadAsOr, Severity: v1alpha1.FindingInfo, Policy: l.policy.Name, Clause: l.clause(i),
		Message: fmt.Sprintf("two items mean either: %s is every pod of the namespaces %s, and %s the pods %s of %s",
			l.item(other), selectorOrAll(spaces), l.item(i), selectorText(pods.PodSelector), a.namespace),
	}
	if names, ok := a.namespacesOf(spaces); ok && slices.Contains(names, a.namespace) {
		f.Severity = v1alpha1.FindingWarning
		f.Message += ", which are among the former"
	} else if matches, ok := a.matchesPod(pods.PodSelector, []string{a.namespace}); ok && !matches && len(a.pods) > 0 {
		f.Severity = v1alpha1.FindingWarning
		f.Message += ", of which there are none"
	}
	f.Message += fmt.Sprintf(". If only those pods of those namespaces were meant, write one item: - {namespaceSelector: %s, podSelector: %s}",
		selectorYAML(spaces), selectorYAML(pods.PodSelector))
	a.add(f)
	return true
}

func selectorOrAll(s *metav1.LabelSelector) string {
	if everything(s) {
		return "{} (all)"
	}
	return selectorText(s)
}

// matchesNothing finds a peer that no namespace or no pod matches.
func (a *auditor) matchesNothing(l *list, i int) {
	peer := &l.peers[i]
	f := Finding{Code: v1alpha1.FindingPeerMatchesNothing, Severity: v1alpha1.FindingInfo, Policy: l.policy.Name, Clause: l.clause(i)}
	switch {
	case peer.IPBlock != nil || len(a.pods) == 0:
		return
	case peer.NamespaceSelector != nil:
		a.namespacesMatchNothing(f, peer)
	case peer.PodSelector != nil && !everything(peer.PodSelector):
		own := []string{a.namespace}
		if matches, ok := a.matchesPod(peer.PodSelector, own); matches || !ok {
			return
		}
		f.Message = fmt.Sprintf("podSelector %s matches no pod of %s: ", selectorText(peer.PodSelector), a.namespace)
		f.ask(a.suggestPods(peer.PodSelector, own), "a podSelector alone means pods of the policy's own namespace; for those of another one write a namespaceSelector into the same item")
		a.add(f)
	}
}

// namespacesMatchNothing is the same for a peer with a namespaceSelector.
func (a *auditor) namespacesMatchNothing(f Finding, peer *networkingv1.NetworkPolicyPeer) {
	names, ok := a.namespacesOf(peer.NamespaceSelector)
	switch {
	case !ok || everything(peer.NamespaceSelector):
		return
	case len(names) == 0:
		f.Message = fmt.Sprintf("namespaceSelector %s matches no namespace: ", selectorText(peer.NamespaceSelector))
		f.ask(a.suggestNamespaces(peer.NamespaceSelector), "a namespace is selected by its labels, and has its name as the label kubernetes.io/metadata.name")
		a.add(f)
		return
	case peer.PodSelector == nil || everything(peer.PodSelector):
		return
	case slices.ContainsFunc(names, func(name string) bool { return !a.open[name] }):
		return // what pods others have is not to be told
	}
	if matches, ok := a.matchesPod(peer.PodSelector, names); matches || !ok {
		return
	}
	f.Message = fmt.Sprintf("podSelector %s matches no pod of the namespaces %s: ", selectorText(peer.PodSelector), selectorText(peer.NamespaceSelector))
	f.ask(a.suggestPods(peer.PodSelector, names), "write labels that their pods have")
	a.add(f)
}

// ask whether something near was meant, which makes it a likely mistake; else
// give advice.
func (f *Finding) ask(suggestions []suggest.Suggestion, advice string) {
	if question := suggest.Question(suggestions); question != "" {
		f.Severity = v1alpha1.FindingWarning
		f.Message += question
		return
	}
	f.Message += advice
}
