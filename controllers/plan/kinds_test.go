// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"testing"

	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/netladder/netladder/api/v1alpha1"
)

func TestKinds(t *testing.T) {
	udp := func(to v1alpha1.Target) v1alpha1.Target {
		if to.Pods != nil {
			to.Pods.Protocol = v1alpha1.ProtocolUDP
		} else {
			to.Nodes.Protocol = v1alpha1.ProtocolUDP
		}
		return to
	}
	handshake := func(h v1alpha1.Handshake) func(p *v1alpha1.Path) {
		return func(p *v1alpha1.Path) { p.TCP = &v1alpha1.TCPLayer{Handshake: h} }
	}
	http := func(p *v1alpha1.Path) { p.HTTP = &v1alpha1.HTTPLayer{} }
	service := v1alpha1.Target{Service: &v1alpha1.ServiceTarget{Namespace: "shop", Name: "db", Port: intstr.FromInt32(80)}}
	for _, tc := range []struct {
		name       string
		restricted bool
		from       v1alpha1.Source
		to         v1alpha1.Target
		change     func(p *v1alpha1.Path)
		kind       v1alpha1.ProbeKind
		source     v1alpha1.SourceKind
	}{
		{"pods", false, fromPods("web"), toPods("db", 1), nil, "TCPHalfOpen", "Pods"},
		{"pods from probers", false, fromProbers(), toPods("db", 1), nil, "TCPHalfOpen", ""},
		{"pods by a full handshake", false, fromPods("web"), toPods("db", 1), handshake("Full"), "TCP", "Pods"},
		{"pods by half of one", false, fromNodes(), toPods("db", 1), handshake("HalfOpen"), "TCPHalfOpen", "Host"},
		{"pods by HTTP", false, fromPods("web"), toPods("db", 1), http, "HTTP", "Pods"},
		{"pods by UDP", false, fromPods("web"), udp(toPods("db", 1)), nil, "UDP", "Pods"},
		{"a Service", false, fromPods("web"), service, nil, "TCP", "Pods"},
		{"a Service by HTTP", false, fromNodes(), service, http, "HTTP", "Host"},
		{"a ping", false, fromNodes(), toNodes(0), nil, "ICMP", "Host"},
		{"nodes", false, fromPods("web"), toNodes(22), nil, "TCP", "Pods"},
		{"nodes by UDP", false, fromPods("web"), udp(toNodes(53)), nil, "UDP", "Pods"},
		{"a host", true, fromProbers(), toHost("198.51.100.1", 1), nil, "TCP", ""},
		{"DNS", false, fromPods("web"), dnsOf("a"), nil, "DNS", "Pods"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			in := denyFixture()
			in.addBehind("shop", "db", false)
			if tc.restricted {
				in.Settings.Level = ""
			}
			namespace := home
			if tc.from.Pods != nil {
				namespace = "shop"
			} else if tc.to.Pods != nil {
				tc.to = anywhere(tc.to)
			}
			c := in.addPath(namespace, "check", tc.from, tc.to, "")
			if tc.change != nil {
				tc.change(&c.Spec.Paths[0])
			}
			a := in.assign("node-00000", nil)
			if len(a.Spec.Groups) != 1 || a.Spec.Groups[0].Kind != tc.kind || a.Spec.Groups[0].From != tc.source || len(in.resolved(c).Proofs) > 0 {
				t.Errorf("%+v, want one of kind %s from %q (%s)", a.Spec.Groups, tc.kind, tc.source, in.resolved(c).Message)
			}
			if n := len(a.Spec.Pairs(&a.Spec.Groups[0])); n == 0 {
				t.Error("no pairs")
			}
		})
	}
}

// A node is no target of itself, in its own network.
func TestNodesDoNotProbeThemselves(t *testing.T) {
	in := denyFixture()
	in.addPath(home, "nodes", fromNodes(), toNodes(0), "")
	for _, pair := range pairsOf(Build(in)) {
		if pair[0] == pair[len(pair)-1] {
			t.Errorf("node %s", pair)
		}
	}
	for _, gone := range []string{"node-00001", "node-00002"} {
		delete(in.Cluster.Nodes, gone)
	}
	if r := in.resolved(in.Checks[0]); r.Reason != v1alpha1.ReasonNoTargets {
		t.Errorf("%+v", r)
	}
}
