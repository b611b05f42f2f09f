// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package causes_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/controllers/diagnosis/causes"
)

// TestFollow: a cause is told once it stands, and its end once it stays away.
func TestFollow(t *testing.T) {
	start := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	one := causes.All([]causes.Found{found("a", "x", v1alpha1.RungPodNetwork, "", "node1")})
	two := causes.All([]causes.Found{found("a", "x", v1alpha1.RungPodNetwork, "", "node1"), found("a", "y", v1alpha1.RungNode, "", "node2")})
	pair := causes.All([]causes.Found{found("a", "x", v1alpha1.RungOverlay, "", "node1", "node2")})
	var told causes.Told
	for _, step := range []struct {
		at   int
		all  []causes.Cause
		want string
	}{
		{0, one, "again 5s"},
		{2, nil, ""}, // it never stood
		{3, one, "again 8s"},
		{8, one, "+node1"},
		{9, one, ""},
		{10, two, "again 15s"},
		{15, two, "+node2"},
		{20, one, "again 1m15s"},
		{30, two, ""}, // it came and went
		{40, pair, "again 1m30s"},
		{89, nil, "again 1m30s"},
		{90, nil, "-node1 -node2"},
		{91, nil, ""},
	} {
		var news causes.News
		told, news = told.Follow(step.all, start.Add(time.Duration(step.at)*time.Second))
		got := ""
		add := func(format string, args ...any) {
			if got != "" {
				got += " "
			}
			got += fmt.Sprintf(format, args...)
		}
		for _, c := range news.Begun {
			add("+%s", c.Node)
		}
		for _, c := range news.Ended {
			add("-%s", c.Node)
		}
		if !news.Again.IsZero() {
			add("again %s", news.Again.Sub(start))
		}
		if d := cmp.Diff(step.want, got); d != "" {
			t.Errorf("at %d s: %s", step.at, d)
		}
	}
}
