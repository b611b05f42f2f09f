// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package index

import (
	"net/netip"
	"slices"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/utils/ptr"

	"github.com/netladder/netladder/controllers/diagnosis"
)

// maxNotReady is how many addresses that are not ready are kept of a Service.
const maxNotReady = 8

// ServiceFacts is what diagnosis knows of a Service and its EndpointSlices.
func ServiceFacts(s *corev1.Service, endpointSlices []*discoveryv1.EndpointSlice) *diagnosis.ServiceFacts {
	out := &diagnosis.ServiceFacts{
		Service:  Service(s, endpointSlices),
		Selector: s.Spec.Selector,
		Local:    ptr.Deref(s.Spec.InternalTrafficPolicy, "") == corev1.ServiceInternalTrafficPolicyLocal,
		Sticky:   s.Spec.SessionAffinity == corev1.ServiceAffinityClientIP,
	}
	for _, slice := range endpointSlices {
		for i := range slice.Endpoints {
			if e := &slice.Endpoints[i]; !ptr.Deref(e.Conditions.Ready, true) && !ptr.Deref(e.Conditions.Terminating, false) {
				out.NotReady = append(out.NotReady, endpointIPs(e)...)
			}
		}
	}
	slices.SortFunc(out.NotReady, netip.Addr.Compare)
	out.NotReady = slices.Compact(out.NotReady)
	out.NotReadyCount = len(out.NotReady)
	out.NotReady = slices.Clone(out.NotReady[:min(len(out.NotReady), maxNotReady)])
	return out
}

func endpointIPs(e *discoveryv1.Endpoint) []netip.Addr {
	var out []netip.Addr
	for _, text := range e.Addresses {
		if ip, err := netip.ParseAddr(text); err == nil {
			out = append(out, ip.Unmap())
		}
	}
	return out
}
