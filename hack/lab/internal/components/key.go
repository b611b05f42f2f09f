package components

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"sort"
	"strings"
)

// goBuildArgs are the flags every component is built with; they are part of the cache key.
func (f Family) goBuildArgs() []string {
	args := []string{"build", "-trimpath", "-ldflags", strings.TrimSpace("-s -w " + f.LDFlags)}
	if f.Tags != "" {
		args = append(args, "-tags", f.Tags)
	}
	return args
}

// Key names the family's cache entry: it changes with the module's files (go.mod, go.sum and sources that the lab itself
// holds, but for tests), the build flags, the Go version and the platform.
func (f Family) Key(source string) (string, error) {
	dir := filepath.Join(source, "components", f.Name)
	entries, err := os.ReadDir(dir)
	if err != nil {
		return "", fmt.Errorf("reading the module of component %s: %w", f.Name, err)
	}
	names := make([]string, 0, len(entries))
	for _, entry := range entries {
		if entry.Type().IsRegular() && !strings.HasSuffix(entry.Name(), "_test.go") {
			names = append(names, entry.Name())
		}
	}
	sort.Strings(names)

	sum := sha256.New()
	_, _ = fmt.Fprintf(sum, "%s %s/%s %q\n", runtime.Version(), runtime.GOOS, runtime.GOARCH, f.goBuildArgs())
	for _, name := range names {
		content, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return "", fmt.Errorf("reading the module of component %s: %w", f.Name, err)
		}
		_, _ = fmt.Fprintf(sum, "%s %d\n", name, len(content))
		_, _ = sum.Write(content)
	}
	return f.Name + "-" + hex.EncodeToString(sum.Sum(nil))[:16], nil
}

// SourceEnv overrides where hack/lab is looked for.
const SourceEnv = "NETLADDER_LAB_SOURCE"

// FindSource returns the directory hack/lab of the clone, which holds the component modules: from SourceEnv, else searched
// upwards from the running binary and from the working directory.
func FindSource() (string, error) {
	if dir := os.Getenv(SourceEnv); dir != "" {
		return dir, nil
	}
	starts := []string{}
	if exe, err := os.Executable(); err == nil {
		starts = append(starts, filepath.Dir(exe))
	}
	if wd, err := os.Getwd(); err == nil {
		starts = append(starts, wd)
	}
	for _, start := range starts {
		for dir := start; ; dir = filepath.Dir(dir) {
			candidate := filepath.Join(dir, "hack", "lab")
			if _, err := os.Stat(filepath.Join(candidate, "components")); err == nil {
				return candidate, nil
			} else if !errors.Is(err, fs.ErrNotExist) {
				return "", fmt.Errorf("looking for the lab's sources: %w", err)
			}
			if dir == filepath.Dir(dir) {
				break
			}
		}
	}
	return "", fmt.Errorf("found no hack/lab/components above %s: run from inside the clone or set %s to its hack/lab",
		strings.Join(starts, " or "), SourceEnv)
}

// CacheDir returns where built components are kept: $NETLADDER_CACHE, else netladder in the user's cache directory.
func CacheDir() (string, error) {
	if dir := os.Getenv("NETLADDER_CACHE"); dir != "" {
		return filepath.Abs(dir)
	}
	if dir := os.Getenv("XDG_CACHE_HOME"); dir != "" {
		return filepath.Join(dir, "netladder"), nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("no place for the component cache (set NETLADDER_CACHE): %w", err)
	}
	return filepath.Join(home, ".cache", "netladder"), nil
}
