// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"fmt"
	"slices"

	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/controllers/plan"
	"github.com/netladder/netladder/controllers/policy"
	"github.com/netladder/netladder/controllers/policy/suggest"
)

// maxPortPods whose ports are looked at, for one rule.
const maxPortPods = 2000

// maxNames of ports among which the one that was meant is looked for.
const maxNames = 64

// ports finds named ports that no pod has which a rule is about: for ingress
// the pods that the policy selects, for egress those that the rule's peers do.
func (a *auditor) ports(p *networkingv1.NetworkPolicy) {
	var selected []*plan.Pod
	for _, l := range lists(p) {
		entries := l.ports()
		if !slices.ContainsFunc(entries, func(e networkingv1.NetworkPolicyPort) bool { return named(&e) }) {
			continue
		}
		var pods []*plan.Pod
		if l.direction == policy.Ingress {
			if selected == nil {
				selected, _ = a.podsOf(a.namespace, &p.Spec.PodSelector)
			}
			pods = selected
		} else {
			pods = a.targets(&l)
		}
		if len(pods) == 0 || len(pods) > maxPortPods {
			continue
		}
		for i := range entries {
			if named(&entries[i]) {
				a.port(&l, i, pods)
			}
		}
	}
}

func (l *list) ports() []networkingv1.NetworkPolicyPort {
	if l.direction == policy.Egress {
		return l.policy.Spec.Egress[l.rule].Ports
	}
	return l.policy.Spec.Ingress[l.rule].Ports
}

// named is true for an entry with a name, for a protocol of which names are
// known.
func named(p *networkingv1.NetworkPolicyPort) bool {
	return p.Port != nil && p.Port.Type == intstr.String &&
		(protocolOf(p) == string(v1alpha1.ProtocolTCP) || protocolOf(p) == string(v1alpha1.ProtocolUDP))
}

// port finds an entry whose name none of the pods has for its protocol.
func (a *auditor) port(l *list, i int, pods []*plan.Pod) {
	entry := &l.ports()[i]
	name, protocol := entry.Port.StrVal, protocolOf(entry)
	other := v1alpha1.Protocol("")
	for _, p := range pods {
		if !a.afford(1) {
			return
		}
		for _, port := range p.Ports {
			switch {
			case port.Name != name:
			case string(port.Protocol) == protocol:
				return
			default:
				other = port.Protocol
			}
		}
	}
	side := "ingress"
	if l.direction == policy.Egress {
		side = "egress"
	}
	f := Finding{
		Code: v1alpha1.FindingPortMatchesNothing, Severity: v1alpha1.FindingWarning, Policy: l.policy.Name,
		Clause:  fmt.Sprintf("spec.%s[%d].ports[%d]", side, l.rule, i),
		Message: fmt.Sprintf("no container of %s has a port named %s for %s: ", described(pods), cutText(name, 63), protocol),
	}
	switch near := a.nearPort(name, protocol, pods); {
	case other != "":
		f.Message += fmt.Sprintf("it is for %s, so write protocol: %s", other, other)
	case near != "":
		f.Message += "did you mean " + near + "?"
	default:
		f.Message += "write the name that the pods give it, or its number"
	}
	a.add(f)
}

// nearPort is the name that was probably meant; empty if none is near.
func (a *auditor) nearPort(name, protocol string, pods []*plan.Pod) string {
	if a.suggestions++; a.suggestions > maxSuggestions {
		return ""
	}
	var names []string
	for _, p := range pods {
		for _, port := range p.Ports {
			if string(port.Protocol) == protocol && !slices.Contains(names, port.Name) && len(names) < maxNames {
				names = append(names, port.Name)
			}
		}
	}
	return suggest.Name(name, names)
}

// targets of an egress rule: the pods that its peers mean, where all of them
// mean pods about which may be told; empty otherwise.
func (a *auditor) targets(l *list) []*plan.Pod {
	var out []*plan.Pod
	for i := range l.peers {
		peer := &l.peers[i]
		if peer.IPBlock != nil {
			return nil
		}
		names, ok := []string{a.namespace}, true
		if peer.NamespaceSelector != nil {
			names, ok = a.namespacesOf(peer.NamespaceSelector)
		}
		if !ok || slices.ContainsFunc(names, func(name string) bool { return !a.open[name] }) {
			return nil
		}
		for _, name := range names {
			pods, ok := a.podsOf(name, peer.PodSelector)
			if !ok || len(out)+len(pods) > maxPortPods {
				return nil
			}
			out = append(out, pods...)
		}
	}
	return out
}
