// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"net"
	"net/http"
	"testing"
	"time"

	"k8s.io/client-go/rest"
)

// TestAwaitAPIServer: alive and not ready while nobody answers, done as soon
// as somebody does, and the port is free for the manager then.
func TestAwaitAPIServer(t *testing.T) {
	health := freeAddress(t)
	ready := make(chan struct{})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	api := &http.Server{ReadHeaderTimeout: time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		select {
		case <-ready:
		default:
			http.Error(w, "starting", http.StatusInternalServerError)
		}
	})}
	go func() { _ = api.Serve(listener) }()
	t.Cleanup(func() { _ = api.Close() })

	done := make(chan error, 1)
	go func() {
		done <- awaitAPIServer(t.Context(), Options{
			RESTConfig: &rest.Config{Host: "http://" + listener.Addr().String()}, HealthProbeBindAddress: health,
		})
	}()
	for path, want := range map[string]int{"/healthz": http.StatusOK, "/readyz": http.StatusServiceUnavailable} {
		if got := codeOf(t, "http://"+health+path); got != want {
			t.Errorf("%s while waiting: %d, want %d", path, got, want)
		}
	}
	select {
	case err := <-done:
		t.Fatalf("it did not wait: %v", err)
	default:
	}
	close(ready)
	select {
	case err := <-done:
		if err != nil {
			t.Fatal(err)
		}
	case <-time.After(patience):
		t.Fatal("it still waits")
	}
	again, err := net.Listen("tcp", health)
	if err != nil {
		t.Fatalf("the port is not free: %v", err)
	}
	_ = again.Close()
}

func TestAwaitAPIServerEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := awaitAPIServer(ctx, Options{RESTConfig: &rest.Config{Host: "http://" + freeAddress(t)}}); err == nil {
		t.Error("it says that a server answered")
	}
}

// codeOf asks until somebody answers.
func codeOf(t *testing.T, url string) int {
	t.Helper()
	deadline := time.Now().Add(patience)
	for {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
		if err != nil {
			t.Fatal(err)
		}
		response, err := http.DefaultClient.Do(request)
		if err == nil {
			_ = response.Body.Close()
			return response.StatusCode
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: %v", url, err)
		}
		select {
		case <-t.Context().Done():
		case <-time.After(20 * time.Millisecond):
		}
	}
}
