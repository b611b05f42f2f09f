// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package api_test

import (
	"fmt"
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/netladder/netladder/api/v1alpha1"
)

func TestNetworkPolicyAuditStatus(t *testing.T) {
	s := statusSuite(t, "audit.yaml", func() client.Object { return &v1alpha1.NetworkPolicyAudit{} })
	const highest = 100_000_000
	const finding = "status.findings[0]"
	entry := func(i int) any {
		return map[string]any{"id": fmt.Sprint("f", i), "code": "SelectsNoPod", "severity": "Info", "message": "m"}
	}
	s.run(t, concat(
		conditionCases(), timeCases(finding+".since"),
		between("status.cut", 0, highest), between("status.summary.policies", 0, highest), between("status.summary.findings", 0, highest),
		oneOf("status.summary.worst", "Warning", "Info"), oneOf(finding+".severity", "Warning", "Info"),
		atMost("status.summary.codes", 512), atMost(finding+".id", 32), atMost(finding+".code", 63), atMost(finding+".policy", 253),
		atMost(finding+".clause", 128), atMost(finding+".message", 1024),
		itemsAtMost("status.findings", v1alpha1.MaxFindings, entry),
		[]testCase{
			required(finding + ".id"), required(finding + ".code"), required(finding + ".severity"), required(finding + ".message"),
			accept("status empty", "status", map[string]any{}),
			accept("no summary", "status.summary", nil),
			refuse("status a list", "status", []any{}, "must be of type object"),
			{name: "two findings of one id", mutate: set("status.findings", []any{entry(0), entry(0)}), wantField: "status.findings[1]", wantError: `Duplicate value: {"id":"f0"}`},
		},
	))
	t.Run("coverage", func(t *testing.T) {
		s.seen.complete(t, crd(t, "networkpolicyaudits").Spec.Versions[0].Schema.OpenAPIV3Schema, "status")
	})
}
