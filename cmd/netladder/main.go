// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

// Command netladder is every role of Netladder in one binary: the controller,
// the prober, the echo server, and the plugin of kubectl where it is called
// kubectl-netladder. It holds flags and wiring only.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

// version is set by the linker.
var version = "dev"

func main() {
	err := run(os.Args)
	if code := exitCode(0); errors.As(err, &code) {
		os.Exit(int(code))
	}
	if err != nil && !errors.Is(err, context.Canceled) {
		fmt.Fprintln(os.Stderr, "netladder:", err)
		os.Exit(1)
	}
}

func run(argv []string) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// A second signal ends the process at once.
	context.AfterFunc(ctx, stop)
	cmd, args := commandFor(argv)
	cmd.SetArgs(args)
	return cmd.ExecuteContext(ctx)
}

func rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:           "netladder",
		Short:         "Proves continuously that a cluster's network does what its owners declared",
		Version:       version,
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.AddCommand(controllerCommand(), proberCommand(), echoCommand(), crdsCommand())
	root.AddCommand(userCommands(newPlugin)...)
	return root
}
