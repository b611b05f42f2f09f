// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package policy

import "testing"

// TestCost counts what an evaluation compares: the policies of both namespaces,
// and the clauses of those that isolate an end, each for its direction.
func TestCost(t *testing.T) {
	w := newTown(t,
		"x/out: {podSelector: {matchLabels: {pod: a}}, policyTypes: [Ingress, Egress], ingress: [{}], egress: [{to: [{podSelector: {}}, {podSelector: {}}], ports: [{port: 80}]}]}",
		"x/else: {podSelector: {matchLabels: {pod: c}}, policyTypes: [Egress], egress: [{}, {}]}",
		"w/in: {podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/8, except: [10.1.0.0/16, 10.2.0.0/16]}}]}]}",
	)
	for name, tc := range map[string]struct {
		source, destination string
		want                int
	}{
		"both are isolated":         {"x/a", "w/a", 1 + 2 + 4 + 1 + 4},
		"only the policies are":     {"x/b", "z/a", 1 + 2},
		"the other way round":       {"w/a", "x/a", 1 + 1 + 2 + 1},
		"from outside":              {"192.0.2.1", "w/a", 1 + 1 + 4},
		"where there are none":      {"z/a", "z/b", 1},
		"neither end is a pod":      {"192.0.2.1", "192.0.2.2", 1},
		"from a node to another":    {"node:n1", "node:n2", 1},
		"from one that is isolated": {"x/c", "z/b", 1 + 2 + 2},
	} {
		if got := w.Cost(w.flow(tc.source, tc.destination, 80)); got != tc.want {
			t.Errorf("%s: got %d, want %d", name, got, tc.want)
		}
	}
}
