// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package builders

import (
	"maps"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"

	"github.com/netladder/netladder/api/v1alpha1"
)

// Node builds a Node.
type Node struct{ node corev1.Node }

// MakeNode begins a Ready node.
func MakeNode(name string) *Node {
	return &Node{node: corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{corev1.LabelHostname: name}},
		Status:     corev1.NodeStatus{Conditions: []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}}},
	}}
}

// UID of the node, for tests without an API server.
func (b *Node) UID(uid string) *Node {
	b.node.UID = types.UID(uid)
	return b
}

// Label adds a label.
func (b *Node) Label(key, value string) *Node {
	b.node.Labels[key] = value
	return b
}

// Ready sets the Ready condition, and since when.
func (b *Node) Ready(status corev1.ConditionStatus, since time.Time) *Node {
	b.node.Status.Conditions[0].Status = status
	b.node.Status.Conditions[0].LastTransitionTime = metav1.NewTime(since)
	return b
}

// InternalIPs of the node.
func (b *Node) InternalIPs(ips ...string) *Node {
	for _, ip := range ips {
		b.node.Status.Addresses = append(b.node.Status.Addresses, corev1.NodeAddress{Type: corev1.NodeInternalIP, Address: ip})
	}
	return b
}

// Obj is the node.
func (b *Node) Obj() *corev1.Node { return b.node.DeepCopy() }

// Pod builds a Pod.
type Pod struct{ pod corev1.Pod }

// MakeProberPod begins the prober pod of a node, Running and Ready.
func MakeProberPod(name, node string) *Pod { return makePod(name, node, "prober") }

// MakeCanaryPod makes a canary pod of a node, in the namespace that a test chooses.
func MakeCanaryPod(name, node string) *Pod { return makePod(name, node, "canary") }

// MakeEchoPod begins the echo pod of a node, Running and Ready.
func MakeEchoPod(name, node string) *Pod { return makePod(name, node, "echo") }

// MakePod begins a workload pod in the namespace "default" on a node, Running
// and Ready.
func MakePod(name, node string) *Pod {
	b := makePod(name, node, "app")
	b.pod.Namespace, b.pod.Labels = metav1.NamespaceDefault, map[string]string{}
	return b
}

func makePod(name, node, component string) *Pod {
	return &Pod{pod: corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Name: name, Namespace: "netladder-system",
			Labels: map[string]string{v1alpha1.LabelName: "netladder", v1alpha1.LabelComponent: component},
		},
		Spec: corev1.PodSpec{
			NodeName:   node,
			Containers: []corev1.Container{{Name: component, Image: "netladder.test/netladder:test"}},
		},
		Status: corev1.PodStatus{
			Phase:      corev1.PodRunning,
			Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}},
		},
	}}
}

// Label adds a label.
func (b *Pod) Label(key, value string) *Pod {
	b.pod.Labels[key] = value
	return b
}

// HostNetwork makes the pod share its node's network.
func (b *Pod) HostNetwork() *Pod {
	b.pod.Spec.HostNetwork = true
	return b
}

// RuntimeClass of the pod.
func (b *Pod) RuntimeClass(name string) *Pod {
	b.pod.Spec.RuntimeClassName = ptr.To(name)
	return b
}

// Port adds a named port to the pod's container.
func (b *Pod) Port(name string, port int32, protocol corev1.Protocol) *Pod {
	c := &b.pod.Spec.Containers[0]
	c.Ports = append(c.Ports, corev1.ContainerPort{Name: name, ContainerPort: port, Protocol: protocol})
	return b
}

// InitContainer adds an init container with a named port; a sidecar keeps
// running beside the others.
func (b *Pod) InitContainer(name, port string, number int32, sidecar bool) *Pod {
	c := corev1.Container{
		Name: name, Image: "netladder.test/netladder:test",
		Ports: []corev1.ContainerPort{{Name: port, ContainerPort: number, Protocol: corev1.ProtocolTCP}},
	}
	if sidecar {
		c.RestartPolicy = ptr.To(corev1.ContainerRestartPolicyAlways)
	}
	b.pod.Spec.InitContainers = append(b.pod.Spec.InitContainers, c)
	return b
}

// Namespace of the pod.
func (b *Pod) Namespace(namespace string) *Pod {
	b.pod.Namespace = namespace
	return b
}

// UID of the pod, for tests without an API server.
func (b *Pod) UID(uid string) *Pod {
	b.pod.UID = types.UID(uid)
	return b
}

// CreatedAt sets the creation time, for tests without an API server.
func (b *Pod) CreatedAt(at time.Time) *Pod {
	b.pod.CreationTimestamp = metav1.NewTime(at)
	return b
}

// Terminating marks the pod as being deleted, for tests without an API server.
func (b *Pod) Terminating(at time.Time) *Pod {
	b.pod.DeletionTimestamp = ptr.To(metav1.NewTime(at))
	return b
}

// Phase of the pod.
func (b *Pod) Phase(phase corev1.PodPhase) *Pod {
	b.pod.Status.Phase = phase
	return b
}

// IPs of the pod.
func (b *Pod) IPs(ips ...string) *Pod {
	b.pod.Status.PodIP, b.pod.Status.PodIPs = "", nil
	for _, ip := range ips {
		b.pod.Status.PodIPs = append(b.pod.Status.PodIPs, corev1.PodIP{IP: ip})
	}
	if len(ips) > 0 {
		b.pod.Status.PodIP = ips[0]
	}
	return b
}

// Ready sets the Ready condition, and since when.
func (b *Pod) Ready(status corev1.ConditionStatus, since time.Time) *Pod {
	b.pod.Status.Conditions[0].Status = status
	b.pod.Status.Conditions[0].LastTransitionTime = metav1.NewTime(since)
	return b
}

// Started says since when the pod's container runs.
func (b *Pod) Started(at time.Time) *Pod {
	b.pod.Status.ContainerStatuses = []corev1.ContainerStatus{{
		Name: "main", State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: metav1.NewTime(at)}},
	}}
	return b
}

// Obj is the pod.
func (b *Pod) Obj() *corev1.Pod { return b.pod.DeepCopy() }

// MakeNamespace makes a namespace with the label that every namespace has, and
// others.
func MakeNamespace(name string, labels map[string]string) *corev1.Namespace {
	n := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{corev1.LabelMetadataName: name}}}
	maps.Copy(n.Labels, labels)
	return n
}

// MakeService makes a Service with one unnamed TCP port.
func MakeService(namespace, name string, port int32) *corev1.Service {
	return &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec: corev1.ServiceSpec{Ports: []corev1.ServicePort{{
			Port: port, TargetPort: intstr.FromInt32(port), Protocol: corev1.ProtocolTCP,
		}}},
	}
}

// MakeEndpointSlice makes a slice of a Service with one unnamed TCP port and
// ready IPv4 endpoints.
func MakeEndpointSlice(namespace, service string, port int32, ips ...string) *discoveryv1.EndpointSlice {
	slice := &discoveryv1.EndpointSlice{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: namespace, Name: service + "-1",
			Labels: map[string]string{discoveryv1.LabelServiceName: service},
		},
		AddressType: discoveryv1.AddressTypeIPv4,
		Ports:       []discoveryv1.EndpointPort{{Name: ptr.To(""), Port: ptr.To(port), Protocol: ptr.To(corev1.ProtocolTCP)}},
	}
	for _, ip := range ips {
		slice.Endpoints = append(slice.Endpoints, discoveryv1.Endpoint{
			Addresses: []string{ip}, Conditions: discoveryv1.EndpointConditions{Ready: ptr.To(true)},
		})
	}
	return slice
}
