// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package diagnosis_test

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/controllers/diagnosis"
	"github.com/netladder/netladder/controllers/plan"
)

// throttledCheck is probed from four nodes: a Service with one endpoint, and
// DNS, every second.
func throttledCheck(paths ...string) *v1alpha1.ConnectivityCheck {
	check := &v1alpha1.ConnectivityCheck{ObjectMeta: metav1.ObjectMeta{Namespace: "netladder-system", Name: "check", UID: "u", Generation: 1}}
	check.Spec.Interval.Duration = time.Second
	from := v1alpha1.Source{Probers: &v1alpha1.ProbersSource{}}
	for _, name := range paths {
		to := v1alpha1.Target{DNS: &v1alpha1.DNSTarget{Name: "a.b."}}
		if name != "dns" {
			to = v1alpha1.Target{Service: &v1alpha1.ServiceTarget{Namespace: "shop", Name: "inventory", Port: intstr.FromInt32(8080)}}
		}
		check.Spec.Paths = append(check.Spec.Paths, v1alpha1.Path{Name: name, From: from, To: to})
	}
	return check
}

func throttledSummary(check *v1alpha1.ConnectivityCheck, budgets plan.Budgets, edit func(node string, spec *v1alpha1.ProbeAssignmentSpec)) diagnosis.Summary {
	s := newSim()
	s.check = check
	key := types.NamespacedName{Namespace: "shop", Name: "inventory"}
	cluster := &plan.Cluster{Nodes: map[string]*plan.Node{}, Services: map[types.NamespacedName]*plan.Service{
		key: {Key: key, ClusterIPs: []netip.Addr{netip.MustParseAddr("10.96.0.9")}, Ports: []plan.ServicePort{{
			Port: 8080, Endpoints: []netip.AddrPort{netip.MustParseAddrPort("10.244.0.9:8080")},
		}}},
	}}
	for _, name := range []string{"node1", "node2", "node3", "node4"} {
		s.addNode(name, t0.Add(-time.Hour))
		cluster.Nodes[name] = &plan.Node{Name: name, UID: types.UID(name), Prober: true}
	}
	settings := plan.Settings{Namespace: "netladder-system", Budgets: budgets}
	e := plan.NewEngine(settings)
	e.Advance(s.now)
	for _, n := range cluster.Nodes {
		e.SetNode(n)
	}
	e.SetService(cluster.Services[key])
	e.SetCheck(check)
	for name := range cluster.Nodes {
		a, _ := e.Assign(name, nil)
		if edit != nil {
			edit(name, &a.Spec)
		}
		s.nodes[name].report.Assignment.Spec = a.Spec
	}
	s.heartbeat()
	in := s.input()
	in.Resolved = e.Resolved(types.NamespacedName{Namespace: check.Namespace, Name: check.Name})
	return diagnosis.Summarize(in)
}

func TestThrottled(t *testing.T) {
	const target = "inventory every 4s, because Service shop/inventory port 8080 may get 1 probe per second from all checks together"
	const node = "because a node may start only so many probes per second for one namespace and in all"
	for name, c := range map[string]struct {
		check   *v1alpha1.ConnectivityCheck
		budgets plan.Budgets
		want    string
	}{
		"not at all":  {throttledCheck("dns"), plan.Budgets{}, ""},
		"by a target": {throttledCheck("dns", "inventory"), plan.Budgets{}, "1 of 2 paths is tested less often than every 1s: " + target},
		"by nodes": {throttledCheck("dns"), plan.Budgets{Node: 0.25},
			"1 of 1 paths is tested less often than every 1s: dns every 4s from 4 nodes, " + node},
		"by both": {throttledCheck("inventory"), plan.Budgets{Node: 0.125},
			"1 of 1 paths is tested less often than every 1s: " + target + ", and every 8s from 4 nodes, " + node},
	} {
		t.Run(name, func(t *testing.T) {
			out := throttledSummary(c.check, c.budgets, nil)
			got := meta.FindStatusCondition(out.Conditions, v1alpha1.ConditionThrottled)
			if c.want == "" {
				if got != nil {
					t.Fatalf("%+v", got)
				}
				return
			}
			if got == nil || got.Status != metav1.ConditionTrue || got.Reason != v1alpha1.ReasonIntervalStretched || got.Message != c.want || got.ObservedGeneration != 1 {
				t.Errorf("%+v, want %q", got, c.want)
			}
			if ready := meta.FindStatusCondition(out.Conditions, v1alpha1.ConditionReady); ready.Status != metav1.ConditionTrue {
				t.Errorf("being slow makes the check %+v", ready)
			}
		})
	}
}

// An assignment of before the spec changed says nothing of the pace of now.
func TestThrottledByOldAssignments(t *testing.T) {
	out := throttledSummary(throttledCheck("dns"), plan.Budgets{}, func(_ string, spec *v1alpha1.ProbeAssignmentSpec) {
		for i := range spec.Groups {
			spec.Groups[i].Hash = "00000000-00000000"
			spec.Groups[i].Interval.Duration = time.Hour
		}
	})
	if got := meta.FindStatusCondition(out.Conditions, v1alpha1.ConditionThrottled); got != nil {
		t.Errorf("%+v", got)
	}
}

func TestThrottledIsBounded(t *testing.T) {
	var paths []string
	for i := range 64 {
		paths = append(paths, strings.Repeat("p", 55)+"-"+string(rune('a'+i%26))+string(rune('a'+i/26)))
	}
	check := throttledCheck(paths...)
	got := meta.FindStatusCondition(throttledSummary(check, plan.Budgets{}, nil).Conditions, v1alpha1.ConditionThrottled)
	if got == nil || len(got.Message) > 1024 || !strings.HasSuffix(got.Message, "; and 61 more") || !strings.HasPrefix(got.Message, "64 of 64 paths are tested") {
		t.Errorf("%+v", got)
	}
	check.Spec.Suspend = true
	if out := throttledSummary(check, plan.Budgets{}, nil); slices.ContainsFunc(out.Conditions, func(c metav1.Condition) bool { return c.Type == v1alpha1.ConditionThrottled }) {
		t.Error("a suspended check is throttled")
	}
}
