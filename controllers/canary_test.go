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

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"
	testingclock "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/controllers/diagnosis"
	"github.com/netladder/netladder/controllers/plan"
	"github.com/netladder/netladder/controllers/workload"
	"github.com/netladder/netladder/test/builders"
)

func (h *cluster) isolation() (*networkingv1.NetworkPolicy, error) {
	var p networkingv1.NetworkPolicy
	return &p, h.client.Get(h.t.Context(), client.ObjectKey{Namespace: h.namespace, Name: v1alpha1.CanaryName}, &p)
}

// canaryCluster has two nodes with a canary pod each and the built-in check.
func canaryCluster(t *testing.T) (*cluster, []string) {
	t.Helper()
	h := newCluster(t)
	nodes := names(2)
	for i, name := range nodes {
		h.createNode(name, i)
		h.createCanary(name, i)
	}
	h.createCanaryCheck()
	return h, nodes
}

func (h *cluster) createCanary(name string, i int) *corev1.Pod {
	h.t.Helper()
	return h.createPod(builders.MakeCanaryPod("canary-"+name, name).IPs(fmt.Sprintf("10.9.%d.4", i)).Ready(corev1.ConditionTrue, time.Now().Add(-time.Hour)))
}

// createCanaryCheck makes the check that comes with Netladder.
func (h *cluster) createCanaryCheck() {
	h.t.Helper()
	var check v1alpha1.ConnectivityCheck
	manifest(h.t, &check, 0, "policy-enforcement", "check.yaml")
	check.Namespace = h.namespace
	h.create(&check)
}

// pathIs waits for a state and a reason of the only path of the built-in check.
func (h *cluster) pathIs(state v1alpha1.State, reason, message string) v1alpha1.PathStatus {
	h.t.Helper()
	var path v1alpha1.PathStatus
	h.eventually(fmt.Sprintf("%s (%s)", state, reason), func() error {
		paths := h.check("policy-enforcement").Status.Paths
		if len(paths) != 1 || paths[0].State != state || paths[0].Reason != reason || !strings.Contains(paths[0].Message, message) {
			return fmt.Errorf("paths: %+v", paths)
		}
		path = paths[0]
		return nil
	})
	return path
}

// TestCanaryIsInstalled: the pods are isolated by a policy that is there before
// them, stays and goes with the Deployment.
func TestCanaryIsInstalled(t *testing.T) {
	h := newCluster(t)
	h.start()
	h.installed()
	policy, err := h.isolation()
	must(t, err)
	pods, err := h.daemonSet(v1alpha1.CanaryName)
	must(t, err)
	if pods.CreationTimestamp.Before(&policy.CreationTimestamp) {
		t.Errorf("pods since %s, what isolates them since %s", pods.CreationTimestamp, policy.CreationTimestamp)
	}
	for _, owners := range [][]metav1.OwnerReference{policy.OwnerReferences, pods.OwnerReferences} {
		if len(owners) != 1 || owners[0].Name != "netladder-controller" {
			t.Errorf("owners: %+v", owners)
		}
	}
	selector, err := metav1.LabelSelectorAsSelector(&policy.Spec.PodSelector)
	must(t, err)
	if template := pods.Spec.Template.Labels; !selector.Matches(labels.Set(template)) {
		t.Errorf("%s does not select %v", selector, template)
	}
	policy.Spec.Ingress = []networkingv1.NetworkPolicyIngressRule{{}}
	must(t, h.client.Update(t.Context(), policy, client.FieldOwner("somebody")))
	h.eventually("a policy with rules to be made anew", func() error {
		again, err := h.isolation()
		if err == nil && len(again.Spec.Ingress) > 0 {
			return errors.New("it still has a rule")
		}
		return err
	})
	policy, err = h.isolation()
	must(t, err)
	h.delete(policy)
	h.eventually("a deleted policy to come back", func() error {
		again, err := h.isolation()
		if err == nil && again.UID == policy.UID {
			return errors.New("not deleted yet")
		}
		return err
	})
	h.pass(5 * time.Second)
	writes, _ := h.metric("netladder_api_writes_total,object=install")
	h.pass(5 * time.Second)
	if after, _ := h.metric("netladder_api_writes_total,object=install"); after != writes {
		t.Errorf("%v writes, then %v: repairs go round in circles", writes, after)
	}
}

// TestCanaryStory: each node speaks for itself; a node that does not enforce is
// named, everywhere that somebody may look.
func TestCanaryStory(t *testing.T) {
	h, nodes := canaryCluster(t)
	h.start()
	h.assigned(nodes, 2) // the canary pod, and the wire
	h.reportAll(nodes)
	h.readyIs("policy-enforcement", metav1.ConditionTrue, v1alpha1.ReasonAllPathsPassing)
	h.clock.Step(2 * time.Minute) // nothing is young any more
	h.reportAll(nodes)

	h.reportSeen(nodes[1], outcome{group: "/TCP", state: v1alpha1.StateFailing, verdict: v1alpha1.VerdictConnected})
	path := h.pathIs(v1alpha1.StateFailing, v1alpha1.ReasonPolicyNotEnforced, "ingress policies are not enforced on node1:")
	if d := path.Diagnosis; d == nil || d.Rung != v1alpha1.RungPolicy || d.Reason != v1alpha1.ReasonPolicyNotEnforced || len(d.Policies) != 1 ||
		d.Policies[0] != (v1alpha1.DecidingPolicy{Namespace: h.namespace, Name: "netladder-canary", Direction: v1alpha1.PolicyIngress}) {
		t.Errorf("diagnosis: %+v", d)
	}
	if w := path.WorstPairs; len(w) != 1 || w[0].TargetNode != "node1" || w[0].Target != "node1 (canary)" {
		t.Errorf("pairs: %+v", w)
	}
	h.hasEvent("policy-enforcement", "PathFailing")
	for series, want := range map[string]float64{
		"netladder_policy_enforcement_nodes,direction=Ingress,state=enforced":     1,
		"netladder_policy_enforcement_nodes,direction=Ingress,state=not_enforced": 1,
		"netladder_policy_enforcement_nodes,state=inconclusive":                   0,
		"netladder_policy_not_enforced,node=node1,path=ingress":                   1,
	} {
		if got, ok := h.metric(series); !ok || got != want {
			t.Errorf("%s is %v (exported: %t), want %v", series, got, ok, want)
		}
	}

	// A policy that admits it is no failure of the network plugin.
	admits := &networkingv1.NetworkPolicy{
		ObjectMeta: metav1.ObjectMeta{Namespace: h.namespace, Name: "allow-same-namespace"},
		Spec:       networkingv1.NetworkPolicySpec{Ingress: []networkingv1.NetworkPolicyIngressRule{{From: []networkingv1.NetworkPolicyPeer{{PodSelector: &metav1.LabelSelector{}}}}}},
	}
	h.create(admits)
	h.pathIs(v1alpha1.StateUnknown, v1alpha1.ReasonCanaryNotIsolated, "NetworkPolicy allow-same-namespace selects the canary pods too")
	h.delete(admits)
	h.pathIs(v1alpha1.StateFailing, v1alpha1.ReasonPolicyNotEnforced, "node1")

	h.reportAll(nodes)
	h.pathIs(v1alpha1.StatePassing, "", "ingress policies are enforced")
	h.hasEvent("policy-enforcement", "PathRecovered")
	if _, ok := h.metric("netladder_policy_not_enforced"); ok {
		t.Error("netladder_policy_not_enforced is still exported")
	}
}

// TestDoubtsEndSlowly: what a prober saw while a policy admitted it is not held
// against the node a moment after that policy went.
func TestDoubtsEndSlowly(t *testing.T) {
	clock := testingclock.NewFakeClock(time.Unix(1_700_000_000, 0))
	w := newWorld(clock, plan.Settings{})
	created := clock.Now().Add(-time.Hour)
	none, some := map[v1alpha1.PolicyDirection]string{}, map[v1alpha1.PolicyDirection]string{v1alpha1.PolicyIngress: "open"}
	for i, step := range []struct {
		doubts map[v1alpha1.PolicyDirection]string
		since  time.Duration // before now
	}{{none, time.Hour}, {none, time.Hour + time.Minute}, {some, 0}, {some, time.Minute}, {none, 0}, {none, time.Minute}} {
		w.setCanary(diagnosis.CanaryPolicies{Since: created, Doubts: step.doubts})
		if got := clock.Since(w.canary.Since); got != step.since || len(w.canary.Doubts) != len(step.doubts) {
			t.Errorf("%d: since %s, want %s: %v", i, got, step.since, w.canary.Doubts)
		}
		clock.Step(time.Minute)
	}
}

// TestCanaryRollout: what comes with a new version is tested as it comes, and a
// rollout of the canary pods is no news.
func TestCanaryRollout(t *testing.T) {
	h := newCluster(t)
	nodes := names(2)
	for i, name := range nodes {
		h.createNode(name, i)
	}
	h.createCanaryCheck()
	h.start()
	h.installed()
	h.pathIs(v1alpha1.StatePending, v1alpha1.ReasonCanaryNotReady, "no node with a prober has a canary pod")
	for i, name := range nodes {
		h.createCanary(name, i)
	}
	h.assigned(nodes, 2)
	h.reportAll(nodes)
	h.readyIs("policy-enforcement", metav1.ConditionTrue, "")
	h.clock.Step(2 * time.Minute)
	h.reportAll(nodes)
	passed := h.pathIs(v1alpha1.StatePassing, "", "").LastTransitionTime

	before, err := h.assignment(nodes[1])
	must(t, err)
	h.delete(&corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: h.namespace, Name: "canary-node1"}})
	h.pass(5 * time.Second)
	h.createPod(builders.MakeCanaryPod("canary-node1", "node1").IPs("10.9.1.44").Ready(corev1.ConditionFalse, h.clock.Now()).Started(h.clock.Now()))
	h.eventually("the new canary pod to be aimed at", func() error {
		a, err := h.assignment(nodes[1])
		if err != nil || a.Generation == before.Generation {
			return errors.Join(err, errors.New("not yet"))
		}
		return nil
	})
	h.pass(2 * time.Second)
	h.reportSeen(nodes[1], outcome{group: "/TCP", state: v1alpha1.StateFailing, verdict: v1alpha1.VerdictConnected})
	h.pass(2 * time.Second) // its policy is yet to be programmed
	h.report(nodes[1])
	h.pass(2 * time.Second)
	if path := h.pathIs(v1alpha1.StatePassing, "", ""); !path.LastTransitionTime.Equal(&passed) {
		t.Errorf("the path changed at %s", path.LastTransitionTime)
	}
	for _, e := range h.events("policy-enforcement") {
		if e.Reason != "PathPassing" {
			t.Errorf("event %s: %s", e.Reason, e.Note)
		}
	}
}

// TestCanaryOptOut: without the flag nothing of the canary stays, and what has
// its name and is somebody else's does.
func TestCanaryOptOut(t *testing.T) {
	h, nodes := canaryCluster(t)
	h.start()
	h.installed()
	h.assigned(nodes, 2)
	h.stop()
	h.options.DisableCanary = true
	h.start()
	h.eventually("the canary to go", func() error {
		_, pods := h.daemonSet(v1alpha1.CanaryName)
		_, policy := h.isolation()
		if !apierrors.IsNotFound(pods) || !apierrors.IsNotFound(policy) {
			return errors.Join(errors.New("pods or policy are there"), pods, policy)
		}
		return nil
	})
	h.pathIs(v1alpha1.StateUnknown, v1alpha1.ReasonCanaryDisabled, "--canary=true")
	h.stop()
	other := &networkingv1.NetworkPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: h.namespace, Name: v1alpha1.CanaryName}}
	h.create(other)
	h.start()
	h.pass(5 * time.Second)
	if _, err := h.isolation(); err != nil {
		t.Errorf("somebody else's policy: %v", err)
	}
}

// TestCanaryNeedsItsPolicy: pods that nothing isolates would accuse every node,
// so there are none where the policy is refused, and the rest goes on.
func TestCanaryNeedsItsPolicy(t *testing.T) {
	h := newCluster(t)
	h.createNode("node0", 0)
	h.create(builders.MakeCheck("dns").Namespace(h.namespace).Path("dns", builders.ToDNS("kubernetes.default.svc.cluster.local.")).Obj())
	h.confine(func(role *rbacv1.Role) {
		role.Rules = slices.DeleteFunc(role.Rules, func(r rbacv1.PolicyRule) bool { return slices.Contains(r.Resources, "networkpolicies") })
	})
	h.start()
	h.deploymentEvent(eventInstallFailed, "netladder-canary cannot be installed")
	h.assigned([]string{"node0"}, 1)
	h.report("node0")
	h.readyIs("dns", metav1.ConditionTrue, "")
	var pods appsv1.DaemonSet
	if err := h.client.Get(t.Context(), client.ObjectKey{Namespace: h.namespace, Name: v1alpha1.CanaryName}, &pods); !apierrors.IsNotFound(err) {
		t.Errorf("pods without a policy: %v", err)
	}
}

// TestCanaryDoubts: whatever admits what the canary's policy denies, or stops
// what it does not, keeps the canary pods from accusing or praising a node.
func TestCanaryDoubts(t *testing.T) {
	const in, out = v1alpha1.PolicyIngress, v1alpha1.PolicyEgress
	isolation := policyOf(v1alpha1.CanaryName, workload.Labels(workload.ComponentCanary))
	isolation.Spec.PolicyTypes = []networkingv1.PolicyType{networkingv1.PolicyTypeIngress, networkingv1.PolicyTypeEgress}
	var shipped []*networkingv1.NetworkPolicy
	for i := range 3 {
		p := &networkingv1.NetworkPolicy{}
		manifest(t, p, i, "network-policy", "policies.yaml")
		shipped = append(shipped, p)
	}
	all := map[string]string{}
	anywhere := networkingv1.NetworkPolicyPeer{NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"team": "platform"}}}
	from := func(name string, labels map[string]string, peer networkingv1.NetworkPolicyPeer) *networkingv1.NetworkPolicy {
		p := policyOf(name, labels)
		p.Spec.Ingress = []networkingv1.NetworkPolicyIngressRule{{From: []networkingv1.NetworkPolicyPeer{peer}}}
		return p
	}
	to := func(name string, port *networkingv1.NetworkPolicyPort, peer networkingv1.NetworkPolicyPeer) *networkingv1.NetworkPolicy {
		p := policyOf(name, all)
		p.Spec.PolicyTypes = []networkingv1.PolicyType{networkingv1.PolicyTypeEgress}
		p.Spec.Egress = []networkingv1.NetworkPolicyEgressRule{{To: []networkingv1.NetworkPolicyPeer{peer}}}
		if port != nil {
			p.Spec.Egress[0].Ports = []networkingv1.NetworkPolicyPort{*port}
		}
		return p
	}
	udp, dns := corev1.ProtocolUDP, intstr.FromInt32(53)
	for name, tc := range map[string]struct {
		policies []*networkingv1.NetworkPolicy
		without  bool // the canary's own
		want     map[v1alpha1.PolicyDirection]string
	}{
		"as shipped":                {policies: shipped},
		"alone":                     {},
		"missing":                   {without: true, want: map[v1alpha1.PolicyDirection]string{in: "netladder-canary is missing", out: "netladder-canary is missing"}},
		"missing, and all are shut": {without: true, policies: []*networkingv1.NetworkPolicy{policyOf("deny", all)}, want: map[v1alpha1.PolicyDirection]string{out: "missing"}},
		"the echo pods are shut": {policies: []*networkingv1.NetworkPolicy{policyOf("deny", all)},
			want: map[v1alpha1.PolicyDirection]string{out: "NetworkPolicy deny may keep the canary pods from the echo pods"}},
		"shut, and admitted as shipped": {policies: append([]*networkingv1.NetworkPolicy{policyOf("deny", all)}, shipped...)},
		"all are open": {policies: []*networkingv1.NetworkPolicy{from("open", all, networkingv1.NetworkPolicyPeer{PodSelector: &metav1.LabelSelector{}})},
			want: map[v1alpha1.PolicyDirection]string{in: "NetworkPolicy open selects the canary pods too"}},
		"open to some namespaces": {policies: append([]*networkingv1.NetworkPolicy{from("open", all, anywhere)}, shipped...),
			want: map[v1alpha1.PolicyDirection]string{in: "NetworkPolicy open"}},
		"open to some addresses": {policies: append([]*networkingv1.NetworkPolicy{from("open", all, networkingv1.NetworkPolicyPeer{IPBlock: &networkingv1.IPBlock{CIDR: "10.0.0.0/8"}})}, shipped...),
			want: map[v1alpha1.PolicyDirection]string{in: "NetworkPolicy open"}},
		"open to others":  {policies: append([]*networkingv1.NetworkPolicy{from("open", all, networkingv1.NetworkPolicyPeer{PodSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "x"}}})}, shipped...)},
		"others are open": {policies: append([]*networkingv1.NetworkPolicy{from("open", map[string]string{"app": "x"}, anywhere)}, shipped...)},
		"out to anywhere": {policies: append([]*networkingv1.NetworkPolicy{to("out", nil, anywhere)}, shipped...),
			want: map[v1alpha1.PolicyDirection]string{out: "NetworkPolicy out selects the canary pods too"}},
		"out for names": {policies: append([]*networkingv1.NetworkPolicy{to("out", &networkingv1.NetworkPolicyPort{Protocol: &udp, Port: &dns}, anywhere)}, shipped...)},
	} {
		policies := tc.policies
		if !tc.without {
			policies = append(slices.Clone(policies), isolation)
		}
		got := canaryDoubts("netladder-system", policies)
		for _, direction := range []v1alpha1.PolicyDirection{in, out} {
			if want := tc.want[direction]; (want == "") != (got[direction] == "") || !strings.Contains(got[direction], want) {
				t.Errorf("%s, %s: %q, want %q", name, direction, got[direction], want)
			}
		}
	}
}

// policyOf Netladder's namespace, without rules.
func policyOf(name string, selected map[string]string) *networkingv1.NetworkPolicy {
	return &networkingv1.NetworkPolicy{
		ObjectMeta: metav1.ObjectMeta{Namespace: "netladder-system", Name: name},
		Spec: networkingv1.NetworkPolicySpec{
			PodSelector: metav1.LabelSelector{MatchLabels: selected}, PolicyTypes: []networkingv1.PolicyType{networkingv1.PolicyTypeIngress},
		},
	}
}
