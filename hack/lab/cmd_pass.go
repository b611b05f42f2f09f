package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/netladder/netladder/hack/lab/internal/launch"
	"github.com/netladder/netladder/hack/lab/internal/layout"
)

func newKubectlCommand(flag *labFlag) *cobra.Command {
	return &cobra.Command{
		Use:                "kubectl ARGS...",
		Short:              "Run the lab's kubectl against the lab",
		DisableFlagParsing: true, // everything is kubectl's
		RunE: func(_ *cobra.Command, args []string) error {
			c, err := flag.load()
			if err != nil {
				return err
			}
			return launch.Exec(append([]string{c.Binary("kubectl")}, args...), []string{"KUBECONFIG=" + c.Kubeconfig()})
		},
	}
}

func newKubeconfigCommand(flag *labFlag) *cobra.Command {
	return &cobra.Command{
		Use:   "kubeconfig",
		Short: "Print the path of a kubeconfig for clients on this machine",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			c, err := flag.load()
			if err != nil {
				return err
			}
			_, err = fmt.Println(c.Kubeconfig())
			return err
		},
	}
}

func newExecCommand(flag *labFlag) *cobra.Command {
	cmd := &cobra.Command{
		Use:                   "exec NODE [--] COMMAND...",
		Short:                 "Run a command on a node, in its network, mount, PID and UTS namespaces",
		Args:                  cobra.MinimumNArgs(2),
		DisableFlagsInUseLine: true,
		RunE: func(_ *cobra.Command, args []string) error {
			c, err := flag.load()
			if err != nil {
				return err
			}
			program := args[1:]
			if program[0] == "--" && len(program) > 1 {
				program = program[1:]
			}
			command, err := c.Inside(args[0], program...)
			if err != nil {
				return err
			}
			return launch.Exec(command, nil)
		},
	}
	cmd.Flags().SetInterspersed(false) // flags after NODE are the command's
	return cmd
}

func newAuditLogCommand(flag *labFlag) *cobra.Command {
	return &cobra.Command{
		Use:   "audit-log",
		Short: "Print what Netladder's ServiceAccounts asked the API server, one JSON object a line",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := flag.load()
			if err != nil {
				return err
			}
			return c.AuditLog(cmd.OutOrStdout())
		},
	}
}

func newLogsCommand(flag *labFlag) *cobra.Command {
	var lines int
	cmd := &cobra.Command{
		Use:     "logs COMPONENT [NODE]",
		Short:   "Print the end of a component's log; without a node the control plane's",
		Example: "  lab logs kube-apiserver\n  lab logs kubelet node1\n  lab logs policy-agent node2 --tail 200",
		Args:    cobra.MaximumNArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return cmd.Help()
			}
			c, err := flag.load()
			if err != nil {
				return err
			}
			text, err := c.Log(append(args, layout.ControlPlane)[1], args[0], lines)
			if err != nil {
				return err
			}
			_, err = fmt.Println(text)
			return err
		},
	}
	cmd.Flags().IntVar(&lines, "tail", 50, "number of lines")
	return cmd
}
