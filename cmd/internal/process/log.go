// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package process

import (
	"log/slog"
	"os"

	"github.com/go-logr/logr"
	"github.com/spf13/pflag"
)

// LogFlags are the flags of every role that writes a log.
type LogFlags struct {
	verbosity int
}

// Register adds the flags.
func (f *LogFlags) Register(flags *pflag.FlagSet) {
	flags.IntVarP(&f.verbosity, "v", "v", 0, "how much to log: 0 what an operator wants to know, 1 each decision, 2 each request")
}

// Logger writes JSON lines to standard error. slog's levels count downwards
// from Info as logr's verbosity counts upwards.
func (f *LogFlags) Logger() logr.Logger {
	level := slog.Level(-f.verbosity)
	return logr.FromSlogHandler(slog.NewJSONHandler(os.Stderr, &slog.HandlerOptions{Level: level}))
}
