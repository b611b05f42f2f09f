package main

import (
	"fmt"
	"os"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/netladder/netladder/hack/lab/internal/cluster"
	"github.com/netladder/netladder/hack/lab/internal/fault"
	"github.com/netladder/netladder/hack/lab/internal/state"
)

func newBreakCommand(flag *labFlag) *cobra.Command {
	return &cobra.Command{
		Use:   "break [FAULT [NODE [PEER|OBJECT]]]",
		Short: "Break something until it is healed; without arguments list what can be broken",
		Args:  cobra.MaximumNArgs(3),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return listFaults()
			}
			return flag.change(cmd, func(c *cluster.Cluster) error { return c.Break(cmd.Context(), faultFrom(args)) })
		},
	}
}

func newHealCommand(flag *labFlag) *cobra.Command {
	return &cobra.Command{
		Use:   "heal [FAULT [NODE [PEER|OBJECT]]]",
		Short: "Heal what was broken; without arguments everything",
		Args:  cobra.MaximumNArgs(3),
		RunE: func(cmd *cobra.Command, args []string) error {
			return flag.change(cmd, func(c *cluster.Cluster) error {
				if len(args) == 0 {
					return c.HealAll(cmd.Context())
				}
				return c.Heal(cmd.Context(), faultFrom(args))
			})
		},
	}
}

func faultFrom(args []string) state.Fault {
	var padded [3]string
	copy(padded[:], args)
	record := state.Fault{Name: padded[0], Node: padded[1]}
	// Whether there is such a fault is checked by who breaks it.
	if kind, err := fault.Find(record.Name); err == nil && kind.Target == fault.NodeObject {
		record.Object = padded[2]
	} else {
		record.Peer = padded[2]
	}
	return record
}

func listFaults() error {
	table := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	for _, each := range fault.Table() {
		_, _ = fmt.Fprintf(table, "%s\t%s\n", each.Usage(), each.Effect)
	}
	return table.Flush()
}
