// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package diagnosis

import (
	"fmt"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/controllers/diagnosis/words"
)

// conditions judges the whole check by its paths.
func (j *judge) conditions(paths []v1alpha1.PathStatus, tallies []*tally, stale []string) []metav1.Condition {
	all := []metav1.Condition{j.accepted(paths), j.ready(paths, tallies, stale), j.fresh(stale)}
	if c := j.throttled(tallies); c != nil {
		all = append(all, *c)
	}
	for i := range all {
		all[i].ObservedGeneration = j.in.Check.Generation
		all[i].Message = cut(all[i].Message, maxMessage)
	}
	return all
}

func (j *judge) accepted(paths []v1alpha1.PathStatus) metav1.Condition {
	c := metav1.Condition{Type: v1alpha1.ConditionAccepted, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonAllPathsAccepted}
	var not, unplanned []v1alpha1.PathStatus
	for i := range paths {
		switch {
		case paths[i].Accepted:
		case paths[i].State == v1alpha1.StatePending:
			unplanned = append(unplanned, paths[i])
		default:
			not = append(not, paths[i])
		}
	}
	switch {
	case len(not) > 0:
		c.Status, c.Reason = metav1.ConditionFalse, v1alpha1.ReasonPathsNotAccepted
		c.Message = about(not, len(paths), "is not accepted", "are not accepted")
	case len(unplanned) > 0:
		c.Status, c.Reason = metav1.ConditionUnknown, v1alpha1.ReasonPending
		c.Message = about(unplanned, len(paths), "is not planned yet", "are not planned yet")
	}
	return c
}

func (j *judge) ready(paths []v1alpha1.PathStatus, tallies []*tally, stale []string) metav1.Condition {
	by := map[v1alpha1.State][]v1alpha1.PathStatus{}
	for i := range paths {
		if paths[i].State == v1alpha1.StateUnknown && (paths[i].Reason == v1alpha1.ReasonNoOverlay || paths[i].Reason == v1alpha1.ReasonNoClusterDNS) {
			continue // there is nothing that could work or fail
		}
		by[paths[i].State] = append(by[paths[i].State], paths[i])
	}
	c := metav1.Condition{Type: v1alpha1.ConditionReady, Status: metav1.ConditionUnknown}
	failing, unknown := by[v1alpha1.StateFailing], by[v1alpha1.StateUnknown]
	pending, degraded := by[v1alpha1.StatePending], by[v1alpha1.StateDegraded]
	switch {
	case len(failing) > 0:
		c.Status, c.Reason = metav1.ConditionFalse, v1alpha1.ReasonPathsFailing
		c.Message = about(failing, len(paths), "fails", "fail"+j.shared(tallies))
	case j.in.Check.Spec.Suspend:
		c.Reason, c.Message = v1alpha1.ReasonSuspended, "spec.suspend is true: nothing is probed"
	case len(unknown) > 0:
		c.Reason = v1alpha1.ReasonPathsUnknown
		c.Message = about(unknown, len(paths), "is unknown", "are unknown")
	case len(pending) > 0:
		c.Reason = v1alpha1.ReasonPending
		c.Message = about(pending, len(paths), "is pending", "are pending")
	case len(stale) > 0:
		c.Reason, c.Message = v1alpha1.ReasonReportsStale, silence(stale)
	case len(degraded) > 0:
		c.Status, c.Reason = metav1.ConditionTrue, v1alpha1.ReasonDegraded
		c.Message = about(degraded, len(paths), "is degraded", "are degraded")
	default:
		c.Status, c.Reason = metav1.ConditionTrue, v1alpha1.ReasonAllPathsPassing
	}
	return c
}

// shared names the node that all failing pairs of all failing paths involve;
// nothing where there is none, or more than one.
func (j *judge) shared(tallies []*tally) string {
	by, paths := map[string]int{}, 0
	for _, t := range tallies {
		if t.status.State != v1alpha1.StateFailing {
			continue
		}
		paths++
		for node, pairs := range t.failing.byNode {
			if node != "" && pairs == int(t.counts.Failing) {
				by[node]++
			}
		}
	}
	var nodes []string
	for node, n := range by {
		if n == paths {
			nodes = append(nodes, node)
		}
	}
	if len(nodes) != 1 || len(j.in.Nodes) < 2 {
		return ""
	}
	return fmt.Sprintf(", and all of their failing pairs involve node %q", nodes[0])
}

func (j *judge) fresh(stale []string) metav1.Condition {
	c := metav1.Condition{Type: v1alpha1.ConditionFresh, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonReportsFresh}
	switch {
	case j.in.Check.Spec.Suspend:
		c.Status, c.Reason = metav1.ConditionUnknown, v1alpha1.ReasonSuspended
	case len(stale) > 0:
		c.Status, c.Reason, c.Message = metav1.ConditionFalse, v1alpha1.ReasonReportsStale, silence(stale)
	}
	return c
}

func silence(stale []string) string {
	return "no report for longer than two and a half heartbeats from the " + words.Plural(len(stale), "prober", "probers") +
		" on " + names(stale)
}

// maxExplained is how many paths a sentence explains and does not only name.
const maxExplained = 3

// about names paths and, if they are few, says of each why.
func about(paths []v1alpha1.PathStatus, all int, one, many string) string {
	parts := make([]string, len(paths))
	for i := range paths {
		p := &paths[i]
		switch {
		case len(paths) > maxExplained:
			parts[i] = p.Name
		case p.Diagnosis != nil && p.Diagnosis.Rung != v1alpha1.RungUndetermined:
			// Why it fails is worth more than who fails to reach whom.
			parts[i] = fmt.Sprintf("%s (%s)", p.Name, cut(p.Diagnosis.Message, maxMessage/2))
		case p.Message != "" && p.Reason != "":
			parts[i] = fmt.Sprintf("%s (%s: %s)", p.Name, p.Reason, cut(p.Message, maxMessage/4))
		case p.Message != "":
			parts[i] = fmt.Sprintf("%s (%s)", p.Name, cut(p.Message, maxMessage/4))
		default:
			parts[i] = p.Name
		}
	}
	return fmt.Sprintf("%d of %d paths %s: %s", len(paths), all, words.Plural(len(paths), one, many), strings.Join(parts, ", "))
}
