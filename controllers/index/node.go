// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package index

import (
	"net/netip"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/netladder/netladder/controllers/overlay"
	"github.com/netladder/netladder/controllers/plan"
)

// NodeReady says whether a node is Ready, and since when it is what it is;
// the time is zero for a node that never said.
func NodeReady(n *corev1.Node) (ready bool, since time.Time) {
	for i := range n.Status.Conditions {
		if c := &n.Status.Conditions[i]; c.Type == corev1.NodeReady {
			return c.Status == corev1.ConditionTrue, c.LastTransitionTime.Time
		}
	}
	return false, time.Time{}
}

// Echo is what the plan knows of an echo pod; nil while it has no IP.
func Echo(p *corev1.Pod) *plan.Echo {
	var ips []netip.Addr
	for _, podIP := range p.Status.PodIPs {
		if ip, err := netip.ParseAddr(podIP.IP); err == nil {
			ips = append(ips, ip.Unmap())
		}
	}
	if len(ips) == 0 {
		return nil
	}
	return &plan.Echo{UID: p.UID, IPs: ips}
}

// Canary is the canary pod as the plan sees it; nil without an IP.
func Canary(p *corev1.Pod) *plan.Canary {
	ips := podIPs(p)
	if len(ips) == 0 {
		return nil
	}
	return &plan.Canary{UID: p.UID, Key: types.NamespacedName{Namespace: p.Namespace, Name: p.Name}, IPs: ips}
}

// NodeIPs are a node's own addresses: its InternalIPs, one of each family.
func NodeIPs(n *corev1.Node) []netip.Addr {
	var texts []string
	for _, a := range n.Status.Addresses {
		if a.Type == corev1.NodeInternalIP {
			texts = append(texts, a.Address)
		}
	}
	return addresses(texts)
}

// Tunnels are a node's ends of the overlay.
func Tunnels(n *corev1.Node) []plan.Tunnel {
	cidrs := n.Spec.PodCIDRs
	if len(cidrs) == 0 && n.Spec.PodCIDR != "" {
		cidrs = []string{n.Spec.PodCIDR}
	}
	return overlay.Detect(overlay.Node{Annotations: n.Annotations, PodCIDRs: cidrs})
}
