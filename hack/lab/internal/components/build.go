package components

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"

	"github.com/netladder/netladder/hack/lab/internal/filelock"
	"github.com/netladder/netladder/hack/lab/internal/progress"
)

// Builder builds components into the cache.
type Builder struct {
	Source   string // hack/lab of the clone
	Cache    string
	Progress *progress.Printer
}

// NewBuilder finds the sources and the cache.
func NewBuilder(p *progress.Printer) (*Builder, error) {
	source, err := FindSource()
	if err != nil {
		return nil, err
	}
	cache, err := CacheDir()
	if err != nil {
		return nil, err
	}
	return &Builder{Source: source, Cache: cache, Progress: p}, nil
}

// Ensure builds what the selection lacks and returns a directory that holds all of its binaries. Two builders that share a
// cache wait for each other.
func (b *Builder) Ensure(ctx context.Context, selection Selection) (string, error) {
	if dir, err := b.assembled(selection); err == nil {
		return dir, nil
	} else if !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	if err := os.MkdirAll(b.Cache, 0o755); err != nil {
		return "", fmt.Errorf("making the component cache: %w", err)
	}
	unlock, err := filelock.Lock(ctx, filepath.Join(b.Cache, "build.lock"), func() {
		b.Progress.Say("wait  another build holds %s", filepath.Join(b.Cache, "build.lock"))
	})
	if err != nil {
		return "", err
	}
	defer unlock()
	for _, family := range Families() {
		if err := b.buildFamily(ctx, family, selection); err != nil {
			return "", err
		}
	}
	return b.assemble(selection)
}

// buildFamily builds the selected binaries that the cache lacks, one at a time so that each is kept as soon as it is there.
func (b *Builder) buildFamily(ctx context.Context, family Family, selection Selection) error {
	key, err := family.Key(b.Source)
	if err != nil {
		return err
	}
	dir := filepath.Join(b.Cache, key)
	for _, binary := range family.Binaries {
		if !selection.wants(binary.Name) {
			continue
		}
		if _, err := os.Stat(filepath.Join(dir, binary.Name)); err == nil {
			continue
		}
		what := fmt.Sprintf("build %s %s", binary.Name, family.Version)
		b.Progress.Say("...   %s", what)
		if err := b.Progress.Step(what, func() error { return b.buildBinary(ctx, family, binary, dir) }); err != nil {
			return err
		}
	}
	return nil
}

// buildBinary compiles into a file of another name and renames it, so that the cache never holds half a binary.
func (b *Builder) buildBinary(ctx context.Context, family Family, binary Binary, dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("making the cache entry of %s: %w", family.Name, err)
	}
	unfinished := filepath.Join(dir, "."+binary.Name+".unfinished")
	defer func() { _ = os.Remove(unfinished) }()
	args := append(family.goBuildArgs(), "-o", unfinished, binary.Package)
	cmd := exec.CommandContext(ctx, "nice", append([]string{"go"}, args...)...)
	cmd.Dir = filepath.Join(b.Source, "components", family.Name)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off", "GOFLAGS=-buildvcs=false")
	// A build must not outlive whoever wanted it. The signal comes when the starting thread ends: it has to stay.
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go build %s in %s: %w\n%s", binary.Package, cmd.Dir, err, lastLines(out, 20))
	}
	if err := os.Rename(unfinished, filepath.Join(dir, binary.Name)); err != nil {
		return fmt.Errorf("keeping %s: %w", binary.Name, err)
	}
	return nil
}

// assembled returns the directory that holds the whole selection, or an error that is fs.ErrNotExist if it must be made.
func (b *Builder) assembled(selection Selection) (string, error) {
	dir, _, err := b.selectionDir(selection)
	if err != nil {
		return "", err
	}
	if _, err := os.Stat(dir); err != nil {
		return "", fmt.Errorf("components %s: %w", selection, err)
	}
	return dir, nil
}

// assemble puts hard links to the selected binaries into one directory: envtest and PATH want all of them together.
func (b *Builder) assemble(selection Selection) (string, error) {
	dir, files, err := b.selectionDir(selection)
	if err != nil {
		return "", err
	}
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	// A fixed name, under the lock: whoever died half-way leaves nothing that piles up.
	unfinished := filepath.Join(b.Cache, ".unfinished-"+string(selection))
	if err := errors.Join(os.RemoveAll(unfinished), os.Mkdir(unfinished, 0o755)); err != nil {
		return "", fmt.Errorf("making the directory of components %s: %w", selection, err)
	}
	for _, file := range files {
		if err := os.Link(file, filepath.Join(unfinished, filepath.Base(file))); err != nil {
			return "", fmt.Errorf("adding to components %s: %w", selection, err)
		}
	}
	if err := os.Rename(unfinished, dir); err != nil {
		return "", fmt.Errorf("keeping components %s: %w", selection, err)
	}
	return dir, nil
}

// selectionDir names the directory of a selection and the cached files that belong into it.
func (b *Builder) selectionDir(selection Selection) (dir string, files []string, err error) {
	sum := sha256.New()
	for _, family := range Families() {
		key, err := family.Key(b.Source)
		if err != nil {
			return "", nil, err
		}
		for _, binary := range family.Binaries {
			if selection.wants(binary.Name) {
				file := filepath.Join(b.Cache, key, binary.Name)
				files = append(files, file)
				_, _ = fmt.Fprintln(sum, filepath.Join(key, binary.Name))
			}
		}
	}
	return filepath.Join(b.Cache, string(selection)+"-"+hex.EncodeToString(sum.Sum(nil))[:16]), files, nil
}

// lastLines returns the last n lines of a command's output.
func lastLines(out []byte, n int) string {
	lines := strings.Split(string(bytes.TrimSpace(out)), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
