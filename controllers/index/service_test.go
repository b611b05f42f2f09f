// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package index_test

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"

	"github.com/netladder/netladder/controllers/index"
	"github.com/netladder/netladder/controllers/plan"
	"github.com/netladder/netladder/test/builders"
)

// TestWaysIntoAService: nodePorts with the nodes that have endpoints behind
// them, what the load balancer is reached by, and ports by protocol.
func TestWaysIntoAService(t *testing.T) {
	service := builders.MakeService("shop", "dns", 53)
	service.Spec.Type, service.Spec.ClusterIP = corev1.ServiceTypeLoadBalancer, "10.96.0.9"
	service.Spec.Ports = []corev1.ServicePort{
		{Name: "tcp", Port: 53, NodePort: 30053, Protocol: corev1.ProtocolTCP},
		{Name: "udp", Port: 53, NodePort: 30054, Protocol: corev1.ProtocolUDP},
		{Name: "sctp", Port: 53, Protocol: corev1.ProtocolSCTP},
	}
	service.Status.LoadBalancer.Ingress = []corev1.LoadBalancerIngress{
		{IP: "::ffff:192.0.2.1"}, {Hostname: "lb.example.com"}, {IP: "no address"}, {IP: "192.0.2.2", Hostname: "both.example.com"},
	}
	endpoint := func(ip, node string, ready, serving bool) discoveryv1.Endpoint {
		return discoveryv1.Endpoint{Addresses: []string{ip}, NodeName: &node, Conditions: discoveryv1.EndpointConditions{Ready: &ready, Serving: &serving}}
	}
	ports := func(protocol corev1.Protocol, name string, number int32) []discoveryv1.EndpointPort {
		return []discoveryv1.EndpointPort{{Name: &name, Port: &number, Protocol: ptr.To(protocol)}}
	}
	tcp, udp := builders.MakeEndpointSlice("shop", "dns", 1), builders.MakeEndpointSlice("shop", "dns", 1)
	tcp.Ports, udp.Ports = ports(corev1.ProtocolTCP, "tcp", 5353), ports(corev1.ProtocolUDP, "udp", 5354)
	tcp.Endpoints = []discoveryv1.Endpoint{
		endpoint("10.0.0.3", "node3", true, true), endpoint("10.0.0.2", "node2", false, true), endpoint("10.0.0.1", "node1", true, true), endpoint("10.0.0.4", "node1", true, true),
	}
	udp.Endpoints = []discoveryv1.Endpoint{endpoint("10.0.0.2", "node2", false, true), endpoint("10.0.0.5", "node5", false, false)}
	both := []*discoveryv1.EndpointSlice{tcp, udp}
	at := netip.MustParseAddrPort
	want := &plan.Service{
		Key: types.NamespacedName{Namespace: "shop", Name: "dns"}, ClusterIPs: []netip.Addr{netip.MustParseAddr("10.96.0.9")},
		LoadBalancer: true, Ingress: []netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")}, IngressNames: []string{"lb.example.com"},
		Ports: []plan.ServicePort{
			{Name: "tcp", Port: 53, NodePort: 30053, Endpoints: []netip.AddrPort{at("10.0.0.1:5353"), at("10.0.0.3:5353"), at("10.0.0.4:5353")}, On: []string{"node1", "node3", "node1"}},
			{Name: "udp", Port: 53, NodePort: 30054, Protocol: "UDP", Endpoints: []netip.AddrPort{at("10.0.0.2:5354")}, On: []string{"node2"}},
		},
	}
	compare := func() {
		t.Helper()
		if diff := cmp.Diff(want, index.Service(service, both), cmp.Comparer(func(a, b netip.Addr) bool { return a == b }), cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b })); diff != "" {
			t.Error(diff)
		}
	}
	compare()
	service.Spec.ExternalTrafficPolicy, want.LocalOnly = corev1.ServiceExternalTrafficPolicyLocal, true
	want.Ports[0].Nodes, want.Ports[1].Nodes = []string{"node1", "node3"}, []string{"node2"}
	compare()
	service.Spec.Type, want.LoadBalancer, want.Ingress, want.IngressNames = corev1.ServiceTypeNodePort, false, nil, nil
	compare()
}

// TestEndpointsOfSeveralSlices: an address that is there twice counts once, on
// the node that is known.
func TestEndpointsOfSeveralSlices(t *testing.T) {
	service, slice, again := builders.MakeService("shop", "web", 80), builders.MakeEndpointSlice("shop", "web", 80), builders.MakeEndpointSlice("shop", "web", 80)
	service.Spec.Ports = []corev1.ServicePort{{Port: 80}}
	slice.Ports = []discoveryv1.EndpointPort{{Port: ptr.To[int32](8080)}}
	again.Ports = slice.Ports
	slice.Endpoints = []discoveryv1.Endpoint{{Addresses: []string{"10.0.0.2"}}, {Addresses: []string{"10.0.0.1"}, NodeName: ptr.To("node1")}, {Addresses: []string{"no address"}, NodeName: ptr.To("node9")}}
	again.Endpoints = []discoveryv1.Endpoint{{Addresses: []string{"10.0.0.1"}}, {Addresses: []string{"10.0.0.3"}}}
	for _, both := range [][]*discoveryv1.EndpointSlice{{slice, again}, {again, slice}} {
		p := index.Service(service, both).Ports[0]
		if got, want := fmt.Sprint(p.Endpoints), "[10.0.0.1:8080 10.0.0.2:8080 10.0.0.3:8080]"; got != want || !slices.Equal(p.On, []string{"node1", "", ""}) {
			t.Errorf("%s on %q", got, p.On)
		}
	}
	if p := index.Service(service, []*discoveryv1.EndpointSlice{again}).Ports[0]; len(p.Endpoints) != 2 || slices.Contains(p.On, "node1") {
		t.Errorf("%+v", p)
	}
	slice.Endpoints[1].NodeName = nil
	if p := index.Service(service, []*discoveryv1.EndpointSlice{slice}).Ports[0]; p.On != nil {
		t.Errorf("on %q", p.On)
	}
}
