package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/netladder/netladder/hack/lab/internal/cluster"
	"github.com/netladder/netladder/hack/lab/internal/components"
	"github.com/netladder/netladder/hack/lab/internal/layout"
	"github.com/netladder/netladder/hack/lab/internal/progress"
)

// labFlag is the lab that the command line names.
type labFlag struct{ name string }

func (f *labFlag) lab() (layout.Lab, error) { return layout.New(f.name) }

// change runs a command that changes a lab which is up, under its lock.
func (f *labFlag) change(cmd *cobra.Command, do func(*cluster.Cluster) error) error {
	return f.locked(cmd, func(lab layout.Lab, p *progress.Printer) error {
		c, err := cluster.Load(lab, p)
		if err != nil {
			return err
		}
		return do(c)
	})
}

func (f *labFlag) locked(cmd *cobra.Command, do func(layout.Lab, *progress.Printer) error) error {
	lab, err := f.lab()
	if err != nil {
		return err
	}
	p := progress.New(os.Stderr)
	unlock, err := cluster.Lock(cmd.Context(), lab, p)
	if err != nil {
		return err
	}
	defer unlock()
	return do(lab, p)
}

// load returns a lab that is up, for commands that change nothing.
func (f *labFlag) load() (*cluster.Cluster, error) {
	lab, err := f.lab()
	if err != nil {
		return nil, err
	}
	return cluster.Load(lab, progress.New(os.Stderr))
}

func newUpCommand(flag *labFlag) *cobra.Command {
	var options cluster.UpOptions
	cmd := &cobra.Command{
		Use:   "up",
		Short: "Start the lab, or whatever of it does not run; ends when all nodes and CoreDNS are ready",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var err error
			if options.Binaries, err = ensure(cmd, components.All); err != nil {
				return err
			}
			return flag.locked(cmd, func(lab layout.Lab, p *progress.Printer) error {
				c := cluster.New(lab, p)
				return p.Step("lab "+lab.Name+" is up", func() error { return c.Up(cmd.Context(), options) })
			})
		},
	}
	cmd.Flags().IntVar(&options.Nodes, "nodes", 0, "number of nodes (default: 3, or as many as the lab has)")
	cmd.Flags().StringSliceVar(&options.DNSNodes, "dns-nodes", nil, "nodes that run a CoreDNS replica each (default: node1,node3)")
	return cmd
}

func newDownCommand(flag *labFlag) *cobra.Command {
	return &cobra.Command{
		Use:   "down",
		Short: "Remove the lab without a trace, in whatever state it is",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return flag.locked(cmd, func(lab layout.Lab, p *progress.Printer) error {
				return cluster.New(lab, p).Down(cmd.Context())
			})
		},
	}
}

func newLeftoversCommand(flag *labFlag) *cobra.Command {
	return &cobra.Command{
		Use:   "leftovers",
		Short: "Print everything on this machine that carries the lab's name; fail if there is anything",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			lab, err := flag.lab()
			if err != nil {
				return err
			}
			left, err := cluster.Leftovers(lab)
			if err != nil {
				return err
			}
			for _, line := range left {
				fmt.Println(line)
			}
			if len(left) > 0 {
				return fmt.Errorf("%d things of lab %s are on this machine; `lab down` removes them", len(left), lab.Name)
			}
			return nil
		},
	}
}

func newStatusCommand(flag *labFlag) *cobra.Command {
	return &cobra.Command{
		Use:   "status",
		Short: "Show what runs, what is Ready and what is broken",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := flag.load()
			if err != nil {
				return err
			}
			return c.Status(cmd.Context(), os.Stdout)
		},
	}
}

func newLoadCommand(flag *labFlag) *cobra.Command {
	return &cobra.Command{
		Use:   "load IMAGE.tar",
		Short: "Import a docker archive on all nodes, also on those that start later",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return flag.change(cmd, func(c *cluster.Cluster) error { return c.Load(cmd.Context(), args[0]) })
		},
	}
}

func newStopCommand(flag *labFlag) *cobra.Command {
	return &cobra.Command{
		Use:   "stop NODE|" + cluster.APIServer,
		Short: "Cut a node's power, or end the API server only",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return flag.change(cmd, func(c *cluster.Cluster) error { return c.Stop(cmd.Context(), args[0]) })
		},
	}
}

func newStartCommand(flag *labFlag) *cobra.Command {
	return &cobra.Command{
		Use:   "start NODE|" + cluster.APIServer,
		Short: "Undo stop, also if the Node object was deleted meanwhile; ends when it is Ready",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return flag.change(cmd, func(c *cluster.Cluster) error { return c.Start(cmd.Context(), args[0]) })
		},
	}
}
