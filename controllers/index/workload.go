// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package index

import (
	"net/netip"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/controllers/diagnosis"
	"github.com/netladder/netladder/controllers/plan"
)

// Workload is what the plan knows of a workload pod; nil for one that is on no
// node, has no IP, has ended or is being deleted.
func Workload(p *corev1.Pod) *plan.Pod {
	if p.Spec.NodeName == "" || p.DeletionTimestamp != nil || Finished(p) {
		return nil
	}
	ips := podIPs(p)
	if len(ips) == 0 {
		return nil
	}
	return &plan.Pod{
		UID:         p.UID,
		Key:         types.NamespacedName{Namespace: p.Namespace, Name: p.Name},
		Labels:      p.Labels,
		Node:        p.Spec.NodeName,
		IPs:         ips,
		HostNetwork: p.Spec.HostNetwork,
		Sandboxed:   sandboxed(p.Spec.RuntimeClassName),
		Ports:       namedPorts(p),
	}
}

// podIPs are the addresses of a pod, one of each family.
func podIPs(p *corev1.Pod) []netip.Addr {
	texts := make([]string, 0, 2)
	for _, podIP := range p.Status.PodIPs {
		texts = append(texts, podIP.IP)
	}
	if len(texts) == 0 {
		texts = append(texts, p.Status.PodIP)
	}
	return addresses(texts)
}

// addresses are the first of each family that can be dialled.
func addresses(texts []string) []netip.Addr {
	var out []netip.Addr
	for _, text := range texts {
		ip, err := netip.ParseAddr(text)
		if err != nil || ip.Zone() != "" || ip.IsUnspecified() {
			continue
		}
		ip = ip.Unmap()
		if len(out) == 0 || len(out) == 1 && out[0].Is4() != ip.Is4() {
			out = append(out, ip)
		}
	}
	return out
}

// sandboxes are parts of the names that people give to the RuntimeClasses of
// runtimes which keep a pod's network where no other process gets at it: the
// network stack of gVisor (handler runsc), the virtual machines of Kata
// Containers and of Firecracker. A pod says only the name of its RuntimeClass,
// not the handler behind it. A wrong guess costs little: a sandbox that is not
// recognized fails when the prober binds to the pod's address, and is then
// reported as a probe that could not be made.
func sandboxes() []string { return []string{"gvisor", "runsc", "kata", "firecracker"} }

func sandboxed(runtimeClass *string) bool {
	if runtimeClass == nil {
		return false
	}
	name := strings.ToLower(*runtimeClass)
	for _, part := range sandboxes() {
		if strings.Contains(name, part) {
			return true
		}
	}
	return false
}

// namedPorts of the containers that run as long as the pod does.
func namedPorts(p *corev1.Pod) []plan.ContainerPort {
	var out []plan.ContainerPort
	add := func(containers []corev1.Container) {
		for i := range containers {
			for _, port := range containers[i].Ports {
				if protocol, ok := protocolOf(port.Protocol); ok && port.Name != "" {
					out = append(out, plan.ContainerPort{Name: port.Name, Port: port.ContainerPort, Protocol: protocol})
				}
			}
		}
	}
	add(p.Spec.Containers)
	for i := range p.Spec.InitContainers {
		if runsOn(&p.Spec.InitContainers[i]) {
			add(p.Spec.InitContainers[i : i+1])
		}
	}
	return out
}

// runsOn is true for an init container that is a sidecar: it keeps running.
func runsOn(c *corev1.Container) bool {
	return c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways
}

func protocolOf(p corev1.Protocol) (v1alpha1.Protocol, bool) {
	switch p {
	case corev1.ProtocolTCP, "":
		return v1alpha1.ProtocolTCP, true
	case corev1.ProtocolUDP:
		return v1alpha1.ProtocolUDP, true
	default:
		return "", false
	}
}

// Namespace is what the plan knows of a namespace.
func Namespace(n *corev1.Namespace) *plan.Namespace {
	return &plan.Namespace{Name: n.Name, Labels: n.Labels}
}

// WorkloadFacts is what diagnosis knows of a workload pod; nil for one that has
// ended, which is as good as gone.
func WorkloadFacts(p *corev1.Pod) *diagnosis.WorkloadPod {
	if Finished(p) {
		return nil
	}
	facts := Pod(p)
	return &diagnosis.WorkloadPod{
		Namespace: p.Namespace, Name: p.Name, Node: p.Spec.NodeName,
		Terminating: facts.Terminating, StartedAt: facts.StartedAt,
	}
}
