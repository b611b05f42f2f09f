// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package ladder_test

import (
	"slices"
	"testing"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/controllers/diagnosis/ladder"
)

// A policy that the plugin may not have followed yet explains a lookup only when
// the servers were looked at: one that is down explains it as well.
func TestSlowPolicyAndServersNotLookedAt(t *testing.T) {
	reached := &ladder.Way{Pods: ladder.Seen{Fact: ladder.Works}, Nodes: ladder.Seen{Fact: ladder.Works}}
	pair := func(second ladder.Seen) *ladder.Pair {
		return &ladder.Pair{
			Kind: v1alpha1.ProbeDNS, Verdict: v1alpha1.VerdictDNSTimeout, Streak: 3, Admitted: true, Name: "shop.example.",
			Slow: &ladder.Finding{Rung: v1alpha1.RungPolicy, Reason: v1alpha1.ReasonPolicyProgrammingSlow, Text: "policies admit this now"},
			DNS: &ladder.Service{Name: "kube-system/kube-dns", Ready: 2, Endpoints: []ladder.Endpoint{
				{Name: "coredns-a", Seen: ladder.Seen{Fact: ladder.Works}, Way: reached},
				{Name: "coredns-b", Seen: second, Way: reached},
			}},
		}
	}
	if f := ladder.Diagnose(pair(ladder.Seen{})); f.Rung != v1alpha1.RungUndetermined || !slices.Contains(f.Candidates, v1alpha1.RungPolicy) ||
		!slices.Contains(f.Candidates, v1alpha1.RungDNS) {
		t.Errorf("one server was not looked at: %+v", f)
	}
	if f := ladder.Diagnose(pair(ladder.Seen{Fact: ladder.Works})); f.Reason != v1alpha1.ReasonPolicyProgrammingSlow {
		t.Errorf("all servers answer: %+v", f)
	}
	if f := ladder.Diagnose(pair(ladder.Seen{Fact: ladder.Fails, Verdict: v1alpha1.VerdictDNSTimeout})); f.Reason != v1alpha1.ReasonDNSServerDown {
		t.Errorf("one server does not answer: %+v", f)
	}
}
