// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package docs_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/netladder/netladder/test/docs"
)

const page = "# A page\n\n" +
	"```sh\nkubectl get nodes\n```\n\n" +
	"<!-- not tried: it asks the internet -->\n```sh\ncurl example.com\n```\n" +
	"- in a list\n  ```yaml\n  apiVersion: v1\n  kind: Node\n  ```\n" +
	"```yaml\nport: 80\n```\n"

func TestBlocks(t *testing.T) {
	root := t.TempDir()
	if err := os.WriteFile(filepath.Join(root, "README.md"), []byte(page), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := docs.Blocks(root, "README.md")
	if err != nil {
		t.Fatal(err)
	}
	want := []docs.Block{
		{File: "README.md", Line: 4, Language: "sh", Text: "kubectl get nodes\n"},
		{File: "README.md", Line: 9, Language: "sh", Text: "curl example.com\n", NotTried: "it asks the internet"},
		{File: "README.md", Line: 13, Language: "yaml", Text: "apiVersion: v1\nkind: Node\n"},
		{File: "README.md", Line: 17, Language: "yaml", Text: "port: 80\n"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if !got[2].Object() || got[3].Object() {
		t.Error("an object is what has apiVersion and kind")
	}
}

func TestBlockWithoutEnd(t *testing.T) {
	root := t.TempDir()
	if err := os.WriteFile(filepath.Join(root, "README.md"), []byte("```sh\nls\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := docs.Blocks(root, "README.md"); err == nil {
		t.Error("no error")
	}
}

// The pages of this repository can be read, and have what the stories try.
func TestPages(t *testing.T) {
	blocks, err := docs.All("../..")
	if err != nil {
		t.Fatal(err)
	}
	tried := 0
	for _, b := range blocks {
		if b.Language == "sh" && b.NotTried == "" {
			tried++
		}
	}
	if tried < 4 {
		t.Errorf("%d blocks of commands are tried", tried)
	}
}
