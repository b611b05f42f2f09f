// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package overview_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"
	"sigs.k8s.io/yaml"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/cmd/netladder/internal/overview"
	"github.com/netladder/netladder/test/golden"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func read(t *testing.T, folder string) []v1alpha1.ConnectivityCheck {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", folder, "in.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var checks []v1alpha1.ConnectivityCheck
	if err := yaml.UnmarshalStrict(text, &checks); err != nil {
		t.Fatal(err)
	}
	return checks
}

func TestDraw(t *testing.T) {
	for folder, code := range map[string]int{
		"policy": overview.ExitBroken, "overlay": overview.ExitBroken, "healthy": overview.ExitHealthy, "unknown": overview.ExitUnknown,
	} {
		t.Run(folder, func(t *testing.T) {
			r := overview.Of(read(t, folder), nil)
			if got := r.ExitCode(); got != code {
				t.Errorf("exit code %d, want %d", got, code)
			}
			plain := overview.Draw(&r, overview.Style{ASCII: true, Now: noon})
			for i := range len(plain) {
				if c := plain[i]; c != '\n' && (c < ' ' || c > '~') {
					t.Fatalf("byte %q at %d is not ASCII", c, i)
				}
			}
			golden.Equal(t, filepath.Join("testdata", folder, "out.txt"), []byte(plain))
			text, err := json.MarshalIndent(r, "", "  ")
			if err != nil {
				t.Fatal(err)
			}
			golden.Equal(t, filepath.Join("testdata", folder, "out.json"), append(text, '\n'))
		})
	}
	r := overview.Of(read(t, "policy"), nil)
	golden.Equal(t, filepath.Join("testdata", "policy", "terminal.txt"), []byte(overview.Draw(&r, overview.Style{Width: 80, Now: noon})))
}

func TestNothing(t *testing.T) {
	r := overview.Of(nil, nil)
	if text := overview.Draw(&r, overview.Style{}); text != "There are no checks here: -A looks at all namespaces\n" || r.ExitCode() != overview.ExitHealthy {
		t.Errorf("%q, %d", text, r.ExitCode())
	}
}

// TestOnlyProbesAreLeftOut: a check that somebody declared for a day, or gave an
// annotation that nothing can read, is as good as any.
func TestOnlyProbesAreLeftOut(t *testing.T) {
	for _, ttl := range []string{"24h", "forever"} {
		check := v1alpha1.ConnectivityCheck{ObjectMeta: metav1.ObjectMeta{
			Namespace: "shop", Name: "web", Annotations: map[string]string{v1alpha1.AnnotationTTL: ttl},
		}}
		if r := overview.Of([]v1alpha1.ConnectivityCheck{check}, nil); r.Checks != 1 {
			t.Errorf("%s: %+v", ttl, r)
		}
	}
}

// TestEveryPathIsShown: whatever the statuses are, each path that fails is in
// one cause at least, each path is counted once, and nothing panics.
func TestEveryPathIsShown(t *testing.T) {
	node := rapid.SampledFrom([]string{"", "node1", "node2", "node3"})
	rapid.Check(t, func(t *rapid.T) {
		check := v1alpha1.ConnectivityCheck{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web"}}
		failing := 0
		for i := range rapid.IntRange(0, 6).Draw(t, "paths") {
			name := fmt.Sprint("p", i)
			status := v1alpha1.PathStatus{Name: name, State: rapid.SampledFrom([]v1alpha1.State{"Failing", "Failing", "Passing", "Unknown", "Pending", "Degraded", "?"}).Draw(t, "state")}
			if status.State == v1alpha1.StateFailing {
				failing++
			}
			for range rapid.IntRange(0, 3).Draw(t, "pairs") {
				status.WorstPairs = append(status.WorstPairs, v1alpha1.WorstPair{SourceNode: node.Draw(t, "from"), TargetNode: node.Draw(t, "to"), State: v1alpha1.StateFailing})
			}
			if rapid.Bool().Draw(t, "diagnosed") {
				status.Diagnosis = &v1alpha1.PathDiagnosis{
					Rung:    rapid.SampledFrom([]v1alpha1.Rung{"Overlay", "Node", "Policy", "DNS", "Undetermined", "Other"}).Draw(t, "rung"),
					Message: rapid.SampledFrom([]string{"", "around node1: x", "around : x", "node1 and node2: see node3", "node2 and the target's node"}).Draw(t, "message"),
				}
			}
			check.Spec.Paths = append(check.Spec.Paths, v1alpha1.Path{Name: name})
			check.Status.Paths = append(check.Status.Paths, status)
		}
		r := overview.Of([]v1alpha1.ConnectivityCheck{check}, nil)
		shown := map[string]bool{}
		for _, c := range r.Causes {
			for _, p := range c.Paths {
				shown[p.Path] = true
			}
		}
		n := r.Paths
		if len(shown) != failing || n.Failing != failing || n.Passing+n.Degraded+n.Failing+n.Unknown+n.Pending != len(check.Spec.Paths) {
			t.Fatalf("%d paths fail, shown %v, counts %+v", failing, shown, n)
		}
		if text := overview.Draw(&r, overview.Style{Now: noon}); strings.Count(text, "✗") < len(r.Causes) {
			t.Fatalf("a cause is not drawn:\n%s", text)
		}
	})
}

func TestAge(t *testing.T) {
	for want, d := range map[string]time.Duration{
		"0s": -time.Second, "119s": 119 * time.Second, "3m5s": 185 * time.Second, "2h5m": 125 * time.Minute, "3d": 80 * time.Hour,
	} {
		if got := overview.Age(metav1.NewTime(noon.Add(-d)), noon); got != want {
			t.Errorf("%s: %q, want %q", d, got, want)
		}
	}
	if got := overview.Age(metav1.Time{}, noon); got != "an unknown time" {
		t.Errorf("%q", got)
	}
}
