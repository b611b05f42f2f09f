// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"fmt"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	corev1 "k8s.io/api/core/v1"

	"github.com/netladder/netladder/api/v1alpha1"
	apply "github.com/netladder/netladder/api/v1alpha1/applyconfiguration/api/v1alpha1"
)

// report writes what the prober of a node would: every pair of its assignment
// passes, but those whose group key contains one of these texts fail.
func (h *cluster) report(node string, failing ...string) {
	h.t.Helper()
	a, err := h.assignment(node)
	must(h.t, err)
	var pod corev1.Pod
	must(h.t, h.client.Get(h.t.Context(), client.ObjectKey{Namespace: h.namespace, Name: "prober-" + node}, &pod))
	now := metav1.NewTime(h.clock.Now().UTC().Truncate(time.Second))
	status := v1alpha1.ProbeAssignmentStatus{PodUID: string(pod.UID), Heartbeat: &now}
	for i := range a.Spec.Groups {
		g := &a.Spec.Groups[i]
		targets := targetsOf(&a.Spec, g)
		result := v1alpha1.GroupStatus{Key: g.Key, Hash: g.Hash, P50Microseconds: 200, P99Microseconds: 900}
		if !containsAny(g.Key, failing) {
			result.Pairs.Passing = int32(len(targets))
			status.Groups = append(status.Groups, result)
			continue
		}
		result.Pairs.Failing = int32(len(targets))
		status.Groups = append(status.Groups, result)
		for _, target := range targets {
			status.NotPassing = append(status.NotPassing, v1alpha1.PairStatus{
				Group: g.Key, Target: target, State: v1alpha1.StateFailing, Streak: 3,
				Verdict: v1alpha1.VerdictDropped, Evidence: "no answer", Since: &now,
			})
		}
	}
	s, err := convert[apply.ProbeAssignmentStatusApplyConfiguration](status)
	must(h.t, err)
	must(h.t, h.client.Status().Apply(h.t.Context(), apply.ProbeAssignment(node).WithStatus(s),
		client.FieldOwner(v1alpha1.FieldOwnerProber)))
}

// reportAll reports for these nodes.
func (h *cluster) reportAll(nodes []string, failing ...string) {
	h.t.Helper()
	for _, node := range nodes {
		h.report(node, failing...)
	}
}

// targetsOf are the names of a group's pairs, as in PairStatus.Target.
func targetsOf(spec *v1alpha1.ProbeAssignmentSpec, g *v1alpha1.ProbeGroup) []string {
	var out []string
	for _, member := range g.Members {
		switch g.Kind {
		case v1alpha1.ProbeMeshTCP, v1alpha1.ProbeMeshUDP, v1alpha1.ProbeMeshICMP:
			for range spec.Nodes[member].EchoIPs {
				out = append(out, spec.Nodes[member].Name+"/IPv4")
			}
		default:
			target := spec.Targets[member]
			out = append(out, fmt.Sprintf("%s:%d", target.IP, target.Port))
		}
	}
	if g.Kind == v1alpha1.ProbeDNS {
		out = append(out, g.DNS.Name)
	}
	return out
}

func containsAny(s string, parts []string) bool {
	for _, part := range parts {
		if strings.Contains(s, part) {
			return true
		}
	}
	return false
}
