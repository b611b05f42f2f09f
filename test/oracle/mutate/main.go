// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

// Command mutate breaks a copy of the policy evaluator in one way after the
// other, by the patches of test/oracle/mutations, and fails unless the
// differential test is red each time: a proof that cannot fail proves nothing.
// A copy that does not even build is an error, not a success.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"syscall"
	"time"
)

// patches, from the repository's root.
const patches = "test/oracle/mutations"

func main() {
	root := flag.String("root", "../..", "the repository")
	seed := flag.Uint64("seed", 1, "of the differential test")
	flows := flag.Int("flows", 10000, "that the differential test asks about at most")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, *root, *seed, *flows)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "mutate:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, root string, seed uint64, flows int) error {
	list, err := List(root)
	if err != nil {
		return err
	}
	work, err := os.MkdirTemp("", "netladder-mutate-")
	if err != nil {
		return fmt.Errorf("making a folder for the copy: %w", err)
	}
	defer func() { _ = os.RemoveAll(work) }()
	if err := copyTree(root, work); err != nil {
		return err
	}
	m := &mutator{tree: work, env: append(os.Environ(), fmt.Sprintf("ORACLE_SEED=%d", seed), fmt.Sprintf("ORACLE_FLOWS=%d", flows))}
	if red, output, err := m.test(ctx); err != nil || red {
		return errors.Join(fmt.Errorf("the unbroken evaluator is not green:\n%s", output), err)
	}
	missed := 0
	for _, patch := range list {
		start := time.Now()
		red, output, err := m.mutate(ctx, patch)
		if err != nil {
			return fmt.Errorf("%s: %w\n%s", filepath.Base(patch), err, output)
		}
		verdict := "caught"
		if !red {
			verdict, missed = "NOT CAUGHT", missed+1
		}
		fmt.Printf("%-34s %-10s %5.1f s  %s\n", filepath.Base(patch), verdict, time.Since(start).Seconds(), firstMismatch(output))
	}
	fmt.Printf("%d of %d caught, seed %d, at most %d flows each\n", len(list)-missed, len(list), seed, flows)
	if missed > 0 {
		return fmt.Errorf("%d mutations were not caught", missed)
	}
	return nil
}

// List are the patches, sorted by name.
func List(root string) ([]string, error) {
	root, err := filepath.Abs(root)
	if err != nil {
		return nil, fmt.Errorf("finding the repository: %w", err)
	}
	list, err := filepath.Glob(filepath.Join(root, patches, "*.patch"))
	if err != nil || len(list) == 0 {
		return nil, errors.Join(fmt.Errorf("there are no patches in %s of %s", patches, root), err)
	}
	return list, nil
}

// copyTree copies what the differential test is built of.
func copyTree(root, to string) error {
	for _, folder := range []string{"api", "controllers", "test/oracle"} {
		if err := os.CopyFS(filepath.Join(to, folder), os.DirFS(filepath.Join(root, folder))); err != nil {
			return fmt.Errorf("copying %s: %w", folder, err)
		}
	}
	for _, file := range []string{"go.mod", "go.sum"} {
		content, err := os.ReadFile(filepath.Join(root, file))
		if err != nil {
			return fmt.Errorf("copying %s: %w", file, err)
		}
		if err := os.WriteFile(filepath.Join(to, file), content, 0o600); err != nil {
			return fmt.Errorf("copying %s: %w", file, err)
		}
	}
	return nil
}

// mutator breaks and tests a copy of the tree.
type mutator struct {
	tree string
	env  []string
}

// mutate tests with one patch, and takes it back.
func (m *mutator) mutate(ctx context.Context, patch string) (red bool, output []byte, err error) {
	if output, err := Apply(ctx, m.tree, patch); err != nil {
		return false, output, err
	}
	red, output, err = m.test(ctx)
	if back, backErr := Apply(ctx, m.tree, patch, "--reverse"); backErr != nil {
		return false, back, backErr
	}
	return red, output, err
}

// test builds and runs the differential test. It is red where it found a
// mismatch; everything else that fails is an error.
func (m *mutator) test(ctx context.Context) (red bool, output []byte, err error) {
	folder := filepath.Join(m.tree, "test/oracle")
	binary := filepath.Join(m.tree, "oracle.test")
	build := exec.CommandContext(ctx, "go", "test", "-c", "-o", binary, ".")
	build.Dir = folder
	if output, err := build.CombinedOutput(); err != nil {
		return false, output, fmt.Errorf("building: %w", err)
	}
	test := exec.CommandContext(ctx, binary, "-test.run", "^TestDifferential$")
	test.Dir, test.Env = folder, m.env
	output, err = test.CombinedOutput()
	if err == nil {
		return false, output, nil
	}
	if exit := (*exec.ExitError)(nil); !errors.As(err, &exit) || firstMismatch(output) == "" {
		return false, output, fmt.Errorf("testing: %w", err)
	}
	return true, output, nil
}

// Apply a patch with git, which need not know the tree.
func Apply(ctx context.Context, tree, patch string, flags ...string) ([]byte, error) {
	command := exec.CommandContext(ctx, "git", append(append([]string{"apply"}, flags...), patch)...)
	command.Dir = tree
	command.Env = append(os.Environ(), "GIT_CEILING_DIRECTORIES="+filepath.Dir(tree))
	output, err := command.CombinedOutput()
	if err != nil {
		return output, fmt.Errorf("applying the patch: %w", err)
	}
	return output, nil
}

// firstMismatch is the line that says what differs, and for what; empty if there
// is none, as where only the counts are not what they have to be.
func firstMismatch(output []byte) string {
	return string(regexp.MustCompile(`seed \d+, cluster \d+: .*`).Find(output))
}
