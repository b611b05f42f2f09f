// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package status_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/controllers/diagnosis"
	"github.com/netladder/netladder/controllers/status"
)

// because is a path with a diagnosis; an empty reason is none.
func because(name string, state v1alpha1.State, reason string) v1alpha1.PathStatus {
	p := path(name, state)
	if reason != "" {
		p.Diagnosis = &v1alpha1.PathDiagnosis{Rung: v1alpha1.RungPolicy, Reason: reason, Message: "denied by a/b"}
	}
	return p
}

func TestDiagnosed(t *testing.T) {
	const failing, passing = v1alpha1.StateFailing, v1alpha1.StatePassing
	for name, tc := range map[string]struct {
		old, updated v1alpha1.ConnectivityCheckStatus
		told         bool
		want         string
	}{
		"comes to fail":       {of(because("a", passing, "")), of(because("a", failing, "X")), false, ""}, // PathFailing says it
		"new and failing":     {of(), of(because("a", failing, "X")), false, ""},
		"found out":           {of(because("a", failing, "")), of(because("a", failing, "X")), false, "path a is Failing (X): denied by a/b"},
		"another":             {of(because("a", failing, "X")), of(because("a", failing, "Y")), false, "path a is Failing (Y): denied by a/b"},
		"the same":            {of(because("a", failing, "X")), of(because("a", failing, "X")), false, ""},
		"told before":         {of(because("a", failing, "X")), of(because("a", failing, "Y")), true, ""},
		"not known any more":  {of(because("a", failing, "X")), of(because("a", failing, "")), false, ""},
		"does not fail":       {of(because("a", failing, "X")), of(because("a", passing, "")), false, ""},
		"kept by a pass path": {of(because("a", failing, "X")), of(because("a", passing, "Y")), false, ""},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, e := range status.Diagnosed(tc.old, tc.updated, func(*v1alpha1.PathStatus) bool { return !tc.told }) {
				if e.Type != status.Warning || e.Reason != status.EventPathDiagnosed || e.Path != "a" {
					t.Errorf("event %+v", e)
				}
				got = append(got, e.Message)
			}
			if strings.Join(got, "|") != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

// TestDiagnosedAsksOnce: what PathFailing tells counts as told, so that it is not
// told again when it comes back.
func TestDiagnosedAsksOnce(t *testing.T) {
	asked := map[string]int{}
	first := func(p *v1alpha1.PathStatus) bool {
		asked[p.Name+p.Diagnosis.Reason]++
		return asked[p.Name+p.Diagnosis.Reason] == 1
	}
	x, y := of(because("a", v1alpha1.StateFailing, "X")), of(because("a", v1alpha1.StateFailing, "Y"))
	n := len(status.Diagnosed(of(because("a", v1alpha1.StatePassing, "")), x, first))
	for range 5 {
		n += len(status.Diagnosed(x, y, first)) + len(status.Diagnosed(y, x, first))
	}
	if n != 1 {
		t.Errorf("%d events about two reasons that go to and fro", n)
	}
}

func TestDiagnosedTogether(t *testing.T) {
	var old, updated v1alpha1.ConnectivityCheckStatus
	for i := range 64 {
		old.Paths = append(old.Paths, because(fmt.Sprintf("%s%02d", strings.Repeat("p", 60), i), v1alpha1.StateFailing, ""))
		updated.Paths = append(updated.Paths, because(old.Paths[i].Name, v1alpha1.StateFailing, "X"))
	}
	events := status.Diagnosed(old, updated, func(*v1alpha1.PathStatus) bool { return true })
	if len(events) != 1 || len(events[0].Message) > 1000 || !strings.HasPrefix(events[0].Message, "64 paths that fail have a diagnosis: ppp") {
		t.Errorf("got %+v", events)
	}
}

// TestRungIsOfTheFirstThatHasOne among the paths that fail.
func TestRungIsOfTheFirstThatHasOne(t *testing.T) {
	for name, tc := range map[string]struct {
		paths []v1alpha1.PathStatus
		want  v1alpha1.Rung
	}{
		"none":    {[]v1alpha1.PathStatus{path("a", v1alpha1.StateFailing)}, ""},
		"second":  {[]v1alpha1.PathStatus{path("a", v1alpha1.StateFailing), because("b", v1alpha1.StateFailing, "X")}, v1alpha1.RungPolicy},
		"passing": {[]v1alpha1.PathStatus{because("a", v1alpha1.StatePassing, "X")}, ""},
	} {
		if got := status.For(&v1alpha1.ConnectivityCheck{}, diagnosis.Summary{Paths: tc.paths}, t0).Summary.Rung; got != tc.want {
			t.Errorf("%s: %q, want %q", name, got, tc.want)
		}
	}
}

// TestDiagnosisIsWrittenAtOnce, though nothing else changed.
func TestDiagnosisIsWrittenAtOnce(t *testing.T) {
	if !status.NeedsWrite(of(because("a", v1alpha1.StateFailing, "")), of(because("a", v1alpha1.StateFailing, "X")), t0, t0) {
		t.Error("it waits")
	}
}
