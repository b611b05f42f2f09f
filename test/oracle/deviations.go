// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package oracle

import (
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"

	"github.com/netladder/netladder/controllers/policy"
)

// Deviation is a case in which the engine does not do what the specification
// says, or in which the specification says that plugins may differ.
type Deviation struct {
	// Name, for the report.
	Name string
	// Sentence of the specification that decides: of the API's field, or of the
	// page "Network Policies" of the Kubernetes documentation.
	Sentence string
	// Repair rewrites what the engine is given, so that it is still asked.
	Repair func(Cluster) Cluster
	// Answer replaces the engine's answer in the cases that it is true for.
	Answer func(Flow, policy.Direction) (policy.Verdict, bool)
	// Accept is true for an answer of ours that is as good as the reference's.
	Accept func(f Flow, ours, reference Answer) bool
}

// Deviations are all that are allowed. Those with a Repair hide nothing: the
// engine answers the same question, put so that it understands it.
func Deviations() []Deviation {
	return []Deviation{
		{
			Name:     "NilProtocol",
			Sentence: "NetworkPolicyPort.protocol: If not specified, this field defaults to TCP.",
			Repair:   eachPolicy(protocolsSet), // it dereferences nil
		},
		{
			Name: "NilPolicyTypes",
			Sentence: "NetworkPolicySpec.policyTypes: If this field is not specified, it will default based on the existence of " +
				"ingress or egress rules; policies that contain an egress section are assumed to affect egress, and all policies " +
				"are assumed to affect ingress.",
			Repair: eachPolicy(typesSet), // it isolates nothing
		},
		{
			Name: "EmptyRules",
			Sentence: "NetworkPolicySpec.ingress and egress: If this field is empty then this NetworkPolicy does not allow any " +
				"traffic.",
			Repair: eachPolicy(emptyIsNil), // it allows everything
		},
		{
			Name: "SidecarPorts",
			Sentence: "NetworkPolicyPort.port: This can either be a numerical or named port on a pod. (A restartable init container " +
				"runs as long as the pod, with ports of its own.)",
			Repair: eachPod(sidecarsAreContainers), // it reads spec.containers only
		},
		{
			Name:     "ItsOwnTraffic",
			Sentence: "Network Policies: a pod cannot block access to itself.",
			Answer: func(f Flow, _ policy.Direction) (policy.Verdict, bool) {
				return policy.Allow, f.itself() && !f.Service.IsValid()
			},
		},
		{
			Name: "ItsOwnNode",
			Sentence: "Network Policies: traffic to and from the node where a Pod is running is always allowed, regardless of the IP " +
				"address of the Pod or the node. And of pods on the host network: their connections will be treated as node connections.",
			Answer: func(f Flow, d policy.Direction) (policy.Verdict, bool) {
				selected, other := f.selected(d)
				return policy.Allow, selected.Pod != nil && other.node() != "" && other.node() == selected.Pod.Spec.NodeName
			},
		},
		{
			Name: "TwoBlocksOfAService",
			Sentence: "Network Policies: connections from pods to Service IPs that get rewritten to cluster-external IPs may or may not " +
				"be subject to ipBlock-based policies. (One block admits before, another after: ours names one rule, and does not " +
				"say Allow because of two.)",
			Accept: func(f Flow, ours, reference Answer) bool {
				why := policy.WhyIPBlock
				if f.Source.onHost() {
					why = policy.WhyHostNetwork // it may also be that no policy selects it
				}
				return f.Service.IsValid() && reference.Verdict == policy.Allow && ours == Answer{Verdict: policy.ImplementationDefined, Why: why}
			},
		},
	}
}

// repaired is the cluster as the engine has to be given it.
func repaired(c Cluster, deviations []Deviation) Cluster {
	for _, d := range deviations {
		if d.Repair != nil {
			c = d.Repair(c)
		}
	}
	return c
}

func eachPolicy(rewrite func(*networkingv1.NetworkPolicy)) func(Cluster) Cluster {
	return func(c Cluster) Cluster {
		out := make([]*networkingv1.NetworkPolicy, 0, len(c.Policies))
		for _, p := range c.Policies {
			p = p.DeepCopy()
			rewrite(p)
			out = append(out, p)
		}
		c.Policies = out
		return c
	}
}

func eachPod(rewrite func(*corev1.Pod)) func(Cluster) Cluster {
	return func(c Cluster) Cluster {
		out := make([]*corev1.Pod, 0, len(c.Pods))
		for _, p := range c.Pods {
			p = p.DeepCopy()
			rewrite(p)
			out = append(out, p)
		}
		c.Pods = out
		return c
	}
}

func protocolsSet(p *networkingv1.NetworkPolicy) {
	eachPort(p, func(port *networkingv1.NetworkPolicyPort) {
		if port.Protocol == nil {
			port.Protocol = new(corev1.ProtocolTCP)
		}
	})
}

func typesSet(p *networkingv1.NetworkPolicy) {
	if len(p.Spec.PolicyTypes) > 0 {
		return
	}
	p.Spec.PolicyTypes = []networkingv1.PolicyType{networkingv1.PolicyTypeIngress}
	if len(p.Spec.Egress) > 0 {
		p.Spec.PolicyTypes = append(p.Spec.PolicyTypes, networkingv1.PolicyTypeEgress)
	}
}

func emptyIsNil(p *networkingv1.NetworkPolicy) {
	if len(p.Spec.Ingress) == 0 {
		p.Spec.Ingress = nil
	}
	if len(p.Spec.Egress) == 0 {
		p.Spec.Egress = nil
	}
}

func sidecarsAreContainers(p *corev1.Pod) {
	for _, c := range p.Spec.InitContainers {
		if c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways {
			p.Spec.Containers = append(p.Spec.Containers, c)
		}
	}
}

// eachPort visits the port entries of a policy.
func eachPort(p *networkingv1.NetworkPolicy, visit func(*networkingv1.NetworkPolicyPort)) {
	for i := range p.Spec.Ingress {
		for j := range p.Spec.Ingress[i].Ports {
			visit(&p.Spec.Ingress[i].Ports[j])
		}
	}
	for i := range p.Spec.Egress {
		for j := range p.Spec.Egress[i].Ports {
			visit(&p.Spec.Egress[i].Ports[j])
		}
	}
}

// eachPeer visits the peers of a policy.
func eachPeer(p *networkingv1.NetworkPolicy, visit func(*networkingv1.NetworkPolicyPeer)) {
	for i := range p.Spec.Ingress {
		for j := range p.Spec.Ingress[i].From {
			visit(&p.Spec.Ingress[i].From[j])
		}
	}
	for i := range p.Spec.Egress {
		for j := range p.Spec.Egress[i].To {
			visit(&p.Spec.Egress[i].To[j])
		}
	}
}
