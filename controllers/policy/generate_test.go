// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"fmt"
	"net/netip"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	"pgregory.net/rapid"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/controllers/plan"
)

// What is generated is small on purpose, so that things meet.

var (
	genName      = rapid.SampledFrom([]string{"p1", "p2", "p3", "p4"})
	genNamespace = rapid.SampledFrom([]string{"n1", "n2", "n3"})
	genValue     = rapid.SampledFrom([]string{"a", "b", "ab"})
	genLabels    = rapid.MapOfN(rapid.SampledFrom([]string{"app", "tier"}), genValue, 0, 2)
	genCIDR      = rapid.SampledFrom([]string{"10.0.0.0/8", "10.0.1.0/24", "10.0.1.1/32", "fd00::/16", "0.0.0.0/0", "192.168.0.0/16", "203.0.113.0/24"})
	genPortName  = rapid.SampledFrom([]string{"http", "dns"})
	genPort      = rapid.SampledFrom([]int32{53, 80, 8080})
	genProtocol  = rapid.SampledFrom([]corev1.Protocol{"TCP", "UDP"})
)

var genSelector = rapid.Custom(func(t *rapid.T) *metav1.LabelSelector {
	switch rapid.IntRange(0, 4).Draw(t, "selector") {
	case 0:
		return nil
	case 1:
		return &metav1.LabelSelector{}
	case 2:
		r := metav1.LabelSelectorRequirement{Key: "app", Operator: rapid.SampledFrom([]metav1.LabelSelectorOperator{"In", "NotIn", "Exists", "DoesNotExist"}).Draw(t, "operator")}
		if r.Operator == "In" || r.Operator == "NotIn" {
			r.Values = rapid.SliceOfN(genValue, 1, 2).Draw(t, "values")
		}
		return &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{r}}
	}
	return &metav1.LabelSelector{MatchLabels: genLabels.Draw(t, "labels")}
})

var genPeer = rapid.Custom(func(t *rapid.T) networkingv1.NetworkPolicyPeer {
	if rapid.IntRange(0, 3).Draw(t, "peer") == 0 {
		return networkingv1.NetworkPolicyPeer{IPBlock: &networkingv1.IPBlock{
			CIDR: genCIDR.Draw(t, "cidr"), Except: rapid.SliceOfN(genCIDR, 0, 1).Draw(t, "except"),
		}}
	}
	return networkingv1.NetworkPolicyPeer{PodSelector: genSelector.Draw(t, "pods"), NamespaceSelector: genSelector.Draw(t, "namespaces")}
})

var genPolicyPort = rapid.Custom(func(t *rapid.T) networkingv1.NetworkPolicyPort {
	protocol := genProtocol.Draw(t, "protocol")
	out := networkingv1.NetworkPolicyPort{Protocol: &protocol}
	switch rapid.IntRange(0, 3).Draw(t, "port") {
	case 0:
		number := intstr.FromInt32(genPort.Draw(t, "number"))
		out.Port = &number
	case 1:
		named := intstr.FromString(genPortName.Draw(t, "name"))
		out.Port = &named
	case 2:
		first, last := intstr.FromInt32(70), genPort.Draw(t, "last")
		out.Port, out.EndPort = &first, &last
	}
	return out
})

func genPolicyIn(namespaces *rapid.Generator[string]) *rapid.Generator[*networkingv1.NetworkPolicy] {
	return rapid.Custom(func(t *rapid.T) *networkingv1.NetworkPolicy {
		p := &networkingv1.NetworkPolicy{}
		p.Namespace, p.Name = namespaces.Draw(t, "namespace"), genName.Draw(t, "policy")
		if s := genSelector.Draw(t, "selected"); s != nil {
			p.Spec.PodSelector = *s
		}
		p.Spec.PolicyTypes = rapid.SliceOfNDistinct(rapid.SampledFrom([]networkingv1.PolicyType{"Ingress", "Egress"}), 0, 2, rapid.ID).Draw(t, "types")
		for range rapid.IntRange(0, 2).Draw(t, "ingress") {
			p.Spec.Ingress = append(p.Spec.Ingress, networkingv1.NetworkPolicyIngressRule{
				From: rapid.SliceOfN(genPeer, 0, 2).Draw(t, "from"), Ports: rapid.SliceOfN(genPolicyPort, 0, 2).Draw(t, "ports"),
			})
		}
		for range rapid.IntRange(0, 2).Draw(t, "egress") {
			p.Spec.Egress = append(p.Spec.Egress, networkingv1.NetworkPolicyEgressRule{
				To: rapid.SliceOfN(genPeer, 0, 2).Draw(t, "to"), Ports: rapid.SliceOfN(genPolicyPort, 0, 2).Draw(t, "ports"),
			})
		}
		return p
	})
}

var genPod = rapid.Custom(func(t *rapid.T) *plan.Pod {
	namespace, name := genNamespace.Draw(t, "namespace"), genName.Draw(t, "pod")
	a, b := namespace[1]-'0', name[1]-'0'
	p := &plan.Pod{
		UID: types.UID(namespace + name), Key: types.NamespacedName{Namespace: namespace, Name: name},
		Labels: genLabels.Draw(t, "labels"), Node: rapid.SampledFrom([]string{"node1", "node2"}).Draw(t, "node"),
		HostNetwork: rapid.IntRange(0, 5).Draw(t, "host") == 0,
		IPs:         []netip.Addr{netip.AddrFrom4([4]byte{10, 0, a, b}), netip.AddrFrom16([16]byte{0xfd, 13: a, 15: b})},
	}
	for range rapid.IntRange(0, 2).Draw(t, "ports") {
		p.Ports = append(p.Ports, plan.ContainerPort{
			Name: genPortName.Draw(t, "name"), Port: genPort.Draw(t, "port"), Protocol: v1alpha1.Protocol(genProtocol.Draw(t, "protocol")),
		})
	}
	return p
})

// cluster is what an index can be filled with, in any order.
type cluster struct {
	pods       map[types.UID]*plan.Pod
	namespaces map[string]*plan.Namespace
	policies   map[types.NamespacedName]*networkingv1.NetworkPolicy
}

func drawCluster(t *rapid.T) *cluster {
	c := &cluster{
		pods: map[types.UID]*plan.Pod{}, namespaces: map[string]*plan.Namespace{},
		policies: map[types.NamespacedName]*networkingv1.NetworkPolicy{},
	}
	for _, p := range rapid.SliceOfN(genPod, 1, 8).Draw(t, "pods") {
		c.pods[p.UID] = p
	}
	for i, l := range rapid.SliceOfN(genLabels, 3, 3).Draw(t, "namespaces") {
		name := fmt.Sprintf("n%d", i+1)
		c.namespaces[name] = &plan.Namespace{Name: name, Labels: l}
	}
	for _, p := range rapid.SliceOfN(genPolicyIn(genNamespace), 0, 6).Draw(t, "policies") {
		c.policies[keyOf(p)] = p
	}
	return c
}

func keyOf(p *networkingv1.NetworkPolicy) types.NamespacedName {
	return types.NamespacedName{Namespace: p.Namespace, Name: p.Name}
}

// index filled in the order of a permutation.
func (c *cluster) index(t *rapid.T) *Index {
	x := NewIndex()
	var steps []func()
	for _, p := range c.pods {
		steps = append(steps, func() { x.SetPod(p) })
	}
	for _, n := range c.namespaces {
		steps = append(steps, func() { x.SetNamespace(n) })
	}
	for _, p := range c.policies {
		steps = append(steps, func() { x.SetPolicy(p) })
	}
	for _, i := range rapid.Permutation(indices(len(steps))).Draw(t, "order") {
		steps[i]()
	}
	return x
}

func indices(n int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = i
	}
	return out
}

func drawPeer(t *rapid.T, pods []*plan.Pod) Peer {
	switch rapid.IntRange(0, 7).Draw(t, "peer") {
	case 0:
		return Peer{Node: rapid.SampledFrom([]string{"node1", "node2"}).Draw(t, "node"), IP: netip.MustParseAddr("192.168.0.1")}
	case 1:
		return Peer{IP: netip.MustParseAddr(rapid.SampledFrom([]string{"203.0.113.9", "198.51.100.9", "2001:db8::9"}).Draw(t, "outside"))}
	}
	return Peer{Pod: rapid.SampledFrom(pods).Draw(t, "pod")}
}

func drawFlow(t *rapid.T, pods []*plan.Pod) Flow {
	f := Flow{
		Source: drawPeer(t, pods), Destination: drawPeer(t, pods),
		Protocol: v1alpha1.Protocol(genProtocol.Draw(t, "protocol")), Port: genPort.Draw(t, "port"),
	}
	switch rapid.IntRange(0, 9).Draw(t, "special") {
	case 0:
		f.Protocol, f.Port = "", 0
	case 1:
		f.Service = netip.MustParseAddrPort("10.0.1.1:80")
	}
	return f
}

// drawFlows between the pods of a cluster and what is around them.
func (c *cluster) drawFlows(t *rapid.T, n int) []Flow {
	pods := make([]*plan.Pod, 0, len(c.pods))
	for _, key := range sortedKeys(c.pods) {
		pods = append(pods, c.pods[key])
	}
	out := make([]Flow, n)
	for i := range out {
		out[i] = drawFlow(t, pods)
	}
	return out
}
