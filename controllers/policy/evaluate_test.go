// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"testing"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/controllers/plan"
)

func TestIsolation(t *testing.T) {
	cases := []struct {
		name        string
		policies    []string
		source      string
		destination string
		want        Verdict
	}{
		{"no policy", nil, "x/a", "w/a", Allow},
		{"no types and no rules: ingress", []string{"x/p: {podSelector: {}}"}, "w/a", "x/a", Deny},
		{"no types and no egress rules: not egress", []string{"x/p: {podSelector: {}}"}, "x/a", "w/a", Allow},
		{"no types and an empty egress: not egress", []string{"x/p: {podSelector: {}, egress: []}"}, "x/a", "w/a", Allow},
		{"no types and egress rules: egress too", []string{"x/p: {egress: [{ports: [{port: 1}]}]}"}, "x/a", "w/a", Deny},
		{"no types and egress rules: ingress still", []string{"x/p: {egress: [{}]}"}, "w/a", "x/a", Deny},
		{"egress alone", []string{"x/p: {policyTypes: [Egress]}"}, "w/a", "x/a", Allow},
		{"another namespace's policy", []string{"z/p: {policyTypes: [Egress, Ingress]}"}, "w/a", "x/a", Allow},
		{"another pod's policy", []string{"x/p: {podSelector: {matchLabels: {pod: b}}}"}, "w/a", "x/a", Allow},
		{"an empty rule admits everybody", []string{"x/p: {ingress: [{}]}"}, "w/a", "x/a", Allow},
		{"an empty from admits everybody", []string{"x/p: {ingress: [{from: [], ports: []}]}"}, "w/a", "x/a", Allow},
		{"union", []string{"x/p: {}", "x/q: {ingress: [{}]}"}, "w/a", "x/a", Allow},
		{"both directions", []string{"x/p: {ingress: [{}]}", "w/q: {policyTypes: [Egress]}"}, "w/a", "x/a", Deny},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			w := newTown(t, c.policies...)
			if got := w.Evaluate(w.flow(c.source, c.destination, 80)); got.Verdict != c.want {
				t.Errorf("got %+v, want %s", got, c.want)
			}
		})
	}
}

func TestRules(t *testing.T) {
	const fromB = "x/p: {ingress: [{from: [{podSelector: {matchLabels: {pod: b}}}], ports: "
	only := func(ports string) string { return fromB + ports + "}]}" }
	cases := []struct {
		name     string
		policy   string
		protocol v1alpha1.Protocol
		port     int32
		want     Verdict
	}{
		{"no protocol is TCP", only("[{port: 80}]"), "TCP", 80, Allow},
		{"no protocol is not UDP", only("[{port: 80}]"), "UDP", 80, Deny},
		{"no port is all of the protocol", only("[{protocol: UDP}]"), "UDP", 4711, Allow},
		{"an entry with nothing is all of TCP", only("[{}]"), "TCP", 4711, Allow},
		{"any entry", only("[{port: 1}, {port: 80}]"), "TCP", 80, Allow},
		{"range, its first", only("[{port: 80, endPort: 90}]"), "TCP", 80, Allow},
		{"range, its last", only("[{port: 80, endPort: 90}]"), "TCP", 90, Allow},
		{"range, after", only("[{port: 80, endPort: 90}]"), "TCP", 91, Deny},
		{"range of one", only("[{port: 80, endPort: 80}]"), "TCP", 80, Allow},
		{"range backwards", only("[{port: 90, endPort: 80}]"), "TCP", 85, Deny},
		{"range without a first", only("[{endPort: 80}]"), "TCP", 80, Deny},
		{"range from a name", only("[{port: serve-80, endPort: 90}]"), "TCP", 80, Deny},
		{"name", only("[{port: serve-80}]"), "TCP", 80, Allow},
		{"name, another number", only("[{port: serve-80}]"), "TCP", 81, Deny},
		{"name of the other protocol", only("[{port: serve-udp}]"), "TCP", 80, Deny},
		{"name for UDP", only("[{port: serve-udp, protocol: UDP}]"), "UDP", 80, Allow},
		{"name that is none", only("[{port: http}]"), "TCP", 80, Deny},
		{"the number of a named port", only("[{port: 81}]"), "TCP", 81, Allow},

		{"NotIn, the key is absent", "x/p: {ingress: [{from: [{podSelector: {matchExpressions: [{key: role, operator: NotIn, values: [db]}]}}]}]}", "TCP", 80, Allow},
		{"NotIn, the value is there", "x/p: {ingress: [{from: [{podSelector: {matchExpressions: [{key: pod, operator: NotIn, values: [b]}]}}]}]}", "TCP", 80, Deny},
		{"all requirements", "x/p: {ingress: [{from: [{podSelector: {matchLabels: {pod: b}, matchExpressions: [{key: pod, operator: In, values: [c]}]}}]}]}", "TCP", 80, Deny},
		{"NotIn selects what has no such label", "x/p: {podSelector: {matchExpressions: [{key: role, operator: NotIn, values: [db]}]}}", "TCP", 80, Deny},
		{"a peer with nothing", "x/p: {ingress: [{from: [{}]}]}", "TCP", 80, Deny},
		{"a block and a selector in one", "x/p: {ingress: [{from: [{ipBlock: {cidr: 0.0.0.0/0}, podSelector: {}}]}]}", "TCP", 80, Deny},
		{"a selector that cannot be read selects nothing", "x/p: {podSelector: {matchExpressions: [{key: pod, operator: Is, values: [a]}]}}", "TCP", 80, Allow},
		{"a peer that cannot be read, beside one that can", "x/p: {ingress: [{from: [{podSelector: {matchLabels: {'-': b}}}, {podSelector: {}}]}]}", "TCP", 80, Allow},
		{"an exception that cannot be read", "x/p: {ingress: [{from: [{ipBlock: {cidr: 0.0.0.0/0, except: [bad]}}]}]}", "TCP", 80, Deny},
		{"leading zeros, as old API servers took them", "x/p: {ingress: [{from: [{ipBlock: {cidr: 010.000.0.0/16}}]}]}", "TCP", 80, ImplementationDefined},
		{"bits behind the prefix", "x/p: {ingress: [{from: [{ipBlock: {cidr: 10.0.77.1/16}}]}]}", "TCP", 80, ImplementationDefined},
		{"a type that there is not", "x/p: {policyTypes: [Sideways]}", "TCP", 80, Allow},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			w := newTown(t, c.policy)
			f := w.flow("x/b", "x/a", c.port)
			f.Protocol = c.protocol
			got := w.Evaluate(f)
			if got.Verdict != c.want {
				t.Errorf("got %+v, want %s", got, c.want)
			}
			checkDecision(t, got.Ingress)
		})
	}
}

// TestNamedPortOfEachPod: two pods, one name, two numbers.
func TestNamedPortOfEachPod(t *testing.T) {
	w := newTown(t, "x/p: {policyTypes: [Ingress, Egress], ingress: [{ports: [{port: web}]}], egress: [{ports: [{port: web}]}]}")
	for pod, number := range map[string]int32{"x/a": 8080, "x/b": 9090} {
		w.change(pod, func(p *plan.Pod) { p.Ports = []plan.ContainerPort{{Name: "web", Port: number, Protocol: "TCP"}} })
	}
	for _, c := range []struct {
		destination string
		port        int32
		want        Verdict
	}{{"x/a", 8080, Allow}, {"x/a", 9090, Deny}, {"x/b", 9090, Allow}, {"x/b", 8080, Deny}} {
		if got := w.Evaluate(w.flow("x/c", c.destination, c.port)); got.Verdict != c.want || got.Egress.Verdict != got.Ingress.Verdict {
			t.Errorf("%s %d: got %+v, want %s", c.destination, c.port, got, c.want)
		}
	}
}

// TestEveryAddress of a pod counts: the family of the flow decides.
func TestEveryAddress(t *testing.T) {
	w := newTown(t, "x/p: {ingress: [{from: [{ipBlock: {cidr: 'fd00::/16'}}]}]}")
	v4, v6 := w.flow("w/a", "x/a", 80), w.flow("w/a", "x/a", 80)
	v6.Destination.IP = w.pods["x/a"].IPs[1]
	if got := w.Evaluate(v4).Verdict; got != Deny {
		t.Errorf("IPv4: %s", got)
	}
	if got := w.Evaluate(v6).Verdict; got != ImplementationDefined {
		t.Errorf("IPv6: %s", got)
	}
}

// TestNamespaceNotKnown: it has the label that every namespace has.
func TestNamespaceNotKnown(t *testing.T) {
	w := newTown(t, "x/p: {ingress: [{from: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: w}}}]}]}")
	w.DeleteNamespace("w")
	if got := w.Evaluate(w.flow("w/a", "x/a", 80)).Verdict; got != Allow {
		t.Errorf("got %s", got)
	}
	if got := w.Evaluate(w.flow("z/a", "x/a", 80)).Verdict; got != Deny {
		t.Errorf("got %s", got)
	}
}
