// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os/exec"
	"strings"
	"testing"

	appsv1ac "k8s.io/client-go/applyconfigurations/apps/v1"

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
			root := rootCommand()
			if len(c.Command) != 1 || c.Command[0] != "/"+root.Name() {
				t.Errorf("%s runs %v", name, c.Command)
			}
			cmd, args, err := root.Find(c.Args)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if err := cmd.ParseFlags(args); err != nil || cmd == root {
				t.Errorf("%s runs %q of %v: %v", name, cmd.Name(), c.Args, err)
			}
		}
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
