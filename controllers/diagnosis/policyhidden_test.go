// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package diagnosis_test

import (
	"encoding/json"
	"net/netip"
	"strings"
	"testing"
	"time"

	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"pgregory.net/rapid"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/controllers/plan"
)

const secret = "topsecret"

// TestPoliciesOfOthersAreNotTold: whatever a tenant declares, and whatever it
// selects by policies of its own, it learns no name, label or port of what is in
// a namespace that does not disclose to it, and no more of its policies than that
// there are some.
func TestPoliciesOfOthersAreNotTold(t *testing.T) {
	reasons := map[string]bool{}
	rapid.Check(t, func(t *rapid.T) {
		s := drawHidden(t)
		summary := s.summarize()
		text, err := json.Marshal(summary)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), secret) || strings.Contains(string(text), "10.244.2.10") {
			t.Fatalf("told: %s", text)
		}
		if d := summary.Paths[0].Diagnosis; d != nil {
			reasons[d.Reason] = true
			for _, p := range d.Policies {
				if p.Namespace == "vault" && (p.Name != "" || p.ManagedBy != "") {
					t.Fatalf("named: %+v", p)
				}
			}
		}
	})
	for _, reason := range []string{
		v1alpha1.ReasonPolicyDenies, v1alpha1.ReasonNoPolicyIsolates, v1alpha1.ReasonPolicyAdmits,
		v1alpha1.ReasonPolicyNotEnforced, v1alpha1.ReasonPolicyProgrammingSlow,
	} {
		if !reasons[reason] {
			t.Errorf("nothing was drawn whose diagnosis is %s", reason)
		}
	}
}

// TestLabelsOfOthersChangeNoWord: two pods of another namespace that policies
// treat alike are told apart by nothing, whichever rule it is that they miss.
func TestLabelsOfOthersChangeNoWord(t *testing.T) {
	egress := func(peers ...map[string]string) *networkingv1.NetworkPolicy {
		p := denyAll("commerce", "web-egress", "web", networkingv1.PolicyTypeEgress)
		for _, labels := range peers {
			p.Spec.Egress = append(p.Spec.Egress, networkingv1.NetworkPolicyEgressRule{To: []networkingv1.NetworkPolicyPeer{{
				NamespaceSelector: &metav1.LabelSelector{}, PodSelector: &metav1.LabelSelector{MatchLabels: labels},
			}}})
		}
		return p
	}
	for name, tc := range map[string]struct {
		expect v1alpha1.Expectation
		a, b   map[string]string
	}{
		"denied":   {v1alpha1.ExpectAllow, map[string]string{"app": "x", "tier": "1"}, map[string]string{"app": "y", "tier": "2"}},
		"admitted": {v1alpha1.ExpectDeny, map[string]string{"app": "a"}, map[string]string{"app": "b"}},
	} {
		t.Run(name, func(t *testing.T) {
			said := map[string]bool{}
			for _, labels := range []map[string]string{tc.a, tc.b} {
				s := newPolicies()
				if tc.expect == v1alpha1.ExpectAllow {
					s.allow()
				}
				s.space("vault", nil)
				s.elsewhere("db-1", "vault")
				s.plant()
				s.relabel("db-1", labels)
				s.policy(egress(map[string]string{"app": "a"}, map[string]string{"app": "b"}, map[string]string{"app": "x", "tier": "0"}))
				if tc.expect == v1alpha1.ExpectAllow {
					s.drop("web-0", "db-1")
				} else {
					s.open("web-0", "db-1")
				}
				p := s.judge()
				if p.Diagnosis == nil || len(p.Diagnosis.Policies) != 1 || p.Diagnosis.Policies[0].Name != "web-egress" {
					t.Fatalf("diagnosis %+v", p.Diagnosis)
				}
				said[p.Message+p.Diagnosis.Message] = true
			}
			if len(said) != 1 {
				t.Errorf("told apart: %v", said)
			}
		})
	}
}

// TestDisclosedPoliciesAreTold: what the namespace discloses is named.
func TestDisclosedPoliciesAreTold(t *testing.T) {
	for name, show := range map[string]func(*policySim){
		"disclosed":     func(s *policySim) { s.disclosing = map[string]bool{"vault": true} },
		"own namespace": func(s *policySim) { s.settings.Namespace = "commerce" },
	} {
		t.Run(name, func(t *testing.T) {
			s := newPolicies()
			s.allow()
			s.space("vault", nil)
			s.elsewhere("db-1", "vault")
			s.plant()
			p := denyAll("vault", secret, "")
			p.Spec.Ingress = []networkingv1.NetworkPolicyIngressRule{{From: []networkingv1.NetworkPolicyPeer{{PodSelector: &metav1.LabelSelector{}}}}}
			s.policy(p).drop("web-0", "db-1")
			if p := s.judge(); p.Diagnosis == nil || p.Diagnosis.Message == "" || p.Diagnosis.Policies[0].Name != "" {
				t.Errorf("hidden: %+v", p.Diagnosis)
			}
			show(s)
			want := "denied by vault/topsecret (ingress to vault/db-1); nearest rule: topsecret admits only namespace vault, web-0 is in commerce"
			if p := s.judge(); p.Diagnosis == nil || p.Diagnosis.Message != want || p.Diagnosis.Policies[0].Name != secret {
				t.Errorf("got  %+v\nwant %s", p.Diagnosis, want)
			}
		})
	}
}

// drawHidden draws a path to a pod of the namespace vault, in which all names,
// labels and values are the secret.
func drawHidden(t *rapid.T) *policySim {
	s := newPolicies()
	allow := rapid.Bool().Draw(t, "allow")
	if allow {
		s.allow()
	}
	s.space("vault", map[string]string{secret: secret})
	s.denySim.pods["db-1"].facts.Name = secret + "-0"
	s.elsewhere("db-1", "vault")
	s.plant()
	labels := map[string]string{"app": secret}
	if rapid.Bool().Draw(t, "more labels") {
		labels[secret] = "1"
	}
	s.relabel("db-1", labels)
	s.planned["db-1"].Ports = []plan.ContainerPort{{Name: secret, Port: 5432, Protocol: v1alpha1.ProtocolTCP}}
	own := func(name string) *networkingv1.NetworkPolicy {
		return denyAll("commerce", name, "web", networkingv1.PolicyTypeEgress)
	}
	if rapid.Bool().Draw(t, "own") {
		p := own("web-egress")
		p.Spec.Egress = drawEgress(t)
		s.policy(p)
	}
	if rapid.Bool().Draw(t, "theirs") {
		p := drawTheirs(t)
		s.policy(p)
		if rapid.Bool().Draw(t, "changed") {
			s.changed(nil, p, 20*time.Second)
		}
	}
	if rapid.IntRange(0, 3).Draw(t, "pod changed") == 0 {
		s.pods[s.planned["db-1"].UID] = s.now.Add(-10 * time.Second)
	}
	s.dial(t)
	if allow {
		verdict := rapid.SampledFrom([]v1alpha1.Verdict{v1alpha1.VerdictDropped, v1alpha1.VerdictRejected, v1alpha1.VerdictRefused}).Draw(t, "verdict")
		s.pair("web-0", "db-1", result{state: failing, verdict: verdict, evidence: "from " + secret})
	} else {
		s.open("web-0", "db-1")
	}
	return s
}

// dial says by which way the target is reached. One that the check names by its
// address is no secret of it.
func (s *policySim) dial(t *rapid.T) {
	if !rapid.Bool().Draw(t, "by a Service") {
		return
	}
	s.services = []*plan.Service{{
		Key: types.NamespacedName{Namespace: "vault", Name: secret}, ClusterIPs: []netip.Addr{netip.MustParseAddr("10.96.0.20")},
		Ports: []plan.ServicePort{{Port: 5432, Endpoints: []netip.AddrPort{netip.MustParseAddrPort("10.244.2.10:5432")}}},
	}}
	s.targets = []v1alpha1.AssignedTarget{{IP: "10.96.0.20", Port: 5432}}
	s.db = nil
	s.check.Spec.Paths[0].To = v1alpha1.Target{Service: &v1alpha1.ServiceTarget{Name: "svc", Namespace: "vault"}}
	s.denySim.pods["db-1"].ip = "10.96.0.20"
	s.again()
}

func drawEgress(t *rapid.T) []networkingv1.NetworkPolicyEgressRule {
	var rules []networkingv1.NetworkPolicyEgressRule
	for range rapid.IntRange(0, 3).Draw(t, "rules") {
		rule := networkingv1.NetworkPolicyEgressRule{}
		for range rapid.IntRange(0, 2).Draw(t, "peers") {
			rule.To = append(rule.To, drawPeer(t, "guess"))
		}
		rules = append(rules, rule)
	}
	return rules
}

// drawPeer with values that a tenant may have guessed, or the right ones. Of the
// latter the words stand in its own policy, so they must not be told either.
func drawPeer(t *rapid.T, guess string) networkingv1.NetworkPolicyPeer {
	value := rapid.SampledFrom([]string{guess, secret}).Draw(t, "value")
	switch rapid.IntRange(0, 3).Draw(t, "kind") {
	case 0:
		return networkingv1.NetworkPolicyPeer{NamespaceSelector: &metav1.LabelSelector{}}
	case 1:
		return networkingv1.NetworkPolicyPeer{
			NamespaceSelector: &metav1.LabelSelector{}, PodSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": value}},
		}
	case 2:
		return networkingv1.NetworkPolicyPeer{NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{secret: value}}}
	}
	return networkingv1.NetworkPolicyPeer{IPBlock: &networkingv1.IPBlock{CIDR: "192.0.2.0/24"}}
}

func drawTheirs(t *rapid.T) *networkingv1.NetworkPolicy {
	p := denyAll("vault", secret, rapid.SampledFrom([]string{"", secret, secret + "x", "topsecrte"}).Draw(t, "selects"))
	p.Labels = map[string]string{"app.kubernetes.io/managed-by": "Helm", "argocd.argoproj.io/instance": secret}
	for range rapid.IntRange(0, 2).Draw(t, "ingress rules") {
		p.Spec.Ingress = append(p.Spec.Ingress, networkingv1.NetworkPolicyIngressRule{From: []networkingv1.NetworkPolicyPeer{drawPeer(t, "web")}})
	}
	return p
}
