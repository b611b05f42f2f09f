// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"fmt"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/netladder/netladder/api/v1alpha1"
)

// Status is the input of For.
type Status struct {
	// Previous is the status that is persisted.
	Previous v1alpha1.NetworkPolicyAuditStatus
	// Report of which Standing is what is to be told.
	Report   Report
	Standing []Finding
	// Now is the time.
	Now time.Time
}

// For is the status to persist: equal to the previous one unless something
// changed that it says.
func For(in Status) v1alpha1.NetworkPolicyAuditStatus {
	out := v1alpha1.NetworkPolicyAuditStatus{
		Summary: &v1alpha1.AuditSummary{Policies: clamp(in.Report.Policies), Findings: clamp(len(in.Standing))},
		Cut:     clamp(max(0, len(in.Standing)-v1alpha1.MaxFindings)),
	}
	since := map[string]metav1.Time{}
	for i := range in.Previous.Findings {
		since[in.Previous.Findings[i].ID] = in.Previous.Findings[i].Since
	}
	now := metav1.NewTime(in.Now.UTC().Truncate(time.Second))
	for _, f := range in.Standing[:min(len(in.Standing), v1alpha1.MaxFindings)] {
		told, known := since[f.ID]
		if !known || told.IsZero() {
			told = now
		}
		out.Findings = append(out.Findings, v1alpha1.PolicyFinding{
			ID: f.ID, Code: f.Code, Severity: f.Severity, Policy: f.Policy, Clause: f.Clause, Message: f.Message, Since: told,
		})
	}
	counts := Counts(in.Standing)
	if len(in.Standing) > 0 {
		out.Summary.Worst = v1alpha1.FindingInfo
		if slices.ContainsFunc(in.Standing, func(f Finding) bool { return f.Severity == v1alpha1.FindingWarning }) {
			out.Summary.Worst = v1alpha1.FindingWarning
		}
	}
	var codes []string
	for _, c := range counts {
		codes = append(codes, string(c.Code))
	}
	out.Summary.Codes = strings.Join(codes, ",")
	out.Conditions = []metav1.Condition{clean(in, counts, now)}
	return out
}

// clean is the condition of that name.
func clean(in Status, counts []Count, now metav1.Time) metav1.Condition {
	c := metav1.Condition{
		Type: v1alpha1.ConditionClean, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonNoFindings,
		Message: "nothing is the matter", LastTransitionTime: now,
	}
	if len(counts) > 0 {
		var parts []string
		for _, n := range counts {
			parts = append(parts, fmt.Sprintf("%d of %s", n.Findings, n.Code))
		}
		c.Status, c.Reason, c.Message = metav1.ConditionFalse, v1alpha1.ReasonFindings, strings.Join(parts, ", ")
	}
	if in.Report.Partial {
		c.Message += "; the namespace has more clauses than an audit looks at, some were left out"
	}
	for i := range in.Previous.Conditions {
		if p := &in.Previous.Conditions[i]; p.Type == c.Type && p.Status == c.Status {
			c.LastTransitionTime = p.LastTransitionTime
		}
	}
	return c
}

// Count of findings of one code.
type Count struct {
	// Code that was found.
	Code v1alpha1.FindingCode
	// Findings of it.
	Findings int
}

// Counts of findings by code, in the order in which the codes are documented,
// without those that were not found.
func Counts(list []Finding) []Count {
	by := map[v1alpha1.FindingCode]int{}
	for _, f := range list {
		by[f.Code]++
	}
	var out []Count
	for _, code := range v1alpha1.FindingCodes() {
		if by[code] > 0 {
			out = append(out, Count{code, by[code]})
		}
	}
	return out
}

func clamp(n int) int32 { return int32(min(n, 100_000_000)) }
