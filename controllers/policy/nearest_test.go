// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"fmt"
	"strings"
	"testing"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/controllers/plan"
)

// TestNearest: which rule is named where none admits, and with which words.
// What is wanted is "policy/rule/peer clause: wants | got", and the clauses that
// missed besides.
func TestNearest(t *testing.T) {
	const in = "x/p: {ingress: [{from: ["
	cases := []struct {
		name                string
		policies            []string
		source, destination string
		protocol            v1alpha1.Protocol
		want                string
	}{
		{"no rules", []string{"x/p: {}"}, "x/b", "x/a", "TCP", ""},
		{"a label with another value", []string{in + "{podSelector: {matchLabels: {pod: frontend}}}]}]}"}, "x/b", "x/a", "TCP", "p/0/0 podSelector: pod=frontend | pod=b"},
		{"a label that is absent", []string{in + "{podSelector: {matchLabels: {pod: b, role: frontend}}}]}]}"}, "x/b", "x/a", "TCP", "p/0/0 podSelector: role=frontend | no label role"},
		{"two labels", []string{in + "{podSelector: {matchLabels: {tier: web, pod: c}}}]}]}"}, "x/b", "x/a", "TCP", "p/0/0 podSelector: pod=c,tier=web | no label tier, pod=b"},
		{
			"expressions",
			[]string{in + `{podSelector: {matchExpressions: [
				{key: pod, operator: In, values: [c, d]}, {key: pod, operator: NotIn, values: [b]}, {key: pod, operator: DoesNotExist}, {key: tier, operator: Exists}]}}]}]}`},
			"x/b", "x/a", "TCP",
			"p/0/0 podSelector: a label tier,no label pod,pod in (c,d),pod not in (b) | no label tier, pod=b",
		},
		{"another namespace, none named", []string{in + "{podSelector: {}}]}]}"}, "w/b", "x/a", "TCP", "p/0/0 namespaceSelector: namespace x | namespace w"},
		{"another namespace", []string{in + "{namespaceSelector: {matchLabels: {ns: z}}}]}]}"}, "w/b", "x/a", "TCP", "p/0/0 namespaceSelector: ns=z | ns=w"},
		{"neither", []string{in + "{namespaceSelector: {matchLabels: {ns: z}}, podSelector: {matchLabels: {pod: c}}}]}]}"}, "w/b", "x/a", "TCP", "p/0/0 namespaceSelector: ns=z | ns=w also podSelector"},
		{"the port", []string{"x/p: {ingress: [{ports: [{port: 81}, {port: 8080, endPort: 8090}, {protocol: UDP}]}]}"}, "x/b", "x/a", "SCTP", "p/0/-1 protocol: any UDP port | SCTP 80"},
		{"ports", []string{"x/p: {ingress: [{ports: [{port: 81}, {port: 8080, endPort: 8090}]}]}"}, "x/b", "x/a", "TCP", "p/0/-1 port: TCP 81, TCP 8080 to 8090 | TCP 80"},
		{"the protocol", []string{"x/p: {ingress: [{ports: [{port: 443}, {port: 80, protocol: UDP}]}]}"}, "x/b", "x/a", "TCP", "p/0/-1 protocol: UDP 80 | TCP 80"},
		{"a named port with another number", []string{"x/p: {ingress: [{ports: [{port: serve-81}]}]}"}, "x/b", "x/a", "TCP", "p/0/-1 port: TCP serve-81 (81 there) | TCP 80"},
		{"a named port that is not there", []string{"x/p: {ingress: [{ports: [{port: http}]}]}"}, "x/b", "x/a", "TCP", "p/0/-1 port: TCP http (no such port there) | TCP 80"},
		{"an invalid port", []string{"x/p: {ingress: [{ports: [{port: 90, endPort: 80}]}]}"}, "x/b", "x/a", "TCP", "p/0/-1 port: an invalid port | TCP 80"},
		{"an address", []string{in + "{ipBlock: {cidr: 10.1.0.0/16}}]}]}"}, "10.2.0.1", "x/a", "TCP", "p/0/0 ipBlock.cidr: 10.1.0.0/16 | 10.2.0.1"},
		{"an exception", []string{in + "{ipBlock: {cidr: 10.0.0.0/8, except: [10.1.0.0/16, 10.2.0.0/16]}}]}]}"}, "10.2.0.1", "x/a", "TCP", "p/0/0 ipBlock.except: 10.0.0.0/8 except 10.2.0.0/16 | 10.2.0.1"},
		{"an address that no selector selects", []string{in + "{namespaceSelector: {matchLabels: {a: b}}, podSelector: {matchLabels: {c: d}}}]}]}"}, "10.2.0.1", "x/a", "TCP", "p/0/0 podSelector: a pod with c=d in a namespace with a=b | 10.2.0.1"},
		{"the same, any pod", []string{in + "{namespaceSelector: {}}]}]}"}, "10.2.0.1", "x/a", "TCP", "p/0/0 namespaceSelector: a pod | 10.2.0.1"},
		{"a node that no selector selects", []string{in + "{podSelector: {}}]}]}"}, "node:n3@10.2.0.1", "x/a", "TCP", "p/0/0 podSelector: a pod in namespace x | node n3"},
		{"an invalid selector", []string{in + "{podSelector: {matchLabels: {'-': b}}}]}]}"}, "x/b", "x/a", "TCP", "p/0/0 podSelector: an invalid selector | 10.0.0.2"},
		{"an invalid block", []string{in + "{ipBlock: {cidr: nonsense}}]}]}"}, "x/b", "x/a", "TCP", "p/0/0 ipBlock.cidr: an invalid ipBlock | 10.0.0.2"},
		{"the selector and the port", []string{in + "{podSelector: {matchLabels: {pod: c}}}], ports: [{port: 81}]}]}"}, "x/b", "x/a", "TCP", "p/0/0 podSelector: pod=c | pod=b also port"},

		{"nearer: the port alone", []string{in + "{podSelector: {matchLabels: {pod: c}}}]}, {ports: [{port: 81}]}]}"}, "x/b", "x/a", "TCP", "p/1/-1 port: TCP 81 | TCP 80"},
		{"nearer: protocol than port", []string{"x/p: {ingress: [{ports: [{port: 81}]}, {ports: [{port: 80, protocol: UDP}]}]}"}, "x/b", "x/a", "TCP", "p/1/-1 protocol: UDP 80 | TCP 80"},
		{"nearer: one clause than two", []string{in + "{podSelector: {matchLabels: {pod: c}}}], ports: [{port: 81}]}, {from: [{podSelector: {matchLabels: {pod: c, d: e}}}]}]}"}, "x/b", "x/a", "TCP", "p/1/0 podSelector: d=e,pod=c | no label d, pod=b"},
		{"nearer: pods than namespace", []string{in + "{podSelector: {}}, {namespaceSelector: {}, podSelector: {matchLabels: {pod: c}}}]}]}"}, "w/b", "x/a", "TCP", "p/0/1 podSelector: pod=c | pod=b"},
		{"nearer: namespace than both", []string{in + "{podSelector: {matchLabels: {pod: c}}}, {podSelector: {}}]}]}"}, "w/b", "x/a", "TCP", "p/0/1 namespaceSelector: namespace x | namespace w"},
		{"nearer: selector than block", []string{in + "{ipBlock: {cidr: 11.0.0.0/8}}, {podSelector: {matchLabels: {pod: c}}}]}]}"}, "x/b", "x/a", "TCP", "p/0/1 podSelector: pod=c | pod=b"},
		{"nearer: fewer requirements", []string{in + "{podSelector: {matchLabels: {a: b, c: d}}}, {podSelector: {matchLabels: {a: b}}}]}]}"}, "x/b", "x/a", "TCP", "p/0/1 podSelector: a=b | no label a"},
		{"nearer: a label that is there", []string{in + "{podSelector: {matchLabels: {a: b}}}, {podSelector: {matchLabels: {pod: frontend}}}]}]}"}, "x/b", "x/a", "TCP", "p/0/1 podSelector: pod=frontend | pod=b"},
		{"nearer: the most similar value", []string{in + "{podSelector: {matchLabels: {pod: backend}}}, {podSelector: {matchLabels: {pod: ab}}}]}]}"}, "x/b", "x/a", "TCP", "p/0/1 podSelector: pod=ab | pod=b"},
		{"nearer: the first of equals", []string{in + "{podSelector: {matchLabels: {pod: c}}}, {podSelector: {matchLabels: {pod: d}}}]}]}", "x/a: {ingress: [{from: [{podSelector: {matchLabels: {pod: e}}}]}]}"}, "x/b", "x/a", "TCP", "a/0/0 podSelector: pod=e | pod=b"},
		{"nearer: exception than block", []string{in + "{ipBlock: {cidr: 10.3.0.0/16}}, {ipBlock: {cidr: 10.2.0.0/16, except: [10.2.0.0/24]}}]}]}"}, "10.2.0.1", "x/a", "TCP", "p/0/1 ipBlock.except: 10.2.0.0/16 except 10.2.0.0/24 | 10.2.0.1"},
		{"nearer: the closer block", []string{in + "{ipBlock: {cidr: 99.0.0.0/8}}, {ipBlock: {cidr: 11.0.0.0/8}}]}]}"}, "10.2.0.1", "x/a", "TCP", "p/0/1 ipBlock.cidr: 11.0.0.0/8 | 10.2.0.1"},
		{"nearer: a block of the same family", []string{in + "{ipBlock: {cidr: 'fd00::/8'}}, {ipBlock: {cidr: 99.0.0.0/8}}]}]}"}, "10.2.0.1", "x/a", "TCP", "p/0/1 ipBlock.cidr: 99.0.0.0/8 | 10.2.0.1"},
		{"nearer: a block than a selector, from outside", []string{in + "{podSelector: {}}, {ipBlock: {cidr: 99.0.0.0/8}}]}]}"}, "10.2.0.1", "x/a", "TCP", "p/0/1 ipBlock.cidr: 99.0.0.0/8 | 10.2.0.1"},
		{"nearer: what is valid", []string{in + "{podSelector: {matchLabels: {'-': b}}}, {podSelector: {matchLabels: {pod: z, a: b}}}]}]}"}, "x/b", "x/a", "TCP", "p/0/1 podSelector: a=b,pod=z | no label a, pod=b"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			w := newTown(t, c.policies...)
			f := w.flow(c.source, c.destination, 80)
			f.Protocol = c.protocol
			d := w.Evaluate(f).Ingress
			checkDecision(t, d)
			if d.Verdict != Deny {
				t.Fatalf("got %+v", d)
			}
			var got string
			if m := d.Nearest; m != nil {
				got = fmt.Sprintf("%s/%d/%d %s: %s | %s", m.Policy.Name, m.Index, m.Peer, m.Clause, m.Wants, m.Got)
				for _, also := range m.Also {
					got += " also " + string(also)
				}
			}
			if got != c.want {
				t.Errorf("\n got %s\nwant %s", got, c.want)
			}
		})
	}
}

// TestTextsAreBounded: whatever is in labels and policies.
func TestTextsAreBounded(t *testing.T) {
	long := strings.Repeat("v", 63)
	var values, labels, ports []string
	for i := range 50 {
		values = append(values, fmt.Sprintf("%s%d", long[:60], i))
		labels = append(labels, fmt.Sprintf("%s%d: %s", long[:60], i, long))
		ports = append(ports, fmt.Sprintf("{port: %d}", 1000+i))
	}
	for name, c := range map[string]struct{ policy, wants, got string }{
		"values": {
			"x/p: {ingress: [{from: [{podSelector: {matchExpressions: [{key: pod, operator: In, values: [" + strings.Join(values, ", ") + "]}]}}]}]}",
			"pod in (vvv", "pod=b",
		},
		"requirements": {
			"x/p: {ingress: [{from: [{podSelector: {matchLabels: {" + strings.Join(labels, ", ") + "}}}]}]}",
			" and 48 more", " and 47 more",
		},
		"ports": {
			"x/p: {ingress: [{ports: [" + strings.Join(ports, ", ") + "]}]}",
			"TCP 1000, TCP 1001", "TCP 80",
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newTown(t, c.policy)
			d := w.Evaluate(w.flow("x/b", "x/a", 80)).Ingress
			checkDecision(t, d)
			if !strings.Contains(d.Nearest.Wants, c.wants) || !strings.Contains(d.Nearest.Got, c.got) {
				t.Errorf("got %+v", d.Nearest)
			}
		})
	}
	t.Run("not printable", func(t *testing.T) {
		w := newTown(t, "x/p: {ingress: [{from: [{podSelector: {matchLabels: {pod: c}}}]}]}")
		w.change("x/b", func(p *plan.Pod) { p.Labels = map[string]string{"pod": "\x1b[31mé\n" + strings.Repeat("\xff", 500)} })
		d := w.Evaluate(w.flow("x/b", "x/a", 80)).Ingress
		checkDecision(t, d)
	})
}
