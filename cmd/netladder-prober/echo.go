// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/netladder/netladder/cmd/internal/process"
	"github.com/netladder/netladder/prober/echo"
)

func echoCommand() *cobra.Command {
	var (
		server      echo.Server
		metricsAddr string
		logs        process.LogFlags
	)
	cmd := &cobra.Command{
		Use:   "echo",
		Short: "Answer the probers of other nodes: who is here",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if server.NodeName == "" || server.PodUID == "" {
				return errors.New("--node-name and --pod-uid must be set: they are what the echo server answers")
			}
			log := logs.Logger()
			log.Info("echo", "node", server.NodeName, "address", server.Addr, "http", server.HTTPAddr)
			registry := prometheus.NewRegistry()
			registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), build().Info("echo"))
			server.Registerer = registry
			group, ctx := errgroup.WithContext(cmd.Context())
			group.Go(func() error { return server.Run(ctx) })
			if metricsAddr != "" {
				group.Go(func() error { return serveMetrics(ctx, metricsAddr, registry) })
			}
			return group.Wait()
		},
	}
	flags := cmd.Flags()
	logs.Register(flags)
	flags.StringVar(&server.NodeName, "node-name", "", "name of the node this pod stands on (required)")
	flags.StringVar(&server.PodUID, "pod-uid", "", "UID of this pod (required)")
	flags.StringVar(&server.Addr, "bind-address", echo.DefaultAddr, "address of TCP and UDP")
	flags.StringVar(&server.HTTPAddr, "http-bind-address", echo.DefaultHTTPAddr, "address of HTTP: /healthz, /identity")
	flags.StringVar(&server.HealthAddr, "health-probe-bind-address", ":8081", "address of /healthz for the kubelet, with limits of its own; empty turns it off")
	flags.StringVar(&metricsAddr, "metrics-bind-address", ":8443", "address of /metrics; empty turns it off")
	return cmd
}

// serveMetrics serves a registry until ctx ends.
func serveMetrics(ctx context.Context, addr string, registry *prometheus.Registry) error {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{MaxRequestsInFlight: 4}))
	server := &http.Server{
		Addr: addr, Handler: mux,
		ReadTimeout: 5 * time.Second, WriteTimeout: 10 * time.Second, MaxHeaderBytes: 16 << 10,
	}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serving metrics: %w", err)
	}
	return nil
}
