// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package report

import (
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"

	"github.com/netladder/netladder/api/v1alpha1"
)

var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func pair(group, target string, s v1alpha1.State) v1alpha1.PairStatus {
	return v1alpha1.PairStatus{Group: group, Target: target, State: s}
}

func TestWorstFirstAndEachGroupHeard(t *testing.T) {
	got := Build("uid", epoch, nil, []v1alpha1.PairStatus{
		pair("b", "1", v1alpha1.StateUnknown), pair("a", "3", v1alpha1.StateFailing), pair("a", "1", v1alpha1.StateFailing),
		pair("c", "1", v1alpha1.StateDegraded), pair("b", "2", v1alpha1.StateFailing), pair("a", "2", v1alpha1.StateFailing),
	})
	order := ""
	for _, p := range got.NotPassing {
		order += fmt.Sprintf(" %s/%s/%.1s", p.Group, p.Target, p.State)
	}
	if want := " a/1/F b/2/F a/2/F a/3/F c/1/D b/1/U"; order != want || got.Cut != 0 {
		t.Errorf("order%s cut %d, want%s", order, got.Cut, want)
	}
}

func TestCut(t *testing.T) {
	var pairs []v1alpha1.PairStatus
	for i := range 70 {
		pairs = append(pairs, pair("big", fmt.Sprintf("%02d", i), v1alpha1.StateFailing))
	}
	got := Build("uid", epoch, nil, append(pairs, pair("small", "1", v1alpha1.StateFailing)))
	if len(got.NotPassing) != 50 || got.Cut != 21 {
		t.Errorf("%d listed, %d cut", len(got.NotPassing), got.Cut)
	}
	if got.NotPassing[1].Group != "small" {
		t.Errorf("the small group is hidden by the big one")
	}
}

// Whatever the pairs hold, the status is within the API's bounds and does not
// depend on the order of the input.
func TestBounds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{"\xff\xfe\n\x1b[31m", strings.Repeat("é", 400), ""}))
		states := rapid.SampledFrom([]v1alpha1.State{v1alpha1.StateFailing, v1alpha1.StateDegraded, v1alpha1.StateUnknown})
		var pairs []v1alpha1.PairStatus
		for i := range rapid.IntRange(0, 60).Draw(t, "pairs") {
			pairs = append(pairs, v1alpha1.PairStatus{
				Group: rapid.SampledFrom([]string{"a", "b"}).Draw(t, "group"), Target: fmt.Sprint(i, text.Draw(t, "target")),
				State: states.Draw(t, "state"), Streak: rapid.Int32().Draw(t, "streak"),
				Verdict: v1alpha1.Verdict(text.Draw(t, "verdict")), Evidence: text.Draw(t, "evidence"),
				Since: &metav1.Time{Time: epoch.Add(time.Duration(rapid.Int64Range(0, 1e12).Draw(t, "since")))},
			})
		}
		shuffled := rapid.Permutation(pairs).Draw(t, "shuffled")
		got := Build(text.Draw(t, "podUID"), epoch.Add(1500*time.Millisecond), nil, append([]v1alpha1.PairStatus(nil), pairs...))
		if again := Build(got.PodUID, got.Heartbeat.Time, nil, shuffled); cmp.Diff(got.NotPassing, again.NotPassing) != "" {
			t.Fatal("the order of the input matters")
		}
		if len(got.NotPassing) > 50 || len(got.NotPassing)+int(got.Cut) != len(pairs) {
			t.Fatalf("%d listed and %d cut of %d", len(got.NotPassing), got.Cut, len(pairs))
		}
		check := func(s string, limit int) {
			if len(s) > limit || !utf8.ValidString(s) || strings.ContainsAny(s, "\n\x1b") {
				t.Fatalf("%q is not fit for a status", s)
			}
		}
		check(got.PodUID, 64)
		for _, p := range got.NotPassing {
			check(p.Target, 320)
			check(string(p.Verdict), 32)
			check(p.Evidence, 256)
			if p.Streak < 0 || p.Since.Nanosecond() != 0 || p.Since.Location() != time.UTC {
				t.Fatalf("streak %d since %s", p.Streak, p.Since)
			}
		}
	})
}
