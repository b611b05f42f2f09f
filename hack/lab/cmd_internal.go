package main

import (
	"github.com/spf13/cobra"

	"github.com/netladder/netladder/hack/lab/internal/cluster"
	"github.com/netladder/netladder/hack/lab/internal/forward"
	"github.com/netladder/netladder/hack/lab/internal/launch"
	"github.com/netladder/netladder/hack/lab/internal/nodeinit"
)

// The hidden commands are the lab's own processes: it starts itself under these names.

func newEnterCommand() *cobra.Command {
	var process launch.Process
	cmd := &cobra.Command{
		Use: launch.EnterCommand, Hidden: true,
		RunE: func(_ *cobra.Command, args []string) error {
			process.Args = args
			return launch.Enter(process)
		},
	}
	cmd.Flags().StringVar(&process.Cgroup, "cgroup", "", "")
	cmd.Flags().StringVar(&process.Netns, "netns", "", "")
	cmd.Flags().IntVar(&process.Join, "join", 0, "")
	return cmd
}

func newNodeInitCommand(flag *labFlag) *cobra.Command {
	var binaries string
	cmd := &cobra.Command{
		Use: nodeinit.Command, Hidden: true, Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			lab, err := flag.lab()
			if err != nil {
				return err
			}
			return nodeinit.Run(cmd.Context(), nodeinit.Node{Lab: lab, Name: args[0], Binaries: binaries})
		},
	}
	cmd.Flags().StringVar(&binaries, "binaries", "", "")
	return cmd
}

func newForwardCommand() *cobra.Command {
	return &cobra.Command{
		Use: cluster.ForwardCommand, Hidden: true, Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return forward.Run(cmd.Context(), args[0]) },
	}
}
