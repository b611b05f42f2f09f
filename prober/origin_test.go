// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package prober

import (
	"context"
	"net/netip"
	"testing"
	"time"

	"github.com/go-logr/logr"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/prober/probe"
)

// placed are the probes of one group as they are made, by the key of the pair.
func placed(t *testing.T, g v1alpha1.ProbeGroup) map[string]probe.Target {
	t.Helper()
	made := map[string]probe.Target{}
	key := ""
	probes := map[probe.Kind]probe.Method{}
	for kind := range probe.Kinds() {
		probes[kind] = probe.Method{Probe: func(_ context.Context, target probe.Target) probe.Result {
			made[string(kind)+" "+key] = target
			return probe.Result{Verdict: probe.Dropped}
		}}
	}
	a := newAgent(Options{NodeName: "node0", PodUID: "uid", Log: logr.Discard(), Probes: probes}, nil)
	s := &spaces{pods: map[string]error{"a": nil, "b": nil, "c": nil}, listens: true}
	a.can, a.spaces = abilitiesOf(v1alpha1.LevelFull, allCaps), s
	a.canaries.dial = (&birds{}).dial
	t.Cleanup(a.release)
	g.Key, g.Hash = "ns/check/path/kind", "a-1"
	g.Interval, g.Timeout = metav1.Duration{Duration: time.Second}, metav1.Duration{Duration: time.Second}
	spec := v1alpha1.ProbeAssignmentSpec{
		Nodes: []v1alpha1.AssignedNode{{Name: "node1", EchoIPs: []string{"10.9.0.1"}, EchoUID: "echo"}},
		Pods: []v1alpha1.AssignedPod{
			{UID: "a", IPs: []string{"10.0.0.1", "fd00::1"}}, {UID: "b", IPs: []string{"10.0.0.2"}}, {UID: ""}, {UID: "c"},
		},
		Targets: []v1alpha1.AssignedTarget{
			{IP: "10.1.0.1", Port: 80, UID: "c"}, {IP: "fd01::1", Port: 80, UID: "c"}, {IP: "10.1.0.1", Port: 53, Protocol: v1alpha1.ProtocolUDP},
			{IP: "10.1.0.9"},
		},
		Groups: []v1alpha1.ProbeGroup{g},
	}
	a.tracker.Update(&spec, nil, time.Now())
	groups, _, _ := a.groups(&spec)
	for _, p := range groups[0].Pairs {
		key = p.Key
		if r := groups[0].Probe(t.Context(), p.Target); r.Verdict != probe.Dropped {
			t.Errorf("%s: %+v", p.Key, r)
		}
	}
	return made
}

// Each probe starts where its group says, at the address of its source, and
// aims at what the group says.
func TestWhereProbesStart(t *testing.T) {
	const none = ""
	type place struct {
		in, source, addr, host string
		silence                bool
	}
	host := &v1alpha1.HostTarget{Hostname: "api.example.com", Port: 443}
	udp := &v1alpha1.HostTarget{Hostname: "api.example.com", Port: 53, Protocol: v1alpha1.ProtocolUDP}
	for name, tc := range map[string]struct {
		group v1alpha1.ProbeGroup
		want  map[string]place
	}{
		"from the prober": {
			v1alpha1.ProbeGroup{Kind: v1alpha1.ProbeTCP, Members: []int32{0}},
			map[string]place{"TCP 10.1.0.1:80": {none, none, "10.1.0.1:80", none, false}},
		},
		"from pods, by family": {
			v1alpha1.ProbeGroup{Kind: v1alpha1.ProbeTCPHalfOpen, From: v1alpha1.SourcePods, Sources: []int32{0, 1, 2}, Members: []int32{0, 1}},
			map[string]place{
				"TCPHalfOpen a>10.1.0.1:80":  {"a", "10.0.0.1", "10.1.0.1:80", none, false},
				"TCPHalfOpen a>[fd01::1]:80": {"a", "fd00::1", "[fd01::1]:80", none, false},
				"TCPHalfOpen b>10.1.0.1:80":  {"b", "10.0.0.2", "10.1.0.1:80", none, false},
			},
		},
		"silence of what must answer": {
			v1alpha1.ProbeGroup{Kind: v1alpha1.ProbeUDP, From: v1alpha1.SourcePods, Sources: []int32{1}, Members: []int32{2}},
			map[string]place{"UDP b>10.1.0.1:53/UDP": {"b", "10.0.0.2", "10.1.0.1:53", none, false}},
		},
		"silence of what must not": {
			v1alpha1.ProbeGroup{Kind: v1alpha1.ProbeUDP, From: v1alpha1.SourcePods, Sources: []int32{1}, Members: []int32{2}, Expect: v1alpha1.ExpectDeny},
			map[string]place{"UDP b>10.1.0.1:53/UDP": {"b", "10.0.0.2", "10.1.0.1:53", none, true}},
		},
		"from the node": {
			v1alpha1.ProbeGroup{Kind: v1alpha1.ProbeICMP, From: v1alpha1.SourceHost, Members: []int32{3}},
			map[string]place{"ICMP 10.1.0.9": {"node", none, "10.1.0.9:0", none, false}},
		},
		"a hostname from pods": {
			v1alpha1.ProbeGroup{Kind: v1alpha1.ProbeHTTP, From: v1alpha1.SourcePods, Sources: []int32{0}, Host: host},
			map[string]place{"HTTP a>api.example.com:443": {"a", "10.0.0.1", none, "api.example.com:443", false}},
		},
		"the wire is the mesh's, from the prober": {
			v1alpha1.ProbeGroup{Kind: v1alpha1.ProbeWire, Members: []int32{0}, Port: 8441},
			map[string]place{"MeshTCP node1/IPv4": {none, none, "10.9.0.1:8441", none, false}},
		},
		"controls start on the node": {
			v1alpha1.ProbeGroup{Kind: v1alpha1.ProbeHostControl, From: v1alpha1.SourceHost, Members: []int32{0, 2, 3}},
			map[string]place{
				"TCP 10.1.0.1:80":     {"node", none, "10.1.0.1:80", none, false},
				"UDP 10.1.0.1:53/UDP": {"node", none, "10.1.0.1:53", none, false},
				"ICMP 10.1.0.9":       {"node", none, "10.1.0.9:0", none, false},
			},
		},
		"a control by name": {
			v1alpha1.ProbeGroup{Kind: v1alpha1.ProbeHostControl, From: v1alpha1.SourceHost, Host: udp},
			map[string]place{"UDP api.example.com:53/UDP": {"node", none, none, "api.example.com:53", false}},
		},
		"a control whose group forgot to say so": {
			v1alpha1.ProbeGroup{Kind: v1alpha1.ProbeHostControl, Members: []int32{0}},
			map[string]place{"TCP 10.1.0.1:80": {"node", none, "10.1.0.1:80", none, false}},
		},
		"listeners are tried from the node": {
			v1alpha1.ProbeGroup{Kind: v1alpha1.ProbeListener, Members: []int32{0, 1}},
			map[string]place{
				"TCPHalfOpen 10.1.0.1:80":  {"node", none, "10.1.0.1:80", none, false},
				"TCPHalfOpen [fd01::1]:80": {"node", none, "[fd01::1]:80", none, false},
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := placed(t, tc.group)
			if len(got) != len(tc.want) {
				t.Errorf("%d probes, want %d: %+v", len(got), len(tc.want), got)
			}
			for key, want := range tc.want {
				target, made := got[key]
				if !made {
					t.Errorf("no %s in %v", key, got)
					continue
				}
				in := none
				if n, ok := target.Entry.(space); ok {
					in = n.name
				} else if target.Entry != nil {
					t.Errorf("%s: starts in %+v", key, target.Entry)
				}
				source, addr, host := none, none, none
				if target.Source.IsValid() {
					source = target.Source.String()
				}
				if target.Addr.IsValid() {
					addr = target.Addr.String()
				}
				if h := target.Host; h.Name != "" {
					host = netip.AddrPortFrom(netip.IPv4Unspecified(), h.Port).String()[len("0.0.0.0"):]
					host = h.Name + host
				}
				if now := (place{in, source, addr, host, target.SilenceDenies}); now != want {
					t.Errorf("%s: %+v, want %+v", key, now, want)
				}
			}
		})
	}
}

func TestPodsOfAnAssignment(t *testing.T) {
	got := podsOf(&v1alpha1.ProbeAssignmentSpec{Pods: []v1alpha1.AssignedPod{
		{UID: "a", IPs: []string{"10.0.0.1", "::ffff:10.0.0.2", "nonsense"}}, {UID: ""}, {UID: "b", Sandboxed: true},
	}})
	if len(got) != 2 || got[0].UID != "a" || len(got[0].IPs) != 2 || !got[0].IPs[1].Is4() || !got[1].Sandboxed {
		t.Errorf("pods %+v", got)
	}
}
