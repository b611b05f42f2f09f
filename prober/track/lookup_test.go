// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package track

import (
	"testing"

	"github.com/netladder/netladder/api/v1alpha1"
)

// The report of a group says what its most costly lookup takes: the last good
// one of each pair counts.
func TestCostOfLookups(t *testing.T) {
	spec := assignment("a-1", 1, 2)
	spec.Groups[0].Kind, spec.Groups[0].DNS = v1alpha1.ProbeDNS, &v1alpha1.DNSTarget{Name: "a", Resolver: v1alpha1.DNSEachReplica}
	tr := New(func(Change) {})
	tr.Update(spec, nil, epoch)
	see := func(host, queries int, verdict v1alpha1.Verdict) {
		tr.Pair("g", target(host)).Observe(Observation{Verdict: verdict, Queries: queries}, epoch)
	}
	want := func(n int32) {
		t.Helper()
		if groups, _ := tr.Snapshot(); groups[0].Queries != n {
			t.Errorf("%d queries, want %d", groups[0].Queries, n)
		}
	}
	want(0)
	see(1, 4, v1alpha1.VerdictConnected)
	see(2, 2, v1alpha1.VerdictConnected)
	want(4)
	see(1, 0, v1alpha1.VerdictDNSTimeout)
	want(4)
	see(1, 1, v1alpha1.VerdictConnected)
	want(2)
	see(2, 1000, v1alpha1.VerdictConnected)
	want(64)
	tr.Update(assignment("a-2", 1), nil, epoch)
	want(0)
}
