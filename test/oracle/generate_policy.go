// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package oracle

import (
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// policy of any form that the API server accepts.
func (g *Generator) policy(namespace, name string) *networkingv1.NetworkPolicy {
	p := &networkingv1.NetworkPolicy{
		TypeMeta:   metav1.TypeMeta{APIVersion: "networking.k8s.io/v1", Kind: "NetworkPolicy"},
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec:       networkingv1.NetworkPolicySpec{PodSelector: *g.selector(labelPool(), 52)},
	}
	const in, out = networkingv1.PolicyTypeIngress, networkingv1.PolicyTypeEgress
	switch kind := g.rand.IntN(10); {
	case kind < 2:
		p.Spec.PolicyTypes = []networkingv1.PolicyType{in}
	case kind < 4:
		p.Spec.PolicyTypes = []networkingv1.PolicyType{out}
	case kind < 5:
		p.Spec.PolicyTypes = []networkingv1.PolicyType{in, out}
	}
	rules := func() int {
		switch kind := g.rand.IntN(10); {
		case kind < 1:
			return 0
		case kind < 7:
			return 1
		default:
			return 2
		}
	}
	if n := rules(); n > 0 || g.chance(50) {
		p.Spec.Ingress = make([]networkingv1.NetworkPolicyIngressRule, 0, n)
		for range n {
			ports, peers := g.rule()
			p.Spec.Ingress = append(p.Spec.Ingress, networkingv1.NetworkPolicyIngressRule{Ports: ports, From: peers})
		}
	}
	if n := rules(); (n > 0 || g.chance(50)) && g.chance(80) {
		p.Spec.Egress = make([]networkingv1.NetworkPolicyEgressRule, 0, n)
		for range n {
			ports, peers := g.rule()
			p.Spec.Egress = append(p.Spec.Egress, networkingv1.NetworkPolicyEgressRule{Ports: ports, To: peers})
		}
	}
	return p
}

// rule: absent, empty and filled lists of ports and of peers.
func (g *Generator) rule() ([]networkingv1.NetworkPolicyPort, []networkingv1.NetworkPolicyPeer) {
	var (
		ports []networkingv1.NetworkPolicyPort
		peers []networkingv1.NetworkPolicyPeer
	)
	switch kind := g.rand.IntN(100); {
	case kind < 20, g.blocks && kind < 50:
	case kind < 30:
		ports = []networkingv1.NetworkPolicyPort{}
	default:
		for range 1 + g.rand.IntN(2) {
			ports = append(ports, g.port())
		}
	}
	switch kind := g.rand.IntN(100); {
	case kind < 5, g.names && kind < 40:
	case kind < 10:
		peers = []networkingv1.NetworkPolicyPeer{}
	default:
		for range 1 + g.rand.IntN(3) {
			peers = append(peers, g.peer())
		}
	}
	return ports, peers
}

func (g *Generator) port() networkingv1.NetworkPolicyPort {
	var p networkingv1.NetworkPolicyPort
	switch kind := g.rand.IntN(100); {
	case kind < 45, g.names && kind < 70: // TCP by default
	case kind < 65:
		p.Protocol = new(corev1.ProtocolTCP)
	case kind < 95:
		p.Protocol = new(corev1.ProtocolUDP)
	default:
		p.Protocol = new(corev1.ProtocolSCTP)
	}
	if g.names && g.chance(80) {
		p.Port = new(intstr.FromString(one(g, []string{"http", "proxy", "proxy", "proxy"})))
		return p
	}
	switch kind := g.rand.IntN(100); {
	case kind < 20: // every port
	case kind < 43:
		p.Port = new(intstr.FromInt32(one(g, portNumbers())))
	case kind < 60:
		p.Port = new(intstr.FromString(one(g, []string{"dns", "http", "http", "metrics", "proxy", "proxy"})))
	default:
		p.Port = new(intstr.FromInt32(one(g, []int32{1, 53, 79, 80, 8000, 8080, 9000})))
		p.EndPort = new(max(p.Port.IntVal, one(g, []int32{80, 8079, 8081, 8443, 9090})))
	}
	return p
}

func (g *Generator) peer() networkingv1.NetworkPolicyPeer {
	switch kind := g.rand.IntN(100); {
	case g.blocks && kind < 70:
		return networkingv1.NetworkPolicyPeer{IPBlock: g.block()}
	case kind < 22:
		return networkingv1.NetworkPolicyPeer{PodSelector: g.selector(labelPool(), 30)}
	case kind < 44:
		return networkingv1.NetworkPolicyPeer{NamespaceSelector: g.selector(namespaceLabelPool(), 15)}
	case kind < 68:
		return networkingv1.NetworkPolicyPeer{
			PodSelector: g.selector(labelPool(), 15), NamespaceSelector: g.selector(namespaceLabelPool(), 15),
		}
	default:
		return networkingv1.NetworkPolicyPeer{IPBlock: g.block()}
	}
}

// block: each exception lies strictly within, as the API server wants it.
func (g *Generator) block() *networkingv1.IPBlock {
	blocks := []networkingv1.IPBlock{
		{CIDR: "0.0.0.0/0", Except: []string{"192.0.2.0/24", "169.254.169.254/32", "10.0.0.0/8"}},
		{CIDR: "192.0.2.0/24", Except: []string{"192.0.2.64/26", "192.0.2.200/32", "192.0.2.0/25"}},
		{CIDR: "198.51.100.9/32"},
		{CIDR: "10.0.0.0/8", Except: []string{"10.0.1.0/24"}},
		{CIDR: "::/0", Except: []string{"2001:db8::/64", "64:ff9b::/96", "fd00::/8"}},
		{CIDR: "2001:db8::/32", Except: []string{"2001:db8::/126", "2001:db8::77/128", "2001:db8:0:1::/64"}},
		{CIDR: "2001:db8:ff::9/128"},
		{CIDR: "fd00:10::/32", Except: []string{"fd00:10:1::/48"}},
	}
	// Those that hold outside addresses and have exceptions come more often.
	weighted := []int{0, 0, 1, 1, 1, 2, 3, 4, 4, 5, 5, 5, 6, 7}
	block := blocks[one(g, weighted)]
	except := slices.Clone(block.Except)
	g.rand.Shuffle(len(except), func(i, j int) { except[i], except[j] = except[j], except[i] })
	block.Except = except[:g.rand.IntN(len(except)+1)]
	if len(block.Except) == 0 && g.chance(50) {
		block.Except = except
	}
	return &block
}

// selector over a pool of labels; empty with a chance.
func (g *Generator) selector(pool map[string][]string, empty int) *metav1.LabelSelector {
	s := &metav1.LabelSelector{}
	if g.chance(empty) {
		return s
	}
	keys := sortedKeys(pool)
	key := one(g, keys)
	switch kind := g.rand.IntN(100); {
	case kind < 20:
		s.MatchLabels = map[string]string{key: one(g, pool[key])}
	case kind < 30:
		s.MatchLabels = g.labels(pool, 60)
	case kind < 90:
		s.MatchExpressions = []metav1.LabelSelectorRequirement{g.expression(key, pool)}
	default:
		s.MatchLabels = map[string]string{key: one(g, pool[key])}
		s.MatchExpressions = []metav1.LabelSelectorRequirement{g.expression(one(g, keys), pool)}
	}
	return s
}

func (g *Generator) expression(key string, pool map[string][]string) metav1.LabelSelectorRequirement {
	r := metav1.LabelSelectorRequirement{Key: key}
	values := slices.Clone(pool[key])
	g.rand.Shuffle(len(values), func(i, j int) { values[i], values[j] = values[j], values[i] })
	switch kind := g.rand.IntN(100); {
	case kind < 20:
		r.Operator, r.Values = metav1.LabelSelectorOpIn, values[:1+g.rand.IntN(len(values)-1)]
	case kind < 55:
		r.Operator, r.Values = metav1.LabelSelectorOpNotIn, values[:1+g.rand.IntN(len(values))]
	case kind < 85:
		r.Operator = metav1.LabelSelectorOpExists
	default:
		r.Operator = metav1.LabelSelectorOpDoesNotExist
	}
	return r
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
