// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"encoding/json"
	"net/netip"
	"testing"

	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/netladder/netladder/controllers/plan"
	"github.com/netladder/netladder/controllers/policy"
	"github.com/netladder/netladder/controllers/policy/audit"
	"github.com/netladder/netladder/controllers/workload"
)

// TestOwnPoliciesAreClean: an installation begins without findings about
// itself.
func TestOwnPoliciesAreClean(t *testing.T) {
	const own = "netladder-system"
	index := policy.NewIndex()
	for _, name := range []string{own, "kube-system", "monitoring"} {
		index.SetNamespace(&plan.Namespace{Name: name, Labels: map[string]string{"kubernetes.io/metadata.name": name}})
	}
	pods := 0
	pod := func(namespace, name string, labels map[string]string) {
		pods++
		index.SetPod(&plan.Pod{
			UID: types.UID(name), Key: types.NamespacedName{Namespace: namespace, Name: name}, Labels: labels, Node: "node-1",
			IPs: []netip.Addr{netip.AddrFrom4([4]byte{10, 0, 0, byte(pods)})},
		})
	}
	pod("kube-system", "coredns", map[string]string{"k8s-app": "kube-dns"})
	pod("monitoring", "prometheus", map[string]string{"app.kubernetes.io/name": "prometheus"})
	for _, component := range []string{workload.ComponentProber, workload.ComponentEcho, workload.ComponentCanary, "controller"} {
		pod(own, component, workload.Labels(component))
	}
	for n := range 3 {
		p := &networkingv1.NetworkPolicy{}
		manifest(t, p, n, "network-policy", "policies.yaml")
		index.SetPolicy(p)
	}
	text, err := json.Marshal(workload.CanaryPolicy(workload.Settings{Namespace: own}))
	must(t, err)
	canary := &networkingv1.NetworkPolicy{}
	must(t, json.Unmarshal(text, canary))
	index.SetPolicy(canary)

	report := audit.Audit(audit.Input{Index: index, Namespace: own})
	if report.Policies != 4 {
		t.Errorf("%d policies are audited", report.Policies)
	}
	for _, f := range report.Findings {
		t.Errorf("%s %s: %s", f.Code, f.Policy, f.Message)
	}
}
