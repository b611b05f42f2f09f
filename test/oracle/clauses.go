// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package oracle

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

type (
	netpol   = networkingv1.NetworkPolicy
	peerSpec = networkingv1.NetworkPolicyPeer
	portSpec = networkingv1.NetworkPolicyPort
)

// Clause is a kind of clause that the generated cases must turn on. It decided
// a case if the engine answers otherwise once it is rewritten: taken away,
// widened, or read as a common mistake reads it.
type Clause struct {
	Name    string
	Rewrite func(Cluster) Cluster
}

// Clauses are all kinds.
func Clauses() []Clause {
	return slices.Concat(policyClauses(), selectorClauses(), peerClauses(), portClauses())
}

func policyClauses() []Clause {
	const in, out = networkingv1.PolicyTypeIngress, networkingv1.PolicyTypeEgress
	types := func(want ...networkingv1.PolicyType) func(*netpol) bool {
		return func(p *netpol) bool { return slices.Equal(p.Spec.PolicyTypes, want) }
	}
	return []Clause{
		{"policyTypes absent, no egress rules", without(func(p *netpol) bool { return types()(p) && len(p.Spec.Egress) == 0 })},
		{"policyTypes absent, egress rules", without(func(p *netpol) bool { return types()(p) && len(p.Spec.Egress) > 0 })},
		{"policyTypes Ingress", without(types(in))},
		{"policyTypes Egress", without(types(out))},
		{"policyTypes both", without(types(in, out))},
		{"rules nil", without(func(p *netpol) bool { return p.Spec.Ingress == nil || p.Spec.Egress == nil })},
		{"rules empty, not nil", without(func(p *netpol) bool {
			return p.Spec.Ingress != nil && len(p.Spec.Ingress) == 0 || p.Spec.Egress != nil && len(p.Spec.Egress) == 0
		})},
		{"second policy of a pod", func(c Cluster) Cluster {
			// Only the first policy of a namespace counts: neither union nor isolation by another.
			seen := map[string]bool{}
			return without(func(p *netpol) bool {
				known := seen[p.Namespace]
				seen[p.Namespace] = true
				return known
			})(c)
		}},
		{"second rule of a policy", eachPolicy(func(p *netpol) {
			p.Spec.Ingress, p.Spec.Egress = p.Spec.Ingress[:min(1, len(p.Spec.Ingress))], p.Spec.Egress[:min(1, len(p.Spec.Egress))]
		})},
		{"podSelector of the policy", eachPolicy(func(p *netpol) { p.Spec.PodSelector = metav1.LabelSelector{} })},
		{"podSelector of the policy empty", without(func(p *netpol) bool { return isEmpty(&p.Spec.PodSelector) })},
	}
}

// selectorClauses are about labels, wherever a policy asks for them.
func selectorClauses() []Clause {
	operator := func(o metav1.LabelSelectorOperator) func(Cluster) Cluster {
		return eachSelector(func(s *metav1.LabelSelector) {
			s.MatchExpressions = slices.DeleteFunc(s.MatchExpressions, func(r metav1.LabelSelectorRequirement) bool { return r.Operator == o })
		})
	}
	return []Clause{
		{"matchLabels", eachSelector(func(s *metav1.LabelSelector) { s.MatchLabels = nil })},
		{"In", operator(metav1.LabelSelectorOpIn)},
		{"NotIn", operator(metav1.LabelSelectorOpNotIn)},
		{"Exists", operator(metav1.LabelSelectorOpExists)},
		{"DoesNotExist", operator(metav1.LabelSelectorOpDoesNotExist)},
		{"NotIn on an absent key", eachSelector(func(s *metav1.LabelSelector) {
			for _, r := range slices.Clone(s.MatchExpressions) {
				if r.Operator == metav1.LabelSelectorOpNotIn {
					s.MatchExpressions = append(s.MatchExpressions,
						metav1.LabelSelectorRequirement{Key: r.Key, Operator: metav1.LabelSelectorOpExists})
				}
			}
		})},
	}
}

func peerClauses() []Clause {
	peers := func(rewrite func(*peerSpec)) func(Cluster) Cluster {
		return eachPolicy(func(p *netpol) { eachPeer(p, rewrite) })
	}
	family := func(six bool, rewrite func(*networkingv1.IPBlock)) func(Cluster) Cluster {
		return peers(func(p *peerSpec) {
			if p.IPBlock != nil && blockIs6(*p.IPBlock) == six {
				rewrite(p.IPBlock)
			}
		})
	}
	widen := func(b *networkingv1.IPBlock) { b.CIDR = everyAddress(*b).CIDR }
	accept := func(b *networkingv1.IPBlock) { b.Except = nil }
	return []Clause{
		{"peers absent or empty", withoutRules(func(_ []portSpec, peers []peerSpec) bool { return len(peers) == 0 })},
		{"second peer of a rule", eachPolicy(func(p *netpol) {
			eachRule(p, func(_ *[]portSpec, peers *[]peerSpec) { *peers = (*peers)[:min(1, len(*peers))] })
		})},
		{"podSelector alone means the policy's namespace", peers(func(p *peerSpec) {
			if p.PodSelector != nil && p.NamespaceSelector == nil {
				p.NamespaceSelector = &metav1.LabelSelector{}
			}
		})},
		{"podSelector of a peer", peers(func(p *peerSpec) {
			if p.PodSelector != nil {
				p.PodSelector = &metav1.LabelSelector{}
			}
		})},
		{"namespaceSelector alone", peers(func(p *peerSpec) {
			if p.PodSelector == nil && p.NamespaceSelector != nil {
				p.NamespaceSelector = &metav1.LabelSelector{}
			}
		})},
		{"podSelector and namespaceSelector in one peer", eachPolicy(func(p *netpol) { eachRule(p, bothAsTwo) })},
		{"ipBlock IPv4", family(false, widen)},
		{"ipBlock IPv6", family(true, widen)},
		{"except IPv4", family(false, accept)},
		{"except IPv6", family(true, accept)},
	}
}

func portClauses() []Clause {
	ports := func(rewrite func(*portSpec)) func(Cluster) Cluster {
		return eachPolicy(func(p *netpol) { eachPort(p, rewrite) })
	}
	return []Clause{
		{"ports absent or empty", withoutRules(func(ports []portSpec, _ []peerSpec) bool { return len(ports) == 0 })},
		{"number", ports(func(p *portSpec) {
			if p.Port != nil && p.Port.Type == intstr.Int && p.EndPort == nil {
				p.Port = nil
			}
		})},
		{"name", ports(func(p *portSpec) {
			if p.Port != nil && p.Port.Type == intstr.String {
				p.Port = nil
			}
		})},
		{"name that pods give several numbers", nameAsFirstNumber},
		{"name that a sidecar gives", eachPod(func(p *corev1.Pod) { p.Spec.InitContainers = nil })},
		{"endPort", ports(func(p *portSpec) { p.EndPort = nil })},
		{"port absent", ports(func(p *portSpec) {
			if p.Port == nil {
				p.Port = new(intstr.FromInt32(1))
			}
		})},
		{"protocol absent", ports(func(p *portSpec) {
			if p.Protocol == nil {
				p.Protocol = new(corev1.ProtocolUDP)
			}
		})},
		{"protocol", ports(func(p *portSpec) {
			switch {
			case p.Protocol == nil || *p.Protocol == corev1.ProtocolTCP:
				p.Protocol = new(corev1.ProtocolUDP)
			case *p.Protocol == corev1.ProtocolUDP:
				p.Protocol = new(corev1.ProtocolTCP)
			}
		})},
	}
}

func isEmpty(s *metav1.LabelSelector) bool { return len(s.MatchLabels)+len(s.MatchExpressions) == 0 }

func blockIs6(b networkingv1.IPBlock) bool { return everyAddress(b).CIDR == "::/0" }

// without drops policies.
func without(drop func(*netpol) bool) func(Cluster) Cluster {
	return func(c Cluster) Cluster {
		c.Policies = slices.DeleteFunc(slices.Clone(c.Policies), drop)
		return c
	}
}

// withoutRules drops rules.
func withoutRules(drop func([]portSpec, []peerSpec) bool) func(Cluster) Cluster {
	return eachPolicy(func(p *netpol) {
		typesSet(p) // by the rules as they were
		p.Spec.Ingress = slices.DeleteFunc(p.Spec.Ingress, func(r networkingv1.NetworkPolicyIngressRule) bool { return drop(r.Ports, r.From) })
		p.Spec.Egress = slices.DeleteFunc(p.Spec.Egress, func(r networkingv1.NetworkPolicyEgressRule) bool { return drop(r.Ports, r.To) })
	})
}

func eachRule(p *netpol, visit func(*[]portSpec, *[]peerSpec)) {
	for i := range p.Spec.Ingress {
		visit(&p.Spec.Ingress[i].Ports, &p.Spec.Ingress[i].From)
	}
	for i := range p.Spec.Egress {
		visit(&p.Spec.Egress[i].Ports, &p.Spec.Egress[i].To)
	}
}

func eachSelector(visit func(*metav1.LabelSelector)) func(Cluster) Cluster {
	return eachPolicy(func(p *netpol) {
		visit(&p.Spec.PodSelector)
		eachPeer(p, func(peer *peerSpec) {
			for _, s := range []*metav1.LabelSelector{peer.PodSelector, peer.NamespaceSelector} {
				if s != nil {
					visit(s)
				}
			}
		})
	})
}

// bothAsTwo reads the AND of one peer as the OR of two.
func bothAsTwo(_ *[]portSpec, peers *[]peerSpec) {
	for _, p := range slices.Clone(*peers) {
		if p.PodSelector != nil && p.NamespaceSelector != nil {
			*peers = append(*peers, peerSpec{PodSelector: p.PodSelector}, peerSpec{NamespaceSelector: p.NamespaceSelector})
		}
	}
}

// nameAsFirstNumber reads a name as the number that the first pod gives it, not
// as that of the pod that is dialled.
func nameAsFirstNumber(c Cluster) Cluster {
	numbers := map[string]int32{}
	for _, pod := range c.Pods {
		for _, port := range slices.Concat(portsOf(pod, false), portsOf(pod, true)) {
			if _, known := numbers[port.Name]; !known {
				numbers[port.Name] = port.ContainerPort
			}
		}
	}
	return eachPolicy(func(p *netpol) {
		eachPort(p, func(port *portSpec) {
			if port.Port == nil || port.Port.Type == intstr.Int {
				return
			}
			if number, known := numbers[port.Port.StrVal]; known {
				port.Port = new(intstr.FromInt32(number))
			}
		})
	})(c)
}
