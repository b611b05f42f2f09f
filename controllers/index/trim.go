// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package index

import (
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/controllers/overlay"
	"github.com/netladder/netladder/controllers/policy"
)

// Trim cuts an object down to what the controller reads, in place. It is the
// transform of the informer caches: on a large cluster what it drops is most
// of the memory. Objects of kinds it does not know lose only what nobody
// reads. Anything else, such as a tombstone, is returned as it is.
func Trim(in any) (any, error) {
	object, err := meta.Accessor(in)
	if err != nil {
		return in, nil //nolint:nilerr // tombstones have no metadata and pass
	}
	object.SetManagedFields(nil)
	object.SetAnnotations(keepKeys(object.GetAnnotations(), keptAnnotations(in)))
	switch o := in.(type) {
	case *corev1.Node:
		trimNode(o)
	case *corev1.Pod:
		trimPod(o)
	case *corev1.Namespace:
		o.OwnerReferences, o.Finalizers = nil, nil
		o.Spec, o.Status = corev1.NamespaceSpec{}, corev1.NamespaceStatus{}
	case *corev1.Service:
		trimService(o)
	case *discoveryv1.EndpointSlice:
		trimEndpointSlice(o)
	case *networkingv1.NetworkPolicy:
		o.Labels = keepKeys(o.Labels, policy.ManagedLabels())
		o.OwnerReferences, o.Finalizers = nil, nil
	case *appsv1.DaemonSet:
		// Only the generation is watched, for repairs apply the whole template, and
		// whether pods are missing.
		o.Spec = appsv1.DaemonSetSpec{}
		o.Status = appsv1.DaemonSetStatus{
			CurrentNumberScheduled: o.Status.CurrentNumberScheduled, DesiredNumberScheduled: o.Status.DesiredNumberScheduled,
		}
	}
	return in, nil
}

// keptAnnotations are the keys of those that are read of an object.
func keptAnnotations(in any) []string {
	switch in.(type) {
	case *v1alpha1.ConnectivityCheck:
		return []string{v1alpha1.AnnotationTTL}
	case *networkingv1.NetworkPolicy:
		return append(policy.ManagedAnnotations(), v1alpha1.AnnotationSilence)
	case *corev1.Namespace:
		return []string{v1alpha1.AnnotationSilence}
	case *corev1.Node:
		return overlay.Annotations()
	}
	return nil
}

// keepKeys are the entries of a map with these keys; nil without any.
func keepKeys(in map[string]string, keys []string) map[string]string {
	var out map[string]string
	for _, key := range keys {
		if value, ok := in[key]; ok {
			if out == nil {
				out = make(map[string]string, len(keys))
			}
			out[key] = value
		}
	}
	return out
}

func trimNode(n *corev1.Node) {
	n.Spec = corev1.NodeSpec{PodCIDR: n.Spec.PodCIDR, PodCIDRs: n.Spec.PodCIDRs, Taints: n.Spec.Taints}
	for i := range n.Spec.Taints {
		n.Spec.Taints[i].TimeAdded = nil
	}
	n.OwnerReferences, n.Finalizers = nil, nil
	var ready []corev1.NodeCondition
	for i := range n.Status.Conditions {
		if c := &n.Status.Conditions[i]; c.Type == corev1.NodeReady {
			// Without the heartbeat time, so that a heartbeat changes nothing.
			ready = []corev1.NodeCondition{{Type: c.Type, Status: c.Status, LastTransitionTime: c.LastTransitionTime}}
		}
	}
	var internal []corev1.NodeAddress
	for _, a := range n.Status.Addresses {
		if a.Type == corev1.NodeInternalIP {
			internal = append(internal, a)
		}
	}
	n.Status = corev1.NodeStatus{Conditions: ready, Addresses: internal}
}

func trimPod(p *corev1.Pod) {
	p.GenerateName, p.OwnerReferences, p.Finalizers = "", nil, nil
	p.Spec = corev1.PodSpec{
		NodeName: p.Spec.NodeName, HostNetwork: p.Spec.HostNetwork, RuntimeClassName: p.Spec.RuntimeClassName,
		Containers: trimContainers(p.Spec.Containers), InitContainers: trimContainers(slices.DeleteFunc(p.Spec.InitContainers, func(c corev1.Container) bool { return !runsOn(&c) })),
	}
	status := corev1.PodStatus{Phase: p.Status.Phase, PodIP: p.Status.PodIP, PodIPs: p.Status.PodIPs}
	for i := range p.Status.Conditions {
		if c := &p.Status.Conditions[i]; c.Type == corev1.PodReady {
			status.Conditions = []corev1.PodCondition{{Type: c.Type, Status: c.Status, LastTransitionTime: c.LastTransitionTime}}
		}
	}
	for i := range p.Status.ContainerStatuses {
		if running := p.Status.ContainerStatuses[i].State.Running; running != nil {
			status.ContainerStatuses = append(status.ContainerStatuses, corev1.ContainerStatus{
				Name:  p.Status.ContainerStatuses[i].Name,
				State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: running.StartedAt}},
			})
		}
	}
	p.Status = status
}

// trimContainers keeps the named ports.
func trimContainers(containers []corev1.Container) []corev1.Container {
	var out []corev1.Container
	for i := range containers {
		var ports []corev1.ContainerPort
		for _, p := range containers[i].Ports {
			if p.Name != "" {
				ports = append(ports, corev1.ContainerPort{Name: p.Name, ContainerPort: p.ContainerPort, Protocol: p.Protocol})
			}
		}
		if len(ports) > 0 {
			out = append(out, corev1.Container{Ports: ports, RestartPolicy: containers[i].RestartPolicy})
		}
	}
	return out
}

func trimService(s *corev1.Service) {
	s.Labels, s.OwnerReferences, s.Finalizers = nil, nil, nil
	s.Spec = corev1.ServiceSpec{
		Type: s.Spec.Type, ClusterIP: s.Spec.ClusterIP, ClusterIPs: s.Spec.ClusterIPs, Ports: s.Spec.Ports,
		ExternalName: s.Spec.ExternalName, ExternalTrafficPolicy: s.Spec.ExternalTrafficPolicy,
		Selector: s.Spec.Selector, InternalTrafficPolicy: s.Spec.InternalTrafficPolicy, SessionAffinity: s.Spec.SessionAffinity,
	}
	var ingress []corev1.LoadBalancerIngress
	for _, i := range s.Status.LoadBalancer.Ingress {
		ingress = append(ingress, corev1.LoadBalancerIngress{IP: i.IP, Hostname: i.Hostname})
	}
	s.Status = corev1.ServiceStatus{LoadBalancer: corev1.LoadBalancerStatus{Ingress: ingress}}
}

func trimEndpointSlice(s *discoveryv1.EndpointSlice) {
	s.OwnerReferences, s.Finalizers = nil, nil
	if name, ok := s.Labels[discoveryv1.LabelServiceName]; ok {
		s.Labels = map[string]string{discoveryv1.LabelServiceName: name}
	} else {
		s.Labels = nil
	}
	for i := range s.Endpoints {
		e := &s.Endpoints[i]
		s.Endpoints[i] = discoveryv1.Endpoint{Addresses: e.Addresses, Conditions: e.Conditions, NodeName: e.NodeName}
	}
}
