// Package archive builds container images of static binaries without a container engine, as docker archives that `docker load`,
// `podman load` and `ctr images import` read.
package archive

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// NonRoot is the user and group that images run as unless told otherwise.
const NonRoot = 65532

// Image describes an image with nothing in it but binaries, and what those cannot do without.
type Image struct {
	Binaries   []string // files on this machine; must be static, but for Files. The first is what the image runs
	Files      []string // more files of this machine, at the same paths in the image: the libraries of a binary that is not
	Entrypoint string   // absolute path of the first binary inside the image; the others stand beside it under their own names
	Args       []string // default arguments
	Tag        string   // REPOSITORY:TAG
	Platform   string   // OS/ARCH, as in linux/amd64
	User       int      // numeric user and group
}

// Write builds the image into the docker archive at output. The same input gives the same bytes: no time of the build and
// no name of the builder is kept.
func Write(spec Image, output string) error {
	tag, err := name.NewTag(spec.Tag)
	if err != nil {
		return fmt.Errorf("image tag %q: %w", spec.Tag, err)
	}
	image, err := build(spec)
	if err != nil {
		return fmt.Errorf("building image %s: %w", spec.Tag, err)
	}
	unfinished := output + ".unfinished"
	defer func() { _ = os.Remove(unfinished) }()
	if err := tarball.WriteToFile(unfinished, tag, image); err != nil {
		return fmt.Errorf("writing image %s: %w", spec.Tag, err)
	}
	if err := os.Rename(unfinished, output); err != nil {
		return fmt.Errorf("writing image %s: %w", spec.Tag, err)
	}
	return nil
}

// Push sends the image with that tag from a docker archive to its registry, with the credentials of the user's docker
// configuration, and returns the reference by digest.
func Push(archive, tag string) (string, error) {
	reference, err := name.NewTag(tag)
	if err != nil {
		return "", fmt.Errorf("image tag %q: %w", tag, err)
	}
	image, err := tarball.ImageFromPath(archive, &reference)
	if err != nil {
		return "", fmt.Errorf("reading %s from %s (was it built with that tag?): %w", tag, archive, err)
	}
	if err := remote.Write(reference, image, remote.WithAuthFromKeychain(authn.DefaultKeychain)); err != nil {
		return "", fmt.Errorf("pushing %s: %w", tag, err)
	}
	digest, err := image.Digest()
	if err != nil {
		return "", fmt.Errorf("computing the digest of %s: %w", tag, err)
	}
	return reference.Context().Digest(digest.String()).String(), nil
}

func build(spec Image) (v1.Image, error) {
	system, arch, ok := strings.Cut(spec.Platform, "/")
	if !ok || system == "" || arch == "" {
		return nil, fmt.Errorf("platform %q: want OS/ARCH, as in linux/amd64", spec.Platform)
	}
	if !path.IsAbs(spec.Entrypoint) || path.Clean(spec.Entrypoint) == "/" {
		return nil, fmt.Errorf("entrypoint %q: want an absolute path of a file", spec.Entrypoint)
	}
	if len(spec.Binaries) == 0 {
		return nil, errors.New("no binary")
	}
	content, err := layer(spec)
	if err != nil {
		return nil, err
	}
	// A layer is read more than once (digest, then content), hence the opener.
	blob, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(content)), nil })
	if err != nil {
		return nil, fmt.Errorf("making the layer: %w", err)
	}
	image, err := mutate.AppendLayers(empty.Image, blob)
	if err != nil {
		return nil, fmt.Errorf("adding the layer: %w", err)
	}
	config, err := image.ConfigFile()
	if err != nil {
		return nil, fmt.Errorf("reading the empty configuration: %w", err)
	}
	config = config.DeepCopy()
	config.OS, config.Architecture = system, arch
	config.Created = v1.Time{Time: time.Unix(0, 0).UTC()}
	config.Config = v1.Config{
		Entrypoint: []string{spec.Entrypoint},
		Cmd:        spec.Args,
		User:       fmt.Sprintf("%d:%d", spec.User, spec.User),
		WorkingDir: "/",
	}
	return mutate.ConfigFile(image, config)
}

// layer returns a tar file with the binaries and their files, owned by root and not writable by the user it runs as.
func layer(spec Image) ([]byte, error) {
	var buffer bytes.Buffer
	writer := tar.NewWriter(&buffer)
	inside := map[string]bool{}
	for i, binary := range spec.Binaries {
		to := path.Join(path.Dir(spec.Entrypoint), filepath.Base(binary))
		if i == 0 {
			to = path.Clean(spec.Entrypoint)
		}
		if inside[to] {
			return nil, fmt.Errorf("binary %s: the image has another %s", binary, to)
		}
		inside[to] = true
		if err := add(writer, binary, to); err != nil {
			return nil, err
		}
	}
	for _, file := range spec.Files {
		if err := add(writer, file, file); err != nil {
			return nil, err
		}
	}
	if err := writer.Close(); err != nil {
		return nil, fmt.Errorf("writing the layer: %w", err)
	}
	return buffer.Bytes(), nil
}

// add puts a file of this machine into the layer. Of a symbolic link it is what that leads to.
func add(layer *tar.Writer, file, inside string) error {
	content, err := os.ReadFile(filepath.Clean(file))
	if err != nil {
		return fmt.Errorf("reading a file of the image: %w", err)
	}
	header := &tar.Header{
		Typeflag: tar.TypeReg,
		Name:     strings.TrimPrefix(path.Clean(inside), "/"),
		Size:     int64(len(content)),
		Mode:     0o555,
		ModTime:  time.Unix(0, 0).UTC(),
	}
	if err := layer.WriteHeader(header); err != nil {
		return fmt.Errorf("writing the layer: %w", err)
	}
	if _, err := layer.Write(content); err != nil {
		return fmt.Errorf("writing the layer: %w", err)
	}
	return nil
}
