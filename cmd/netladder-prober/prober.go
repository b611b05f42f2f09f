// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"
	"runtime/debug"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/cmd/internal/process"
	"github.com/netladder/netladder/prober"
	"github.com/netladder/netladder/prober/probe"
)

// proberGCPercent: what a prober keeps is small, and an assignment that changes
// every second would otherwise let garbage grow to as much again.
const proberGCPercent = 40

func proberCommand() *cobra.Command {
	var (
		opts  prober.Options
		level string
		logs  process.LogFlags
	)
	cmd := &cobra.Command{
		Use:   "prober",
		Short: "Probe what this node's ProbeAssignment asks for, and report",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			opts.Level = v1alpha1.Level(level)
			if opts.Level != v1alpha1.LevelRestricted && opts.Level != v1alpha1.LevelFull {
				return fmt.Errorf("--level %q: use %s or %s", level, v1alpha1.LevelRestricted, v1alpha1.LevelFull)
			}
			opts.Log = logs.Logger()
			opts.Probes = probe.Kinds()
			opts.Collectors = []prometheus.Collector{build().Info("prober")}
			if os.Getenv("GOGC") == "" {
				debug.SetGCPercent(proberGCPercent)
			}
			return prober.Run(cmd.Context(), opts)
		},
	}
	flags := cmd.Flags()
	logs.Register(flags)
	flags.StringVar(&opts.NodeName, "node-name", "", "name of the node this prober stands on (required)")
	flags.StringVar(&opts.PodUID, "pod-uid", "", "UID of this prober's pod (required)")
	flags.StringVar(&opts.FleetFile, "fleet-file", "/etc/netladder/fleet.json", "file with the API server's endpoints, for when its ClusterIP does not work")
	flags.StringVar(&opts.ResolvConf, "resolv-conf", "/etc/resolv.conf", "resolver configuration of the DNS probes")
	flags.StringVar(&level, "level", string(v1alpha1.LevelRestricted), "what the prober may do: Restricted, or Full to enter the network namespaces of pods and of the node")
	flags.StringVar(&opts.ProcRoot, "proc-root", "/proc", "proc filesystem of the node's PID namespace; level Full only")
	flags.StringVar(&opts.MetricsAddress, "metrics-bind-address", ":8443", "address of /metrics; empty turns it off")
	flags.StringVar(&opts.HealthAddress, "health-probe-bind-address", ":8081", "address of /healthz and /readyz; empty turns it off")
	return cmd
}
