// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package status_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/controllers/diagnosis"
	"github.com/netladder/netladder/controllers/status"
)

var t0 = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func path(name string, state v1alpha1.State) v1alpha1.PathStatus {
	return v1alpha1.PathStatus{
		Name: name, Accepted: true, State: state, Pairs: v1alpha1.PairCounts{Passing: 3},
		Latency:  &v1alpha1.Latency{P50: metav1.Duration{Duration: time.Millisecond}},
		Coverage: &v1alpha1.Coverage{AssignedPairs: 3, PossiblePairs: 3},
	}
}

func of(paths ...v1alpha1.PathStatus) v1alpha1.ConnectivityCheckStatus {
	return v1alpha1.ConnectivityCheckStatus{Paths: paths}
}

func TestFor(t *testing.T) {
	check := &v1alpha1.ConnectivityCheck{ObjectMeta: metav1.ObjectMeta{Generation: 7}}
	check.Status.Conditions = []metav1.Condition{
		{Type: "Ready", Status: metav1.ConditionTrue, Reason: "AllPathsPassing", LastTransitionTime: metav1.NewTime(t0), ObservedGeneration: 6},
		{Type: "Fresh", Status: metav1.ConditionTrue, Reason: "ReportsFresh", LastTransitionTime: metav1.NewTime(t0)},
		{Type: "Foreign", Status: metav1.ConditionTrue},
	}
	before := check.DeepCopy()
	now := t0.Add(time.Minute + 300*time.Millisecond)
	got := status.For(check, diagnosis.Summary{
		Paths: []v1alpha1.PathStatus{
			path("a", v1alpha1.StatePassing), path("b", v1alpha1.StateDegraded), path("c", v1alpha1.StateUnknown),
			path("d", v1alpha1.StateFailing), path("e", v1alpha1.StateFailing),
		},
		Conditions: []metav1.Condition{
			{Type: "Ready", Status: metav1.ConditionFalse, Reason: "PathsFailing", ObservedGeneration: 7},
			{Type: "Fresh", Status: metav1.ConditionTrue, Reason: "ReportsFresh", ObservedGeneration: 7},
		},
	}, now)
	want := []metav1.Condition{
		{Type: "Ready", Status: metav1.ConditionFalse, Reason: "PathsFailing", ObservedGeneration: 7, LastTransitionTime: metav1.NewTime(t0.Add(time.Minute))},
		{Type: "Fresh", Status: metav1.ConditionTrue, Reason: "ReportsFresh", ObservedGeneration: 7, LastTransitionTime: metav1.NewTime(t0)},
	}
	if diff := cmp.Diff(want, got.Conditions); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(&v1alpha1.Summary{Passing: "2/5", Broken: "d,e; unknown: c"}, got.Summary); diff != "" {
		t.Error(diff)
	}
	if got.ObservedGeneration != 7 || len(got.Paths) != 5 {
		t.Errorf("got %+v", got)
	}
	if diff := cmp.Diff(before, check); diff != "" {
		t.Errorf("the check was changed: %s", diff)
	}
}

func TestForCutsBroken(t *testing.T) {
	var s diagnosis.Summary
	for i := range 64 {
		s.Paths = append(s.Paths, path(fmt.Sprintf("path%02d", i), v1alpha1.StateFailing))
	}
	got := status.For(&v1alpha1.ConnectivityCheck{}, s, t0).Summary
	if len(got.Broken) != 64 || !strings.HasSuffix(got.Broken, "...") || got.Passing != "0/64" {
		t.Errorf("got %+v", got)
	}
}

// TestUnknownIsListed: a check that is not Ready names what is the matter.
func TestUnknownIsListed(t *testing.T) {
	suspended := path("a", v1alpha1.StateUnknown)
	suspended.Reason = v1alpha1.ReasonSuspended
	for want, paths := range map[string][]v1alpha1.PathStatus{
		"":                {path("a", v1alpha1.StatePassing), path("b", v1alpha1.StatePending), suspended},
		"a":               {path("a", v1alpha1.StateFailing)},
		"unknown: a,b":    {path("a", v1alpha1.StateUnknown), path("b", v1alpha1.StateUnknown)},
		"b; unknown: a":   {path("a", v1alpha1.StateUnknown), path("b", v1alpha1.StateFailing)},
		"a,c; unknown: b": {path("a", v1alpha1.StateFailing), path("b", v1alpha1.StateUnknown), path("c", v1alpha1.StateFailing)},
	} {
		if got := status.For(&v1alpha1.ConnectivityCheck{}, diagnosis.Summary{Paths: paths}, t0).Summary.Broken; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestNeedsWrite(t *testing.T) {
	old := of(path("a", v1alpha1.StatePassing))
	for name, tc := range map[string]struct {
		change func(p *v1alpha1.PathStatus)
		wait   time.Duration // since the last write; negative means never
	}{
		"nothing":       {func(*v1alpha1.PathStatus) {}, -1},
		"latency":       {func(p *v1alpha1.PathStatus) { p.Latency.P50.Duration++ }, 5 * time.Minute},
		"coverage":      {func(p *v1alpha1.PathStatus) { p.Coverage.PossiblePairs++ }, 5 * time.Minute},
		"first latency": {func(p *v1alpha1.PathStatus) { p.Latency = nil }, 10 * time.Second},
		"passing pairs": {func(p *v1alpha1.PathStatus) { p.Pairs.Passing++; p.Latency.P50.Duration++ }, 10 * time.Second},
		"pending pairs": {func(p *v1alpha1.PathStatus) { p.Pairs.Pending++ }, 10 * time.Second},
		"failing pairs": {func(p *v1alpha1.PathStatus) { p.Pairs.Failing++ }, 0},
		"state":         {func(p *v1alpha1.PathStatus) { p.State = v1alpha1.StateDegraded }, 0},
		"message":       {func(p *v1alpha1.PathStatus) { p.Message = "x" }, 0},
	} {
		t.Run(name, func(t *testing.T) {
			updated := *old.DeepCopy()
			tc.change(&updated.Paths[0])
			if tc.wait < 0 {
				if status.NeedsWrite(old, updated, t0, t0.Add(time.Hour)) {
					t.Error("written without a change")
				}
				return
			}
			if tc.wait > 0 && status.NeedsWrite(old, updated, t0, t0.Add(tc.wait-time.Nanosecond)) {
				t.Error("written too early")
			}
			if !status.NeedsWrite(old, updated, t0, t0.Add(tc.wait)) {
				t.Error("not written in time")
			}
		})
	}
}

func TestNeedsWriteForMorePaths(t *testing.T) {
	one, two := of(path("a", v1alpha1.StatePassing)), of(path("a", v1alpha1.StatePassing), path("b", v1alpha1.StatePassing))
	if !status.NeedsWrite(one, two, t0, t0) || !status.NeedsWrite(two, one, t0, t0) {
		t.Error("the number of paths is urgent")
	}
}

func TestEvents(t *testing.T) {
	notAccepted := v1alpha1.PathStatus{Name: "a", State: v1alpha1.StateUnknown, Reason: "PortNotFound", Message: "no such port"}
	otherwise := v1alpha1.PathStatus{Name: "a", State: v1alpha1.StateUnknown, Reason: "ServiceNotFound", Message: "no such Service"}
	noTargets := v1alpha1.PathStatus{Name: "a", State: v1alpha1.StateUnknown, Reason: v1alpha1.ReasonNoTargets}
	starting := v1alpha1.PathStatus{Name: "a", State: v1alpha1.StatePending, Reason: v1alpha1.ReasonNoTargets}
	unknown := func(reason string) v1alpha1.PathStatus {
		p := path("a", v1alpha1.StateUnknown)
		p.Reason = reason
		return p
	}
	suspended := unknown(v1alpha1.ReasonSuspended)
	for name, tc := range map[string]struct {
		old, updated v1alpha1.ConnectivityCheckStatus
		want         string
	}{
		"created":                               {of(), of(path("a", v1alpha1.StatePending)), ""},
		"first pass":                            {of(path("a", v1alpha1.StatePending)), of(path("a", v1alpha1.StatePassing)), "Normal PathPassing"},
		"fails":                                 {of(path("a", v1alpha1.StatePassing)), of(path("a", v1alpha1.StateFailing)), "Warning PathFailing"},
		"fails at once":                         {of(), of(path("a", v1alpha1.StateFailing)), "Warning PathFailing"},
		"still fails":                           {of(path("a", v1alpha1.StateFailing)), of(path("a", v1alpha1.StateFailing)), ""},
		"recovers":                              {of(path("a", v1alpha1.StateFailing)), of(path("a", v1alpha1.StatePassing)), "Normal PathRecovered"},
		"degrades":                              {of(path("a", v1alpha1.StatePassing)), of(path("a", v1alpha1.StateDegraded)), "Normal PathDegraded"},
		"becomes unknown":                       {of(path("a", v1alpha1.StatePassing)), of(path("a", v1alpha1.StateUnknown)), "Normal PathUnknown"},
		"was never known":                       {of(path("a", v1alpha1.StatePending)), of(path("a", v1alpha1.StateUnknown)), ""},
		"is suspended":                          {of(path("a", v1alpha1.StatePassing)), of(suspended), ""},
		"not accepted":                          {of(), of(notAccepted), "Warning PathNotAccepted"},
		"still not accepted":                    {of(notAccepted), of(notAccepted), ""},
		"no longer accepted":                    {of(path("a", v1alpha1.StatePassing)), of(notAccepted), "Warning PathNotAccepted"},
		"another reason why it is not accepted": {of(notAccepted), of(otherwise), "Warning PathNotAccepted"},
		"its pods may be starting":              {of(), of(starting), ""},
		"its pods did not come":                 {of(starting), of(noTargets), "Warning PathNotAccepted"},
		"another unknown":                       {of(unknown(v1alpha1.ReasonNoControl)), of(unknown(v1alpha1.ReasonTargetNotListening)), "Normal PathUnknown"},
		"the same unknown":                      {of(unknown(v1alpha1.ReasonNoControl)), of(unknown(v1alpha1.ReasonNoControl)), ""},
		"a pod is replaced meanwhile":           {of(unknown(v1alpha1.ReasonNoControl)), of(unknown(v1alpha1.ReasonTargetReplaced)), ""},
		"unknown and suspended":                 {of(unknown(v1alpha1.ReasonNoControl)), of(suspended), ""},
		"unknown, and not accepted":             {of(unknown(v1alpha1.ReasonNoControl)), of(notAccepted), "Warning PathNotAccepted"},
		"removed":                               {of(path("a", v1alpha1.StateFailing)), of(), ""},
	} {
		t.Run(name, func(t *testing.T) {
			got := ""
			for _, e := range status.Events(tc.old, tc.updated) {
				got += e.Type + " " + e.Reason
				if e.Path != "a" || !strings.Contains(e.Message, "path a is") {
					t.Errorf("got %+v", e)
				}
			}
			if got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

// TestEventsOfDeny: an event says that a path is open, or blocked again.
func TestEventsOfDeny(t *testing.T) {
	failing := path("db", v1alpha1.StateFailing)
	failing.Message = "open: web-0 reached db-0:5432 (Connected); this path expects Deny"
	passing := path("db", v1alpha1.StatePassing)
	events := status.Events(of(passing), of(failing))
	if len(events) != 1 || events[0].Message != "path db is Failing: open: web-0 reached db-0:5432 (Connected); this path expects Deny" {
		t.Errorf("got %+v", events)
	}
	passing.Message = "blocked"
	events = status.Events(of(failing), of(passing))
	if len(events) != 1 || events[0].Reason != status.EventPathRecovered || events[0].Message != "path db is Passing: blocked" {
		t.Errorf("got %+v", events)
	}

	var old, updated v1alpha1.ConnectivityCheckStatus
	for i := range 6 {
		p := failing
		p.Name = fmt.Sprintf("p%d", i)
		if i == 5 {
			p.Message = "the only pair fails"
		}
		updated.Paths = append(updated.Paths, p)
	}
	events = status.Events(old, updated)
	if len(events) != 1 || events[0].Message != "6 paths are Failing: p0 (open), p1 (open), p2 (open), p3 (open), p4 (open), p5" {
		t.Errorf("got %+v", events)
	}
}

func TestEventsAreAggregated(t *testing.T) {
	var old, updated v1alpha1.ConnectivityCheckStatus
	to := []v1alpha1.State{v1alpha1.StateFailing, v1alpha1.StateDegraded, v1alpha1.StateUnknown}
	for i := range 64 {
		name := fmt.Sprintf("%02d-%s", i, strings.Repeat("n", 60))
		old.Paths = append(old.Paths, path(name, v1alpha1.StatePassing))
		updated.Paths = append(updated.Paths, path(name, to[i%3]))
	}
	events := status.Events(old, updated)
	if len(events) != 3 || events[0].Reason != status.EventPathFailing || !strings.HasPrefix(events[0].Message, "22 paths are Failing: ") {
		t.Errorf("got %+v", events)
	}
	for _, e := range events {
		if len(e.Message) > 1000 || e.Path != "" {
			t.Errorf("got %+v", e)
		}
	}
}
