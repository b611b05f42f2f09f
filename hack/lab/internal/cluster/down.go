package cluster

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/netladder/netladder/hack/lab/internal/cgroup"
	"github.com/netladder/netladder/hack/lab/internal/layout"
	"github.com/netladder/netladder/hack/lab/internal/netns"
)

const downLimit = 60 * time.Second

// Down removes everything that carries the lab's name, whatever state it is in: running, half started or gone. It reads
// no record, for a crash may have left none.
func (c *Cluster) Down(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, downLimit)
	defer cancel()
	if err := c.progress.Step("processes ended", func() error { return removeCgroup(ctx, c.lab.Cgroup()) }); err != nil {
		return err
	}
	return c.progress.Step("network and state removed", func() error {
		namespaces, err := namespacesOf(c.lab)
		if err != nil {
			return err
		}
		for _, path := range namespaces {
			if err := netns.Remove(path); err != nil {
				return err
			}
		}
		if err := os.Remove(c.lab.NetnsDir()); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("removing the directory of network namespaces: %w", err)
		}
		// No mount of a node reaches into the host's mount namespace, so that this removes the lab's files only.
		if err := os.RemoveAll(c.lab.Dir()); err != nil {
			return fmt.Errorf("removing the lab's state: %w", err)
		}
		// Unless another lab is in them.
		_ = os.Remove(layout.StateRoot)
		_ = os.Remove(filepath.Dir(c.lab.NetnsDir()))
		return c.waitUntilGone(ctx)
	})
}

// namespacesOf lists the lab's network namespaces and the links to them.
func namespacesOf(lab layout.Lab) ([]string, error) {
	namespaces, err := netns.List(lab.NetnsDir(), "")
	if err != nil {
		return nil, err
	}
	links, err := netns.List(layout.NetnsLinks, lab.NetnsPrefix())
	return append(links, namespaces...), err
}

// removeCgroup kills what is in a cgroup and removes it. A process that was about to enter when its starter died can
// still do so between the two: hence again until both succeed.
func removeCgroup(ctx context.Context, path string) error {
	return waitFor(ctx, "cgroup "+path+" removed", downLimit, func(ctx context.Context) error {
		if err := cgroup.Kill(ctx, path); err != nil {
			return err
		}
		return cgroup.Remove(path)
	})
}

// waitUntilGone gives the kernel the moment it needs to take down what has ended.
func (c *Cluster) waitUntilGone(ctx context.Context) error {
	return waitFor(ctx, "nothing left of lab "+c.lab.Name, downLimit, func(context.Context) error {
		left, err := Leftovers(c.lab)
		if err != nil {
			return err
		}
		if len(left) > 0 {
			return fmt.Errorf("still there: %q", left)
		}
		return nil
	})
}
