// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/binary"
	"net/netip"
	"testing"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/kubernetes/fake"
)

const (
	client = "10.0.1.1" // on node1, may not begin anything but to port 53
	free   = "10.0.1.2" // on node1
	server = "10.0.2.1" // on node2, admits free's TCP to 80 and, from client, everything
	other  = "172.16.0.1"
)

func TestEachNodeJudgesItsOwnPods(t *testing.T) {
	for _, test := range []struct {
		name, node, from, to string
		protocol             byte
		port                 uint16
		want                 bool
	}{
		{"egress denied at the source", "node1", client, other, tcp, 80, false},
		{"egress allowed by port", "node1", client, other, udp, 53, true},
		{"egress is not the target's business", "node2", client, server, tcp, 80, true},
		{"ingress denied at the target", "node2", free, server, tcp, 81, false},
		{"ingress denied by protocol", "node2", free, server, udp, 80, false},
		{"ingress allowed", "node2", free, server, tcp, 80, true},
		{"ingress is not the source's business", "node1", free, server, tcp, 81, true},
		{"ingress from a stranger", "node2", other, server, tcp, 80, false},
		{"ICMP needs a rule without ports", "node2", free, server, icmp, 0, false},
		{"ICMP with a rule without ports", "node2", client, server, icmp, 0, true},
		{"a pod reaches itself", "node2", server, server, tcp, 81, true},
		{"neither end is a pod", "node1", other, "172.16.0.2", tcp, 80, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			j := testJudge(t, test.node)
			got, err := j.allows(t.Context(), packet(test.from, test.to, test.protocol, test.port))
			if err != nil {
				t.Fatal(err)
			}
			if got != test.want {
				t.Errorf("allowed %v, want %v", got, test.want)
			}
		})
	}
}

func TestWhatCannotBeReadIsDenied(t *testing.T) {
	j := testJudge(t, "node2")
	for _, content := range [][]byte{nil, {0x45}, make([]byte, 40)} {
		if allowed, err := j.allows(t.Context(), content); allowed || err == nil {
			t.Errorf("%d bytes: allowed %v, error %v", len(content), allowed, err)
		}
	}
}

func TestTheLogForgets(t *testing.T) {
	j := testJudge(t, "node2")
	for port := range maxRemembered + 10 {
		if _, err := j.allows(t.Context(), packet(other, server, tcp, uint16(port))); err != nil {
			t.Fatal(err)
		}
	}
	if len(j.denied) > maxRemembered || len(j.denied) == 0 {
		t.Errorf("%d flows are remembered", len(j.denied))
	}
}

func testJudge(t *testing.T, node string) *judge {
	t.Helper()
	pod := func(name, node, ip string) *corev1.Pod {
		return &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "shop", Labels: map[string]string{"app": name}},
			Spec:       corev1.PodSpec{NodeName: node},
			Status:     corev1.PodStatus{Phase: corev1.PodRunning, PodIP: ip, PodIPs: []corev1.PodIP{{IP: ip}}},
		}
	}
	app := func(name string) metav1.LabelSelector {
		return metav1.LabelSelector{MatchLabels: map[string]string{"app": name}}
	}
	port := func(protocol corev1.Protocol, number int) []networkingv1.NetworkPolicyPort {
		return []networkingv1.NetworkPolicyPort{{Protocol: &protocol, Port: new(intstr.FromInt(number))}}
	}
	peer := func(name string) []networkingv1.NetworkPolicyPeer {
		return []networkingv1.NetworkPolicyPeer{{PodSelector: new(app(name))}}
	}
	objects := []runtime.Object{
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "shop"}},
		pod("client", "node1", client), pod("free", "node1", free), pod("server", "node2", server),
		&networkingv1.NetworkPolicy{
			ObjectMeta: metav1.ObjectMeta{Name: "client", Namespace: "shop"},
			Spec: networkingv1.NetworkPolicySpec{
				PodSelector: app("client"), PolicyTypes: []networkingv1.PolicyType{networkingv1.PolicyTypeEgress},
				Egress: []networkingv1.NetworkPolicyEgressRule{{Ports: port(corev1.ProtocolUDP, 53)}},
			},
		},
		&networkingv1.NetworkPolicy{
			ObjectMeta: metav1.ObjectMeta{Name: "server", Namespace: "shop"},
			Spec: networkingv1.NetworkPolicySpec{
				PodSelector: app("server"), PolicyTypes: []networkingv1.PolicyType{networkingv1.PolicyTypeIngress},
				Ingress: []networkingv1.NetworkPolicyIngressRule{
					{From: peer("free"), Ports: port(corev1.ProtocolTCP, 80)}, {From: peer("client")},
				},
			},
		},
	}
	j, err := newJudge(t.Context(), fake.NewClientset(objects...), node)
	if err != nil {
		t.Fatal(err)
	}
	return j
}

// Protocol numbers.
const (
	icmp = 1
	tcp  = 6
	udp  = 17
)

// packet is the beginning of an IPv4 packet with a TCP header's worth of transport header.
func packet(from, to string, protocol byte, port uint16) []byte {
	content := make([]byte, 40)
	content[0], content[9] = 0x45, protocol
	source, target := netip.MustParseAddr(from).As4(), netip.MustParseAddr(to).As4()
	copy(content[12:], source[:])
	copy(content[16:], target[:])
	binary.BigEndian.PutUint16(content[20:], 40000)
	binary.BigEndian.PutUint16(content[22:], port)
	content[32] = 5 << 4
	return content
}
