// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"fmt"
	"path"
	"testing"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/controllers/plan"
)

// stage of a situation: what changes, and who then reaches whom. A line of
// reach is a sign and two patterns of pods: + is Allow, - is Deny, ? is
// ImplementationDefined. The last line that fits a pair counts; without one it
// is Allow, and a pod always reaches itself.
type stage struct {
	do       func(*testing.T, *town)
	protocol v1alpha1.Protocol
	port     int32
	reach    []string
}

func set(policies ...string) func(*testing.T, *town) {
	return func(t *testing.T, w *town) {
		t.Helper()
		for _, text := range policies {
			w.SetPolicy(parsePolicy(t, text))
		}
	}
}

func expected(t *testing.T, reach []string, source, destination string) Verdict {
	t.Helper()
	if source == destination {
		return Allow
	}
	want := Allow
	for _, line := range reach {
		var sign, from, arrow, to string
		if _, err := fmt.Sscan(line, &sign, &from, &arrow, &to); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		verdict, ok := map[string]Verdict{"+": Allow, "-": Deny, "?": ImplementationDefined}[sign]
		if !ok || arrow != ">" {
			t.Fatalf("bad line %q", line)
		}
		if fits(t, from, source) && fits(t, to, destination) {
			want = verdict
		}
	}
	return want
}

func fits(t *testing.T, pattern, pod string) bool {
	t.Helper()
	ok, err := path.Match(pattern, pod)
	if err != nil {
		t.Fatal(err)
	}
	return ok || pattern == "*"
}

// TestUpstreamSituations has the situations of the end-to-end tests of
// Kubernetes for NetworkPolicy. Those leave out pods that reach themselves.
func TestUpstreamSituations(t *testing.T) {
	const toA = "x/p: {podSelector: {matchLabels: {pod: a}}, policyTypes: [Ingress], ingress: "
	const fromA = "x/p: {podSelector: {matchLabels: {pod: a}}, policyTypes: [Egress], egress: "
	cases := map[string][]stage{
		"default deny ingress": {
			{set("x/p: {podSelector: {}, policyTypes: [Ingress]}"), "TCP", 80, []string{"- * > x/*"}},
			{nil, "UDP", 80, []string{"- * > x/*"}},
			{nil, "SCTP", 80, []string{"- * > x/*"}},
		},
		"default deny all": {
			{set("x/p: {podSelector: {}, policyTypes: [Ingress, Egress]}"), "TCP", 80, []string{"- * > x/*", "- x/* > *"}},
		},
		"pods of the same namespace": {
			{set(toA + "[{from: [{podSelector: {matchLabels: {pod: b}}}]}]}"), "TCP", 80, []string{"- * > x/a", "+ x/b > x/a"}},
		},
		"ingress to one target of an isolated namespace": {
			{
				set("x/deny: {policyTypes: [Ingress]}", toA+"[{from: [{podSelector: {}, namespaceSelector: {}}]}]}"),
				"TCP", 80, []string{"- * > x/*", "+ * > x/a"},
			},
		},
		"pods of all namespaces": {
			{set(toA + "[{from: [{namespaceSelector: {}}]}]}"), "TCP", 80, nil},
		},
		"another namespace": {
			{set(toA + "[{from: [{namespaceSelector: {matchLabels: {ns: w}}}]}]}"), "TCP", 80, []string{"- * > x/a", "+ w/* > x/a"}},
			{nil, "UDP", 80, []string{"- * > x/a", "+ w/* > x/a"}},
		},
		"the namespace's own name as a label": {
			{
				set(toA + "[{from: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: w}}}]}]}"),
				"TCP", 80, []string{"- * > x/a", "+ w/* > x/a"},
			},
			{
				set(fromA + "[{to: [{namespaceSelector: {matchExpressions: [{key: kubernetes.io/metadata.name, operator: NotIn, values: [w]}]}}]}]}"),
				"TCP", 80, []string{"- x/a > w/*"},
			},
		},
		"expressions over pods": {
			{
				set(toA + "[{from: [{podSelector: {matchExpressions: [{key: pod, operator: In, values: [b]}]}}]}]}"),
				"TCP", 80, []string{"- * > x/a", "+ x/b > x/a"},
			},
		},
		"expressions over namespaces": {
			{
				set(toA + "[{from: [{namespaceSelector: {matchExpressions: [{key: ns, operator: In, values: [w]}]}}]}]}"),
				"TCP", 80, []string{"- * > x/a", "+ w/* > x/a"},
			},
		},
		"pods or namespaces": {
			{
				set(toA + `[{from: [
					{namespaceSelector: {matchExpressions: [{key: ns, operator: NotIn, values: [x]}]}},
					{podSelector: {matchLabels: {pod: b}}}]}]}`),
				"TCP", 80, []string{"- x/* > x/a", "+ x/b > x/a"},
			},
		},
		"pods and namespaces": {
			{
				set(toA + `[{from: [{
					namespaceSelector: {matchExpressions: [{key: ns, operator: NotIn, values: [x]}]},
					podSelector: {matchLabels: {pod: b}}}]}]}`),
				"TCP", 80, []string{"- * > x/a", "+ [wz]/b > x/a"},
			},
		},
		"several pods and namespaces": {
			{
				set(toA + `[{from: [{
					namespaceSelector: {matchExpressions: [{key: ns, operator: NotIn, values: [x]}]},
					podSelector: {matchExpressions: [{key: pod, operator: In, values: [b, c]}]}}]}]}`),
				"TCP", 80, []string{"- * > x/a", "+ [wz]/[bc] > x/a"},
			},
		},
		"any of several pods": {
			{
				set(toA + "[{from: [{podSelector: {matchLabels: {pod: b}}}, {podSelector: {matchLabels: {pod: c}}}]}]}"),
				"TCP", 80, []string{"- * > x/a", "+ x/[bc] > x/a"},
			},
		},
		"a pod of another namespace": {
			{
				set(toA + "[{from: [{namespaceSelector: {matchLabels: {ns: w}}, podSelector: {matchLabels: {pod: a}}}]}]}"),
				"TCP", 80, []string{"- * > x/a", "+ w/a > x/a"},
			},
			{nil, "UDP", 80, []string{"- * > x/a", "+ w/a > x/a"}},
			{nil, "SCTP", 80, []string{"- * > x/a", "+ w/a > x/a"}},
		},
		"ports, then a second policy beside": {
			{
				set("x/81: {podSelector: {matchLabels: {pod: a}}, ingress: [{from: [{namespaceSelector: {matchLabels: {ns: w}}}], ports: [{port: 81}]}]}"),
				"TCP", 81, []string{"- * > x/a", "+ w/* > x/a"},
			},
			{nil, "TCP", 80, []string{"- * > x/a"}},
			{
				set("x/80: {podSelector: {matchLabels: {pod: a}}, ingress: [{from: [{namespaceSelector: {matchLabels: {ns: w}}}], ports: [{port: 80}]}]}"),
				"TCP", 80, []string{"- * > x/a", "+ w/* > x/a"},
			},
		},
		"ports of UDP": {
			{
				set(toA + "[{from: [{namespaceSelector: {matchLabels: {ns: w}}}], ports: [{port: 81, protocol: UDP}]}]}"),
				"UDP", 81, []string{"- * > x/a", "+ w/* > x/a"},
			},
			{nil, "TCP", 81, []string{"- * > x/a"}},
		},
		"ports of SCTP": {
			{
				set(toA + "[{from: [{namespaceSelector: {matchLabels: {ns: w}}}], ports: [{port: 81, protocol: SCTP}]}]}"),
				"SCTP", 81, []string{"- * > x/a", "+ w/* > x/a"},
			},
			{nil, "TCP", 81, []string{"- * > x/a"}},
			{nil, "TCP", 80, []string{"- * > x/a"}},
		},
		"allow all": {
			{set("x/p: {policyTypes: [Ingress], ingress: [{}]}"), "TCP", 80, nil},
			{nil, "TCP", 81, nil},
		},
		"a named port in": {
			{set("x/p: {ingress: [{ports: [{port: serve-81}]}]}"), "TCP", 81, nil},
			{nil, "TCP", 80, []string{"- * > x/*"}},
		},
		"a named port in, from a namespace": {
			{
				set(toA + "[{from: [{namespaceSelector: {matchLabels: {ns: w}}}], ports: [{port: serve-80, protocol: TCP}]}]}"),
				"TCP", 80, []string{"- * > x/a", "+ w/* > x/a"},
			},
			{nil, "TCP", 81, []string{"- * > x/a"}},
		},
		"a named port out": {
			{set("x/p: {policyTypes: [Egress], egress: [{ports: [{port: serve-80}]}]}"), "TCP", 80, nil},
			{nil, "TCP", 81, []string{"- x/* > *"}},
		},
		"a policy that changes": {
			{set("x/p: {policyTypes: [Ingress], ingress: [{}]}"), "TCP", 81, nil},
			{set("x/p: {policyTypes: [Ingress], ingress: []}"), "TCP", 81, []string{"- * > x/*"}},
		},
		"a namespace that changes": {
			{set(toA + "[{from: [{namespaceSelector: {matchLabels: {ns2: updated}}}]}]}"), "TCP", 80, []string{"- * > x/a"}},
			{func(_ *testing.T, w *town) {
				w.SetNamespace(&plan.Namespace{Name: "w", Labels: map[string]string{"ns2": "updated"}})
			}, "TCP", 80, []string{"- * > x/a", "+ w/* > x/a"}},
		},
		"a source that changes": {
			{set(toA + "[{from: [{podSelector: {matchLabels: {pod: b, pod2: updated}}}]}]}"), "TCP", 80, []string{"- * > x/a"}},
			{func(_ *testing.T, w *town) {
				w.change("x/b", func(p *plan.Pod) { p.Labels = map[string]string{"pod": "b", "pod2": "updated"} })
			}, "TCP", 80, []string{"- * > x/a", "+ x/b > x/a"}},
		},
		"a target that changes": {
			{set("x/p: {podSelector: {matchLabels: {target: isolated}}}"), "TCP", 80, nil},
			{func(_ *testing.T, w *town) {
				w.change("x/a", func(p *plan.Pod) { p.Labels = map[string]string{"target": "isolated"} })
			}, "TCP", 80, []string{"- * > x/a"}},
		},
		"other namespaces are denied": {
			{set("x/p: {ingress: [{from: [{podSelector: {}}]}]}"), "TCP", 80, []string{"- [wz]/* > x/*"}},
		},
		"no egress of a pod": {
			{set(fromA + "[]}"), "TCP", 80, []string{"- x/a > *"}},
		},
		"no egress of a namespace": {
			{set("x/p: {policyTypes: [Egress]}"), "TCP", 80, []string{"- x/* > *"}},
		},
		"ingress and egress together": {
			{
				set(`x/p: {podSelector: {matchLabels: {pod: a}}, policyTypes: [Ingress, Egress],
					ingress: [{from: [{podSelector: {matchLabels: {pod: b}}}]}], egress: [{ports: [{port: 80}]}]}`),
				"TCP", 80, []string{"- * > x/a", "+ x/b > x/a"},
			},
			{nil, "TCP", 81, []string{"- * > x/a", "- x/a > *", "+ x/b > x/a"}},
		},
		"egress is denied though the server allows": {
			{
				set(
					fromA+"[{to: [{namespaceSelector: {matchLabels: {ns: w}}, podSelector: {matchLabels: {pod: a}}}]}]}",
					"w/a: {podSelector: {matchLabels: {pod: a}}, ingress: [{from: [{namespaceSelector: {matchLabels: {ns: x}}, podSelector: {matchLabels: {pod: a}}}]}]}",
					"w/b: {podSelector: {matchLabels: {pod: b}}, ingress: [{from: [{namespaceSelector: {matchLabels: {ns: x}}, podSelector: {matchLabels: {pod: a}}}]}]}",
				),
				"TCP", 80, []string{"- x/a > *", "- * > w/[ab]", "+ x/a > w/a"},
			},
		},
		"egress to a pod of another namespace": {
			{
				set(fromA + "[{to: [{namespaceSelector: {matchLabels: {ns: w}}, podSelector: {matchLabels: {pod: a}}}]}]}"),
				"TCP", 80, []string{"- x/a > *", "+ x/a > w/a"},
			},
		},
		"any port of a protocol": {
			{set(toA + "[{ports: [{protocol: TCP}]}]}"), "TCP", 80, nil},
			{nil, "UDP", 80, []string{"- * > x/a"}},
		},
		"ingress: allow all wins": {
			{set("x/p: {ingress: [{ports: [{port: 80}]}]}"), "TCP", 81, []string{"- * > x/*"}},
			{set("x/q: {ingress: [{}]}"), "TCP", 81, nil},
		},
		"egress: allow all wins": {
			{set("x/p: {policyTypes: [Egress], egress: [{ports: [{port: 80}]}]}"), "TCP", 81, []string{"- x/* > *"}},
			{set("x/q: {policyTypes: [Egress], egress: [{}]}"), "TCP", 81, nil},
		},
		"a policy that is deleted": {
			{set("x/p: {policyTypes: [Ingress, Egress]}"), "TCP", 80, []string{"- x/* > *", "- * > x/*"}},
			{func(_ *testing.T, w *town) { w.DeletePolicy(name("x", "p")) }, "TCP", 80, nil},
		},
		// Upstream asks for Allow where a block has a pod's address. The
		// specification leaves that to the plugin, and some do not.
		"a block": {
			{set(fromA + "[{to: [{ipBlock: {cidr: 10.0.1.2/32}}]}]}"), "TCP", 80, []string{"- x/a > *", "? x/a > w/b"}},
		},
		"a block with an exception, then without": {
			{
				set(fromA + "[{to: [{ipBlock: {cidr: 10.0.0.0/8, except: [10.0.0.2/32]}}]}]}"),
				"TCP", 80, []string{"? x/a > *", "- x/a > x/b"},
			},
			{set(fromA + "[{to: [{ipBlock: {cidr: 10.0.0.2/32}}]}]}"), "TCP", 80, []string{"- x/a > *", "? x/a > x/b"}},
		},
		"an exception, and beside it a block that has it": {
			{
				set(fromA + "[{to: [{ipBlock: {cidr: 10.0.0.0/8, except: [10.0.0.2/32]}}, {ipBlock: {cidr: 10.0.0.2/32}}]}]}"),
				"TCP", 80, []string{"? x/a > *"},
			},
		},
		"ingress and egress are apart": {
			{set("x/p: {podSelector: {matchLabels: {pod: a}}, policyTypes: [Egress], egress: [{}]}"), "TCP", 80, nil},
			{set("x/q: {podSelector: {matchLabels: {pod: a}}, policyTypes: [Ingress]}"), "TCP", 80, []string{"- * > x/a"}},
		},
		"SCTP is not TCP": {
			{set("x/deny: {}", toA+"[{ports: [{port: 81, protocol: SCTP}]}]}"), "TCP", 81, []string{"- * > x/*"}},
		},
		"a policy for SCTP isolates": {
			{set(toA + "[{ports: [{port: 80, protocol: SCTP}]}]}"), "TCP", 81, []string{"- * > x/a"}},
		},
		"UDP is not TCP": {
			{set(toA + "[{ports: [{port: 81, protocol: UDP}]}]}"), "TCP", 81, []string{"- * > x/a"}},
		},
	}
	for title, stages := range cases {
		t.Run(title, func(t *testing.T) {
			w := newTown(t)
			for i, s := range stages {
				if s.do != nil {
					s.do(t, w)
				}
				for source := range w.pods {
					for destination := range w.pods {
						f := w.flow(source, destination, s.port)
						f.Protocol = s.protocol
						if got, want := w.Evaluate(f), expected(t, s.reach, source, destination); got.Verdict != want {
							t.Errorf("stage %d, %s to %s: want %s, got %+v", i, source, destination, want, got)
						}
					}
				}
			}
		})
	}
}
