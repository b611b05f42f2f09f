// Image builds the product's container image from static binaries, without a container engine, and pushes it.
package main

import (
	"fmt"
	"os"
	"runtime"

	"github.com/spf13/cobra"

	"github.com/netladder/netladder/hack/image/archive"
)

func main() {
	root := &cobra.Command{
		Use:           "image",
		Short:         "Build and push container images without a container engine",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.AddCommand(newBuildCommand(), newPushCommand())
	if err := root.Execute(); err != nil {
		fmt.Fprintln(os.Stderr, "image:", err)
		os.Exit(1)
	}
}

func newBuildCommand() *cobra.Command {
	spec := archive.Image{User: archive.NonRoot}
	var output string
	cmd := &cobra.Command{
		Use:   "build --binary FILE... --tag IMAGE --output IMAGE.tar",
		Short: "Write a docker archive with the binaries and nothing else, run as a non-root user; same input, same bytes",
		Args:  cobra.NoArgs,
		RunE:  func(*cobra.Command, []string) error { return archive.Write(spec, output) },
	}
	flags := cmd.Flags()
	flags.StringArrayVar(&spec.Binaries, "binary", nil, "binary to put into the image: static, or with what it needs by --with; may be repeated, and the first is what the image runs")
	flags.StringArrayVar(&spec.Files, "with", nil, "another file of this machine that the binary needs, kept at the same path; may be repeated")
	flags.StringVar(&spec.Tag, "tag", "", "name of the image, REPOSITORY:TAG")
	flags.StringVar(&output, "output", "", "docker archive to write")
	flags.StringVar(&spec.Platform, "platform", "linux/"+runtime.GOARCH, "platform of the binaries, OS/ARCH")
	flags.StringVar(&spec.Entrypoint, "entrypoint", "/netladder", "path of the first binary inside the image; the others stand beside it under their own names")
	require(cmd, "binary", "tag", "output")
	return cmd
}

func newPushCommand() *cobra.Command {
	var source, tag string
	cmd := &cobra.Command{
		Use:   "push --archive IMAGE.tar --tag IMAGE",
		Short: "Push an image from a docker archive, with the credentials of the docker configuration",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			digest, err := archive.Push(source, tag)
			if err != nil {
				return err
			}
			_, err = fmt.Println(digest)
			return err
		},
	}
	cmd.Flags().StringVar(&source, "archive", "", "docker archive that `image build` wrote")
	cmd.Flags().StringVar(&tag, "tag", "", "name of the image, REGISTRY/REPOSITORY:TAG")
	require(cmd, "archive", "tag")
	return cmd
}

// require marks flags that have no sensible default.
func require(cmd *cobra.Command, names ...string) {
	for _, flag := range names {
		if err := cmd.MarkFlagRequired(flag); err != nil {
			panic(err) // only a flag that is not there
		}
	}
}
