// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"testing"

	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/yaml"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/controllers/plan"
	"github.com/netladder/netladder/controllers/policy"
)

// town is the cluster of docs/findings.md: the shop of a few applications, and
// what every cluster has.
func town() []string {
	return []string{
		"commerce/frontend-1 app=frontend http:8080",
		"commerce/order-validator-1 app=order-validator http:8080 metrics:9090",
		"commerce/payment-1 app=payment tier=backend http:8443 metrics:9090",
		"commerce/payment-2 app=payment tier=backend http:8443 metrics:9090",
		"web/frontend-1 app=frontend http:8080",
		"web/batch-1 app=batch",
		"kube-system/coredns-1 k8s-app=kube-dns dns:53/UDP dns-tcp:53 metrics:9153",
		"monitoring/prometheus-0 app.kubernetes.io/name=prometheus web:9090",
		"monitoring/grafana-0 app.kubernetes.io/name=grafana http:3000",
	}
}

// indexOf pods and policies. A pod is "namespace/name label=value port:80/UDP",
// with "host" for the host's network. Each namespace that a pod is in exists,
// with the labels that are given for it.
func indexOf(t testing.TB, pods []string, labels map[string]map[string]string, policies ...*networkingv1.NetworkPolicy) *policy.Index {
	t.Helper()
	x := policy.NewIndex()
	spaces := map[string]bool{}
	for i, text := range pods {
		p := pod(t, i, text)
		x.SetPod(p)
		spaces[p.Key.Namespace] = true
	}
	for name := range labels {
		spaces[name] = true
	}
	for name := range spaces {
		set := map[string]string{"kubernetes.io/metadata.name": name}
		for k, v := range labels[name] {
			set[k] = v
		}
		x.SetNamespace(&plan.Namespace{Name: name, Labels: set})
	}
	for _, p := range policies {
		x.SetPolicy(p)
	}
	return x
}

func pod(t testing.TB, i int, text string) *plan.Pod {
	t.Helper()
	words := strings.Fields(text)
	namespace, name, ok := strings.Cut(words[0], "/")
	if !ok {
		t.Fatalf("pod %q", text)
	}
	p := &plan.Pod{
		UID: types.UID(fmt.Sprint("uid-", i)), Key: types.NamespacedName{Namespace: namespace, Name: name}, Node: fmt.Sprint("node", i%3),
		Labels: map[string]string{}, IPs: []netip.Addr{netip.AddrFrom4([4]byte{10, 1, byte(i >> 8), byte(i)})},
	}
	for _, word := range words[1:] {
		if key, value, ok := strings.Cut(word, "="); ok {
			p.Labels[key] = value
			continue
		}
		if word == "host" {
			p.HostNetwork = true
			continue
		}
		name, number, _ := strings.Cut(word, ":")
		number, protocol, ok := strings.Cut(number, "/")
		if !ok {
			protocol = "TCP"
		}
		port, err := strconv.ParseInt(number, 10, 32)
		if err != nil {
			t.Fatalf("pod %q: %v", text, err)
		}
		p.Ports = append(p.Ports, plan.ContainerPort{Name: name, Port: int32(port), Protocol: v1alpha1.Protocol(protocol)})
	}
	return p
}

// np is a policy of commerce from the YAML of its spec.
func np(t testing.TB, name, spec string) *networkingv1.NetworkPolicy {
	t.Helper()
	p := &networkingv1.NetworkPolicy{}
	p.Namespace, p.Name = "commerce", name
	if err := yaml.UnmarshalStrict([]byte(spec), &p.Spec); err != nil {
		t.Fatalf("policy %s: %v", name, err)
	}
	return p
}

// lines are findings as text: "Severity Code policy clause".
func lines(list []Finding) string {
	var out []string
	for _, f := range list {
		out = append(out, strings.TrimSpace(strings.Join([]string{string(f.Severity), string(f.Code), f.Policy, f.Clause}, " ")))
	}
	return strings.Join(out, "\n")
}
