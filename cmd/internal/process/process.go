// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

// Package process holds what Netladder's two programs have in common as
// processes: signals, the log, and what they were built from.
package process

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

// Run executes a command with these arguments until it returns. SIGINT and
// SIGTERM end its context; a second signal ends the process at once.
func Run(cmd *cobra.Command, args []string) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)
	cmd.SetArgs(args)
	return cmd.ExecuteContext(ctx)
}
