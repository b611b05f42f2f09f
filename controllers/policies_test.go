// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	networkingv1 "k8s.io/api/networking/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/controllers/diagnosis"
)

// diagnosed waits until the only path of the tenant's check has a diagnosis, or
// with an empty reason none, whose message has these parts.
func (s *shop) diagnosed(reason string, parts ...string) *v1alpha1.PathStatus {
	s.t.Helper()
	var path v1alpha1.PathStatus
	s.eventually("the diagnosis "+reason, func() error {
		paths := s.check("shop").Status.Paths
		if len(paths) != 1 {
			return fmt.Errorf("%d paths", len(paths))
		}
		path = paths[0]
		if path.Diagnosis == nil {
			if reason == "" {
				return nil
			}
			return errors.New("no diagnosis: " + path.Message)
		}
		if path.Diagnosis.Reason != reason {
			return fmt.Errorf("%+v", path.Diagnosis)
		}
		for _, part := range parts {
			if !strings.Contains(path.Diagnosis.Message, part) {
				return errors.New(path.Diagnosis.Message)
			}
		}
		return nil
	})
	return &path
}

// policy makes a NetworkPolicy of the tenant for the database; it is removed
// with the test.
func (s *shop) policy(name string, ingress ...networkingv1.NetworkPolicyIngressRule) *networkingv1.NetworkPolicy {
	s.t.Helper()
	p := &networkingv1.NetworkPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: s.tenants[0], Name: name}}
	p.Spec.PodSelector.MatchLabels, p.Spec.Ingress = app("db"), ingress
	s.create(p)
	s.t.Cleanup(func() { _ = s.client.Delete(s.t.Context(), p) })
	return p
}

// TestPolicyIsNamed: a policy that comes, changes or goes has what fails judged
// again, though the probers see the same all the time.
func TestPolicyIsNamed(t *testing.T) {
	s := newShop(t)
	s.declare(v1alpha1.ExpectAllow)
	s.start()
	s.probed("node0", v1alpha1.ProbeTCPHalfOpen, key(s.frontend, "10.9.1.10", dbPort))
	s.clock.Step(2 * time.Minute)
	s.report("node0", "/db/")
	s.path("shop", v1alpha1.StateFailing, "")
	s.diagnosed(v1alpha1.ReasonUnexplained)

	p := s.policy("restrict")
	path := s.diagnosed(v1alpha1.ReasonPolicyDenies, "denied by "+p.Namespace+"/restrict (ingress to db), which admits nothing")
	if !strings.HasSuffix(path.Message, "; "+path.Diagnosis.Message) || path.Diagnosis.Rung != v1alpha1.RungPolicy {
		t.Errorf("the path says %q", path.Message)
	}
	if want := []v1alpha1.DecidingPolicy{{Namespace: p.Namespace, Name: "restrict", Direction: v1alpha1.PolicyIngress}}; !slices.Equal(path.Diagnosis.Policies, want) {
		t.Errorf("the policies are %+v", path.Diagnosis.Policies)
	}
	if rung := s.check("shop").Status.Summary.Rung; rung != v1alpha1.RungPolicy {
		t.Errorf("the rung is %q", rung)
	}
	s.hasEvent("shop", "PathDiagnosed")
	s.eventually("the metric", func() error {
		if v, ok := s.metric("netladder_path_diagnosis,check=shop,path=db,rung=Policy,reason=PolicyDenies"); !ok || v != 1 {
			return fmt.Errorf("%v, exported: %t", v, ok)
		}
		return nil
	})

	p.Labels = map[string]string{"app.kubernetes.io/managed-by": "Helm"}
	p.Annotations = map[string]string{"meta.helm.sh/release-name": "shop", "meta.helm.sh/release-namespace": p.Namespace}
	p.Spec.Ingress = []networkingv1.NetworkPolicyIngressRule{{
		From: []networkingv1.NetworkPolicyPeer{{PodSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"role": "frontend"}}}},
	}}
	must(t, s.client.Update(t.Context(), p))
	s.diagnosed(v1alpha1.ReasonPolicyDenies, "requires role=frontend, frontend has no label role", "is managed by Helm release shop")

	s.frontend.Labels["role"] = "frontend"
	must(t, s.client.Update(t.Context(), s.frontend))
	s.diagnosed(v1alpha1.ReasonPolicyProgrammingSlow, "policies admit this now")
	s.pass(diagnosis.ProgrammingTime + 5*time.Second)
	s.diagnosed(v1alpha1.ReasonUnexplained)
	if _, ok := s.metric("netladder_path_diagnosis,rung=Policy"); ok {
		t.Error("the metric outlived the diagnosis")
	}

	p.Spec.Ingress[0].Ports = []networkingv1.NetworkPolicyPort{{Port: ptr.To(intstr.FromInt32(80))}}
	must(t, s.client.Update(t.Context(), p))
	s.diagnosed(v1alpha1.ReasonPolicyDenies, "admits TCP 80, this is TCP 5432")
	s.pass(10 * time.Second)
	reasons := map[string]int{}
	for _, e := range s.events("shop") {
		if e.Reason == "PathDiagnosed" {
			_, reason, _ := strings.Cut(e.Note, "(")
			reason, _, _ = strings.Cut(reason, ")")
			reasons[reason]++
		}
	}
	if len(reasons) != 2 || reasons[v1alpha1.ReasonPolicyDenies] != 1 || reasons[v1alpha1.ReasonPolicyProgrammingSlow] != 1 {
		t.Errorf("events: %v", reasons)
	}

	s.report("node0")
	s.path("shop", v1alpha1.StatePassing, "")
	s.diagnosed("")
}

// TestOpenPathIsDiagnosed: from nobody who isolates to somebody who does not
// enforce.
func TestOpenPathIsDiagnosed(t *testing.T) {
	s := newShop(t)
	s.declare(v1alpha1.ExpectDeny)
	p := s.policy("restrict")
	p.Spec.PodSelector.MatchLabels = map[string]string{"app": "dbb"}
	must(t, s.client.Update(t.Context(), p))
	s.start()
	s.probed("node0", v1alpha1.ProbeTCPHalfOpen, key(s.frontend, "10.9.1.10", dbPort))
	s.clock.Step(2 * time.Minute)
	s.reportSeen("node0", outcome{"/TCPHalfOpen", v1alpha1.StateFailing, v1alpha1.VerdictConnected, ""})
	s.path("shop", v1alpha1.StateFailing, "")
	s.diagnosed(v1alpha1.ReasonNoPolicyIsolates, "no policy isolates db (ingress) or frontend (egress)")
	s.eventually("the diagnosis in the event", func() error {
		for _, e := range s.events("shop") {
			if e.Reason == "PathFailing" && strings.Contains(e.Note, "no policy isolates") {
				return nil
			}
		}
		return errors.New("not there")
	})

	p.Spec.PodSelector.MatchLabels = app("db")
	must(t, s.client.Update(t.Context(), p))
	s.diagnosed(v1alpha1.ReasonPolicyProgrammingSlow, "restrict changed at")
	s.pass(diagnosis.ProgrammingTime + 5*time.Second)
	s.diagnosed(v1alpha1.ReasonPolicyNotEnforced, "policies are not enforced on node1")

	s.labelNamespace(s.tenants[0], "team", "shop")
	s.diagnosed(v1alpha1.ReasonPolicyProgrammingSlow, "the labels of namespace")
}

// TestWithoutTheRightToReadPolicies: everything else runs, and what is missing is
// said where somebody looks, until it is there.
func TestWithoutTheRightToReadPolicies(t *testing.T) {
	s := newShop(t)
	s.confine(func(*rbacv1.Role) {})
	var role rbacv1.ClusterRole
	must(t, s.client.Get(t.Context(), client.ObjectKey{Name: s.namespace + "-full"}, &role))
	whole := slices.Clone(role.Rules)
	role.Rules = slices.DeleteFunc(role.Rules, func(r rbacv1.PolicyRule) bool { return slices.Contains(r.Resources, "networkpolicies") })
	if len(role.Rules) != len(whole)-1 {
		t.Fatal("the role has no rule for policies")
	}
	must(t, s.client.Update(t.Context(), &role))
	s.declare(v1alpha1.ExpectAllow)
	s.policy("restrict")
	s.start()
	s.probed("node0", v1alpha1.ProbeTCPHalfOpen, key(s.frontend, "10.9.1.10", dbPort))
	s.deploymentEvent(eventPolicyAccess, "netladder-controller-full")
	s.clock.Step(2 * time.Minute)
	s.report("node0", "/db/")
	s.path("shop", v1alpha1.StateFailing, "")
	s.readyMessage("shop", "may not read NetworkPolicies")
	s.diagnosed(v1alpha1.ReasonUnexplained)

	role.Rules = whole
	must(t, s.client.Update(t.Context(), &role))
	s.diagnosed(v1alpha1.ReasonPolicyDenies, "restrict")
	s.readyMessage("shop", "")
}
