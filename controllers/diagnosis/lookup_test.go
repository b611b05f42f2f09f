// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package diagnosis_test

import (
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/controllers/diagnosis"
	"github.com/netladder/netladder/controllers/plan"
)

// lookUp makes of the simulated path to an address one that looks up a name.
func (s *sim) lookUp(dns v1alpha1.DNSTarget, target v1alpha1.AssignedTarget) {
	s.check.Spec.Paths[1].To.DNS = &dns
	for _, n := range s.nodes {
		spec := &n.report.Assignment.Spec
		spec.Groups[1].Kind, spec.Groups[1].DNS, spec.Targets[0] = v1alpha1.ProbeDNS, &dns, target
	}
	s.heartbeat()
}

func (s *sim) lookups() diagnosis.Input {
	in := s.input()
	in.Settings = diagnosis.Settings{Namespace: "netladder-system"}
	in.Resolved.Paths[1].Groups[0].Kind = v1alpha1.ProbeDNS
	return in
}

// What the search list costs stands in the path's message, the most that any
// prober tells; nobody is believed more than there can be.
func TestCostOfLookups(t *testing.T) {
	const five = "a lookup takes 5 queries here, because the search list goes first; the full name with a trailing dot takes 1"
	for name, tc := range map[string]struct {
		queries [2]int32
		state   v1alpha1.State
		want    string
	}{
		"the name as it is":  {[2]int32{1, 1}, v1alpha1.StatePassing, ""},
		"not told":           {[2]int32{}, v1alpha1.StatePassing, ""},
		"a few":              {[2]int32{2, 5}, v1alpha1.StatePassing, five},
		"not by the prober":  {[2]int32{1, 7}, v1alpha1.StatePassing, ""},
		"lossy":              {[2]int32{5, 5}, v1alpha1.StateDegraded, "1 of 2 pairs is slow or lossy: node1→api.example.com; " + five},
		"failing":            {[2]int32{5, 5}, v1alpha1.StateFailing, "1 of 2 pairs fails: node1→api.example.com DNSTimeout; the other pair passes"},
		"more than can be":   {[2]int32{1, 1 << 30}, v1alpha1.StatePassing, strings.Replace(five, "5", "64", 1)},
		"fewer than can be":  {[2]int32{-9, 1}, v1alpha1.StatePassing, ""},
		"of nobody who pass": {[2]int32{5, 1}, v1alpha1.StateFailing, "1 of 2 pairs fails: node1→api.example.com DNSTimeout; the other pair passes"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSim("node1", "node2")
			if tc.state != v1alpha1.StatePassing {
				r := result{state: tc.state, since: s.now}
				if tc.state == v1alpha1.StateFailing {
					r.verdict = v1alpha1.VerdictDNSTimeout
				}
				s.nodes["node1"].results[apiKey+"api.example.com"] = r
			}
			s.lookUp(v1alpha1.DNSTarget{Name: "api.example.com"}, v1alpha1.AssignedTarget{IP: "10.96.0.1", Port: 443})
			for i, node := range s.names() {
				s.nodes[node].report.Assignment.Status.Groups[1].Queries = tc.queries[i]
			}
			if name == "not by the prober" {
				s.nodes["node2"].report.Assignment.Status.PodUID = "somebody"
			}
			p := diagnosis.Summarize(s.lookups()).Paths[1]
			if p.State != tc.state || p.Message != tc.want {
				t.Errorf("%s: %q, want %s: %q", p.State, p.Message, tc.state, tc.want)
			}
		})
	}
}

// A replica of the cluster's DNS is named, but not to a tenant.
func TestReplicaIsNamed(t *testing.T) {
	for name, tc := range map[string]struct {
		namespace, uid string
		target         string
		evidence       bool
	}{
		"a pod":                           {"netladder-system", "dns-1", "kube-system/coredns-1:53/UDP", true},
		"not known as a pod":              {"netladder-system", "", "10.244.1.9:53/UDP", true},
		"a pod, to a tenant":              {"shop", "dns-1", "namespace kube-system", false},
		"not known as a pod, to a tenant": {"shop", "", "namespace kube-system", false},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSim("node1", "node2")
			for _, n := range s.nodes {
				n.results[apiKey+"10.244.1.9:53/UDP"] = result{
					state: v1alpha1.StateFailing, verdict: v1alpha1.VerdictDNSTimeout, evidence: "A a. at 10.244.1.9: no answer within 1s", since: s.now,
				}
			}
			s.lookUp(v1alpha1.DNSTarget{Name: "a.", Resolver: v1alpha1.DNSEachReplica},
				v1alpha1.AssignedTarget{IP: "10.244.1.9", Port: 53, Protocol: v1alpha1.ProtocolUDP, UID: tc.uid, Node: "node2"})
			s.check.Namespace = tc.namespace
			in := s.lookups()
			in.Pods = map[string]*diagnosis.WorkloadPod{"dns-1": {Namespace: "kube-system", Name: "coredns-1", StartedAt: t0.Add(-1e12)}}
			p := diagnosis.Summarize(in).Paths[1]
			if p.State != v1alpha1.StateFailing || len(p.WorstPairs) != 2 {
				t.Fatalf("%+v", p)
			}
			w := p.WorstPairs[0]
			if w.Target != tc.target || (w.Evidence != "") != tc.evidence || (w.TargetNode == "node2") != tc.evidence {
				t.Errorf("%+v", w)
			}
			if !tc.evidence && strings.Contains(p.Message, "10.244") {
				t.Error(p.Message)
			}
		})
	}
}

// Where nobody knows the cluster's DNS, its replicas do not count in Ready.
func TestUnknownDNSIsQuiet(t *testing.T) {
	s := newSim("node1", "node2")
	in := s.input()
	in.Resolved.Paths[1] = plan.ResolvedPath{Name: in.Resolved.Paths[1].Name, Accepted: true, Reason: v1alpha1.ReasonNoClusterDNS, Message: "it is not known"}
	sum := diagnosis.Summarize(in)
	if p := sum.Paths[1]; p.State != v1alpha1.StateUnknown || p.Reason != v1alpha1.ReasonNoClusterDNS {
		t.Errorf("%+v", p)
	}
	for _, c := range sum.Conditions {
		if c.Status != metav1.ConditionTrue {
			t.Errorf("%+v", c)
		}
	}
}
