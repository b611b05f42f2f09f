// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

// Grpcserver answers the gRPC health protocol, and says what it is told to.
package main

import (
	"context"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "grpcserver:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	flags := flag.NewFlagSet("grpcserver", flag.ContinueOnError)
	address := flags.String("grpc", ":9090", "`ADDRESS` of the gRPC server")
	admin := flags.String("admin", "", "`ADDRESS` of the HTTP server that sets what the health service says")
	services := flags.String("services", "", "`NAMES` of services, with commas between, that the health service knows beside the server as a whole")
	if err := flags.Parse(args); err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()

	states := health.NewServer()
	for _, service := range strings.Split(*services, ",") {
		states.SetServingStatus(service, healthpb.HealthCheckResponse_SERVING)
	}
	server := grpc.NewServer()
	healthpb.RegisterHealthServer(server, states)
	listener, err := net.Listen("tcp", *address)
	if err != nil {
		return err
	}
	failed := make(chan error, 2)
	go func() { failed <- server.Serve(listener) }()
	defer server.Stop()
	if *admin != "" {
		adminServer := &http.Server{Addr: *admin, Handler: adminHandler(states), ReadHeaderTimeout: 3 * time.Second}
		go func() { failed <- adminServer.ListenAndServe() }()
		defer func() { _ = adminServer.Close() }()
	}
	select {
	case <-ctx.Done():
		return nil
	case err := <-failed:
		return err
	}
}

// adminHandler serves
//
//	POST /health?state=SERVING|NOT_SERVING|SERVICE_UNKNOWN[&service=NAME]
func adminHandler(states *health.Server) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /health", func(w http.ResponseWriter, r *http.Request) {
		state, known := healthpb.HealthCheckResponse_ServingStatus_value[r.FormValue("state")]
		if !known {
			http.Error(w, "state: want SERVING, NOT_SERVING or SERVICE_UNKNOWN", http.StatusBadRequest)
			return
		}
		states.SetServingStatus(r.FormValue("service"), healthpb.HealthCheckResponse_ServingStatus(state))
	})
	return mux
}
