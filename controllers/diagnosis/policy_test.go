// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package diagnosis_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	networkingv1 "k8s.io/api/networking/v1"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/controllers/diagnosis"
)

var _ diagnosis.Policies = &policySim{}

// denied is a path that must work and that a policy denies.
func denied() *policySim {
	s := newPolicies()
	s.allow()
	return s.policy(denyAll("commerce", "restrict", "db")).drop("web-0", "db-0")
}

// TestDiagnosisOutlivesARestart: until all policies are known again, what was
// said stands, and only while the path fails.
func TestDiagnosisOutlivesARestart(t *testing.T) {
	s := denied()
	s.check.Status.Paths = []v1alpha1.PathStatus{s.judge()}
	index := s.index
	s.index = nil
	before := s.check.Status.Paths[0]
	if got := s.judge(); got.Diagnosis == nil || got.Diagnosis.Message != before.Diagnosis.Message || got.Message != before.Message {
		t.Errorf("got  %s (%+v)\nwant %s", got.Message, got.Diagnosis, before.Message)
	}
	s.index = index
	if got := s.judge(); got.Message != before.Message {
		t.Errorf("got  %s\nwant %s", got.Message, before.Message)
	}
	s.index = nil
	clear(s.nodes["node1"].results)
	s.heartbeat()
	if got := s.judge(); got.State != passing || got.Diagnosis != nil {
		t.Errorf("got %s, %+v", got.State, got.Diagnosis)
	}
}

// TestDiagnosisIsKeptWithTheState: while pairs change, a path keeps its state, and
// why it is in it.
func TestDiagnosisIsKeptWithTheState(t *testing.T) {
	s := newPolicies()
	s.web = []string{"web-0"}
	s.allow()
	s.policy(denyAll("commerce", "restrict", "db")).drop("web-0", "db-0").drop("web-0", "db-1")
	s.check.Status.Paths = []v1alpha1.PathStatus{s.judge()}
	s.check.Status.ObservedGeneration = s.check.Generation
	before := s.check.Status.Paths[0]
	s.add("web-2", "node1", "10.244.0.12")
	s.web = []string{"web-2"}
	s.assignDeny("2") // and no report of it yet
	if got := s.judge(); got.State != failing || got.Diagnosis == nil || got.Message != before.Message {
		t.Errorf("got  %s %s (%+v)\nwant %s", got.State, got.Message, got.Diagnosis, before.Message)
	}
}

// TestWithoutPoliciesNothingIsSaid: at level Restricted, or without the right to
// read them.
func TestWithoutPoliciesNothingIsSaid(t *testing.T) {
	s := denied()
	s.check.Status.Paths = []v1alpha1.PathStatus{s.judge()}
	if got := diagnosis.Summarize(s.input()).Paths[0]; got.State != failing || got.Diagnosis.Rung == v1alpha1.RungPolicy || strings.Contains(got.Message, "denied") {
		t.Errorf("got %s (%+v)", got.Message, got.Diagnosis)
	}
}

// TestNothingThatFailsNothingIsLookedAt: a check whose paths pass depends on no
// namespace.
func TestNothingThatFailsNothingIsLookedAt(t *testing.T) {
	s := denied()
	s.judge()
	if len(s.looked) != 1 || s.looked[0] != "commerce" {
		t.Fatalf("looked into %v", s.looked)
	}
	clear(s.nodes["node1"].results)
	s.heartbeat()
	if s.judge(); s.reads != 2 || len(s.looked) != 0 {
		t.Errorf("looked into %v, in %d readings", s.looked, s.reads)
	}
}

// TestReadySaysWhy: the condition has the diagnosis, as far as there is room.
func TestReadySaysWhy(t *testing.T) {
	s := denied()
	want := "1 of 1 paths fails: deny (denied by commerce/restrict (ingress to db-0), which admits nothing)"
	if got := s.summarize().Conditions[1]; got.Type != v1alpha1.ConditionReady || got.Message != want {
		t.Errorf("got  %s %s\nwant %s", got.Type, got.Message, want)
	}
}

// TestLongDiagnosis: however long the names are, the message keeps the sentence,
// and the sentence who manages the policy.
func TestLongDiagnosis(t *testing.T) {
	s := newPolicies()
	s.allow()
	for i := range 12 {
		p := denyAll("commerce", fmt.Sprintf("%02d-%s", i, strings.Repeat("x", 240)), "db")
		p.Annotations = map[string]string{"argocd.argoproj.io/tracking-id": strings.Repeat("\u202ey", 300)}
		s.policy(p)
	}
	for _, web := range s.web {
		for _, db := range s.db {
			s.pair(web, db, result{state: failing, verdict: v1alpha1.VerdictDropped, evidence: strings.Repeat("e", 256)})
		}
	}
	p := s.judge()
	d := p.Diagnosis
	if d == nil || len(d.Message) > 1024 || len(p.Message) > 1024 || len(d.Policies) != 8 {
		t.Fatalf("%d and %d bytes, %+v", len(p.Message), len(d.Message), d)
	}
	for _, each := range d.Policies {
		if len(each.ManagedBy) > 256 || strings.Contains(each.ManagedBy, "\u202e") {
			t.Errorf("managed by %q", each.ManagedBy)
		}
	}
	if !strings.HasPrefix(d.Message, "denied by commerce/00-x") || !strings.HasSuffix(d.Message, "a manual fix will be overwritten") {
		t.Errorf("the sentence is %s", d.Message)
	}
	if !strings.HasPrefix(p.Message, "all 4 pairs fail: ") {
		t.Errorf("the message is %s", p.Message)
	}
}

// TestSlowUntil: what is excused by a change ends with the documented time, to
// the second.
func TestSlowUntil(t *testing.T) {
	for _, tc := range []struct {
		ago  time.Duration
		want string
	}{
		{0, v1alpha1.ReasonPolicyProgrammingSlow}, {diagnosis.ProgrammingTime - time.Second, v1alpha1.ReasonPolicyProgrammingSlow},
		{diagnosis.ProgrammingTime, v1alpha1.ReasonPolicyNotEnforced}, {-time.Second, v1alpha1.ReasonPolicyNotEnforced},
	} {
		s := newPolicies()
		p := denyAll("commerce", "restrict", "db")
		s.policy(p).changed(nil, p, tc.ago)
		s.open("web-0", "db-0")
		if got := s.judge(); got.Diagnosis == nil || got.Diagnosis.Reason != tc.want {
			t.Errorf("%s ago: %+v, want %s", tc.ago, got.Diagnosis, tc.want)
		}
	}
}

// TestExplainingIsBounded: nothing is observed while it is found out what
// policies have to do with a failure, so that whoever writes large ones gets no
// more than its share of that.
func TestExplainingIsBounded(t *testing.T) {
	s := newPolicies()
	s.allow()
	large := denyAll("commerce", "large", "db")
	except := make([]string, 10_000)
	for i := range except {
		except[i] = "10.9.0.0/24"
	}
	large.Spec.Ingress = []networkingv1.NetworkPolicyIngressRule{{From: []networkingv1.NetworkPolicyPeer{{IPBlock: &networkingv1.IPBlock{CIDR: "10.9.0.0/16", Except: except}}}}}
	for i := range 60 {
		p := *large
		p.Name = fmt.Sprint("large-", i)
		s.policy(&p)
	}
	s.drop("web-0", "db-0").drop("web-0", "db-1").drop("web-1", "db-0").drop("web-1", "db-1")
	if got := s.judge(); got.Diagnosis == nil || !strings.HasPrefix(got.Diagnosis.Message, "3 of the 4 pairs shown: denied by commerce/large-") {
		t.Errorf("got %+v", got.Diagnosis)
	}
}

// TestWhatIsNotEnforcedDeniesNothing: where the canary pods show that a node does
// not enforce policies, they are not why a pod there is not reached.
func TestWhatIsNotEnforcedDeniesNothing(t *testing.T) {
	on := func(d v1alpha1.PolicyDirection, node string) map[v1alpha1.PolicyDirection]map[string]bool {
		return map[v1alpha1.PolicyDirection]map[string]bool{d: {node: true}}
	}
	for name, tc := range map[string]struct {
		not    map[v1alpha1.PolicyDirection]map[string]bool
		egress bool
		want   string
	}{
		"everywhere it is":         {nil, false, "denied by commerce/restrict (ingress to db-0)"},
		"not where the target is":  {on(v1alpha1.PolicyIngress, "node2"), false, ""},
		"not where the source is":  {on(v1alpha1.PolicyIngress, "node1"), false, "denied by commerce/restrict (ingress to db-0)"},
		"not the other direction":  {on(v1alpha1.PolicyEgress, "node2"), false, "denied by commerce/restrict (ingress to db-0)"},
		"not of two, ingress":      {on(v1alpha1.PolicyIngress, "node2"), true, "denied by commerce/out (egress from web-0)"},
		"not of two, egress":       {on(v1alpha1.PolicyEgress, "node1"), true, "denied by commerce/restrict (ingress to db-0)"},
		"both are, which is plain": {nil, true, "denied by commerce/restrict (ingress to db-0), which admits nothing; and by commerce/out (egress from web-0)"},
	} {
		t.Run(name, func(t *testing.T) {
			s := denied()
			if tc.egress {
				s.policy(denyAll("commerce", "out", "web", networkingv1.PolicyTypeEgress))
			}
			in := s.input()
			in.Policies, in.NotEnforcing = s, tc.not
			got := diagnosis.Summarize(in).Paths[0]
			switch {
			case got.State != failing:
				t.Fatalf("the path is %s", got.State)
			case tc.want == "" && got.Diagnosis != nil && got.Diagnosis.Rung == v1alpha1.RungPolicy:
				t.Errorf("got %+v", got.Diagnosis)
			case tc.want != "" && (got.Diagnosis == nil || got.Diagnosis.Message != tc.want+", which admits nothing"):
				t.Errorf("got %+v, want %s", got.Diagnosis, tc.want)
			}
		})
	}
}
