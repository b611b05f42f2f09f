// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"net/netip"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	netutils "k8s.io/utils/net"
)

// compiled is a policy in the form in which it is evaluated.
type compiled struct {
	object  *networkingv1.NetworkPolicy
	key     types.NamespacedName
	pods    labels.Selector
	ingress side
	egress  side
}

// side is what a policy says of one direction.
type side struct {
	isolates bool
	rules    []rule
	// clauses in the rules: entries of ports, from, to and except.
	clauses int
}

func (s *side) add(r rule) {
	s.rules = append(s.rules, r)
	s.clauses += 1 + len(r.ports) + len(r.peers)
	for i := range r.peers {
		if b := r.peers[i].block; b != nil {
			s.clauses += len(b.except)
		}
	}
}

func (c *compiled) side(d Direction) *side {
	if d == Egress {
		return &c.egress
	}
	return &c.ingress
}

// isolates says whether the policy selects pods with these labels for a
// direction.
func (c *compiled) isolates(d Direction, podLabels map[string]string) bool {
	return c.side(d).isolates && c.pods.Matches(labels.Set(podLabels))
}

// rule admits what matches one of its ports and one of its peers.
type rule struct {
	ref   Rule
	ports []port
	peers []peer
}

// port is one entry of a rule's ports. A broken one matches nothing.
type port struct {
	broken   bool
	protocol string
	// name of a named port; otherwise first to last, and all where first is 0.
	name        string
	first, last int32
}

// peer is one entry of from or to. A broken one matches nothing.
type peer struct {
	ref Rule
	// broken is the clause that cannot be read; empty if all can.
	broken Clause
	// pods and namespaces; nil where the entry does not have them.
	pods, namespaces labels.Selector
	// block; nil where the entry does not have it.
	block *block
}

// block is an ipBlock.
type block struct {
	cidr
	except []cidr
}

// cidr as it is written and as it is read.
type cidr struct {
	netip.Prefix
	text string
}

func compile(p *networkingv1.NetworkPolicy) *compiled {
	c := &compiled{object: p, key: types.NamespacedName{Namespace: p.Namespace, Name: p.Name}}
	c.pods = selector(&p.Spec.PodSelector)
	if c.pods == nil {
		c.pods = labels.Nothing()
	}
	c.ingress.isolates, c.egress.isolates = directions(&p.Spec)
	for i := range p.Spec.Ingress {
		r := &p.Spec.Ingress[i]
		c.ingress.add(compileRule(Rule{Policy: c.key, Index: i, Peer: -1}, r.Ports, r.From))
	}
	for i := range p.Spec.Egress {
		r := &p.Spec.Egress[i]
		c.egress.add(compileRule(Rule{Policy: c.key, Index: i, Peer: -1}, r.Ports, r.To))
	}
	return c
}

// directions that a policy is about. Without policyTypes that is Ingress, and
// Egress too if there are egress rules.
func directions(s *networkingv1.NetworkPolicySpec) (ingress, egress bool) {
	if len(s.PolicyTypes) == 0 {
		return true, len(s.Egress) > 0
	}
	for _, t := range s.PolicyTypes {
		ingress = ingress || t == networkingv1.PolicyTypeIngress
		egress = egress || t == networkingv1.PolicyTypeEgress
	}
	return ingress, egress
}

func compileRule(ref Rule, ports []networkingv1.NetworkPolicyPort, peers []networkingv1.NetworkPolicyPeer) rule {
	r := rule{ref: ref}
	for i := range ports {
		r.ports = append(r.ports, compilePort(&ports[i]))
	}
	for i := range peers {
		ref.Peer = i
		r.peers = append(r.peers, compilePeer(ref, &peers[i]))
	}
	return r
}

func compilePort(p *networkingv1.NetworkPolicyPort) port {
	out := port{protocol: string(corev1.ProtocolTCP)}
	if p.Protocol != nil {
		out.protocol = string(*p.Protocol)
	}
	switch {
	case p.Port == nil:
		out.broken = p.EndPort != nil
	case p.Port.Type == intstr.String:
		out.name = p.Port.StrVal
		out.broken = p.EndPort != nil || out.name == ""
	default:
		out.first, out.last = p.Port.IntVal, p.Port.IntVal
		if p.EndPort != nil {
			out.last = *p.EndPort
		}
		out.broken = p.Port.Type != intstr.Int || out.first < 1 || out.last > 65535 || out.last < out.first
	}
	return out
}

func compilePeer(ref Rule, p *networkingv1.NetworkPolicyPeer) peer {
	out := peer{ref: ref}
	if p.IPBlock != nil {
		out.block = compileBlock(p.IPBlock)
		if out.block == nil || p.PodSelector != nil || p.NamespaceSelector != nil {
			out.broken = ClauseCIDR
		}
		return out
	}
	out.pods, out.namespaces = selector(p.PodSelector), selector(p.NamespaceSelector)
	switch {
	case p.NamespaceSelector != nil && out.namespaces == nil:
		out.broken = ClauseNamespaceSelector
	case p.PodSelector != nil && out.pods == nil, p.PodSelector == nil && p.NamespaceSelector == nil:
		out.broken = ClausePodSelector
	}
	return out
}

// selector is nil for none and for one that cannot be parsed.
func selector(s *metav1.LabelSelector) labels.Selector {
	if s == nil {
		return nil
	}
	out, err := metav1.LabelSelectorAsSelector(s)
	if err != nil {
		return nil
	}
	return out
}

// compileBlock is nil for a block that cannot be parsed.
func compileBlock(b *networkingv1.IPBlock) *block {
	all, ok := prefix(b.CIDR)
	if !ok {
		return nil
	}
	out := &block{cidr: cidr{all, b.CIDR}}
	for _, text := range b.Except {
		except, ok := prefix(text)
		if !ok {
			return nil
		}
		out.except = append(out.except, cidr{except, text})
	}
	return out
}

// prefix reads a CIDR as the API server has accepted them over time: leading
// zeros and bits behind the prefix are no error, and an IPv4 prefix may be
// written as one of IPv6.
func prefix(text string) (netip.Prefix, bool) {
	_, parsed, err := netutils.ParseCIDRSloppy(text)
	if err != nil {
		return netip.Prefix{}, false
	}
	bits, size := parsed.Mask.Size()
	if v4 := parsed.IP.To4(); v4 != nil {
		address, ok := netip.AddrFromSlice(v4)
		return netip.PrefixFrom(address, bits-size+32), ok
	}
	address, ok := netip.AddrFromSlice(parsed.IP)
	return netip.PrefixFrom(address, bits), ok
}

func (b *block) contains(ip netip.Addr) bool {
	return b.Contains(ip) && b.exception(ip) < 0
}

// exception that an address is in; -1 for none.
func (b *block) exception(ip netip.Addr) int {
	for i := range b.except {
		if b.except[i].Contains(ip) {
			return i
		}
	}
	return -1
}
