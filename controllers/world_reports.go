// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"net/netip"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/types"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/controllers/diagnosis"
	"github.com/netladder/netladder/controllers/plan"
)

// observeReport takes in a node's ProbeAssignment; nil if it is deleted.
func (w *world) observeReport(name string, a *v1alpha1.ProbeAssignment) touched {
	w.mu.Lock()
	defer w.mu.Unlock()
	previous := w.reports[name]
	changed := w.setReport(name, a)
	w.doubt(name, a)
	t := w.takeDirty()
	if w.foundAgain(name, previous) {
		w.addConcerned(t.checks, name)
	}
	if !changed {
		return t
	}
	if previous != nil {
		addChecksOf(t.checks, &previous.Assignment.Spec)
	}
	if a != nil {
		addChecksOf(t.checks, &a.Spec)
	}
	for _, key := range w.engine.Doubtful(name) { // what it looks at for others
		t.checks[key] = struct{}{}
	}
	// Whoever changed or deleted it: what is written is what the plan says.
	t.nodes = append(t.nodes, w.drifted(name, previous, a)...)
	if len(t.nodes) == 0 && fails(previous, a) {
		// What its climbs need may be out of date.
		t.nodes = append(t.nodes, name)
	}
	return t
}

// fails is true if other pairs fail in a report than in the one before.
func fails(previous *diagnosis.Report, a *v1alpha1.ProbeAssignment) bool {
	failing := func(list []v1alpha1.PairStatus) (out []string) {
		for i := range list {
			if list[i].State == v1alpha1.StateFailing {
				out = append(out, list[i].Group+" "+list[i].Target)
			}
		}
		return out
	}
	if a == nil {
		return false
	}
	now := failing(a.Status.NotPassing)
	return len(now) > 0 && (previous == nil || !slices.Equal(now, failing(previous.Assignment.Status.NotPassing)))
}

// foundAgain is true if a prober is heard for the first time since the API
// server was found again, while its pod or its node is not said to be Ready.
// Whatever it says, that it speaks is news about everything on that node.
func (w *world) foundAgain(name string, previous *diagnosis.Report) bool {
	report, facts := w.reports[name], w.facts[name]
	if report == nil || previous == nil || facts == nil || facts.Prober == nil || facts.Ready && facts.Prober.Ready {
		return false
	}
	return previous.HeardAt.Before(w.available) && !report.HeardAt.Before(w.available)
}

// drifted is the node if its assignment is no longer what was there before.
func (w *world) drifted(name string, previous *diagnosis.Report, a *v1alpha1.ProbeAssignment) []string {
	if a != nil && previous != nil && equality.Semantic.DeepEqual(a.Spec, previous.Assignment.Spec) {
		return nil
	}
	return []string{name}
}

// setReport says whether something changed that diagnosis would judge
// differently at once. A heartbeat alone does not: the silence that it ends
// was not over yet.
func (w *world) setReport(name string, a *v1alpha1.ProbeAssignment) (changed bool) {
	previous := w.reports[name]
	if a == nil {
		w.keepReport(name, nil)
		return previous != nil
	}
	now := w.clock.Now()
	if previous == nil {
		w.keepReport(name, &diagnosis.Report{Assignment: a, SeenAt: now, ChangedAt: now})
		return true
	}
	report := *previous
	report.Assignment = a
	if old := &previous.Assignment.Status; old.PodUID != a.Status.PodUID || !old.Heartbeat.Equal(a.Status.Heartbeat) {
		report.SeenAt, report.HeardAt = now, now
	}
	w.keepReport(name, &report)
	overdue := now.Sub(previous.SeenAt) > a.Spec.Heartbeat.Duration
	return overdue || !sameResults(&previous.Assignment.Status, &a.Status) ||
		!equality.Semantic.DeepEqual(previous.Assignment.Spec, a.Spec)
}

// keepReport puts a report in the place of the one before; nil removes it.
func (w *world) keepReport(name string, report *diagnosis.Report) {
	var before, after *v1alpha1.ProbeAssignmentSpec
	if previous := w.reports[name]; previous != nil {
		before = &previous.Assignment.Spec
	}
	if report == nil {
		delete(w.reports, name)
	} else {
		after = &report.Assignment.Spec
		w.reports[name] = report
	}
	if before == nil || after == nil || !equality.Semantic.DeepEqual(before, after) {
		w.mentions.replace(name, before, after)
	}
}

// sameResults compares all of a report but its time, its latencies, and when a
// rung was seen once more.
func sameResults(a, b *v1alpha1.ProbeAssignmentStatus) bool {
	return a.PodUID == b.PodUID && a.Cut == b.Cut &&
		slices.EqualFunc(a.Groups, b.Groups, func(x, y v1alpha1.GroupStatus) bool {
			return x.Key == y.Key && x.Hash == y.Hash && x.Pairs == y.Pairs
		}) &&
		equality.Semantic.DeepEqual(a.NotPassing, b.NotPassing) && sameRungs(a, b)
}

// sameRungs of reports in which the same pairs do not pass. Each prober makes its
// steps again and again while they fail: that alone would have its checks judged
// with each heartbeat. Since when is of no matter once it is evidence for all.
func sameRungs(a, b *v1alpha1.ProbeAssignmentStatus) bool {
	var last time.Time
	for i := range a.NotPassing {
		if bad := a.NotPassing[i].BadSince; bad != nil && bad.After(last) {
			last = bad.Time
		}
	}
	return slices.EqualFunc(a.Rungs, b.Rungs, func(x, y v1alpha1.RungStatus) bool {
		if x.At != nil && y.At != nil && !x.At.Time.Before(last) && !y.At.Time.Before(last) {
			x.At = y.At
		}
		return equality.Semantic.DeepEqual(x, y)
	})
}

// assign makes the assignment of a node; false if there must be none.
// previous is the assignment as it is, nil without one.
func (w *world) assign(name string, previous *v1alpha1.ProbeAssignment) (plan.Assignment, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.engine.Assign(name, previous)
}

// assigned notes what a node's ProbeAssignment is after it was compared with
// the plan, and whether it was written just now.
func (w *world) assigned(name string, a *v1alpha1.ProbeAssignment, leftOut []plan.LeftOut, written bool) touched {
	w.mu.Lock()
	defer w.mu.Unlock()
	t := touched{checks: map[types.NamespacedName]struct{}{}}
	now := w.clock.Now()
	report := diagnosis.Report{SeenAt: now, ChangedAt: now}
	previous := w.reports[name]
	if previous != nil {
		report = *previous
		if slices.Equal(previous.LeftOut, leftOut) && !written {
			return t
		}
		addChecksOf(t.checks, &previous.Assignment.Spec)
	}
	if written {
		report.GroupsChangedAt = groupsChangedAt(previous, &a.Spec, now)
		if previous == nil || !samePairs(&previous.Assignment.Spec, &a.Spec) {
			report.ChangedAt = now
		}
	}
	report.Assignment, report.LeftOut = a, leftOut
	w.keepReport(name, &report)
	addChecksOf(t.checks, &a.Spec)
	return t
}

// longestExcuse is for how long at most it matters when a group changed: an
// interval, and some patience.
const longestExcuse = 2 * time.Hour

// groupsChangedAt is when the groups of a spec changed that is written now.
func groupsChangedAt(previous *diagnosis.Report, spec *v1alpha1.ProbeAssignmentSpec, now time.Time) map[string]time.Time {
	hashes := map[string]string{}
	if previous != nil {
		for i := range previous.Assignment.Spec.Groups {
			g := &previous.Assignment.Spec.Groups[i]
			hashes[g.Key] = g.Hash
		}
	}
	out := map[string]time.Time{}
	for i := range spec.Groups {
		g := &spec.Groups[i]
		at := now
		if hash, ok := hashes[g.Key]; ok && hash == g.Hash {
			if at = previous.GroupsChangedAt[g.Key]; previous.GroupsChangedAt == nil {
				at = previous.ChangedAt
			}
		}
		if now.Sub(at) < longestExcuse {
			out[g.Key] = at
		}
	}
	return out
}

func samePairs(a, b *v1alpha1.ProbeAssignmentSpec) bool {
	return slices.EqualFunc(a.Groups, b.Groups, func(x, y v1alpha1.ProbeGroup) bool {
		return x.Key == y.Key && x.Hash == y.Hash
	})
}

// remember restores from the assignments what a restart forgot: that a node
// had a prober, and the echo pods that others aim at.
func (w *world) remember(assignments []*v1alpha1.ProbeAssignment, now time.Time) {
	known := func(name string) *node {
		if w.nodes[name] == nil {
			w.nodes[name] = &node{}
		}
		return w.nodes[name]
	}
	for _, a := range assignments {
		known(a.Name).proberSeen = now
		for i := range a.Spec.Nodes {
			row := &a.Spec.Nodes[i]
			echo := &plan.Echo{UID: types.UID(row.EchoUID)}
			for _, text := range row.EchoIPs {
				if ip, err := netip.ParseAddr(text); err == nil {
					echo.IPs = append(echo.IPs, ip)
				}
			}
			if n := known(row.Name); n.echo == nil && len(echo.IPs) > 0 {
				n.echo, n.echoSeen = echo, now
			}
		}
	}
}
