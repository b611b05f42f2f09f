// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

// Package docs reads the commands and the objects that the documentation shows,
// so that tests can try them.
//
// Every block of ```sh and every complete object in a block of ```yaml is to
// be tried. One that cannot be has, on the line before it, a comment that no
// reader sees, with the reason:
//
//	<!-- not tried: it pushes to a registry -->
//
// A block of ```console shows what once was seen and is not tried.
package docs

import (
	"bufio"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// Block is a fenced block of a page.
type Block struct {
	// File is the page, from the root of the repository, and Line the number of
	// the block's first line in it.
	File string
	Line int
	// Language is the word behind the fence: sh, yaml, console.
	Language string
	Text     string
	// NotTried is why the block is not tried; empty for one that is.
	NotTried string
}

// At is where the block is, for messages.
func (b Block) At() string { return fmt.Sprintf("%s:%d", b.File, b.Line) }

// Object is whether the block is one or more complete Kubernetes objects.
func (b Block) Object() bool {
	return b.Language == "yaml" && strings.HasPrefix(b.Text, "apiVersion:") && strings.Contains(b.Text, "\nkind:")
}

var notTried = regexp.MustCompile(`^\s*<!-- not tried: (.+) -->\s*$`)

// Pages lists the pages below a directory that are for users: README.md and
// everything in docs but the decisions.
func Pages(root string) ([]string, error) {
	pages := []string{"README.md"}
	err := filepath.WalkDir(filepath.Join(root, "docs"), func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && entry.Name() == "adr" {
			return filepath.SkipDir
		}
		if filepath.Ext(path) == ".md" {
			page, err := filepath.Rel(root, path)
			if err != nil {
				return err
			}
			pages = append(pages, page)
		}
		return nil
	})
	slices.Sort(pages[1:])
	return pages, err
}

// Blocks reads the fenced blocks of a page.
func Blocks(root, page string) ([]Block, error) {
	file, err := os.Open(filepath.Join(root, page))
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }() // it was only read
	var (
		blocks []Block
		open   *Block
		indent string
		reason string
	)
	lines := bufio.NewScanner(file)
	for n := 1; lines.Scan(); n++ {
		line := lines.Text()
		trimmed := strings.TrimLeft(line, " ")
		fence := strings.HasPrefix(trimmed, "```")
		switch {
		case open == nil && fence:
			indent = line[:len(line)-len(trimmed)]
			open = &Block{File: page, Line: n + 1, Language: strings.TrimSpace(trimmed[3:]), NotTried: reason}
		case fence:
			blocks = append(blocks, *open)
			open, reason = nil, ""
		case open != nil:
			open.Text += strings.TrimPrefix(line, indent) + "\n"
		case trimmed != "":
			reason = ""
			if m := notTried.FindStringSubmatch(line); m != nil {
				reason = m[1]
			}
		}
	}
	if open != nil {
		return nil, fmt.Errorf("%s: the block does not end", open.At())
	}
	return blocks, lines.Err()
}

// All reads the blocks of all pages.
func All(root string) ([]Block, error) {
	pages, err := Pages(root)
	if err != nil {
		return nil, err
	}
	var all []Block
	for _, page := range pages {
		blocks, err := Blocks(root, page)
		if err != nil {
			return nil, err
		}
		all = append(all, blocks...)
	}
	return all, nil
}
