// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func TestScript(t *testing.T) {
	for _, treatment := range Treatments() {
		golden(t, string(treatment)+".nft", treatment.Script())
	}
}

func TestQueueRules(t *testing.T) { golden(t, "queue.iptables", QueueRules()) }

// Switching is to replace: each script has to take away what any other left.
func TestEveryScriptStartsByTakingAway(t *testing.T) {
	for _, treatment := range Treatments() {
		if !strings.HasPrefix(treatment.Script(), Off.Script()) {
			t.Errorf("%s does not start with the script of off:\n%s", treatment, treatment.Script())
		}
	}
}

func TestParse(t *testing.T) {
	for text, valid := range map[string]bool{"drop": true, "icmp": true, "reset": true, "off": true, "": false, "DROP": false, "on": false} {
		got, err := Parse(text)
		if (err == nil) != valid || (valid && string(got) != text) {
			t.Errorf("Parse(%q) = %q, %v; want valid %v", text, got, err, valid)
		}
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s:\n%s\nwant:\n%s", name, got, want)
	}
}
