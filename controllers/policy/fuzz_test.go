// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"encoding/json"
	"net/netip"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/controllers/plan"
)

// reader makes policies of bytes, valid or not. At the end of the bytes all is
// zero.
type reader struct{ data []byte }

func (r *reader) byte() byte {
	if len(r.data) == 0 {
		return 0
	}
	b := r.data[0]
	r.data = r.data[1:]
	return b
}

// below n.
func (r *reader) below(n int) int { return int(r.byte()) % n }

// text that is often meant, and else whatever there is.
func (r *reader) text(usual ...string) string {
	if n := r.below(2 * len(usual)); n < len(usual) {
		return usual[n]
	}
	n := min(r.below(64), len(r.data))
	out := string(r.data[:n])
	r.data = r.data[n:]
	return out
}

func (r *reader) number() int32 {
	return []int32{80, 443, 0, -1, 65535, 65536, int32(r.byte()) << 8, int32(r.byte())}[r.below(8)]
}

func (r *reader) labels() map[string]string {
	out := map[string]string{}
	for range r.below(3) {
		out[r.text("app", "tier", "kubernetes.io/metadata.name")] = r.text("a", "b", "x")
	}
	return out
}

func (r *reader) selector() *metav1.LabelSelector {
	if r.below(4) == 0 {
		return nil
	}
	out := &metav1.LabelSelector{MatchLabels: r.labels()}
	for range r.below(3) {
		e := metav1.LabelSelectorRequirement{Key: r.text("app", "tier"), Operator: metav1.LabelSelectorOperator(r.text("In", "NotIn", "Exists", "DoesNotExist"))}
		for range r.below(4) {
			e.Values = append(e.Values, r.text("a", "b"))
		}
		out.MatchExpressions = append(out.MatchExpressions, e)
	}
	return out
}

func (r *reader) peers() []networkingv1.NetworkPolicyPeer {
	out := make([]networkingv1.NetworkPolicyPeer, r.below(4))
	for i := range out {
		out[i] = networkingv1.NetworkPolicyPeer{PodSelector: r.selector(), NamespaceSelector: r.selector()}
		if r.below(2) == 0 {
			out[i].IPBlock = &networkingv1.IPBlock{CIDR: r.text("10.0.0.0/8", "::/0", "0.0.0.0/0", "::ffff:10.0.0.0/104")}
			for range r.below(3) {
				out[i].IPBlock.Except = append(out[i].IPBlock.Except, r.text("10.0.0.0/24", "fd00::/8"))
			}
		}
	}
	return out
}

func (r *reader) ports() []networkingv1.NetworkPolicyPort {
	out := make([]networkingv1.NetworkPolicyPort, r.below(4))
	for i := range out {
		if r.below(2) == 0 {
			protocol := corev1.Protocol(r.text("TCP", "UDP", "SCTP"))
			out[i].Protocol = &protocol
		}
		if r.below(3) > 0 {
			out[i].Port = &intstr.IntOrString{Type: intstr.Type(r.below(3)), IntVal: r.number(), StrVal: r.text("http", "dns")}
		}
		if r.below(3) == 0 {
			last := r.number()
			out[i].EndPort = &last
		}
	}
	return out
}

func (r *reader) spec() networkingv1.NetworkPolicySpec {
	var out networkingv1.NetworkPolicySpec
	if s := r.selector(); s != nil {
		out.PodSelector = *s
	}
	for range r.below(4) {
		out.PolicyTypes = append(out.PolicyTypes, networkingv1.PolicyType(r.text("Ingress", "Egress")))
	}
	for range r.below(4) {
		out.Ingress = append(out.Ingress, networkingv1.NetworkPolicyIngressRule{From: r.peers(), Ports: r.ports()})
	}
	for range r.below(4) {
		out.Egress = append(out.Egress, networkingv1.NetworkPolicyEgressRule{To: r.peers(), Ports: r.ports()})
	}
	return out
}

// readPolicies as JSON, an array of specs, if they are that.
func readPolicies(data []byte) []*networkingv1.NetworkPolicy {
	var specs []networkingv1.NetworkPolicySpec
	if json.Unmarshal(data, &specs) != nil {
		r := &reader{data: data}
		for len(r.data) > 0 && len(specs) < 4 {
			specs = append(specs, r.spec())
		}
	}
	var out []*networkingv1.NetworkPolicy
	for i := range specs {
		p := &networkingv1.NetworkPolicy{Spec: specs[i]}
		p.Namespace, p.Name = []string{"x", "z"}[i%2], string(rune('a'+i%26))
		out = append(out, p)
	}
	return out
}

// FuzzEvaluate: whatever policies say, an evaluation does not panic, gives a
// verdict with what belongs to it and texts that are bounded, and is the same
// for an index that was filled backwards.
func FuzzEvaluate(f *testing.F) {
	f.Add([]byte(`[{"podSelector":{}},{"policyTypes":["Egress"],"egress":[{"to":[{"ipBlock":{"cidr":"10.0.0.0/8","except":["10.0.0.0/24"]}}],"ports":[{"port":80,"endPort":90}]}]}]`))
	f.Add([]byte(`[{"ingress":[{"from":[{"podSelector":{"matchExpressions":[{"key":"app","operator":"NotIn","values":["a"]}]},"namespaceSelector":{}}],"ports":[{"protocol":"UDP","port":"http"}]}]}]`))
	f.Add([]byte(`[{"ingress":[{"from":[{}]}]},{"ingress":[{"from":[{"ipBlock":{"cidr":"bad"}}],"ports":[{"endPort":1}]}]}]`))
	f.Add([]byte("\x01\x01\x00\x01\x01\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f"))
	f.Fuzz(func(t *testing.T, data []byte) {
		policies := readPolicies(data)
		x, y := NewIndex(), NewIndex()
		ends := fuzzEnds(x)
		fuzzEnds(y)
		for _, p := range policies {
			x.SetPolicy(p)
		}
		for _, p := range slices.Backward(policies) {
			if y.Policy(keyOf(p)) == nil {
				y.SetPolicy(p)
			}
		}
		for _, source := range ends {
			for _, destination := range ends {
				for _, flow := range []Flow{
					{Protocol: v1alpha1.ProtocolTCP, Port: 80},
					{Protocol: v1alpha1.ProtocolUDP, Port: 443, Service: netip.MustParseAddrPort("10.96.0.1:53")},
					{},
				} {
					flow.Source, flow.Destination = source, destination
					a, b := x.Evaluate(flow), y.Evaluate(flow)
					for i, d := range []Decision{a.Egress, a.Ingress} {
						checkDecision(t, d)
						if other := []Decision{b.Egress, b.Ingress}[i]; d.Verdict != other.Verdict || d.Why != other.Why {
							t.Errorf("%s %s %s or %s %s: %+v", d.Direction, d.Verdict, d.Why, other.Verdict, other.Why, flow)
						}
					}
				}
			}
		}
		for _, p := range policies {
			x.Selected(keyOf(p))
			x.DeletePolicy(keyOf(p))
		}
		if r := x.Evaluate(Flow{Source: ends[0], Destination: ends[1], Protocol: "TCP", Port: 80}); r.Verdict != Allow {
			t.Errorf("no policies, and yet %+v", r)
		}
	})
}

// fuzzEnds are pods that it fills an index with, and other ends.
func fuzzEnds(x *Index) []Peer {
	x.SetNamespace(&plan.Namespace{Name: "x", Labels: map[string]string{"app": "a"}})
	ends := []Peer{{Node: "n2", IP: netip.MustParseAddr("10.0.0.200")}, {IP: netip.MustParseAddr("203.0.113.9")}, {IP: netip.MustParseAddr("fd00::9")}}
	for i, p := range []plan.Pod{
		{Labels: map[string]string{"app": "a"}, Node: "n1"},
		{Labels: map[string]string{"app": "b", "tier": "x"}, Node: "n2", Ports: []plan.ContainerPort{{Name: "http", Port: 80, Protocol: "TCP"}}},
		{Node: "n3", HostNetwork: true},
	} {
		p.UID = types.UID(rune('0' + i))
		p.Key = types.NamespacedName{Namespace: []string{"x", "z"}[i%2], Name: string(p.UID)}
		p.IPs = []netip.Addr{netip.AddrFrom4([4]byte{10, 0, 0, byte(i)})}
		x.SetPod(&p)
		ends = append([]Peer{{Pod: &p}}, ends...)
	}
	return ends
}
