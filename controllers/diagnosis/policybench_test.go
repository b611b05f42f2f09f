// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package diagnosis_test

import (
	"fmt"
	"net/netip"
	"testing"

	"k8s.io/apimachinery/pkg/types"

	"github.com/netladder/netladder/controllers/plan"
)

// BenchmarkExplainOpen: nothing else is observed while it is found out what
// policies have to do with an open path, here in a namespace with 10,000 pods and
// 1,000 policies, half of which select no pod.
func BenchmarkExplainOpen(b *testing.B) {
	s := newPolicies()
	for i := range 10_000 {
		s.index.SetPod(&plan.Pod{
			UID: types.UID(fmt.Sprint("u", i)), Key: types.NamespacedName{Namespace: "commerce", Name: fmt.Sprint("p", i)},
			Labels: map[string]string{"app": fmt.Sprintf("app-%d", i%500), "tier": "x"}, IPs: []netip.Addr{netip.AddrFrom4([4]byte{10, 9, byte(i / 250), byte(i % 250)})},
		})
	}
	for i := range 1000 {
		s.index.SetPolicy(denyAll("commerce", fmt.Sprintf("policy-%04d", i), fmt.Sprintf("app-%d", i)))
	}
	s.open("web-0", "db-0").open("web-0", "db-1").open("web-1", "db-0").open("web-1", "db-1")
	for b.Loop() {
		s.judge()
	}
}
