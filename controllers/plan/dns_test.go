// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/types"

	"github.com/netladder/netladder/api/v1alpha1"
)

func kubeDNS() types.NamespacedName {
	return types.NamespacedName{Namespace: "kube-system", Name: "kube-dns"}
}

// addDNS adds the cluster's DNS with replicas 10.200.53.N on node N.
func (in *Input) addDNS(replicas int) *Service {
	dns := ServicePort{Name: "dns", Port: 53, Protocol: v1alpha1.ProtocolUDP}
	for i := range replicas {
		dns.Endpoints = append(dns.Endpoints, netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 200, 53, byte(i)}), 5353))
		dns.On = append(dns.On, fmt.Sprintf("node-%05d", i))
	}
	tcp := dns
	tcp.Name, tcp.Protocol = "dns-tcp", ""
	s := &Service{
		Key: kubeDNS(), ClusterIPs: []netip.Addr{netip.MustParseAddr("10.96.0.10"), netip.MustParseAddr("fd00::a")},
		Ports: []ServicePort{{Name: "metrics", Port: 9153}, dns, tcp},
	}
	in.Cluster.Services[s.Key] = s
	return s
}

func dnsAt(r v1alpha1.DNSResolver, t v1alpha1.DNSTransport) v1alpha1.Target {
	return v1alpha1.Target{DNS: &v1alpha1.DNSTarget{Name: "kubernetes.default", Resolver: r, Transport: t}}
}

// aimed are the keys of the pairs that a node holds.
func (in *Input) aimed(node string) []string {
	a := in.assign(node, nil)
	var keys []string
	for i := range a.Spec.Groups {
		for _, p := range a.Spec.Pairs(&a.Spec.Groups[i]) {
			keys = append(keys, p.Key)
		}
	}
	slices.Sort(keys)
	return keys
}

func TestServersOfDNS(t *testing.T) {
	for _, tc := range []struct {
		name     string
		resolver v1alpha1.DNSResolver
		by       v1alpha1.DNSTransport
		want     []string
	}{
		{"the sources' own", "", "", []string{"kubernetes.default"}},
		{"the sources' own, in words", "PodDefault", "", []string{"kubernetes.default"}},
		{"the Service", "ClusterDNS", "", []string{"10.96.0.10:53/UDP", "[fd00::a]:53/UDP"}},
		{"the Service by TCP", "ClusterDNS", "TCP", []string{"10.96.0.10:53", "[fd00::a]:53"}},
		{"the replicas", "EachReplica", "UDP", []string{"10.200.53.0:5353/UDP", "10.200.53.1:5353/UDP"}},
		{"the replicas by TCP", "EachReplica", "TCP", []string{"10.200.53.0:5353", "10.200.53.1:5353"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			in := fixture(3)
			in.addDNS(2)
			in.addCheck("dns", dnsAt(tc.resolver, tc.by), "")
			if got := in.aimed("node-00002"); !slices.Equal(got, tc.want) {
				t.Errorf("aims at %v, want %v", got, tc.want)
			}
			spec := in.assign("node-00002", nil).Spec
			if got, want := ProbeRate(&spec)*10, float64(len(tc.want)); got != want {
				t.Errorf("%v probes in an interval, want %v", got, want)
			}
			if d := Resolve(in.Checks[0], in.Cluster, in.Settings, in.Now).demands[0]; d.one.name != "DNS" || d.rate != rateOf(float64(3*len(tc.want))/10) {
				t.Errorf("demand %+v", d)
			}
			r := in.resolved(in.Checks[0])
			if got := r.Coverage.PossiblePairs; got != int64(3*len(tc.want)) {
				t.Errorf("%d pairs are possible, want %d", got, 3*len(tc.want))
			}
		})
	}
}

// A replica is known by its pod where pods are known: it is then no target of
// itself, and one that is replaced is told from one that is broken.
func TestReplicasArePods(t *testing.T) {
	in := full(3)
	s := in.addDNS(0)
	for i := range 2 {
		pod := in.addPod("kube-system", fmt.Sprint("coredns-", i), "dns", i)
		for p := range s.Ports {
			s.Ports[p].Endpoints = append(s.Ports[p].Endpoints, netip.AddrPortFrom(pod.IPs[0], 53))
		}
	}
	in.addPath("kube-system", "dns", fromPods("dns"), dnsAt("EachReplica", ""), "")
	in.addPath(home, "probers", fromProbers(), dnsAt("EachReplica", ""), "")
	a := in.assign("node-00000", nil)
	for i := range a.Spec.Groups {
		g, want := &a.Spec.Groups[i], 2
		if g.From == v1alpha1.SourcePods {
			want = 1
		}
		pairs := a.Spec.Pairs(g)
		if len(pairs) != want {
			t.Errorf("%s: %d pairs, want %d", g.Key, len(pairs), want)
		}
		for _, p := range pairs {
			if p.Target.UID == "" || p.NodeName == "" {
				t.Errorf("%s: %+v", g.Key, p.Target)
			}
		}
	}
}

func TestNoServersOfDNS(t *testing.T) {
	for _, tc := range []struct {
		name     string
		resolver v1alpha1.DNSResolver
		change   func(in *Input)
		accepted bool
		reason   string
		message  string
	}{
		{"no Service", "EachReplica", func(in *Input) { delete(in.Cluster.Services, kubeDNS()) }, true, v1alpha1.ReasonNoClusterDNS,
			"none of the Services kube-system/kube-dns, kube-system/coredns, "},
		{"another port", "ClusterDNS", func(in *Input) { in.Cluster.Services[kubeDNS()].Ports = []ServicePort{{Port: 53}} }, false, v1alpha1.ReasonServiceNotFound, "has a UDP port 53"},
		{"headless", "ClusterDNS", func(in *Input) { in.Cluster.Services[kubeDNS()].ClusterIPs = nil }, false, v1alpha1.ReasonUnsupportedService, "set to.dns.resolver to EachReplica"},
		{"no replica", "EachReplica", func(in *Input) { in.addDNS(0) }, true, v1alpha1.ReasonNoEndpoints, "has no endpoints on UDP port 53"},
		{"not an address to dial", "EachReplica", func(in *Input) {
			in.addDNS(1).Ports[1].Endpoints[0] = netip.MustParseAddrPort("127.0.0.1:53")
		}, true, v1alpha1.ReasonNoEndpoints, "has no endpoints"},
		{"a later version", "Oracle", func(*Input) {}, false, v1alpha1.ReasonUnsupported, "to.dns.resolver PodDefault, ClusterDNS and EachReplica"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			in := fixture(3)
			in.addDNS(2)
			tc.change(&in)
			in.addCheck("dns", dnsAt(tc.resolver, ""), "")
			r := in.resolved(in.Checks[0])
			if r.Accepted != tc.accepted || r.Reason != tc.reason || !strings.Contains(r.Message, tc.message) || len(r.Groups) > 0 {
				t.Errorf("%+v", r)
			}
		})
	}
}

// Replicas come and go: only who asks each of them hears of it.
func TestReplicasComeAndGo(t *testing.T) {
	in := fixture(3)
	in.addDNS(3)
	in.addCheck("plain", dnsOf("a"), "")
	in.addCheck("service", dnsAt("ClusterDNS", ""), "")
	in.addCheck("replicas", dnsAt("EachReplica", ""), "")
	for _, tc := range []struct {
		name   string
		change func(s *Service)
		checks []string
	}{
		{"a replica goes", func(s *Service) {
			s.Ports[1].Endpoints, s.Ports[1].On = s.Ports[1].Endpoints[:2], s.Ports[1].On[:2]
		}, []string{"replicas"}},
		{"a cluster IP changes", func(s *Service) { s.ClusterIPs = s.ClusterIPs[:1] }, []string{"replicas", "service"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			e := in.engine()
			s := *in.Cluster.Services[kubeDNS()]
			s.Ports = slices.Clone(s.Ports)
			tc.change(&s)
			e.SetService(&s)
			var checks []string
			dirty := e.TakeDirty()
			for _, key := range dirty.Checks {
				checks = append(checks, key.Name)
			}
			if !slices.Equal(checks, tc.checks) || len(dirty.Nodes) != 3 {
				t.Errorf("%v are resolved anew for %v, want %v", checks, dirty.Nodes, tc.checks)
			}
		})
	}
}
