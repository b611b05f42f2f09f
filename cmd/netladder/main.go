// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

// Command netladder is the controller, and the plugin of kubectl where it is
// called kubectl-netladder. What runs on every node is netladder-prober. It
// holds flags and wiring only.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/netladder/netladder/cmd/internal/process"
)

// version and revision are set by the linker.
var version, revision = "dev", ""

func main() {
	cmd, args := commandFor(os.Args)
	err := process.Run(cmd, args)
	if code := exitCode(0); errors.As(err, &code) {
		os.Exit(int(code))
	}
	if err != nil && !errors.Is(err, context.Canceled) {
		fmt.Fprintln(os.Stderr, "netladder:", err)
		os.Exit(1)
	}
}

func rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:           "netladder",
		Short:         "Proves continuously that a cluster's network does what its owners declared",
		Version:       version,
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.AddCommand(controllerCommand(), crdsCommand())
	root.AddCommand(userCommands(newPlugin)...)
	return root
}

func build() process.Build { return process.Build{Version: version, Revision: revision} }
