// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

// Package golden compares what tests make with files that people have read.
package golden

import (
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files anew")

// Equal fails the test if got is not what the file holds. With the flag -update
// it writes the file first.
func Equal(t *testing.T, file string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, got, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), string(got)); d != "" {
		t.Errorf("%s differs (-want +got); run with -update if it should:\n%s", file, d)
	}
}

// Section is Equal for what stands in a file between the lines "<!-- NAME -->"
// and "<!-- end of NAME -->".
func Section(t *testing.T, file, name, got string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	begin, end := "<!-- "+name+" -->\n", "<!-- end of "+name+" -->\n"
	before, rest, ok := strings.Cut(string(text), begin)
	_, after, closed := strings.Cut(rest, end)
	if !ok || !closed {
		t.Fatalf("%s has no section %q", file, name)
	}
	whole := before + begin + got + end + after
	if *update {
		if err := os.WriteFile(file, []byte(whole), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	if d := cmp.Diff(string(text), whole); d != "" {
		t.Errorf("%s, %s, differs (-want +got); run with -update if it should:\n%s", file, name, d)
	}
}
