// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"testing"

	"github.com/netladder/netladder/controllers/plan"
)

func TestTheRuleThatAdmitsAPodOnTheHostNetworkEitherWay(t *testing.T) {
	for _, test := range []struct {
		name, policy, source, destination string
		want                              int
	}{
		{"ingress", "x/p: {ingress: [{from: [{podSelector: {}}]}, {ports: [{port: 80}]}]}", "x/a", "x/b", 1},
		{"egress", "x/p: {egress: [{ports: [{port: serve-80}]}, {ports: [{port: 80}]}], policyTypes: [Egress]}", "x/b", "x/a", 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newTown(t, test.policy)
			w.change("x/a", func(p *plan.Pod) { p.HostNetwork = true })
			got := w.Evaluate(w.flow(test.source, test.destination, 80))
			decision := got.Ingress
			if test.source == "x/b" {
				decision = got.Egress
			}
			if decision.Verdict != Allow || decision.Admitting == nil || decision.Admitting.Index != test.want {
				t.Errorf("got %+v, want rule %d to admit", decision, test.want)
			}
		})
	}
}
