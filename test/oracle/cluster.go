// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package oracle

import (
	"cmp"
	"fmt"
	"net/netip"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/controllers/index"
	"github.com/netladder/netladder/controllers/plan"
	"github.com/netladder/netladder/controllers/policy"
)

// Cluster is what both evaluators are asked about, as a user would write it:
// without the defaults that the API server sets.
type Cluster struct {
	Namespaces []*corev1.Namespace
	Pods       []*corev1.Pod
	Policies   []*networkingv1.NetworkPolicy
}

// End of a connection.
type End struct {
	// Pod at this end; nil for a node and for what is outside of the cluster.
	Pod *corev1.Pod
	// Node at this end, by name; empty for a pod and for what is outside.
	Node string
	// IP in use.
	IP netip.Addr
	// Untold is true where our evaluator is to find the IP of the Pod itself.
	Untold bool
}

// Flow is one connection.
type Flow struct {
	Source, Destination End
	// Protocol is TCP or UDP; empty for ICMP, and then Port is 0.
	Protocol corev1.Protocol
	Port     int32
	// Service that is dialled, of which the destination is an endpoint; the zero
	// AddrPort where the destination itself is dialled.
	Service netip.AddrPort
}

// Case is one question.
type Case struct {
	Cluster Cluster
	Flow    Flow
}

func (e End) String() string {
	switch {
	case e.Pod != nil && e.Pod.Spec.HostNetwork:
		return fmt.Sprintf("pod %s/%s on the host network of %s (%s)", e.Pod.Namespace, e.Pod.Name, e.Pod.Spec.NodeName, e.IP)
	case e.Pod != nil:
		return fmt.Sprintf("pod %s/%s on %s (%s)", e.Pod.Namespace, e.Pod.Name, e.Pod.Spec.NodeName, e.IP)
	case e.Node != "":
		return fmt.Sprintf("node %s (%s)", e.Node, e.IP)
	default:
		return fmt.Sprintf("outside (%s)", e.IP)
	}
}

func (f Flow) String() string {
	text := fmt.Sprintf("%s -> %s, %s %d", f.Source, f.Destination, cmp.Or(string(f.Protocol), "ICMP"), f.Port)
	if f.Service.IsValid() {
		text += fmt.Sprintf(", by the Service at %s", f.Service)
	}
	return text
}

// selected is the end whose policies decide in a direction, and the other one.
func (f Flow) selected(direction policy.Direction) (selected, other End) {
	if direction == policy.Ingress {
		return f.Destination, f.Source
	}
	return f.Source, f.Destination
}

// directions in which a connection is judged.
func directions() []policy.Direction { return []policy.Direction{policy.Egress, policy.Ingress} }

// itself is true for a pod that dials itself.
func (f Flow) itself() bool { return f.Source.Pod != nil && f.Source.Pod == f.Destination.Pod }

// Ours is our evaluator, filled with a cluster.
type Ours struct {
	index *policy.Index
	pods  map[*corev1.Pod]*plan.Pod
}

// NewOurs fills our evaluator through the same conversions as the controller.
func NewOurs(c Cluster) *Ours {
	o := &Ours{index: policy.NewIndex(), pods: map[*corev1.Pod]*plan.Pod{}}
	for _, p := range c.Policies {
		o.index.SetPolicy(p)
	}
	for _, pod := range c.Pods {
		o.pods[pod] = index.Workload(pod)
		o.index.SetPod(o.pods[pod])
	}
	for _, n := range c.Namespaces {
		o.index.SetNamespace(index.Namespace(n))
	}
	return o
}

// Evaluate a connection.
func (o *Ours) Evaluate(f Flow) policy.Result {
	return o.index.Evaluate(policy.Flow{
		Source: o.peer(f.Source), Destination: o.peer(f.Destination),
		Protocol: v1alpha1.Protocol(f.Protocol), Port: f.Port, Service: f.Service,
	})
}

func (o *Ours) peer(e End) policy.Peer {
	out := policy.Peer{Node: e.Node, IP: e.IP}
	if e.Pod != nil {
		out.Pod = o.pods[e.Pod]
	}
	if e.Untold {
		out.IP = netip.Addr{}
	}
	return out
}

// decision of a result in a direction.
func decision(r policy.Result, direction policy.Direction) policy.Decision {
	if direction == policy.Ingress {
		return r.Ingress
	}
	return r.Egress
}
