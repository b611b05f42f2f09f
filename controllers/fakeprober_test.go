// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	corev1 "k8s.io/api/core/v1"

	"github.com/netladder/netladder/api/v1alpha1"
	apply "github.com/netladder/netladder/api/v1alpha1/applyconfiguration/api/v1alpha1"
)

// outcome is what the fake prober saw of the pairs of some groups.
type outcome struct {
	// group is a part of the keys of the groups.
	group string
	// state of their pairs, with the verdict and the reason.
	state   v1alpha1.State
	verdict v1alpha1.Verdict
	reason  string
}

// report writes what the prober of a node would: every pair of its assignment
// passes, but those whose group key contains one of these texts fail.
func (h *cluster) report(node string, failing ...string) {
	h.t.Helper()
	var seen []outcome
	for _, group := range failing {
		seen = append(seen, outcome{group: group, state: v1alpha1.StateFailing, verdict: v1alpha1.VerdictDropped})
	}
	h.reportSeen(node, seen...)
}

// reportAll reports for these nodes.
func (h *cluster) reportAll(nodes []string, failing ...string) {
	h.t.Helper()
	for _, node := range nodes {
		h.report(node, failing...)
	}
}

// reportSeen is report with other outcomes than to fail.
func (h *cluster) reportSeen(node string, seen ...outcome) {
	h.t.Helper()
	a, err := h.assignment(node)
	must(h.t, err)
	status := h.statusOf(node)
	for i := range a.Spec.Groups {
		g := &a.Spec.Groups[i]
		pairs := a.Spec.Pairs(g)
		n := int32(len(pairs))
		result := v1alpha1.GroupStatus{Key: g.Key, Hash: g.Hash, P50Microseconds: 200, P99Microseconds: 900}
		at := slices.IndexFunc(seen, func(o outcome) bool { return strings.Contains(g.Key, o.group) })
		if at < 0 {
			result.Pairs.Passing = n
			status.Groups = append(status.Groups, result)
			continue
		}
		switch o := seen[at]; o.state {
		case v1alpha1.StateFailing:
			result.Pairs.Failing = n
		case v1alpha1.StateUnknown:
			result.Pairs.Unknown = n
		default:
			h.t.Fatalf("the fake prober does not know the state %s", o.state)
		}
		status.Groups = append(status.Groups, result)
		for _, pair := range pairs {
			status.NotPassing = append(status.NotPassing, v1alpha1.PairStatus{
				Group: g.Key, Target: pair.Key, State: seen[at].state, Streak: 3,
				Verdict: seen[at].verdict, Reason: seen[at].reason, Evidence: "no answer", Since: status.Heartbeat,
			})
		}
	}
	must(h.t, h.applyReport(node, status))
}

// statusOf is the empty report of a node's prober.
func (h *cluster) statusOf(node string) v1alpha1.ProbeAssignmentStatus {
	h.t.Helper()
	var pod corev1.Pod
	must(h.t, h.client.Get(h.t.Context(), client.ObjectKey{Namespace: h.namespace, Name: "prober-" + node}, &pod))
	now := metav1.NewTime(h.clock.Now().UTC().Truncate(time.Second))
	return v1alpha1.ProbeAssignmentStatus{PodUID: string(pod.UID), Heartbeat: &now}
}

func (h *cluster) applyReport(node string, status v1alpha1.ProbeAssignmentStatus) error {
	h.t.Helper()
	s, err := convert[apply.ProbeAssignmentStatusApplyConfiguration](status)
	must(h.t, err)
	return h.client.Status().Apply(h.t.Context(), apply.ProbeAssignment(node).WithStatus(s),
		client.FieldOwner(v1alpha1.FieldOwnerProber), client.ForceOwnership)
}
