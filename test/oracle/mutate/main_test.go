// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const root = "../../.."

// TestPatchesApply keeps the mutations alive: code moves on, and a patch that
// does not apply catches nothing.
func TestPatchesApply(t *testing.T) {
	list, err := List(root)
	if err != nil {
		t.Fatal(err)
	}
	if len(list) < 10 {
		t.Errorf("%d patches, want 10 at least", len(list))
	}
	tree, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	for _, patch := range list {
		t.Run(filepath.Base(patch), func(t *testing.T) {
			if output, err := Apply(t.Context(), tree, patch, "--check"); err != nil {
				t.Errorf("%v: %s", err, output)
			}
			content, err := os.ReadFile(patch)
			if err != nil {
				t.Fatal(err)
			}
			if why, _, _ := strings.Cut(string(content), "\n"); !strings.HasSuffix(why, ".") {
				t.Errorf("it does not begin with a sentence that says why: %q", why)
			}
		})
	}
}
