package cluster

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/netladder/netladder/hack/image/archive"
)

// The images that every node has. Nothing pulls: pods that use them say imagePullPolicy Never or IfNotPresent.
const (
	PauseImage      = "netladder.lab/pause:v1"
	CoreDNSImage    = "netladder.lab/coredns:v1"
	PodtoolImage    = "netladder.lab/podtool:v1"    // what tests run in pods
	GRPCServerImage = "netladder.lab/grpcserver:v1" // likewise
)

// podtool is the component that these images and the metadata servers run.
const podtool = "podtool"

// buildImages makes the lab's own images, unless the lab has them already.
func (c *Cluster) buildImages() error {
	if err := os.MkdirAll(c.lab.Path("images"), 0o755); err != nil {
		return fmt.Errorf("making the directory of images: %w", err)
	}
	for _, image := range []struct {
		tag, binary string
		args        []string
	}{
		{PauseImage, podtool, []string{"pause"}},
		{CoreDNSImage, "coredns", nil},
		{PodtoolImage, podtool, []string{"serve"}},
		{GRPCServerImage, "grpcserver", nil},
	} {
		output := c.imageFile(image.tag)
		if _, err := os.Stat(output); err == nil {
			continue
		}
		if err := archive.Write(archive.Image{
			Binaries: []string{c.Binary(image.binary)}, Entrypoint: "/" + image.binary, Args: image.args, Tag: image.tag,
			Platform: runtime.GOOS + "/" + runtime.GOARCH, User: archive.NonRoot,
		}, output); err != nil {
			return err
		}
	}
	return nil
}

// Load keeps an image archive for all nodes, present and future, and imports it on those that run.
func (c *Cluster) Load(ctx context.Context, path string) error {
	kept := c.lab.Path("images", filepath.Base(path))
	if filepath.Ext(kept) != ".tar" {
		return fmt.Errorf("image archive %s: want a file named *.tar, as `image build` or `docker save` writes it", path)
	}
	if err := copyFile(path, kept); err != nil {
		return fmt.Errorf("keeping image archive %s: %w", path, err)
	}
	nodes, ctx := errgroup.WithContext(ctx)
	for _, node := range c.state.Running() {
		nodes.Go(func() error {
			return c.progress.Step(fmt.Sprintf("import %s on %s", filepath.Base(path), node), func() error {
				return c.importImages(ctx, node)
			})
		})
	}
	return nodes.Wait()
}

// importImages gives a node the images it lacks. What it has is remembered by content, beside its containerd's data.
func (c *Cluster) importImages(ctx context.Context, node string) error {
	archives, err := filepath.Glob(c.lab.Path("images", "*.tar"))
	if err != nil {
		return fmt.Errorf("listing images: %w", err)
	}
	for _, path := range archives {
		sum, err := checksum(path)
		if err != nil {
			return fmt.Errorf("image archive %s: %w", path, err)
		}
		mark := c.nodeFile(node, "imported/"+filepath.Base(path))
		if have, err := os.ReadFile(mark); err == nil && string(have) == sum {
			continue
		} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("image archive %s: %w", path, err)
		}
		file, err := os.Open(path)
		if err != nil {
			return fmt.Errorf("image archive %s: %w", path, err)
		}
		err = c.inNode(ctx, node, file, c.nodeBinary("ctr"), "--namespace", "k8s.io", "images", "import", "--local", "-")
		_ = file.Close()
		if err != nil {
			return fmt.Errorf("image archive %s: %w", path, err)
		}
		if err := os.MkdirAll(filepath.Dir(mark), 0o755); err != nil {
			return fmt.Errorf("image archive %s: %w", path, err)
		}
		if err := os.WriteFile(mark, []byte(sum), 0o644); err != nil {
			return fmt.Errorf("image archive %s: %w", path, err)
		}
	}
	return nil
}

// imageFile is where the archive of one of the lab's own images is kept.
func (c *Cluster) imageFile(tag string) string {
	name, _, _ := strings.Cut(filepath.Base(tag), ":")
	return c.lab.Path("images", "lab-"+name+".tar")
}

func checksum(path string) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer func() { _ = file.Close() }()
	sum := sha256.New()
	if _, err := io.Copy(sum, file); err != nil {
		return "", err
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

func copyFile(from, to string) error {
	source, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { _ = source.Close() }()
	unfinished := to + ".unfinished"
	target, err := os.Create(unfinished)
	if err != nil {
		return err
	}
	if _, err := io.Copy(target, source); err != nil {
		_ = target.Close()
		return err
	}
	if err := target.Close(); err != nil {
		return err
	}
	return os.Rename(unfinished, to)
}
