// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package policy

import "testing"

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
