// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package diagnosis_test

import (
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/yaml"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/controllers/diagnosis/fromstatus"
	"github.com/netladder/netladder/controllers/plan"
	"github.com/netladder/netladder/test/golden"
)

// policyGolden is a situation as a person writes it. Without more, web-0 on
// node1 and web-1 on node2 go to db-0 on node2 and db-1 on node3, TCP 5432, in
// namespace commerce.
type policyGolden struct {
	// About says what this is an example of.
	About  string `json:"about"`
	Expect v1alpha1.Expectation
	// From is Pods where it is absent.
	From   v1alpha1.SourceKind
	Labels map[string]map[string]string // of pods
	// Namespaces with their labels, and where pods are that are not in commerce.
	Namespaces map[string]map[string]string
	In         map[string]string
	Discloses  []string
	Services   []goldenService
	NodeIPs    map[string]string
	// Via is how the Service is dialled; Many adds endpoints to it.
	Via  v1alpha1.ServiceVia
	Many int
	// Address instead of the pods db-0 and db-1 is what is dialled.
	Address string
	// DNS instead of them is a lookup.
	DNS bool
	// Replica of the cluster's DNS that is asked by its own address.
	Replica  string
	Policies []networkingv1.NetworkPolicy
	// Changed are the policies that changed some seconds ago; Deleted are those
	// that were.
	Changed    map[string]int
	Deleted    []networkingv1.NetworkPolicy
	PodChanged map[string]int
	Seen       []goldenSeen
	Unprimed   bool
}

type goldenService struct {
	Name, Namespace, ClusterIP string
	Port                       int32
	Protocol                   v1alpha1.Protocol
	Endpoints                  []string
}

type goldenSeen struct {
	From, To string
	Verdict  v1alpha1.Verdict
	Evidence string
}

type goldenDiagnosis struct {
	State     v1alpha1.State          `json:"state"`
	Message   string                  `json:"message"`
	Diagnosis *v1alpha1.PathDiagnosis `json:"diagnosis"`
	Looked    []string                `json:"looked"`
	Deadline  string                  `json:"deadline,omitempty"`
	// Cause is the object of the first of the causes.
	Cause string `json:"cause,omitempty"`
}

// TestPolicyGolden: what is said about each situation in testdata/policy.
func TestPolicyGolden(t *testing.T) {
	dirs, err := filepath.Glob("testdata/policy/*/in.yaml")
	if err != nil || len(dirs) == 0 {
		t.Fatalf("no golden tests: %v", err)
	}
	for _, in := range dirs {
		dir := filepath.Dir(in)
		t.Run(filepath.Base(dir), func(t *testing.T) {
			got, err := yaml.Marshal(policyGoldenRun(t, in))
			if err != nil {
				t.Fatal(err)
			}
			golden.Equal(t, filepath.Join(dir, "out.yaml"), got)
		})
	}
}

func policyGoldenRun(t *testing.T, path string) goldenDiagnosis {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var g policyGolden
	if err := yaml.UnmarshalStrict(text, &g); err != nil {
		t.Fatal(err)
	}
	s := g.sim()
	summary := s.summarize()
	p := summary.Paths[0]
	out := goldenDiagnosis{State: p.State, Message: p.Message, Diagnosis: p.Diagnosis, Looked: s.looked}
	if !summary.Deadline.IsZero() {
		out.Deadline = summary.Deadline.Sub(s.now).String()
	}
	if len(summary.Causes) > 0 {
		out.Cause = summary.Causes[0].Object
		if p.Diagnosis != nil && len(p.Diagnosis.Policies) > 0 {
			told := fromstatus.Found(&fromstatus.Path{Check: s.check, Spec: &s.check.Spec.Paths[0], Status: &p}, nil)
			if len(told) != 1 || told[0].Object != out.Cause {
				t.Errorf("the status tells of %+v, the cause is %s", told, out.Cause)
			}
		}
	}
	return out
}

// sim makes the situation.
func (g *policyGolden) sim() *policySim {
	s := newPolicies()
	s.disclosing = map[string]bool{}
	for _, n := range g.Discloses {
		s.disclosing[n] = true
	}
	if g.Expect == v1alpha1.ExpectAllow {
		s.allow()
	}
	for name, labels := range g.Namespaces {
		s.space(name, labels)
	}
	for pod, namespace := range g.In {
		s.elsewhere(pod, namespace)
	}
	s.plant()
	for pod, labels := range g.Labels {
		s.relabel(pod, labels)
	}
	g.targets(s)
	g.policies(s)
	for _, seen := range g.Seen {
		g.see(s, seen)
	}
	if g.Unprimed {
		s.index = nil
	}
	return s
}

func (g *policyGolden) targets(s *policySim) {
	for _, each := range g.Services {
		service := &plan.Service{
			Key: types.NamespacedName{Namespace: each.Namespace, Name: each.Name}, ClusterIPs: []netip.Addr{netip.MustParseAddr(each.ClusterIP)},
			Ports: []plan.ServicePort{{Port: each.Port, Protocol: each.Protocol}},
		}
		for _, e := range each.Endpoints {
			service.Ports[0].Endpoints = append(service.Ports[0].Endpoints, netip.MustParseAddrPort(e))
		}
		for range g.Many {
			service.Ports[0].Endpoints = append(service.Ports[0].Endpoints, service.Ports[0].Endpoints[0])
		}
		s.services = append(s.services, service)
	}
	s.nodeIPs = map[netip.Addr]string{}
	for ip, name := range g.NodeIPs {
		s.nodeIPs[netip.MustParseAddr(ip)] = name
	}
	switch {
	case g.Address != "":
		at := netip.MustParseAddrPort(g.Address)
		s.targets = []v1alpha1.AssignedTarget{{IP: at.Addr().String(), Port: int32(at.Port())}}
		s.db = nil
		to := &s.check.Spec.Paths[0].To
		to.Pods, to.Host = nil, &v1alpha1.HostTarget{IP: at.Addr().String(), Port: int32(at.Port())}
		for _, each := range s.services {
			if each.ClusterIPs[0] == at.Addr() {
				to.Host, to.Service = nil, &v1alpha1.ServiceTarget{Name: each.Key.Name, Namespace: each.Key.Namespace, Via: g.Via}
			}
		}
	case g.DNS:
		s.db = nil
		s.check.Spec.Paths[0].To = v1alpha1.Target{DNS: &v1alpha1.DNSTarget{Name: "db.example.com."}}
		s.main.Kind, s.main.DNS = v1alpha1.ProbeDNS, &v1alpha1.DNSTarget{Name: "db.example.com."}
		if g.Replica != "" {
			at := netip.MustParseAddrPort(g.Replica)
			s.targets = []v1alpha1.AssignedTarget{{IP: at.Addr().String(), Port: int32(at.Port()), Protocol: v1alpha1.ProtocolUDP}}
			s.main.DNS.Resolver = v1alpha1.DNSEachReplica
			s.check.Spec.Paths[0].To.DNS = s.main.DNS
		}
	}
	if g.From != "" {
		s.main.From = map[v1alpha1.SourceKind]v1alpha1.SourceKind{"Probers": v1alpha1.SourceProber, "Host": v1alpha1.SourceHost}[g.From]
	}
	s.again()
}

func (g *policyGolden) policies(s *policySim) {
	for i := range g.Policies {
		p := &g.Policies[i]
		if p.Namespace == "" {
			p.Namespace = "commerce"
		}
		s.policy(p)
		if ago, ok := g.Changed[p.Name]; ok {
			s.changed(p, p, time.Duration(ago)*time.Second)
		}
	}
	for i := range g.Deleted {
		p := &g.Deleted[i]
		if p.Namespace == "" {
			p.Namespace = "commerce"
		}
		s.changed(p, nil, time.Duration(g.Changed[p.Name])*time.Second)
	}
	for pod, ago := range g.PodChanged {
		s.policySimChanged(pod, ago)
	}
}

func (s *policySim) policySimChanged(pod string, ago int) {
	s.pods[s.planned[pod].UID] = s.now.Add(-time.Duration(ago) * time.Second)
}

// see notes what a prober saw. Without a target it is of the address, or of the
// lookup.
func (g *policyGolden) see(s *policySim, seen goldenSeen) {
	node, key := seen.From, denyKey
	if p := s.denySim.pods[seen.From]; p != nil {
		node, key = p.facts.Node, key+p.uid+">"
	}
	switch db := s.denySim.pods[seen.To]; {
	case db != nil:
		key += db.ip + ":5432"
	case g.Replica != "":
		key += g.Replica + "/UDP"
	case g.DNS:
		key += "db.example.com."
	default:
		key += g.Address
	}
	s.result(node, key, result{state: v1alpha1.StateFailing, verdict: seen.Verdict, evidence: seen.Evidence})
}
