// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestPairKeys(t *testing.T) {
	spec := &ProbeAssignmentSpec{
		Nodes: []AssignedNode{
			{Name: "node0", EchoIPs: []string{"10.0.0.1", "fd00::1"}, EchoUID: "u0"},
			{Name: "node1", EchoIPs: []string{"::ffff:10.0.0.2", "10.0.0.3", "fe80::1%eth0"}, EchoUID: "u1"},
			{Name: "node2", EchoIPs: []string{"not an address"}, EchoUID: "u2"},
		},
		Targets: []AssignedTarget{
			{IP: "10.96.0.1", Port: 443}, {IP: "fd00::2", Port: 80}, {IP: "10.96.0.1", Port: 0}, {IP: "", Port: 1},
		},
	}
	for name, tc := range map[string]struct {
		group ProbeGroup
		want  []string
	}{
		"mesh TCP": {ProbeGroup{Kind: ProbeMeshTCP, Port: 8441, Members: []int32{0, 1, 2, 3, -1, 0}},
			[]string{"node0/IPv4=10.0.0.1:8441", "node0/IPv6=[fd00::1]:8441", "node1/IPv4=10.0.0.2:8441"}},
		"mesh ICMP needs no port": {ProbeGroup{Kind: ProbeMeshICMP, Members: []int32{0}},
			[]string{"node0/IPv4=10.0.0.1:0", "node0/IPv6=[fd00::1]:0"}},
		"mesh UDP without a port": {ProbeGroup{Kind: ProbeMeshUDP, Members: []int32{0}}, nil},
		"TCP": {ProbeGroup{Kind: ProbeTCP, Members: []int32{1, 0, 2, 3, 99}},
			[]string{"[fd00::2]:80=[fd00::2]:80", "10.96.0.1:443=10.96.0.1:443"}},
		"DNS":                {ProbeGroup{Kind: ProbeDNS, DNS: &DNSTarget{Name: "a.b"}}, []string{"a.b=invalid AddrPort"}},
		"DNS by resolv.conf": {ProbeGroup{Kind: ProbeDNS, Members: []int32{0}, DNS: &DNSTarget{Name: "a.b", Resolver: DNSPodDefault}}, []string{"a.b=invalid AddrPort"}},
		"DNS at members": {ProbeGroup{Kind: ProbeDNS, Members: []int32{1, 0, 2}, DNS: &DNSTarget{Name: "a.b", Resolver: DNSEachReplica}},
			[]string{"[fd00::2]:80=[fd00::2]:80", "10.96.0.1:443=10.96.0.1:443"}},
		"DNS without members": {ProbeGroup{Kind: ProbeDNS, DNS: &DNSTarget{Name: "a.b", Resolver: DNSClusterDNS}}, nil},
		"DNS without name":    {ProbeGroup{Kind: ProbeDNS}, nil},
		"unknown kind":        {ProbeGroup{Kind: "Smoke", Members: []int32{0, 1}}, []string{"Smoke=invalid AddrPort"}},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, p := range spec.Pairs(&tc.group) {
				got = append(got, p.Key+"="+p.Addr.String())
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("pairs (-want +got):\n%s", diff)
			}
		})
	}
}

// Whatever the spec holds, Pairs neither panics nor lists a key twice.
func TestPairsOfAnything(t *testing.T) {
	text := rapid.SampledFrom([]string{"10.0.0.1", "10.0.0.2", "::1", "::ffff:10.0.0.1", "x", ""})
	rapid.Check(t, func(t *rapid.T) {
		spec := &ProbeAssignmentSpec{}
		for range rapid.IntRange(0, 4).Draw(t, "nodes") {
			spec.Nodes = append(spec.Nodes, AssignedNode{
				Name:    rapid.SampledFrom([]string{"a", "b"}).Draw(t, "name"),
				EchoIPs: rapid.SliceOfN(text, 0, 3).Draw(t, "ips"),
			})
			spec.Targets = append(spec.Targets, AssignedTarget{
				IP: text.Draw(t, "ip"), Port: rapid.Int32Range(-1, 3).Draw(t, "port"),
			})
		}
		g := &ProbeGroup{
			Kind:    ProbeKind(rapid.SampledFrom([]string{"MeshTCP", "MeshICMP", "TCP", "HTTP", "DNS", "?"}).Draw(t, "kind")),
			Members: rapid.SliceOfN(rapid.Int32Range(-2, 6), 0, 8).Draw(t, "members"),
			Port:    rapid.Int32().Draw(t, "group port"),
		}
		seen := map[string]bool{}
		for _, p := range spec.Pairs(g) {
			if seen[p.Key] {
				t.Fatalf("key %q twice", p.Key)
			}
			seen[p.Key] = true
			if p.Member < 0 || p.Member > len(g.Members) {
				t.Fatalf("member %d of %d", p.Member, len(g.Members))
			}
		}
	})
}

func TestVerdictsAreGoodBadOrNeutral(t *testing.T) {
	for _, v := range Verdicts() {
		if v.IsBad() && v.IsNeutral() {
			t.Errorf("%s is bad and neutral", v)
		}
	}
	if VerdictConnected.IsBad() || VerdictUnmeasured.IsBad() || !VerdictDropped.IsBad() || !Verdict("FromTheFuture").IsBad() {
		t.Error("wrong sides")
	}
}

func TestAPodIsNoTargetOfItself(t *testing.T) {
	spec := &ProbeAssignmentSpec{
		Pods:    []AssignedPod{{UID: "a", IPs: []string{"10.0.0.1"}}, {UID: "b", IPs: []string{"10.0.0.2"}}},
		Targets: []AssignedTarget{{IP: "10.0.0.1", Port: 80, UID: "a"}, {IP: "10.0.0.2", Port: 80, UID: "b"}, {IP: "10.0.0.3", Port: 80}},
	}
	var got []string
	for _, p := range spec.Pairs(&ProbeGroup{Kind: ProbeTCPHalfOpen, From: SourcePods, Sources: []int32{0, 1}, Members: []int32{0, 1, 2}}) {
		got = append(got, p.Key)
	}
	want := []string{"a>10.0.0.2:80", "a>10.0.0.3:80", "b>10.0.0.1:80", "b>10.0.0.3:80"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("pairs (-want +got):\n%s", diff)
	}
}
