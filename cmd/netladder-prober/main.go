// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

// Command netladder-prober is what runs on every node: the prober and the echo
// server, which is the canary too. It is a program of its own so that a node
// holds nothing of the controller in memory. It holds flags and wiring only.
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
	if err := process.Run(rootCommand(), os.Args[1:]); err != nil && !errors.Is(err, context.Canceled) {
		fmt.Fprintln(os.Stderr, "netladder-prober:", err)
		os.Exit(1)
	}
}

func rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:           "netladder-prober",
		Short:         "What Netladder runs on every node",
		Version:       version,
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.CompletionOptions.DisableDefaultCmd = true // nobody types these
	root.AddCommand(proberCommand(), echoCommand())
	return root
}

func build() process.Build { return process.Build{Version: version, Revision: revision} }
