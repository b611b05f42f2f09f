// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package manifests

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/netladder/netladder/test/envtest"
)

// TestDockerfile: it copies every folder that the programs are built from, the
// ignore file lets those through, and it builds and keeps all programs, as
// `make image` does.
func TestDockerfile(t *testing.T) {
	root, err := envtest.Path(".")
	if err != nil {
		t.Fatal(err)
	}
	text := func(name string) string {
		content, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		return string(content)
	}
	docker, ignore := text("Dockerfile"), strings.Fields(text(".dockerignore"))
	var copied []string
	for line := range strings.Lines(docker) {
		if words := strings.Fields(line); len(words) == 3 && words[0] == "COPY" && words[1] == words[2] {
			copied = append(copied, words[1])
		}
	}
	list := exec.CommandContext(t.Context(), "go", "list", "-deps", "-f", "{{with .Module}}{{if .Main}}{{$.Dir}}{{end}}{{end}}", "./cmd/...")
	list.Dir = root
	out, err := list.Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range strings.Fields(string(out)) {
		folder, err := filepath.Rel(root, dir)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.ContainsFunc(copied, func(c string) bool { return folder == c || strings.HasPrefix(folder, c+"/") }) {
			t.Errorf("the Dockerfile does not copy %s", folder)
		}
	}
	for _, folder := range copied {
		if !slices.Contains(ignore, "!"+folder) {
			t.Errorf(".dockerignore keeps %s out", folder)
		}
	}

	programs, err := filepath.Glob(filepath.Join(root, "cmd", "*", "main.go"))
	if err != nil || len(programs) < 2 {
		t.Fatalf("programs %v: %v", programs, err)
	}
	for _, main := range programs {
		program := filepath.Base(filepath.Dir(main))
		for file, paths := range map[string][]string{
			"Dockerfile":  {"./cmd/", "/out/"},
			"Makefile":    {"./cmd/", "--binary $(BIN)/"},
			"hack/lib.sh": {"--binary \"$root/bin/"},
		} {
			for _, path := range paths {
				// The name ends here: it is the beginning of others' names.
				if !regexp.MustCompile(regexp.QuoteMeta(path+program) + `[\s"]`).MatchString(text(file)) {
					t.Errorf("%s has no %s%s", file, path, program)
				}
			}
		}
	}
}
