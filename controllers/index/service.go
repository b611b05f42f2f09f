// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package index

import (
	"net/netip"
	"slices"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/netladder/netladder/controllers/plan"
)

// Service is what the plan knows of a Service and its EndpointSlices.
func Service(s *corev1.Service, endpointSlices []*discoveryv1.EndpointSlice) *plan.Service {
	out := &plan.Service{
		Key:          types.NamespacedName{Namespace: s.Namespace, Name: s.Name},
		Headless:     s.Spec.ClusterIP == corev1.ClusterIPNone,
		ExternalName: s.Spec.Type == corev1.ServiceTypeExternalName,
	}
	if !out.Headless && !out.ExternalName {
		out.ClusterIPs = clusterIPs(s)
	}
	for i := range s.Spec.Ports {
		p := &s.Spec.Ports[i]
		if p.Protocol != corev1.ProtocolTCP && p.Protocol != "" {
			continue
		}
		out.Ports = append(out.Ports, plan.ServicePort{
			Name: p.Name, Port: p.Port, Endpoints: endpoints(p.Name, endpointSlices),
		})
	}
	return out
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

// endpoints behind the TCP port of that name: those that are ready; where none
// is, those that still serve while they terminate, as kube-proxy chooses.
func endpoints(port string, endpointSlices []*discoveryv1.EndpointSlice) []netip.AddrPort {
	var ready, serving []netip.AddrPort
	for _, s := range endpointSlices {
		number := portNumber(port, s.Ports)
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
			for _, address := range e.Addresses {
				ip, err := netip.ParseAddr(address)
				if err != nil {
					continue
				}
				at := netip.AddrPortFrom(ip.Unmap(), number)
				if isReady {
					ready = append(ready, at)
				} else if isServing {
					serving = append(serving, at)
				}
			}
		}
	}
	if len(ready) == 0 {
		ready = serving
	}
	slices.SortFunc(ready, netip.AddrPort.Compare)
	return slices.Compact(ready)
}

// portNumber is the number of the TCP port of that name; 0 without one.
func portNumber(name string, ports []discoveryv1.EndpointPort) uint16 {
	for i := range ports {
		p := &ports[i]
		tcp := p.Protocol == nil || *p.Protocol == corev1.ProtocolTCP
		sameName := (p.Name == nil && name == "") || (p.Name != nil && *p.Name == name)
		if tcp && sameName && p.Port != nil && *p.Port > 0 && *p.Port <= 65535 {
			return uint16(*p.Port)
		}
	}
	return 0
}

// APIServers lists host:port of each endpoint of the Service
// default/kubernetes, sorted and unique, from its EndpointSlices.
func APIServers(endpointSlices []*discoveryv1.EndpointSlice) []string {
	var out []string
	for _, at := range endpoints("https", endpointSlices) {
		out = append(out, at.String())
	}
	return out
}
