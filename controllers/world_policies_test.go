// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"fmt"
	"net/netip"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	testingclock "k8s.io/utils/clock/testing"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/controllers/diagnosis"
	"github.com/netladder/netladder/controllers/plan"
	"github.com/netladder/netladder/controllers/policy"
	"github.com/netladder/netladder/test/builders"
)

// isolate makes a policy that isolates the pods of a namespace with that label
// app against ingress; an empty app is all pods.
func isolate(namespace, name, app string, generation int64) *networkingv1.NetworkPolicy {
	p := &networkingv1.NetworkPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, UID: types.UID(name), Generation: generation}}
	if app != "" {
		p.Spec.PodSelector.MatchLabels = map[string]string{"app": app}
	}
	return p
}

func keyOf(p *networkingv1.NetworkPolicy) types.NamespacedName {
	return types.NamespacedName{Namespace: p.Namespace, Name: p.Name}
}

// look reads what is known for the check of shopWorld, and says that it depends
// on these namespaces.
func look(w *world, f func(diagnosis.PolicyView), namespaces ...string) {
	w.policiesFor(types.NamespacedName{Namespace: tenant, Name: "shop"}).Read(func(v diagnosis.PolicyView) []string {
		f(v)
		return namespaces
	})
}

// TestPoliciesTouchTheChecksThatReadThem: and no others.
func TestPoliciesTouchTheChecksThatReadThem(t *testing.T) {
	w, _, _, bystander := shopWorld(t)
	if t1 := w.observePolicies([]*networkingv1.NetworkPolicy{isolate(tenant, "a", "db", 1)}); !concerns(t1) {
		t.Error("that policies are known now is no news")
	}
	labelled := func(p *corev1.Pod, value string) *corev1.Pod {
		p = p.DeepCopy()
		p.Labels["tier"] = value
		return p
	}
	key := types.NamespacedName{Namespace: tenant, Name: bystander.Name}
	generation := int64(1)
	steps := map[string]func() touched{
		"policy": func() touched {
			generation++
			p := isolate(tenant, "a", "db", generation)
			return w.observePolicy(keyOf(p), p)
		},
		"new policy": func() touched {
			p := isolate(tenant, "b", "", 1)
			return w.observePolicy(keyOf(p), p)
		},
		"pod's labels": func() touched {
			generation++
			return w.observePod(key, labelled(bystander, string(rune('a'+generation))))
		},
		"pod gone": func() touched { defer w.observePod(key, bystander); return w.observePod(key, nil) },
		"namespace": func() touched {
			generation++
			return w.observeNamespace(tenant, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: tenant, Labels: map[string]string{"a": string(rune('a' + generation))}}})
		},
	}
	nothing := func(diagnosis.PolicyView) {}
	for name, step := range steps {
		look(w, nothing)
		if concerns(step()) {
			t.Errorf("%s: touched a check that reads nothing", name)
		}
		look(w, nothing, "elsewhere")
		if concerns(step()) {
			t.Errorf("%s: touched a check that reads another namespace", name)
		}
		look(w, nothing, "elsewhere", tenant)
		if !concerns(step()) {
			t.Errorf("%s: did not touch the check that reads the namespace", name)
		}
	}
	// What changes nothing that a policy reads.
	look(w, nothing, tenant)
	w.observeNamespace(tenant, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: tenant}})
	w.observePod(key, bystander)
	for name, step := range map[string]func() touched{
		"same namespace": func() touched {
			return w.observeNamespace(tenant, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: tenant}})
		},
		"restart": func() touched { return w.observePod(key, restarted(bystander)) },
	} {
		if concerns(step()) {
			t.Errorf("%s: touched the check", name)
		}
	}
	w.observeCheck(types.NamespacedName{Namespace: tenant, Name: "shop"}, nil)
	if len(w.policies.readers)+len(w.policies.reads) > 0 {
		t.Errorf("a check that is gone reads %v", w.policies.readers)
	}
	look(w, nothing, tenant)
	if len(w.policies.readers)+len(w.policies.reads) > 0 {
		t.Errorf("a check that is gone reads %v", w.policies.readers)
	}
}

// TestPolicyView: what is lent is what was observed, and what changed of late.
func TestPolicyView(t *testing.T) {
	w, frontend, db, _ := shopWorld(t)
	clock := w.clock.(*testingclock.FakeClock)
	look(w, func(v diagnosis.PolicyView) {
		if v.Index() != nil {
			t.Error("an index before all policies are known")
		}
	})
	old := isolate(tenant, "old", "db", 1)
	w.observePolicies([]*networkingv1.NetworkPolicy{old})
	look(w, func(v diagnosis.PolicyView) {
		if got := v.PolicyChanges(tenant); got != nil {
			t.Errorf("what was there already changed: %+v", got)
		}
		if !v.PodChangedAt(db.UID).IsZero() || !v.NamespaceChangedAt(tenant).IsZero() {
			t.Error("what was there already changed")
		}
		source, target := v.Index().Pod(frontend.UID), v.PodAt(netip.MustParseAddr("10.9.1.10"))
		if source == nil || target == nil || target.UID != db.UID {
			t.Fatalf("pods %v and %v", source, target)
		}
		got := v.Index().Evaluate(policy.Flow{Source: policy.Peer{Pod: source}, Destination: policy.Peer{Pod: target}, Protocol: v1alpha1.ProtocolTCP, Port: dbPort})
		if got.Verdict != policy.Deny {
			t.Errorf("the verdict is %+v", got)
		}
	})

	service := &plan.Service{Key: types.NamespacedName{Namespace: tenant, Name: "svc"}, ClusterIPs: []netip.Addr{netip.MustParseAddr("10.96.0.9")}}
	w.observeService(service.Key, &diagnosis.ServiceFacts{Service: service})
	w.observeNode("node0", builders.MakeNode("node0").UID("node0").InternalIPs("192.0.2.1").Obj(), nil)
	second := isolate(tenant, "old", "", 2)
	w.observePolicy(keyOf(second), second)
	clock.Step(20 * time.Second)
	annotated := isolate(tenant, "old", "", 2)
	annotated.Annotations = map[string]string{"a": "b"}
	w.observePolicy(keyOf(annotated), annotated)
	w.observePolicy(keyOf(isolate(tenant, "gone", "", 1)), isolate(tenant, "gone", "", 1))
	w.observePolicy(keyOf(isolate(tenant, "gone", "", 1)), nil)
	relabelled := db.DeepCopy()
	relabelled.Labels["x"] = "y"
	w.observePod(types.NamespacedName{Namespace: tenant, Name: db.Name}, relabelled)
	look(w, func(v diagnosis.PolicyView) {
		got := v.PolicyChanges(tenant)
		if len(got) != 2 || got[0].After != nil || got[0].Before != nil || got[1].Before != old || got[1].After != second || !got[1].At.Equal(clock.Now().Add(-20*time.Second)) {
			t.Errorf("changes: %+v", got)
		}
		if !v.PodChangedAt(db.UID).Equal(clock.Now()) {
			t.Error("the pod did not change")
		}
		if s := v.ServiceAt(netip.MustParseAddr("10.96.0.9")); s != service {
			t.Errorf("the Service is %v", s)
		}
		if n := v.NodeAt(netip.MustParseAddr("192.0.2.1")); n != "node0" {
			t.Errorf("the node is %q", n)
		}
		if p := v.Index().Policy(keyOf(old)); p != annotated {
			t.Errorf("the policy is %v", p)
		}
	})
	clock.Step(diagnosis.ProgrammingTime)
	w.observeService(service.Key, nil)
	w.observeNode("node0", nil, nil)
	look(w, func(v diagnosis.PolicyView) {
		if got := v.PolicyChanges(tenant); got != nil || !v.PodChangedAt(db.UID).IsZero() {
			t.Errorf("changes: %+v", got)
		}
		if v.ServiceAt(netip.MustParseAddr("10.96.0.9")) != nil || v.NodeAt(netip.MustParseAddr("192.0.2.1")) != "" {
			t.Error("what is gone is lent")
		}
	})

	w.observePolicies(nil)
	look(w, func(v diagnosis.PolicyView) {
		if got := v.Index().Policies(tenant); len(got) > 0 {
			t.Errorf("policies that are gone: %v", got)
		}
	})
	if !concerns(w.policiesRefused()) || w.policiesFor(types.NamespacedName{Namespace: tenant, Name: "shop"}) != nil {
		t.Error("policies that may not be read are lent")
	}
	if w.observePolicies(nil); w.policiesFor(types.NamespacedName{Namespace: tenant, Name: "shop"}) == nil {
		t.Error("policies that may be read again are not lent")
	}
}

// TestPolicyCreatedBeforeTheStart: a controller that begins to lead knows of a
// policy that is there since when it is there, and holds nothing against the
// network plugin too early.
func TestPolicyCreatedBeforeTheStart(t *testing.T) {
	w, _, _, _ := shopWorld(t)
	now := w.clock.Now()
	created := func(name string, at time.Time) *networkingv1.NetworkPolicy {
		p := isolate(tenant, name, "db", 1)
		p.CreationTimestamp = metav1.NewTime(at)
		return p
	}
	w.observePolicies([]*networkingv1.NetworkPolicy{
		created("ahead", now.Add(2*time.Second)), created("new", now.Add(-20*time.Second)), created("old", now.Add(-time.Hour)),
	})
	look(w, func(v diagnosis.PolicyView) {
		got := v.PolicyChanges(tenant)
		if len(got) != 2 || got[0].After.Name != "ahead" || !got[0].At.Equal(now) ||
			got[1].After.Name != "new" || got[1].Before != nil || !got[1].At.Equal(now.Add(-20*time.Second)) {
			t.Errorf("changes: %+v", got)
		}
	})
}

// TestChangesOfPoliciesAreForgotten: also those of namespaces that are gone, as
// where each test of something has its own.
func TestChangesOfPoliciesAreForgotten(t *testing.T) {
	w, _, _, _ := shopWorld(t)
	clock := w.clock.(*testingclock.FakeClock)
	w.observePolicies(nil)
	for i := range 100 {
		p := isolate(fmt.Sprint("test-", i), "deny", "", 1)
		w.observePolicy(keyOf(p), p)
		w.observePolicy(keyOf(p), nil)
		clock.Step(diagnosis.ProgrammingTime / 10)
	}
	if kept := len(w.policies.changed); kept > 30 {
		t.Errorf("changes of %d namespaces are remembered", kept)
	}
}

// TestNodesThatDoNotEnforceAreKnown to the judgement of other checks, and those
// that blamed a policy are judged again.
func TestNodesThatDoNotEnforceAreKnown(t *testing.T) {
	w, _, _, _ := shopWorld(t)
	shop := types.NamespacedName{Namespace: tenant, Name: "shop"}
	canary := types.NamespacedName{Namespace: w.namespace, Name: "policy-enforcement"}
	check := builders.MakeCheck(canary.Name).Namespace(canary.Namespace).Obj()
	w.observePolicies(nil)
	w.observeCheck(canary, check)
	look(w, func(diagnosis.PolicyView) {}, tenant)
	knows := func(want bool) {
		t.Helper()
		in, ok := w.diagnosisInput(shop)
		if got := in.NotEnforcing[v1alpha1.PolicyIngress]["node1"]; !ok || got != want {
			t.Errorf("node1 is known not to enforce: %t, want %t", got, want)
		}
	}
	again := func() bool { return concerns(w.advance()) }
	knows(false)
	found := []diagnosis.Enforcement{{Path: "ingress", Direction: v1alpha1.PolicyIngress, NotEnforced: 1, Nodes: []string{"node1"}}}
	again()
	w.judged(canary, &v1alpha1.ConnectivityCheckStatus{}, &diagnosis.Summary{Enforcement: found})
	knows(true)
	if !again() {
		t.Error("the check that read policies is not judged again")
	}
	w.judged(canary, &v1alpha1.ConnectivityCheckStatus{}, &diagnosis.Summary{Enforcement: found})
	if again() {
		t.Error("nothing changed, and the check is judged again")
	}
	w.judged(canary, &v1alpha1.ConnectivityCheckStatus{}, &diagnosis.Summary{})
	knows(false)
	w.judged(canary, &v1alpha1.ConnectivityCheckStatus{}, &diagnosis.Summary{Enforcement: found})
	w.observeCheck(canary, nil)
	knows(false)
}

// TestPolicyViewIsNotWrittenMeanwhile: for the race detector.
func TestPolicyViewIsNotWrittenMeanwhile(t *testing.T) {
	w, frontend, db, bystander := shopWorld(t)
	w.observePolicies(nil)
	var wait sync.WaitGroup
	for i := range 4 {
		wait.Go(func() {
			for n := range 50 {
				if i%2 == 0 {
					p := isolate(tenant, string(rune('a'+i)), "", int64(n))
					w.observePolicy(keyOf(p), p)
					pod := bystander.DeepCopy()
					pod.Labels["n"] = string(rune('a' + n%20))
					w.observePod(types.NamespacedName{Namespace: tenant, Name: bystander.Name}, pod)
					continue
				}
				look(w, func(v diagnosis.PolicyView) {
					v.Index().Evaluate(policy.Flow{Source: policy.Peer{Pod: v.Index().Pod(frontend.UID)}, Destination: policy.Peer{Pod: v.Index().Pod(db.UID)}, Protocol: "TCP", Port: 1})
					v.PolicyChanges(tenant)
				}, tenant)
			}
		})
	}
	wait.Wait()
}
