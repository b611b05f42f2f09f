// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package climb

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/netladder/netladder/api/v1alpha1"
)

// assigned is an assignment of node1 with a Service whose endpoints are on
// node2 and node1, and the cluster's DNS.
func assigned() *v1alpha1.ProbeAssignmentSpec {
	return &v1alpha1.ProbeAssignmentSpec{
		Nodes: []v1alpha1.AssignedNode{
			{Name: "node1", IPs: []string{"172.30.0.1"}, EchoIPs: []string{"10.0.1.1", "fd00:1::1"}, EchoUID: "echo1"},
			{
				Name: "node2", IPs: []string{"172.30.0.2"}, EchoIPs: []string{"10.0.2.1", "fd00:2::1"}, EchoUID: "echo2",
				Tunnels: []v1alpha1.AssignedTunnel{{Encapsulation: v1alpha1.EncapsulationVXLAN, IP: "10.0.2.0"}},
			},
			{Name: "node3", IPs: []string{"172.30.0.3", "nonsense"}},
		},
		Pods: []v1alpha1.AssignedPod{{UID: "pod", IPs: []string{"10.0.1.9"}}},
		Targets: []v1alpha1.AssignedTarget{
			0: {IP: "10.96.0.20", Port: 80},
			1: {IP: "10.0.2.5", Port: 8080, Node: "node2", UID: "a"},
			2: {IP: "10.0.1.5", Port: 8080, Node: "node1", UID: "b"},
			3: {IP: "fd00:2::5", Port: 8080, Node: "node2", UID: "a"},
			4: {IP: "10.96.0.30", Port: 53, Protocol: v1alpha1.ProtocolUDP},
			5: {IP: "192.0.2.1", Port: 443},
			6: {IP: "172.30.0.3", Node: "node3"},
		},
		Services: []v1alpha1.AssignedService{
			{Targets: []int32{0, -1, 99}, Endpoints: []v1alpha1.AssignedTarget{
				{IP: "10.0.2.5", Port: 8080, Node: "node2"}, {IP: "10.0.1.5", Port: 8080, Node: "node1"},
				{IP: "fd00:2::5", Port: 8080, Node: "node2"}, {IP: "nonsense", Port: 8080}, {IP: "10.0.1.6"},
			}},
			{Targets: []int32{4}, Endpoints: []v1alpha1.AssignedTarget{{IP: "10.0.3.7", Port: 5353, Protocol: v1alpha1.ProtocolUDP, Node: "node3"}}},
			{
				Addresses: []v1alpha1.AssignedTarget{{IP: "10.96.0.10", Port: 53}},
				Endpoints: []v1alpha1.AssignedTarget{{IP: "10.0.3.7", Port: 53, Node: "node3"}}, DNS: true,
			},
		},
	}
}

func TestSteps(t *testing.T) {
	full := Here{Node: "node1", Host: true, HalfOpen: true}
	between2 := []string{
		"MTU MTU node2/IPv4", "Overlay Tunnel node2/IPv4 from Host", "PodNetwork MeshTCP node2/IPv4", "Underlay ICMP node2/IPv4 from Host",
	}
	for name, c := range map[string]struct {
		here  Here
		group v1alpha1.ProbeGroup
		pair  string
		want  []string
	}{
		"a Service, from a pod": {full, v1alpha1.ProbeGroup{Kind: v1alpha1.ProbeTCP, From: v1alpha1.SourcePods, Sources: []int32{0}, Members: []int32{0}},
			"pod>10.96.0.20:80", []string{
				"Endpoints TCPHalfOpen 10.0.1.5:8080 from pod", "Endpoints TCPHalfOpen 10.0.2.5:8080 from pod", "MTU MTU node2/IPv4",
				"Overlay Tunnel node2/IPv4 from Host", "PodNetwork MeshTCP node1/IPv4", "PodNetwork MeshTCP node2/IPv4", "Underlay ICMP node2/IPv4 from Host",
			}},
		"at level Restricted": {Here{Node: "node1"}, v1alpha1.ProbeGroup{Kind: v1alpha1.ProbeHTTP, Members: []int32{0}},
			"10.96.0.20:80", []string{
				"Endpoints TCP 10.0.1.5:8080", "Endpoints TCP 10.0.2.5:8080", "MTU MTU node2/IPv4", "PodNetwork MeshTCP node1/IPv4",
				"PodNetwork MeshTCP node2/IPv4", "Underlay ICMP node2/IPv4",
			}},
		"UDP": {full, v1alpha1.ProbeGroup{Kind: v1alpha1.ProbeUDP, Members: []int32{4}},
			"10.96.0.30:53/UDP", []string{"Endpoints UDP 10.0.3.7:5353/UDP", "Overlay Tunnel node3/IPv4 from Host", "Underlay ICMP node3/IPv4 from Host"}},
		"a pod":            {full, v1alpha1.ProbeGroup{Kind: v1alpha1.ProbeTCPHalfOpen, Members: []int32{1}}, "10.0.2.5:8080", between2},
		"a pod that talks": {full, v1alpha1.ProbeGroup{Kind: v1alpha1.ProbeHTTP, Members: []int32{1}}, "10.0.2.5:8080", append([]string{between2[0], "MTU MTU node2/IPv4 from Host"}, between2[1:]...)},
		"a pod by IPv6": {full, v1alpha1.ProbeGroup{Kind: v1alpha1.ProbeTCPHalfOpen, Members: []int32{3}}, "[fd00:2::5]:8080",
			[]string{"MTU MTU node2/IPv6", "PodNetwork MeshTCP node2/IPv6"}},
		"a pod of this node": {full, v1alpha1.ProbeGroup{Kind: v1alpha1.ProbeTCPHalfOpen, Members: []int32{2}}, "10.0.1.5:8080",
			[]string{"PodNetwork MeshTCP node1/IPv4"}},
		"a mesh":    {full, v1alpha1.ProbeGroup{Kind: v1alpha1.ProbeMeshICMP, Members: []int32{1}}, "node2/IPv4", between2},
		"a node":    {full, v1alpha1.ProbeGroup{Kind: v1alpha1.ProbeICMP, From: v1alpha1.SourceHost, Members: []int32{6}}, "172.30.0.3", []string{"Overlay Tunnel node3/IPv4 from Host", "Underlay ICMP node3/IPv4 from Host"}},
		"elsewhere": {full, v1alpha1.ProbeGroup{Kind: v1alpha1.ProbeTCP, Members: []int32{5}}, "192.0.2.1:443", nil},
		"DNS, from a pod": {full, v1alpha1.ProbeGroup{
			Kind: v1alpha1.ProbeDNS, From: v1alpha1.SourcePods, Sources: []int32{0}, DNS: &v1alpha1.DNSTarget{Name: "a.test."},
		}, "pod>a.test.", []string{
			"DNS DNS 10.0.3.7:53 from pod", "DNS DNS 10.0.3.7:53/UDP from pod", "DNS DNS 10.96.0.10:53 from pod", "DNS DNS 10.96.0.10:53/UDP from pod", "Overlay Tunnel node3/IPv4 from Host", "Underlay ICMP node3/IPv4 from Host",
		}},
		"a hostname": {full, v1alpha1.ProbeGroup{Kind: v1alpha1.ProbeTCP, Host: &v1alpha1.HostTarget{Hostname: "a.test", Port: 80}}, "a.test:80", []string{
			"DNS DNS 10.0.3.7:53", "DNS DNS 10.0.3.7:53/UDP", "DNS DNS 10.96.0.10:53", "DNS DNS 10.96.0.10:53/UDP", "Overlay Tunnel node3/IPv4 from Host", "Underlay ICMP node3/IPv4 from Host",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			spec := assigned()
			c.group.Port = v1alpha1.EchoPort
			var steps []Step
			found := false
			for _, p := range spec.Pairs(&c.group) {
				if p.Key == c.pair {
					steps, found = c.here.Steps(NewGround(spec), &c.group, &p), true
				}
			}
			if !found {
				t.Fatalf("no pair %s in %+v", c.pair, spec.Pairs(&c.group))
			}
			slices.SortFunc(steps, func(a, b Step) int { return a.compare(b.Key) })
			var got []string
			for _, s := range steps {
				text := fmt.Sprintf("%s %s %s", s.Rung, s.Probe, s.Key.Target)
				if s.Source != "" {
					text += " from " + s.Source
				}
				got = append(got, text)
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("steps\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(c.want, "\n"))
			}
		})
	}
}

// What the probes of a climb aim at, and what they must answer with.
func TestStepTargets(t *testing.T) {
	spec := assigned()
	g := v1alpha1.ProbeGroup{
		Kind: v1alpha1.ProbeDNS, From: v1alpha1.SourcePods, Sources: []int32{0},
		DNS: &v1alpha1.DNSTarget{Name: "a.test.", Type: v1alpha1.DNSTypeAAAA, Answers: []string{"fd00::1"}},
	}
	pair := spec.Pairs(&g)[0]
	steps := Here{Node: "node1", ResolvConf: "/etc/other"}.Steps(NewGround(spec), &g, &pair)
	to := map[string]Step{}
	for _, s := range steps {
		to[s.Key.Target] = s
	}
	byUDP, byTCP := to["10.96.0.10:53/UDP"].To, to["10.96.0.10:53"].To
	if byUDP.Source.String() != "10.0.1.9" || byUDP.DNS.Server.String() != "10.96.0.10:53" || byUDP.DNS.Transport != "UDP" || byTCP.DNS.Transport != "TCP" ||
		byUDP.DNS.Name != "a.test." || byUDP.DNS.Type != "AAAA" || byUDP.DNS.ResolvConf != "/etc/other" || len(byTCP.DNS.Answers) != 1 {
		t.Errorf("DNS: %+v and %+v", byUDP, byTCP)
	}
	g = v1alpha1.ProbeGroup{Kind: v1alpha1.ProbeMeshUDP, Members: []int32{1}, Port: v1alpha1.EchoPort}
	pair = spec.Pairs(&g)[0]
	for _, s := range (Here{Node: "node1"}).Steps(NewGround(spec), &g, &pair) {
		switch {
		case s.Probe == v1alpha1.ProbeMeshTCP && (s.To.Addr.String() != "10.0.2.1:8441" || s.To.EchoUID != "echo2"),
			s.Probe == v1alpha1.ProbeICMP && s.To.Addr.String() != "172.30.0.2:0":
			t.Errorf("%+v", s)
		}
	}
}
