// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package oracle

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/netladder/netladder/controllers/policy"
)

// Explained checks what our evaluator says about why, against the specification
// and against itself: the policies that it names select the pod, the rule that
// it says admits does so alone, and the rule that it says is nearest misses by
// the clauses that it names, and by no others.
func Explained(c Case, got policy.Decision) error {
	selected, _ := c.Flow.selected(got.Direction)
	if err := isolationExplained(c, selected, got); err != nil {
		return err
	}
	switch {
	case got.Verdict == policy.ImplementationDefined && got.Why == "":
		return fmt.Errorf("ImplementationDefined without a reason")
	case got.Verdict != policy.ImplementationDefined && got.Why != "":
		return fmt.Errorf("%s has a reason for ImplementationDefined: %s", got.Verdict, got.Why)
	case got.Verdict == policy.Deny && len(got.Isolating) == 0:
		return fmt.Errorf("denied, and nothing isolates")
	case got.Verdict == policy.Deny:
		return denialExplained(c, got)
	case got.Verdict == policy.Allow && len(got.Isolating) > 0 && got.Exempt == "":
		return admissionExplained(c, got)
	case got.Admitting != nil || got.Nearest != nil:
		return fmt.Errorf("%s has a rule: admitting %v, nearest %v", got.Verdict, got.Admitting, got.Nearest)
	}
	return nil
}

func isolationExplained(c Case, selected End, got policy.Decision) error {
	var want []types.NamespacedName
	if selected.Pod != nil {
		for _, p := range Isolating(c.Cluster, selected.Pod, got.Direction) {
			want = append(want, types.NamespacedName{Namespace: p.Namespace, Name: p.Name})
		}
	}
	slices.SortFunc(want, func(a, b types.NamespacedName) int { return cmp.Compare(a.String(), b.String()) })
	if !slices.Equal(got.Isolating, want) {
		return fmt.Errorf("isolating are %v, want %v", got.Isolating, want)
	}
	return nil
}

// admissionExplained: the rule admits when it is the only one.
func admissionExplained(c Case, got policy.Decision) error {
	if got.Admitting == nil {
		return fmt.Errorf("isolated and allowed, and no rule admits")
	}
	cut, err := cutDown(c, *got.Admitting, got)
	if err != nil {
		return err
	}
	alone := decision(NewOurs(cut.Cluster).Evaluate(cut.Flow), got.Direction)
	if alone.Verdict != policy.Allow {
		return fmt.Errorf("the rule said to admit (%v) gives %s alone", *got.Admitting, alone.Verdict)
	}
	return nil
}

// denialExplained: the nearest rule, alone, misses by the clause that is named;
// with this and the other named clauses mended it admits, and with all but one
// it does not.
func denialExplained(c Case, got policy.Decision) error {
	if got.Nearest == nil {
		if rules := rulesOf(c, got); rules > 0 {
			return fmt.Errorf("denied, no nearest rule, and the isolating policies have %d", rules)
		}
		return nil
	}
	miss := *got.Nearest
	if miss.Wants == "" || miss.Got == "" {
		return fmt.Errorf("the nearest miss does not say what it wants (%q) or got (%q)", miss.Wants, miss.Got)
	}
	cut, err := cutDown(c, miss.Rule, got)
	if err != nil {
		return err
	}
	if verdict := mended(cut, got.Direction); verdict != policy.Deny {
		return fmt.Errorf("the nearest rule (%v) gives %s alone", miss, verdict)
	}
	clauses := append([]policy.Clause{miss.Clause}, miss.Also...)
	if verdict := mended(cut, got.Direction, clauses...); verdict == policy.Deny {
		return fmt.Errorf("the nearest rule (%v) still denies with %v mended", miss, clauses)
	}
	for named, other := range map[policy.Clause]policy.Clause{
		policy.ClausePort: policy.ClauseProtocol, policy.ClauseCIDR: policy.ClauseExcept,
	} {
		// The second of a pair is the smaller fault: where it would do, it is named.
		// Behind a Service it may do for the other of two addresses and ports.
		if at := slices.Index(clauses, named); at >= 0 && !c.Flow.Service.IsValid() {
			instead := slices.Clone(clauses)
			instead[at] = other
			if verdict := mended(cut, got.Direction, instead...); verdict != policy.Deny {
				return fmt.Errorf("the nearest rule (%v) gives %s with %s mended in place of %s", miss, verdict, other, named)
			}
		}
	}
	for i := range clauses {
		others := slices.Delete(slices.Clone(clauses), i, i+1)
		if verdict := mended(cut, got.Direction, others...); verdict != policy.Deny {
			return fmt.Errorf("the nearest rule (%v) gives %s without %s mended", miss, verdict, clauses[i])
		}
	}
	return nil
}

// rulesOf counts the rules of the isolating policies.
func rulesOf(c Case, got policy.Decision) int {
	rules := 0
	for _, p := range c.Cluster.Policies {
		if slices.Contains(got.Isolating, types.NamespacedName{Namespace: p.Namespace, Name: p.Name}) {
			if got.Direction == policy.Ingress {
				rules += len(p.Spec.Ingress)
			} else {
				rules += len(p.Spec.Egress)
			}
		}
	}
	return rules
}

// cutDown leaves one rule of one policy, and of that one peer.
func cutDown(c Case, r policy.Rule, got policy.Decision) (Case, error) {
	if !slices.Contains(got.Isolating, r.Policy) {
		return c, fmt.Errorf("the rule %v is not of an isolating policy", r)
	}
	for _, p := range c.Cluster.Policies {
		if p.Namespace != r.Policy.Namespace || p.Name != r.Policy.Name {
			continue
		}
		p = p.DeepCopy()
		p.Spec.PolicyTypes = []networkingv1.PolicyType{networkingv1.PolicyType(got.Direction)}
		if got.Direction == policy.Ingress {
			p.Spec.Egress = nil
			if r.Index >= len(p.Spec.Ingress) {
				return c, fmt.Errorf("there is no rule %v", r)
			}
			p.Spec.Ingress = p.Spec.Ingress[r.Index : r.Index+1]
		} else {
			p.Spec.Ingress = nil
			if r.Index >= len(p.Spec.Egress) {
				return c, fmt.Errorf("there is no rule %v", r)
			}
			p.Spec.Egress = p.Spec.Egress[r.Index : r.Index+1]
		}
		var err error
		eachRule(p, func(_ *[]portSpec, peers *[]peerSpec) {
			switch {
			case r.Peer >= len(*peers) || r.Peer < 0 && len(*peers) > 0:
				err = fmt.Errorf("there is no peer %v", r)
			case r.Peer >= 0:
				*peers = (*peers)[r.Peer : r.Peer+1]
			}
		})
		c.Cluster.Policies = []*netpol{p}
		return c, err
	}
	return c, fmt.Errorf("there is no policy %v", r)
}

// mended is the verdict after clauses of the only rule were made to match.
func mended(c Case, d policy.Direction, clauses ...policy.Clause) policy.Verdict {
	p := c.Cluster.Policies[0].DeepCopy()
	_, far := c.Flow.selected(d)
	for _, clause := range clauses {
		eachRule(p, func(ports *[]portSpec, peers *[]peerSpec) {
			switch clause {
			case policy.ClausePort:
				for _, number := range []int32{c.Flow.Port, int32(c.Flow.Service.Port())} {
					*ports = append(*ports, portSpec{Protocol: new(c.Flow.Protocol), Port: new(intstr.FromInt32(number))})
				}
			case policy.ClauseProtocol:
				for i := range *ports {
					mendProtocol(&(*ports)[i], c.Flow)
				}
			}
			for i := range *peers {
				mendPeer(&(*peers)[i], clause, far)
			}
		})
	}
	c.Cluster.Policies = []*netpol{p}
	return decision(NewOurs(c.Cluster).Evaluate(c.Flow), d).Verdict
}

// mendProtocol gives an entry the protocol that is dialled. What the far end
// names for the entry's own protocol alone is put by its number.
func mendProtocol(p *portSpec, f Flow) {
	own := corev1.ProtocolTCP
	if p.Protocol != nil {
		own = *p.Protocol
	}
	if pod := f.Destination.Pod; pod != nil && p.Port != nil && p.Port.Type == intstr.String {
		pod = pod.DeepCopy()
		sidecarsAreContainers(pod)
		for _, named := range portsOf(pod, false) {
			if named.Name == p.Port.StrVal && named.ContainerPort == f.Port && named.Protocol == own {
				p.Port = new(intstr.FromInt32(f.Port))
				break
			}
		}
	}
	p.Protocol = new(f.Protocol)
}

// mendPeer makes a clause of a peer match the far end. Selectors never match
// what is no pod: there a block has to stand in their place.
func mendPeer(p *peerSpec, clause policy.Clause, far End) {
	everything := &networkingv1.IPBlock{CIDR: "0.0.0.0/0"}
	if far.IP.Is6() {
		everything.CIDR = "::/0"
	}
	switch {
	case far.Pod == nil && p.IPBlock == nil && (clause == policy.ClausePodSelector || clause == policy.ClauseNamespaceSelector):
		*p = peerSpec{IPBlock: &networkingv1.IPBlock{CIDR: netip.PrefixFrom(far.IP, far.IP.BitLen()).String()}}
	case clause == policy.ClausePodSelector && p.PodSelector != nil:
		p.PodSelector = &metav1.LabelSelector{}
	case clause == policy.ClauseNamespaceSelector && p.IPBlock == nil:
		p.NamespaceSelector = &metav1.LabelSelector{}
	case clause == policy.ClauseCIDR && p.IPBlock != nil:
		p.IPBlock.CIDR = everything.CIDR
	case clause == policy.ClauseExcept && p.IPBlock != nil:
		p.IPBlock.Except = nil
	}
}
