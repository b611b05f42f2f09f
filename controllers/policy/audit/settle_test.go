// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"

	"github.com/netladder/netladder/api/v1alpha1"
)

var start = time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)

func example(id string) Finding {
	return Finding{ID: id, Code: v1alpha1.FindingSelectsNoPod, Severity: v1alpha1.FindingWarning, Policy: id, Message: "m " + id}
}

// TestSettle: each step is a time, what is found then, and what is told.
func TestSettle(t *testing.T) {
	type step struct {
		at          time.Duration
		found, told string
		// deadline from the beginning; 0 for none.
		deadline time.Duration
	}
	for name, c := range map[string]struct {
		known []string
		steps []step
	}{
		"stands for the grace": {nil, []step{{0, "a", "", Grace}, {Grace - 1, "a", "", Grace}, {Grace, "a", "a", 0}, {Grace + 1, "", "", 0}}},
		"a rollout":            {nil, []step{{0, "a", "", Grace}, {Grace / 2, "", "", 0}, {Grace, "a", "", 2 * Grace}, {2 * Grace, "a", "a", 0}}},
		"one after another":    {nil, []step{{0, "a", "", Grace}, {Grace / 2, "a b", "", Grace}, {Grace, "a b", "a", 3 * Grace / 2}, {3 * Grace / 2, "a b", "a b", 0}}},
		"known before":         {[]string{"a"}, []step{{0, "a b", "a", Grace}, {Grace, "a b", "a b", 0}}},
		"known and gone":       {[]string{"a"}, []step{{0, "", "", 0}, {1, "a", "", 1 + Grace}}},
		"comes back": {nil, []step{
			{0, "a", "", Grace}, {Grace, "a", "a", 0}, {2 * Grace, "", "", 0},
			{3 * Grace, "a", "", 5 * Grace}, {4 * Grace, "a", "", 5 * Grace}, {5 * Grace, "a", "a", 0}, {6 * Grace, "", "", 0},
			{7 * Grace, "a", "", 11 * Grace}, {8 * Grace, "", "", 0}, // not told, so no longer the next time
			{9 * Grace, "a", "", 13 * Grace}, {13 * Grace, "a", "a", 0},
		}},
		"forgotten": {nil, []step{
			{0, "a", "", Grace}, {Grace, "a", "a", 0}, {2 * Grace, "", "", 0}, {2*Grace + forgetAfter, "a", "", 3*Grace + forgetAfter},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			var memory Memory
			for i, s := range c.steps {
				var found []Finding
				for _, id := range strings.Fields(s.found) {
					found = append(found, example(id))
				}
				got := Settle(Settling{Found: found, Memory: memory, Known: c.known, Now: start.Add(s.at)})
				memory = got.Memory
				var told []string
				for _, f := range got.Standing {
					told = append(told, f.ID)
				}
				deadline := time.Time{}
				if s.deadline != 0 {
					deadline = start.Add(s.deadline)
				}
				if strings.Join(told, " ") != s.told || !got.Deadline.Equal(deadline) {
					t.Fatalf("step %d: told %q by %s, want %q by %s", i, told, got.Deadline, s.told, deadline)
				}
			}
		})
	}
}

// TestSettleProperties: nothing is told that is not found, or that has stood for
// less than the grace; the memory is bounded; what is not told has a deadline.
func TestSettleProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var memory Memory
		now, stood := start, map[string]time.Time{}
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(0, 100).Draw(t, "seconds")) * time.Second)
			names := rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"a", "b", "c", "d"}), 0, 4, rapid.ID).Draw(t, "found")
			var found []Finding
			for _, id := range names {
				found = append(found, example(id))
				if _, ok := stood[id]; !ok {
					stood[id] = now
				}
			}
			for id := range stood {
				if !slices.Contains(names, id) {
					delete(stood, id)
				}
			}
			got := Settle(Settling{Found: found, Memory: memory, Now: now})
			memory = got.Memory
			for _, f := range got.Standing {
				if since, ok := stood[f.ID]; !ok || now.Sub(since) < Grace {
					t.Fatalf("%s is told after %s", f.ID, now.Sub(since))
				}
			}
			if waiting := len(found) > len(got.Standing); waiting == got.Deadline.IsZero() || waiting && !got.Deadline.After(now) {
				t.Fatalf("the deadline is %s at %s", got.Deadline, now)
			}
		}
	})
}

// TestSettleGivesUpOnFlapping: what comes and goes every hour is told a few times
// and then no more.
func TestSettleGivesUpOnFlapping(t *testing.T) {
	var memory Memory
	told := 0
	for hour := range 48 {
		now := start.Add(time.Duration(hour) * time.Hour)
		memory = Settle(Settling{Found: []Finding{example("a")}, Memory: memory, Now: now}).Memory
		settled := Settle(Settling{Found: []Finding{example("a")}, Memory: memory, Now: now.Add(50 * time.Minute)})
		told += len(settled.Standing)
		memory = Settle(Settling{Memory: settled.Memory, Now: now.Add(55 * time.Minute)}).Memory
	}
	if told != 6 {
		t.Errorf("told %d times in two days", told)
	}
}

func TestMemoryIsBounded(t *testing.T) {
	var memory Memory
	for i := range 3 {
		var found []Finding
		for j := range maxFindings {
			found = append(found, example(fmt.Sprint(i, "-", j)))
		}
		memory = Settle(Settling{Found: found, Memory: memory, Now: start.Add(time.Duration(i) * time.Second)}).Memory
	}
	if len(memory) != maxFindings+maxTraces {
		t.Errorf("%d traces", len(memory))
	}
	if _, ok := memory["0-1"]; ok {
		t.Error("the oldest is still there")
	}
}

func TestStatus(t *testing.T) {
	var many []Finding
	for i := range v1alpha1.MaxFindings + 7 {
		many = append(many, example(fmt.Sprintf("f%02d", i)))
	}
	many[3].Severity, many[4].Code = v1alpha1.FindingInfo, v1alpha1.FindingPodsNotCovered
	first := For(Status{Report: Report{Policies: 3, Partial: true}, Standing: many, Now: start.Add(time.Millisecond)})
	clean := first.Conditions[0]
	switch {
	case len(first.Findings) != v1alpha1.MaxFindings || first.Cut != 7 || first.Summary.Findings != v1alpha1.MaxFindings+7 || first.Summary.Policies != 3:
		t.Errorf("%d findings, %d cut, %+v", len(first.Findings), first.Cut, first.Summary)
	case first.Summary.Worst != v1alpha1.FindingWarning || first.Summary.Codes != "SelectsNoPod,PodsNotCovered":
		t.Errorf("%+v", first.Summary)
	case clean.Status != metav1.ConditionFalse || clean.Reason != v1alpha1.ReasonFindings || !strings.HasPrefix(clean.Message, "56 of SelectsNoPod, 1 of PodsNotCovered; the namespace has more"):
		t.Errorf("%+v", clean)
	case !first.Findings[0].Since.Time.Equal(start):
		t.Errorf("since %s", first.Findings[0].Since)
	}
	second := For(Status{Previous: first, Report: Report{Policies: 3}, Standing: many[:1], Now: start.Add(time.Hour)})
	if clean := second.Conditions[0]; !second.Findings[0].Since.Time.Equal(start) || !clean.LastTransitionTime.Time.Equal(start) || second.Cut != 0 {
		t.Errorf("%+v", second)
	}
	none := For(Status{Previous: second, Report: Report{Policies: 3}, Now: start.Add(time.Hour)})
	if clean := none.Conditions[0]; clean.Status != metav1.ConditionTrue || !clean.LastTransitionTime.Time.Equal(start.Add(time.Hour)) || none.Summary.Worst != "" {
		t.Errorf("%+v", none)
	}
}

func TestEvents(t *testing.T) {
	report := func(list ...Finding) v1alpha1.NetworkPolicyAuditStatus {
		return For(Status{Report: Report{Policies: 1}, Standing: list, Now: start})
	}
	text := func(list []Event) string {
		var out []string
		for _, e := range list {
			out = append(out, strings.TrimSpace(e.Type+" "+e.Reason+" "+e.Policy+": "+e.Message))
		}
		return strings.Join(out, "\n")
	}
	a, b, info := example("a"), example("b"), example("c")
	a.Clause, info.Severity, info.Code = "spec.podSelector", v1alpha1.FindingInfo, v1alpha1.FindingPodsNotCovered
	var many []Finding
	for i := range 15 {
		many = append(many, example(fmt.Sprintf("f%02d", i)))
	}
	for name, c := range map[string]struct {
		old, updated v1alpha1.NetworkPolicyAuditStatus
		standing     []Finding
		want         string
		lines        int
	}{
		"comes":                  {old: report(), updated: report(a), standing: []Finding{a}, want: "Warning SelectsNoPod a: spec.podSelector: m a", lines: 1},
		"goes":                   {old: report(a, b), updated: report(b), standing: []Finding{b}, want: "Normal FindingResolved a: spec.podSelector: SelectsNoPod is gone", lines: 1},
		"no warning":             {old: report(), updated: report(info), standing: []Finding{info}, want: "Normal PodsNotCovered c: m c", lines: 1},
		"stands":                 {old: report(a), updated: report(a), standing: []Finding{a}},
		"is only not listed now": {old: report(a), updated: report(b), standing: []Finding{a, b}, want: "Warning SelectsNoPod b: m b", lines: 1},
		"many come":              {old: report(), updated: report(many...), standing: many, want: "Normal MoreFindings : 5 more findings came", lines: 11},
		"many go":                {old: report(many...), updated: report(), want: "Normal FindingResolved f00: SelectsNoPod is gone", lines: 10},
	} {
		t.Run(name, func(t *testing.T) {
			got := Events(c.old, c.updated, c.standing)
			if len(got) != c.lines || !strings.Contains(text(got), c.want) {
				t.Errorf("got %d\n%s\nwant %d with\n%s", len(got), text(got), c.lines, c.want)
			}
		})
	}
}
