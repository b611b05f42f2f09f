// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package diagnosis_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/controllers/diagnosis"
	"github.com/netladder/netladder/controllers/plan"
)

// TestOtherServices: one Service that does not lead to its endpoints is that
// Service; once another fails on the node at the same time and in the same way
// it is the proxy, however many others have not been tried since.
func TestOtherServices(t *testing.T) {
	const works, fails = v1alpha1.VerdictConnected, v1alpha1.VerdictDropped
	for name, c := range map[string]struct {
		passing bool
		began   time.Duration
		since   time.Duration    // zero for as the other
		behind  v1alpha1.Verdict // empty for not tried
		dns     bool
		address v1alpha1.Verdict
		target  v1alpha1.AssignedTarget // zero for one of another Service
		want    string
		says    string
		rows    []v1alpha1.AssignedTarget // more that fail in the same way
	}{
		"works":                 {passing: true, want: v1alpha1.ReasonServiceNotProgrammed, says: "other Services work there"},
		"fails in the same way": {behind: works, want: v1alpha1.ReasonProxyBroken, says: "1 other Service that is tested from there fails in the same way"},
		"fails by two ports": {
			behind: works, rows: []v1alpha1.AssignedTarget{{IP: "10.96.0.30", Port: 8443}}, want: v1alpha1.ReasonProxyBroken, says: "1 other Service that is tested from there fails in the same way",
		},
		"fails by its nodePort too": {
			behind: works, rows: []v1alpha1.AssignedTarget{{IP: "192.168.0.1", Port: 30444, Node: "node1"}}, want: v1alpha1.ReasonProxyBroken, says: "1 other Service that is tested from there fails in the same way",
		},
		"fails, and yet another": {
			behind: works, rows: []v1alpha1.AssignedTarget{{IP: "10.96.0.40", Port: 8080}}, want: v1alpha1.ReasonProxyBroken, says: "2 other Services that are tested from there fail in the same way",
		},
		"fails a little later":                             {began: 12 * time.Second, behind: works, want: v1alpha1.ReasonProxyBroken},
		"fails by its endpoints":                           {behind: fails, want: v1alpha1.ReasonServiceNotProgrammed},
		"fails, and nobody knows why":                      {want: v1alpha1.ReasonServiceNotProgrammed},
		"has failed for an hour, as an earlier prober saw": {since: -time.Hour, behind: works, want: v1alpha1.ReasonServiceNotProgrammed},
		"has failed for an hour":                           {began: -time.Hour, behind: works, want: v1alpha1.ReasonServiceNotProgrammed},
		"the DNS fails in the same way":                    {dns: true, address: fails, behind: works, want: v1alpha1.ReasonProxyBroken},
		"the DNS answers":                                  {dns: true, address: works, behind: works, want: v1alpha1.ReasonServiceNotProgrammed},
		"is another port of it":                            {target: v1alpha1.AssignedTarget{IP: "10.96.0.20", Port: 8443}, behind: works, want: v1alpha1.ReasonServiceNotProgrammed},
		"is another port of it that works": {
			target: v1alpha1.AssignedTarget{IP: "10.96.0.20", Port: 8443}, passing: true, want: v1alpha1.ReasonServiceNotProgrammed, says: "own address: see kube-proxy",
		},
		"is a nodePort of it":      {target: v1alpha1.AssignedTarget{IP: "192.168.0.1", Port: 30443, Node: "node1"}, behind: works, want: v1alpha1.ReasonServiceNotProgrammed},
		"is a nodePort of another": {target: v1alpha1.AssignedTarget{IP: "192.168.0.1", Port: 30444, Node: "node1"}, behind: works, want: v1alpha1.ReasonProxyBroken},
		"is the DNS of the same address": {
			dns: true, target: v1alpha1.AssignedTarget{IP: "10.96.0.20", Port: 53}, address: fails, behind: works, want: v1alpha1.ReasonServiceNotProgrammed,
		},
	} {
		t.Run(name, func(t *testing.T) {
			in := ladderGoldens(t)["service"].input()
			a := in.Reports["node1"].Assignment
			for _, facts := range in.Services {
				facts.Ports = append(facts.Ports, plan.ServicePort{Port: 8443, NodePort: 30443})
			}
			dns := "10.96.0.10"
			if c.target.IP != "" {
				a.Spec.Targets[1], dns = c.target, c.target.IP
			}
			rung, kind, key := v1alpha1.RungEndpoints, v1alpha1.ProbeTCPHalfOpen, "10.244.2.30:8080"
			g := group("netladder-system/other/web/TCPHalfOpen", v1alpha1.ProbeTCPHalfOpen)
			g.Members, g.Hash = []int32{1}, "content-1"
			s := v1alpha1.AssignedService{Targets: []int32{1}, Endpoints: []v1alpha1.AssignedTarget{{IP: "10.244.2.30", Port: 8080, Node: "node2"}}}
			if c.dns {
				rung, kind = v1alpha1.RungDNS, v1alpha1.ProbeDNS
				g = group("netladder-system/other/names/DNS", v1alpha1.ProbeDNS)
				g.DNS, g.Hash = &v1alpha1.DNSTarget{Name: "a.test."}, "content-1"
				s.DNS, s.Targets, s.Addresses = true, nil, []v1alpha1.AssignedTarget{{IP: dns, Port: 53}}
				a.Status.Rungs = append(a.Status.Rungs, v1alpha1.RungStatus{Rung: rung, Probe: kind, Target: dns + ":53/UDP", Verdict: c.address})
			}
			a.Spec.Groups, a.Spec.Services = append(a.Spec.Groups, g), append(a.Spec.Services, s)
			pairs := v1alpha1.PairCounts{Failing: 1}
			if c.passing {
				pairs = v1alpha1.PairCounts{Passing: 1}
			} else {
				p := v1alpha1.PairStatus{
					Group: g.Key, Target: a.Spec.Pairs(&g)[0].Key, State: v1alpha1.StateFailing, Verdict: fails, Streak: 2, BadSince: ptr(metav1.NewMicroTime(badSince.Add(c.began))),
				}
				if c.since != 0 {
					p.Since = ptr(metav1.NewTime(badSince.Add(c.since)))
				}
				a.Status.NotPassing = append(a.Status.NotPassing, p)
			}
			a.Status.Groups = append(a.Status.Groups, v1alpha1.GroupStatus{Key: g.Key, Hash: g.Hash, Pairs: pairs})
			if c.behind != "" {
				a.Status.Rungs = append(a.Status.Rungs, v1alpha1.RungStatus{Source: "", Rung: rung, Probe: kind, Target: key, Verdict: c.behind})
			}
			for _, row := range c.rows {
				failToo(a, row, s.Endpoints)
			}
			summary := diagnosis.Summarize(in)
			d := summary.Paths[0].Diagnosis
			if d == nil || d.Rung != v1alpha1.RungService || d.Reason != c.want || !strings.Contains(d.Message, c.says) {
				t.Fatalf("%+v, want %s", d, c.want)
			}
			f := summary.Causes[0]
			if !f.Began.Equal(badSince) || f.Within < 10*time.Second {
				t.Errorf("began at %v, give or take %v", f.Began, f.Within)
			}
			if on := f.On == "node1"; on != (c.want == v1alpha1.ReasonServiceNotProgrammed) || on == (len(f.Nodes) == 1) {
				t.Errorf("cause %+v", f)
			}
		})
	}
}

// failToo makes a report say of one more address of a Service that it fails, from
// when the pairs of goldens do, though what is behind it answers.
func failToo(a *v1alpha1.ProbeAssignment, row v1alpha1.AssignedTarget, endpoints []v1alpha1.AssignedTarget) {
	at := int32(len(a.Spec.Targets))
	g := group(fmt.Sprintf("netladder-system/other/more-%d/TCPHalfOpen", at), v1alpha1.ProbeTCPHalfOpen)
	g.Members, g.Hash = []int32{at}, "content-1"
	a.Spec.Targets, a.Spec.Groups = append(a.Spec.Targets, row), append(a.Spec.Groups, g)
	a.Spec.Services = append(a.Spec.Services, v1alpha1.AssignedService{Targets: []int32{at}, Endpoints: endpoints})
	a.Status.NotPassing = append(a.Status.NotPassing, v1alpha1.PairStatus{
		Group: g.Key, Target: a.Spec.Pairs(&g)[0].Key, State: v1alpha1.StateFailing, Verdict: v1alpha1.VerdictDropped, Streak: 2, BadSince: ptr(metav1.NewMicroTime(badSince)),
	})
	a.Status.Groups = append(a.Status.Groups, v1alpha1.GroupStatus{Key: g.Key, Hash: g.Hash, Pairs: v1alpha1.PairCounts{Failing: 1}})
}
