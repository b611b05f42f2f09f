// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"fmt"
	"net/netip"
	"strings"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/controllers/plan"
	"github.com/netladder/netladder/controllers/policy"
	"github.com/netladder/netladder/controllers/workload"
)

// canaryDoubts says for which direction, and why, the canary pods say nothing
// about the enforcement of policies, by the NetworkPolicies of Netladder's own
// namespace: something admits what the canary's own policy denies, or keeps the
// canary pods from the echo pods even without it. Labels of the namespace are
// not known at every level, so a peer with a namespaceSelector or an ipBlock
// counts for whatever casts a doubt.
func canaryDoubts(namespace string, policies []*networkingv1.NetworkPolicy) map[v1alpha1.PolicyDirection]string {
	prober, echo, canary := ownPod(namespace, workload.ComponentProber, 1), ownPod(namespace, workload.ComponentEcho, 2), ownPod(namespace, workload.ComponentCanary, 3)
	wide, narrow := policy.NewIndex(), policy.NewIndex()
	for _, x := range []*policy.Index{wide, narrow} {
		x.SetNamespace(&plan.Namespace{Name: namespace, Labels: map[string]string{corev1.LabelMetadataName: namespace}})
	}
	found := false
	for _, p := range policies {
		found = found || p.Name == v1alpha1.CanaryName
		wide.SetPolicy(widened(p))
		narrow.SetPolicy(p)
	}
	in := wide.Evaluate(canaryFlow(prober, canary)).Ingress
	flow := canaryFlow(canary, echo)
	out, into := wide.Evaluate(flow).Egress, narrow.Evaluate(flow).Ingress
	doubts := map[v1alpha1.PolicyDirection]string{}
	if text := admits(&in, found); text != "" {
		doubts[v1alpha1.PolicyIngress] = text
	}
	switch text := admits(&out, found); {
	case text != "":
		doubts[v1alpha1.PolicyEgress] = text
	case into.Verdict != policy.Allow:
		doubts[v1alpha1.PolicyEgress] = fmt.Sprintf(
			"%s may keep the canary pods from the echo pods even where the egress of the canary pods is not denied: admit pods with the label %s=%s to the echo pods, as config/network-policy does",
			named(into.Isolating), v1alpha1.LabelComponent, workload.ComponentCanary)
	}
	return doubts
}

// admits says what lets through that a canary pod is isolated from; empty if
// nothing does.
func admits(d *policy.Decision, found bool) string {
	rule := d.Admitting
	if rule == nil {
		rule = d.Undecided
	}
	switch {
	case d.Verdict == policy.Deny:
		return ""
	case !found:
		return "NetworkPolicy " + v1alpha1.CanaryName + " is missing: the controller makes it again"
	case rule == nil:
		return "NetworkPolicy " + v1alpha1.CanaryName + " does not isolate the canary pods: the controller repairs it"
	}
	return fmt.Sprintf("%s selects the canary pods too and may admit what %s denies: let it leave out pods with the label %s=%s",
		named([]types.NamespacedName{rule.Policy}), v1alpha1.CanaryName, v1alpha1.LabelComponent, workload.ComponentCanary)
}

func named(policies []types.NamespacedName) string {
	const most = 3
	names := make([]string, 0, most)
	for i, p := range policies {
		if i == most {
			names = append(names, "…")
			break
		}
		names = append(names, p.Name)
	}
	if len(policies) == 1 {
		return "NetworkPolicy " + names[0]
	}
	return "NetworkPolicies " + strings.Join(names, ", ")
}

func canaryFlow(from, to *plan.Pod) policy.Flow {
	return policy.Flow{Source: policy.Peer{Pod: from}, Destination: policy.Peer{Pod: to}, Protocol: v1alpha1.ProtocolTCP, Port: plan.EchoPort}
}

// ownPod stands for any pod of a component.
func ownPod(namespace, component string, i byte) *plan.Pod {
	return &plan.Pod{
		UID: types.UID(component), Key: types.NamespacedName{Namespace: namespace, Name: component}, Node: "node",
		Labels: workload.Labels(component), IPs: []netip.Addr{netip.AddrFrom4([4]byte{192, 0, 2, i})},
		Ports: []plan.ContainerPort{{Name: "echo-tcp", Port: plan.EchoPort, Protocol: v1alpha1.ProtocolTCP}},
	}
}

// widened is a policy whose peers by namespace or by address stand for
// everybody.
func widened(in *networkingv1.NetworkPolicy) *networkingv1.NetworkPolicy {
	p := in.DeepCopy()
	widen := func(peers []networkingv1.NetworkPolicyPeer) {
		for i := range peers {
			switch {
			case peers[i].IPBlock != nil:
				peers[i] = networkingv1.NetworkPolicyPeer{NamespaceSelector: &metav1.LabelSelector{}}
			case peers[i].NamespaceSelector != nil:
				peers[i].NamespaceSelector = &metav1.LabelSelector{}
			}
		}
	}
	for i := range p.Spec.Ingress {
		widen(p.Spec.Ingress[i].From)
	}
	for i := range p.Spec.Egress {
		widen(p.Spec.Egress[i].To)
	}
	return p
}
