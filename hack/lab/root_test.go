package main

import (
	"bytes"
	"strings"
	"testing"
)

// TestUsage: who leaves out an argument learns which there are.
func TestUsage(t *testing.T) {
	for line, want := range map[string]string{
		"logs":            "lab logs COMPONENT [NODE]",
		"exec":            "usage: lab exec NODE [--] COMMAND...",
		"load":            "usage: lab load IMAGE.tar",
		"logs a node1 no": "usage: lab logs COMPONENT [NODE]",
	} {
		root, out := newRootCommand(), &bytes.Buffer{}
		root.SetOut(out)
		root.SetArgs(strings.Fields(line))
		if err := root.Execute(); err != nil {
			out.WriteString(err.Error())
		}
		if !strings.Contains(out.String(), want) {
			t.Errorf("lab %s: %s", line, out)
		}
	}
}
