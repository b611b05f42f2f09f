// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"syscall"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/log"
)

const (
	// askEvery and askTimeout: how a controller waits for the API server.
	askEvery   = time.Second
	askTimeout = 2 * time.Second
	// portEvery and portTimeout: how it waits for its own port.
	portEvery   = 50 * time.Millisecond
	portTimeout = 5 * time.Second
)

// awaitAPIServer returns when the API server is ready, or with the context's
// error. A controller that lost its lease in an outage begins anew while the
// outage lasts. Informers that begin then ask ever more rarely, up
// to once a minute; so they begin when there is somebody to answer.
func awaitAPIServer(ctx context.Context, o Options) error {
	config := rest.CopyConfig(o.RESTConfig)
	config.Timeout = askTimeout
	client, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		return fmt.Errorf("making a client: %w", err)
	}
	stop, err := serveHealth(ctx, o.HealthProbeBindAddress)
	if err != nil {
		return err
	}
	defer stop()
	waited := false
	return wait.PollUntilContextCancel(ctx, askEvery, true, func(ctx context.Context) (bool, error) {
		err := askAPIServer(ctx, client.RESTClient())
		if err == nil {
			return true, nil
		}
		if !waited {
			log.FromContext(ctx).Info("Waiting for the API server", "reason", err.Error())
		}
		waited = true
		return false, nil
	})
}

// askAPIServer returns nil if the API server is ready.
func askAPIServer(ctx context.Context, client rest.Interface) error {
	err := client.Get().AbsPath("/readyz").Do(ctx).Error()
	// Who is not told has at least been answered.
	if apierrors.IsForbidden(err) || apierrors.IsUnauthorized(err) || apierrors.IsNotFound(err) {
		return nil
	}
	return err
}

// serveHealth answers the kubelet while the manager, which does so later, does
// not run yet: alive, not ready.
func serveHealth(ctx context.Context, addr string) (stop func(), err error) {
	if addr == "" || addr == "0" {
		return func() {}, nil
	}
	// The manager before this one may be about to let go of the address.
	var listener net.Listener
	if pollErr := wait.PollUntilContextTimeout(ctx, portEvery, portTimeout, true, func(ctx context.Context) (bool, error) {
		listener, err = (&net.ListenConfig{}).Listen(ctx, "tcp", addr)
		return !errors.Is(err, syscall.EADDRINUSE), nil
	}); pollErr != nil || err != nil {
		return nil, fmt.Errorf("listening for health probes: %w", errors.Join(err, pollErr))
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "waiting for the API server", http.StatusServiceUnavailable)
	})
	server := &http.Server{Handler: mux, ReadHeaderTimeout: askTimeout}
	go func() { _ = server.Serve(listener) }() // it ends by Close
	return func() { _ = server.Close() }, nil
}
