// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package index

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/controllers/plan"
)

// Service is what the plan knows of a Service and its EndpointSlices.
func Service(s *corev1.Service, endpointSlices []*discoveryv1.EndpointSlice) *plan.Service {
	out := &plan.Service{
		Key:          types.NamespacedName{Namespace: s.Namespace, Name: s.Name},
		Headless:     s.Spec.ClusterIP == corev1.ClusterIPNone,
		LoadBalancer: s.Spec.Type == corev1.ServiceTypeLoadBalancer,
		LocalOnly:    s.Spec.ExternalTrafficPolicy == corev1.ServiceExternalTrafficPolicyLocal,
	}
	if s.Spec.Type == corev1.ServiceTypeExternalName {
		out.ExternalName = s.Spec.ExternalName
	} else if !out.Headless {
		out.ClusterIPs = clusterIPs(s)
	}
	if out.LoadBalancer {
		out.Ingress, out.IngressNames = ingress(s)
	}
	for i := range s.Spec.Ports {
		p := &s.Spec.Ports[i]
		protocol := v1alpha1.Protocol("")
		switch p.Protocol {
		case corev1.ProtocolTCP, "":
		case corev1.ProtocolUDP:
			protocol = v1alpha1.ProtocolUDP
		default:
			continue
		}
		behind := endpoints(p.Name, p.Protocol, endpointSlices)
		port := plan.ServicePort{Name: p.Name, Port: p.Port, Protocol: protocol, NodePort: p.NodePort}
		port.Endpoints, port.On = behind.at()
		if out.LocalOnly {
			port.Nodes = behind.nodes()
		}
		out.Ports = append(out.Ports, port)
	}
	return out
}

// ingress is what the load balancer is reached by.
func ingress(s *corev1.Service) (ips []netip.Addr, names []string) {
	for i := range s.Status.LoadBalancer.Ingress {
		point := &s.Status.LoadBalancer.Ingress[i]
		if ip, err := netip.ParseAddr(point.IP); err == nil {
			ips = append(ips, ip.Unmap())
		} else if point.Hostname != "" {
			names = append(names, point.Hostname)
		}
	}
	return ips, names
}

func clusterIPs(s *corev1.Service) []netip.Addr {
	texts := s.Spec.ClusterIPs
	if len(texts) == 0 {
		texts = []string{s.Spec.ClusterIP}
	}
	var out []netip.Addr
	for _, text := range texts {
		if ip, err := netip.ParseAddr(text); err == nil {
			out = append(out, ip.Unmap())
		}
	}
	return out
}

// endpoints behind the port of that name, sorted: those that are ready; where
// none is, those that still serve while they terminate, as kube-proxy chooses.
func endpoints(port string, protocol corev1.Protocol, endpointSlices []*discoveryv1.EndpointSlice) behind {
	var ready, serving behind
	for _, s := range endpointSlices {
		number := portNumber(port, protocol, s.Ports)
		if number == 0 || s.AddressType == discoveryv1.AddressTypeFQDN {
			continue
		}
		for i := range s.Endpoints {
			e := &s.Endpoints[i]
			// By the API's documentation nil means true for ready, and "as ready" for serving.
			isReady := e.Conditions.Ready == nil || *e.Conditions.Ready
			isServing := isReady
			if e.Conditions.Serving != nil {
				isServing = *e.Conditions.Serving
			}
			switch {
			case isReady:
				ready.add(e, number)
			case isServing:
				serving.add(e, number)
			}
		}
	}
	if len(ready) == 0 {
		ready = serving
	}
	slices.SortFunc(ready, func(a, b endpoint) int {
		// Of an address that is there twice, one whose node is known comes first.
		return cmp.Or(a.at.Compare(b.at), -strings.Compare(a.node, b.node))
	})
	return ready
}

// endpoint behind a Service; the node is empty where it is not known.
type endpoint struct {
	at   netip.AddrPort
	node string
}

// behind is the sorted endpoints of a port.
type behind []endpoint

func (b *behind) add(e *discoveryv1.Endpoint, port uint16) {
	for _, address := range e.Addresses {
		if ip, err := netip.ParseAddr(address); err == nil {
			*b = append(*b, endpoint{netip.AddrPortFrom(ip.Unmap(), port), ptr.Deref(e.NodeName, "")})
		}
	}
}

// at returns the addresses, each once, and the nodes that they are on; none
// where no node is known.
func (b behind) at() (at []netip.AddrPort, on []string) {
	known := false
	for i, e := range b {
		if i > 0 && e.at == b[i-1].at {
			continue
		}
		at, on, known = append(at, e.at), append(on, e.node), known || e.node != ""
	}
	if !known {
		on = nil
	}
	return at, on
}

// nodes that are known, each once.
func (b behind) nodes() []string {
	var nodes []string
	for _, e := range b {
		if e.node != "" {
			nodes = append(nodes, e.node)
		}
	}
	slices.Sort(nodes)
	return slices.Compact(nodes)
}

// portNumber is the number of the port of that name and protocol; 0 without
// one.
func portNumber(name string, protocol corev1.Protocol, ports []discoveryv1.EndpointPort) uint16 {
	for i := range ports {
		p := &ports[i]
		sameProtocol := orTCP(ptr.Deref(p.Protocol, "")) == orTCP(protocol)
		sameName := (p.Name == nil && name == "") || (p.Name != nil && *p.Name == name)
		if sameProtocol && sameName && p.Port != nil && *p.Port > 0 && *p.Port <= 65535 {
			return uint16(*p.Port)
		}
	}
	return 0
}

func orTCP(p corev1.Protocol) corev1.Protocol {
	if p == "" {
		return corev1.ProtocolTCP
	}
	return p
}

// APIServers lists host:port of each endpoint of the Service
// default/kubernetes, sorted and unique, from its EndpointSlices.
func APIServers(endpointSlices []*discoveryv1.EndpointSlice) []string {
	var out []string
	at, _ := endpoints("https", corev1.ProtocolTCP, endpointSlices).at()
	for _, a := range at {
		out = append(out, a.String())
	}
	return out
}
