package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"
)

const (
	nameEnv     = "NETLADDER_LAB_NAME"
	defaultName = "nl"
)

func newRootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:           "lab",
		Short:         "A real multi-node Kubernetes cluster on this machine, in network namespaces",
		SilenceUsage:  true,
		SilenceErrors: true,
		// So that `lab --name x kubectl ...` takes the lab's flag and leaves kubectl's alone.
		TraverseChildren: true,
	}
	name := os.Getenv(nameEnv)
	if name == "" {
		name = defaultName
	}
	flag := &labFlag{}
	root.PersistentFlags().StringVar(&flag.name, "name", name, "name of the lab, which keeps labs apart (default from "+nameEnv+")")
	root.AddCommand(
		newUpCommand(flag), newDownCommand(flag), newStatusCommand(flag), newLeftoversCommand(flag),
		newKubectlCommand(flag), newKubeconfigCommand(flag), newExecCommand(flag), newLogsCommand(flag), newAuditLogCommand(flag), newLoadCommand(flag),
		newStopCommand(flag), newStartCommand(flag), newBreakCommand(flag), newHealCommand(flag),
		newPolicyCommand(flag), newMetadataCommand(flag),
		newBuildCommand(), newAssetsCommand(),
		newEnterCommand(), newNodeInitCommand(flag), newForwardCommand(),
	)
	for _, cmd := range root.Commands() {
		cmd.Args = withUsage(cmd.Args)
	}
	return root
}

// withUsage adds to an error about arguments how the command is used.
func withUsage(check cobra.PositionalArgs) cobra.PositionalArgs {
	if check == nil {
		return nil
	}
	return func(cmd *cobra.Command, args []string) error {
		if err := check(cmd, args); err != nil {
			return fmt.Errorf("%w; usage: %s", err, cmd.UseLine())
		}
		return nil
	}
}
