// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package prober

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

const (
	// stalledAfter is how long the scheduler may not look for what is due; it
	// looks at least every 2 seconds.
	stalledAfter = 10 * time.Second
	// hungAfter is after how long without such a look the process is given up: no
	// want of CPU explains it.
	hungAfter = 2 * time.Minute
	// unreportedFor is how long a change may wait for the API server.
	unreportedFor = 30 * time.Second

	shutdownTimeout = time.Second
)

// ready returns why the prober is not to be relied on, nil if it is.
func (a *agent) ready() error {
	if since := a.clock.Since(a.scheduler.LastTick()); since > stalledAfter {
		return fmt.Errorf("rounds have stalled for %s", since.Round(time.Second))
	}
	if d := a.reporter.Unreported(); d > unreportedFor {
		return fmt.Errorf("a change has not been reported for %s", d.Round(time.Second))
	}
	return nil
}

// alive returns why the prober has to be restarted, nil if it has not. What
// another process would not do better is no reason.
func (a *agent) alive() error {
	if since := a.clock.Since(a.scheduler.LastTick()); since > hungAfter {
		return fmt.Errorf("the schedule has hung for %s", since.Round(time.Second))
	}
	return nil
}

// server is an HTTP server on its listener.
type server struct {
	listener net.Listener
	http     *http.Server
}

// listen opens the listeners of metrics and health.
func listen(ctx context.Context, o Options, a *agent) ([]*server, error) {
	handlers := map[string]*http.ServeMux{}
	mux := func(address string) *http.ServeMux {
		if handlers[address] == nil {
			handlers[address] = http.NewServeMux()
		}
		return handlers[address]
	}
	if o.MetricsAddress != "" {
		mux(o.MetricsAddress).Handle("GET /metrics", promhttp.HandlerFor(a.metrics.registry, promhttp.HandlerOpts{MaxRequestsInFlight: 4}))
	}
	if o.HealthAddress != "" {
		m := mux(o.HealthAddress)
		m.HandleFunc("GET /healthz", answer(a.alive))
		m.HandleFunc("GET /readyz", answer(a.ready))
	}
	var servers []*server
	for address, handler := range handlers {
		l, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
		if err != nil {
			for _, s := range servers {
				err = errors.Join(err, s.listener.Close())
			}
			return nil, fmt.Errorf("listen: %w", err)
		}
		servers = append(servers, &server{listener: l, http: &http.Server{
			Handler: handler, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second,
			WriteTimeout: 30 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10,
		}})
	}
	return servers, nil
}

// answer says what the check says.
func answer(check func() error) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		if err := check(); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
		}
	}
}

// run serves until ctx ends.
func (s *server) run(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
		defer cancel()
		if err := s.http.Shutdown(ctx); err != nil {
			_ = s.http.Close() // whoever is still served after a second is cut off
		}
	})
	defer stop()
	if err := s.http.Serve(s.listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve %s: %w", s.listener.Addr(), err)
	}
	return nil
}
