// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package diagnosis_test

import (
	"os"
	"path/filepath"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/test/golden"
)

// ladderGoldens are the situations in testdata/ladder, by name.
func ladderGoldens(t testing.TB) map[string]*ladderGolden {
	t.Helper()
	files, err := filepath.Glob("testdata/ladder/*/in.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no golden tests: %v", err)
	}
	out := map[string]*ladderGolden{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		g := &ladderGolden{}
		if err := yaml.UnmarshalStrict(text, g); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		out[filepath.Base(filepath.Dir(file))] = g
	}
	return out
}

// TestLadderGolden: what is said about each situation in testdata/ladder.
func TestLadderGolden(t *testing.T) {
	for name, g := range ladderGoldens(t) {
		t.Run(name, func(t *testing.T) {
			p := g.judge(t)
			got, err := yaml.Marshal(struct {
				State     v1alpha1.State          `json:"state"`
				Message   string                  `json:"message"`
				Diagnosis *v1alpha1.PathDiagnosis `json:"diagnosis"`
			}{p.State, p.Message, p.Diagnosis})
			if err != nil {
				t.Fatal(err)
			}
			golden.Equal(t, filepath.Join("testdata/ladder", name, "out.yaml"), got)
		})
	}
}
