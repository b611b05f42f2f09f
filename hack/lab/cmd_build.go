package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/netladder/netladder/hack/lab/internal/components"
	"github.com/netladder/netladder/hack/lab/internal/progress"
)

const selections = "which components: envtest (etcd, kube-apiserver, kubectl), monitoring (prometheus), or all that a cluster needs"

func newBuildCommand() *cobra.Command {
	var only string
	cmd := &cobra.Command{
		Use:   "build",
		Short: "Build the cluster's components into the cache (once; minutes when cold)",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			selection, err := components.ParseSelection(only)
			if err != nil {
				return err
			}
			dir, err := ensure(cmd, selection)
			if err != nil {
				return err
			}
			fmt.Fprintln(os.Stderr, "components:", dir)
			return nil
		},
	}
	cmd.Flags().StringVar(&only, "only", string(components.All), selections)
	return cmd
}

func newAssetsCommand() *cobra.Command {
	var only string
	cmd := &cobra.Command{
		Use:   "assets",
		Short: "Print the directory with etcd, kube-apiserver and kubectl (KUBEBUILDER_ASSETS), building them if missing",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			selection, err := components.ParseSelection(only)
			if err != nil {
				return err
			}
			dir, err := ensure(cmd, selection)
			if err != nil {
				return err
			}
			_, err = fmt.Println(dir)
			return err
		},
	}
	cmd.Flags().StringVar(&only, "only", string(components.Envtest), selections)
	return cmd
}

// ensure builds the selection, with progress on standard error: standard output is for answers.
func ensure(cmd *cobra.Command, selection components.Selection) (string, error) {
	builder, err := components.NewBuilder(progress.New(os.Stderr))
	if err != nil {
		return "", err
	}
	return builder.Ensure(cmd.Context(), selection)
}
