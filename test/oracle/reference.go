// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package oracle

import (
	"context"
	"fmt"
	"net/netip"
	"slices"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/netladder/netladder/controllers/policy"
)

// Reference answers with the engine of kube-network-policies. Where plugins may
// differ it asks the engine once for each thing that a plugin may do: if all
// answers are one, that is the answer, else it is ImplementationDefined.
type Reference struct {
	deviations []Deviation
	cluster    Cluster
	// exact has the policies as they are. In none no address is in an ipBlock, in
	// all every one of its family is. Only has the peers that are ipBlocks.
	exact, none, all, only *engine
}

// NewReference makes an empty one that knows of all deviations.
func NewReference() (*Reference, error) {
	r := &Reference{deviations: Deviations()}
	for _, e := range []**engine{&r.exact, &r.none, &r.all, &r.only} {
		made, err := newEngine()
		if err != nil {
			return nil, err
		}
		*e = made
	}
	return r, nil
}

// Load replaces the cluster that it answers about.
func (r *Reference) Load(c Cluster) error {
	r.cluster = c
	c = repaired(c, r.deviations)
	if err := r.exact.load(c); err != nil {
		return err
	}
	if err := r.none.load(eachBlock(c, noAddress)); err != nil {
		return err
	}
	if err := r.all.load(eachBlock(c, everyAddress)); err != nil {
		return err
	}
	return r.only.load(onlyBlocks(c))
}

// Answer in one direction, and why it is ImplementationDefined if it is.
type Answer struct {
	Verdict policy.Verdict
	Why     policy.Why
}

func (a Answer) String() string {
	if a.Why == "" {
		return string(a.Verdict)
	}
	return fmt.Sprintf("%s (%s)", a.Verdict, a.Why)
}

// accepts tells whether our answer is right, given its own. Where several
// reasons meet, as at a pod on the host network, any of them will do.
func (r *Reference) accepts(f Flow, ours, want Answer) bool {
	onHost := f.Source.onHost() || f.Destination.onHost()
	if ours == want || ours.Verdict == want.Verdict && onHost {
		return true
	}
	return slices.ContainsFunc(r.deviations, func(d Deviation) bool { return d.Accept != nil && d.Accept(f, ours, want) })
}

// Decide about one direction.
func (r *Reference) Decide(ctx context.Context, f Flow, d policy.Direction) (Answer, error) {
	for _, deviation := range r.deviations {
		if deviation.Answer == nil {
			continue
		}
		if verdict, ok := deviation.Answer(f, d); ok {
			return Answer{Verdict: verdict}, nil
		}
	}
	var (
		answers     []bool
		why         policy.Why
		hostNetwork bool
	)
	for _, reading := range readings(f) {
		some, reason, err := r.read(ctx, reading, d)
		if err != nil {
			return Answer{}, err
		}
		answers = append(answers, some...)
		if reason != "" {
			why = reason
		}
		hostNetwork = hostNetwork || reading != f
	}
	if hostNetwork {
		why = policy.WhyHostNetwork
	}
	for _, answer := range answers {
		if answer != answers[0] {
			return Answer{Verdict: policy.ImplementationDefined, Why: why}, nil
		}
	}
	if answers[0] {
		return Answer{Verdict: policy.Allow}, nil
	}
	return Answer{Verdict: policy.Deny}, nil
}

// readings of a connection: a pod on the host network may be told from its
// node, and policies then are about it, or not, and then it is the node.
// Network Policies: "NetworkPolicy behaviour for hostNetwork pods is undefined,
// but it should be limited to 2 possibilities".
func readings(f Flow) []Flow {
	out := []Flow{f}
	if f.Source.onHost() {
		out = append(out, f.with(f.Source.asNode(), f.Destination))
	}
	if f.Destination.onHost() {
		for _, other := range out {
			out = append(out, f.with(other.Source, f.Destination.asNode()))
		}
	}
	return out
}

func (f Flow) with(source, destination End) Flow {
	f.Source, f.Destination = source, destination
	return f
}

func (e End) onHost() bool { return e.Pod != nil && e.Pod.Spec.HostNetwork }

// node whose network namespace the end is in; empty if it has its own.
func (e End) node() string {
	if e.onHost() {
		return e.Pod.Spec.NodeName
	}
	return e.Node
}

func (e End) asNode() End { return End{Node: e.node(), IP: e.IP} }

// read answers for one reading: all answers that a plugin may give.
func (r *Reference) read(ctx context.Context, f Flow, d policy.Direction) (answers []bool, why policy.Why, err error) {
	selected, _ := f.selected(d)
	if selected.Pod == nil {
		return []bool{true}, "", nil
	}
	if f.Protocol == "" && len(Isolating(r.cluster, selected.Pod, d)) > 0 {
		// Network Policies: "it is only guaranteed to deny TCP, UDP and SCTP
		// connections. For other protocols, such as ICMP, the behaviour is undefined".
		return []bool{true, false}, policy.WhyProtocol, nil
	}
	engines, why := r.enginesFor(f, d)
	for _, e := range engines {
		allowed, err := e.allows(ctx, f, d)
		if err != nil {
			return nil, "", err
		}
		answers = append(answers, allowed)
	}
	if f.Service.IsValid() && d == policy.Egress {
		allowed, err := r.beforeTranslation(ctx, f)
		if err != nil {
			return nil, "", err
		}
		answers, why = append(answers, allowed), policy.WhyIPBlock
	}
	if f.Service.IsValid() && f.itself() {
		// It comes back with an address that is not the pod's on some plugins, so that
		// none can tell that the pod dials itself.
		answers, why = append(answers, true), policy.WhyHairpin
	}
	return answers, why, nil
}

// enginesFor are those that put an ipBlock as plugins may do. The page says of
// ipBlock: "These should be cluster-external IPs". "Cluster ingress and egress
// mechanisms often require rewriting the source or destination IP of packets",
// and then "it is not defined whether this happens before or after".
func (r *Reference) enginesFor(f Flow, d policy.Direction) ([]*engine, policy.Why) {
	_, other := f.selected(d)
	switch {
	case d == policy.Ingress && other.node() != "", d == policy.Ingress && other.Pod == nil && f.Service.IsValid():
		// By which address the node or the client is seen depends on the plugin.
		return []*engine{r.none, r.all}, policy.WhyIPBlock
	case other.node() != "", other.Pod != nil:
		return []*engine{r.none, r.exact}, policy.WhyIPBlock
	}
	return []*engine{r.exact}, ""
}

// beforeTranslation answers for a plugin that compares ipBlocks with the
// Service's address and port. Selectors it cannot compare with these.
func (r *Reference) beforeTranslation(ctx context.Context, f Flow) (bool, error) {
	if allowed, err := r.none.allows(ctx, f, policy.Egress); err != nil || allowed {
		return allowed, err
	}
	f.Destination, f.Port = End{IP: f.Service.Addr()}, int32(f.Service.Port())
	return r.only.allows(ctx, f, policy.Egress)
}

// Isolating are the policies that select a pod for a direction, in the order of
// the cluster. It is written after the specification, apart from both engines.
func Isolating(c Cluster, pod *corev1.Pod, d policy.Direction) []*networkingv1.NetworkPolicy {
	var out []*networkingv1.NetworkPolicy
	for _, p := range c.Policies {
		if p.Namespace == pod.Namespace && appliesTo(p, d) && selects(&p.Spec.PodSelector, pod.Labels) {
			out = append(out, p)
		}
	}
	return out
}

func appliesTo(p *networkingv1.NetworkPolicy, d policy.Direction) bool {
	if len(p.Spec.PolicyTypes) == 0 {
		return d == policy.Ingress || len(p.Spec.Egress) > 0
	}
	for _, t := range p.Spec.PolicyTypes {
		if string(t) == string(d) {
			return true
		}
	}
	return false
}

func selects(s *metav1.LabelSelector, set map[string]string) bool {
	selector, err := metav1.LabelSelectorAsSelector(s)
	return err == nil && selector.Matches(labels.Set(set))
}

func eachBlock(c Cluster, rewrite func(networkingv1.IPBlock) networkingv1.IPBlock) Cluster {
	return eachPolicy(func(p *networkingv1.NetworkPolicy) {
		eachPeer(p, func(peer *networkingv1.NetworkPolicyPeer) {
			if peer.IPBlock != nil {
				peer.IPBlock = new(rewrite(*peer.IPBlock))
			}
		})
	})(c)
}

// onlyBlocks leaves the peers that are ipBlocks, and the rules that have some.
func onlyBlocks(c Cluster) Cluster {
	c = eachPolicy(func(p *networkingv1.NetworkPolicy) {
		eachRule(p, func(_ *[]portSpec, peers *[]peerSpec) {
			*peers = slices.DeleteFunc(*peers, func(peer peerSpec) bool { return peer.IPBlock == nil })
		})
	})(c)
	c = withoutRules(func(_ []portSpec, peers []peerSpec) bool { return len(peers) == 0 })(c)
	return eachPolicy(emptyIsNil)(c)
}

// noAddress is a block that nothing is in, for nobody dials from or to it.
func noAddress(networkingv1.IPBlock) networkingv1.IPBlock {
	return networkingv1.IPBlock{CIDR: "255.255.255.255/32"}
}

// everyAddress is the block that has all addresses of the family.
func everyAddress(b networkingv1.IPBlock) networkingv1.IPBlock {
	if prefix, err := netip.ParsePrefix(b.CIDR); err == nil && prefix.Addr().Is6() {
		return networkingv1.IPBlock{CIDR: "::/0"}
	}
	return networkingv1.IPBlock{CIDR: "0.0.0.0/0"}
}
