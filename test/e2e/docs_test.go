// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/netladder/netladder/test/docs"
)

// What the pages write in capitals stands for something of the reader's. Here
// it is something of the demo's. The first that matches counts.
var placeholders = []struct {
	pattern *regexp.Regexp
	value   string
}{
	{regexp.MustCompile(`-n NAMESPACE ((?:get|describe) )?(ccheck|connectivitycheck)s? (NAME|CHECK)\b`), "-n commerce ${1}${2} order-validator"},
	{regexp.MustCompile(`\b(NAMESPACE|NS)\b`), "commerce"},
	{regexp.MustCompile(`\b(CHECK|NAME)\b`), "order-validator"},
	{regexp.MustCompile(`\bPATH\b`), "inventory"},
	{regexp.MustCompile(`\bNODE\b`), faultNode},
	{regexp.MustCompile(`\bPOD\b`), "$(kubectl -n netladder-system get pod -o name -l app.kubernetes.io/component=prober | tail -n 1)"},
}

// watching are commands that do not end by themselves.
var watching = regexp.MustCompile(`(--watch|-w|-f|--follow)\s*(#.*)?$`)

// Whoever follows the pages does not stumble: their commands run on a cluster
// with the demo's application, and their objects are taken by the API server.
func TestFullDocs(t *testing.T) {
	openDemo(t)
	blocks, err := docs.All("../..")
	if err != nil {
		t.Fatal(err)
	}
	path := tools(t)
	for _, b := range blocks {
		if b.NotTried != "" {
			continue
		}
		switch {
		case b.Language == "sh":
			t.Run(b.At(), func(t *testing.T) { runBlock(t, b, path) })
		case b.Object():
			t.Run(b.At(), func(t *testing.T) { takes(t, b) })
		}
	}
}

// openDemo applies the demo's applications with the image that runs, for the
// rest of the test.
func openDemo(t *testing.T) {
	t.Helper()
	deploy := &appsv1.Deployment{}
	if err := kube.Get(t.Context(), client.ObjectKey{Namespace: namespace, Name: "netladder-controller"}, deploy); err != nil {
		t.Fatal(err)
	}
	image := deploy.Spec.Template.Spec.Containers[0].Image
	for _, app := range []string{"shop", "commerce"} {
		text := kubectl(t, "kustomize", filepath.Join("../../config/demo", app))
		file := filepath.Join(t.TempDir(), app+".yaml")
		if err := os.WriteFile(file, []byte(strings.ReplaceAll(text, "ghcr.io/netladder/netladder:dev", image)), 0o600); err != nil {
			t.Fatal(err)
		}
		undo(t, "kubectl", "delete", "--ignore-not-found", "--timeout=120s", "-f", file)
		kubectl(t, "apply", "-f", file)
	}
	inventory := pathRef{"commerce", "order-validator", "inventory"}
	matured(t, "commerce", "shop")
	eventually(t, time.Minute, "the order service is blocked", inventory.is("Failing", ""))
}

// tools is a PATH whose first folder has the programs that the pages call.
func tools(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	absolute, err := filepath.Abs(labPath)
	if err != nil {
		t.Fatal(err)
	}
	// The plugin's 2 says that something is broken, as the demo's order service is.
	script := fmt.Sprintf("#!/bin/sh\n%q --name %q kubectl \"$@\" || { code=$?; [ \"$1 $code\" = \"netladder 2\" ] || exit $code; }\n", absolute, labName)
	if err := os.WriteFile(filepath.Join(folder, "kubectl"), []byte(script), 0o700); err != nil { //nolint:gosec // A program is to be run.
		t.Fatal(err)
	}
	bin, err := filepath.Abs("../../bin")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"kubectl-netladder", "kubectl_complete-netladder"} {
		if err := os.Symlink(filepath.Join(bin, "netladder"), filepath.Join(folder, name)); err != nil {
			t.Fatal(err)
		}
	}
	return strings.Join([]string{folder, bin, os.Getenv("PATH")}, string(filepath.ListSeparator))
}

// runBlock runs the commands of a block as a reader would, in the root of the
// repository.
func runBlock(t *testing.T, b docs.Block, path string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	var script strings.Builder
	for line := range strings.Lines(b.Text) {
		if watching.MatchString(strings.TrimSpace(line)) {
			line = fmt.Sprintf("{ timeout 5 %s || (( $? == 124 )); }\n", strings.TrimSpace(regexp.MustCompile(`\s#.*$`).ReplaceAllString(strings.TrimSpace(line), "")))
		}
		script.WriteString(line)
	}
	text := script.String()
	for _, p := range placeholders {
		text = p.pattern.ReplaceAllString(text, p.value)
	}
	cmd := exec.CommandContext(ctx, "bash", "-euo", "pipefail", "-c", text)
	cmd.Dir, cmd.Env = "../..", append(os.Environ(), "PATH="+path)
	cmd.WaitDelay = 10 * time.Second
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("%s: %v\n%s\nsays\n%s", b.At(), errors.Join(err, ctx.Err()), text, out)
		return
	}
	t.Logf("%s%s", text, out)
}

// takes lets the API server judge the objects of a block without keeping them.
func takes(t *testing.T, b docs.Block) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "block.yaml")
	if err := os.WriteFile(file, []byte(b.Text), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := tryLab(t.Context(), "kubectl", "apply", "--dry-run=server", "-f", file); err != nil {
		t.Errorf("%s: %v\n%s", b.At(), err, out)
	}
}
