package archive

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

func spec(t *testing.T) Image {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "prober")
	if err := os.WriteFile(binary, []byte("static binary"), 0o755); err != nil {
		t.Fatal(err)
	}
	return Image{Binaries: []string{binary}, Entrypoint: "/netladder", Tag: "example.test/netladder:v1", Platform: "linux/arm64", User: NonRoot}
}

func TestWriteIsReproducibleAndReadable(t *testing.T) {
	image := spec(t)
	first, second := filepath.Join(t.TempDir(), "a.tar"), filepath.Join(t.TempDir(), "b.tar")
	for _, output := range []string{first, second} {
		if err := Write(image, output); err != nil {
			t.Fatal(err)
		}
	}
	a, _ := os.ReadFile(first)
	b, _ := os.ReadFile(second)
	if len(a) == 0 || !bytes.Equal(a, b) {
		t.Errorf("two builds differ: %d and %d bytes", len(a), len(b))
	}

	tag, err := name.NewTag(image.Tag)
	if err != nil {
		t.Fatal(err)
	}
	read, err := tarball.ImageFromPath(first, &tag)
	if err != nil {
		t.Fatal(err)
	}
	config, err := read.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	if got := config.Config.User; got != "65532:65532" {
		t.Errorf("user %q", got)
	}
	if got := config.Config.Entrypoint; len(got) != 1 || got[0] != "/netladder" {
		t.Errorf("entrypoint %q", got)
	}
	if config.OS != "linux" || config.Architecture != "arm64" {
		t.Errorf("platform %s/%s", config.OS, config.Architecture)
	}
}

func TestLayerHasTheOtherFilesToo(t *testing.T) {
	image := spec(t)
	second := filepath.Join(t.TempDir(), "netladder-prober")
	if err := os.WriteFile(second, []byte("second binary"), 0o755); err != nil {
		t.Fatal(err)
	}
	image.Binaries = append(image.Binaries, second)
	library := filepath.Join(t.TempDir(), "libc.so.6")
	if err := os.WriteFile(library, []byte("library"), 0o644); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(t.TempDir(), "libc.so")
	if err := os.Symlink(library, link); err != nil {
		t.Fatal(err)
	}
	image.Files = []string{link}
	content, err := layer(image)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for reader := tar.NewReader(bytes.NewReader(content)); ; {
		header, err := reader.Next()
		if errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		file, err := io.ReadAll(reader)
		if err != nil {
			t.Fatal(err)
		}
		got["/"+header.Name] = string(file)
	}
	if len(got) != 3 || got["/netladder"] != "static binary" || got["/netladder-prober"] != "second binary" || got[link] != "library" {
		t.Errorf("the layer has %q", got)
	}
}

func TestWriteRefuses(t *testing.T) {
	for what, test := range map[string]struct {
		mutate func(*Image)
		want   string
	}{
		"relative entrypoint":   {func(i *Image) { i.Entrypoint = "netladder" }, "absolute path"},
		"platform without arch": {func(i *Image) { i.Platform = "linux" }, "OS/ARCH"},
		"bad tag":               {func(i *Image) { i.Tag = "UPPER CASE" }, "image tag"},
		"no binary":             {func(i *Image) { i.Binaries[0] += "-gone" }, "prober-gone"},
		"none at all":           {func(i *Image) { i.Binaries = nil }, "no binary"},
		"two of one name":       {func(i *Image) { i.Binaries = append(i.Binaries, i.Binaries[0], i.Binaries[0]) }, "another /prober"},
	} {
		image := spec(t)
		test.mutate(&image)
		err := Write(image, filepath.Join(t.TempDir(), "out.tar"))
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: error %v, want one with %q", what, err, test.want)
		}
	}
}
