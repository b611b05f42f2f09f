// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

// Package status turns what diagnosis found into the status of a check, says
// when it is worth a write and which events tell of it. It is pure: no
// client, no clock.
package status

import (
	"fmt"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/controllers/diagnosis"
)

// maxBroken is the length of Summary.Broken, in bytes.
const maxBroken = 64

// For returns the whole status of a check. check.Status is the status as it
// was last persisted: a condition keeps its lastTransitionTime from there as
// long as its status stays.
func For(check *v1alpha1.ConnectivityCheck, s diagnosis.Summary, now time.Time) v1alpha1.ConnectivityCheckStatus {
	out := v1alpha1.ConnectivityCheckStatus{
		ObservedGeneration: check.Generation,
		Summary:            brief(s.Paths),
		Paths:              make([]v1alpha1.PathStatus, len(s.Paths)),
	}
	for i := range s.Paths {
		s.Paths[i].DeepCopyInto(&out.Paths[i])
	}
	at := metav1.NewTime(now.UTC().Truncate(time.Second))
	for _, c := range s.Conditions {
		if old := meta.FindStatusCondition(check.Status.Conditions, c.Type); old != nil {
			out.Conditions = append(out.Conditions, *old)
		}
		c.LastTransitionTime = at
		meta.SetStatusCondition(&out.Conditions, c)
	}
	return out
}

// brief puts the paths into a few short strings.
func brief(paths []v1alpha1.PathStatus) *v1alpha1.Summary {
	passing := 0
	var broken, unknown []string
	var rung v1alpha1.Rung
	for i := range paths {
		switch paths[i].State {
		case v1alpha1.StatePassing, v1alpha1.StateDegraded:
			passing++
		case v1alpha1.StateFailing:
			broken = append(broken, paths[i].Name)
			if d := paths[i].Diagnosis; d != nil && (rung == "" || rung == v1alpha1.RungUndetermined) {
				rung = d.Rung
			}
		case v1alpha1.StateUnknown:
			// Who suspends a check knows that its paths are.
			if paths[i].Reason != v1alpha1.ReasonSuspended {
				unknown = append(unknown, paths[i].Name)
			}
		}
	}
	return &v1alpha1.Summary{
		Passing: fmt.Sprintf("%d/%d", passing, len(paths)),
		Broken:  cut(listed(broken, unknown), maxBroken),
		Rung:    rung,
	}
}

// listed has the paths that fail before those that are unknown.
func listed(broken, unknown []string) string {
	text := strings.Join(broken, ",")
	switch {
	case len(unknown) == 0:
		return text
	case text != "":
		text += "; "
	}
	return text + "unknown: " + strings.Join(unknown, ",")
}

// cut shortens s, which is ASCII, to at most limit bytes.
func cut(s string, limit int) string {
	const ellipsis = "..."
	if len(s) <= limit {
		return s
	}
	return s[:limit-len(ellipsis)] + ellipsis
}
