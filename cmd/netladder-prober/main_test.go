// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	appsv1ac "k8s.io/client-go/applyconfigurations/apps/v1"

	"sigs.k8s.io/yaml"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/controllers/workload"
)

// TestPodsRunIt: what the controller installs on every node is this program,
// with commands and flags that it takes.
func TestPodsRunIt(t *testing.T) {
	for name, set := range map[string]*appsv1ac.DaemonSetApplyConfiguration{
		"prober": workload.Prober(workload.Settings{}), "prober of level Full": workload.Prober(workload.Settings{Level: v1alpha1.LevelFull}),
		"echo": workload.Echo(workload.Settings{}), "canary": workload.Canary(workload.Settings{}),
	} {
		for _, c := range set.Spec.Template.Spec.Containers {
			runs(t, name, c.Command, c.Args)
		}
	}
}

// TestDemoRunsIt: so do the applications of the demo, which answer as echo pods.
func TestDemoRunsIt(t *testing.T) {
	files, err := filepath.Glob("../../config/demo/*/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for document := range strings.SplitSeq(string(content), "\n---\n") {
			var app appsv1.Deployment
			if err := yaml.Unmarshal([]byte(document), &app); err != nil {
				t.Fatalf("%s: %v", file, err)
			}
			for _, c := range app.Spec.Template.Spec.Containers {
				runs(t, app.Name, c.Command, c.Args)
				found++
			}
		}
	}
	if found < 5 {
		t.Errorf("the demo has %d containers", found)
	}
}

// runs fails the test unless a container's command is this program, with what it
// takes.
func runs(t *testing.T, name string, command, args []string) {
	t.Helper()
	root := rootCommand()
	if len(command) != 1 || command[0] != "/"+root.Name() {
		t.Errorf("%s runs %v", name, command)
	}
	cmd, flags, err := root.Find(args)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	if err := cmd.ParseFlags(flags); err != nil || cmd == root {
		t.Errorf("%s runs %q of %v: %v", name, cmd.Name(), args, err)
	}
}

// TestSmall: each node holds the pages of this program in memory. What only the
// controller needs has no place in it.
func TestSmall(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(out)) {
		for _, large := range []string{
			"github.com/netladder/netladder/controllers", "sigs.k8s.io/controller-runtime", "k8s.io/api/", "k8s.io/apiextensions-apiserver",
			"k8s.io/client-go/kubernetes", "k8s.io/client-go/informers", "k8s.io/client-go/discovery", "github.com/google/gnostic-models",
		} {
			if strings.HasPrefix(line, large) {
				t.Errorf("it links %s", line)
			}
		}
	}
}
