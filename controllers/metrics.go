// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics of the controller: what it did, counted as it happens, and what the
// world is, computed when somebody asks (collect.go).
type metrics struct {
	writes   *prometheus.CounterVec
	plan     prometheus.Histogram
	dropped  prometheus.Counter
	leader   prometheus.Gauge
	snapshot *collector
}

func newMetrics() *metrics {
	return &metrics{
		writes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "netladder_api_writes_total",
			Help: "Writes to the Kubernetes API by kind: assignment, check_status, event, install, audit.",
		}, []string{"object"}),
		plan: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "netladder_plan_duration_seconds",
			Help:    "How long one step of planning took: taking in one object, or making one node's assignment.",
			Buckets: prometheus.ExponentialBuckets(1e-5, 10, 7),

			NativeHistogramBucketFactor: 1.2, NativeHistogramMaxBucketNumber: 100, NativeHistogramMinResetDuration: time.Hour,
		}),
		dropped: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "netladder_events_dropped_total",
			Help: "Events that were not sent because too many waited for the write budget, or because the API server did not take them.",
		}),
		leader: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "netladder_controller_leader",
			Help: "1 for the controller that leads, 0 for one that waits.",
		}),
		snapshot: newCollector(),
	}
}

// register returns a function that takes the metrics out again.
func (m *metrics) register(registry prometheus.Registerer) (unregister func(), err error) {
	var done []prometheus.Collector
	unregister = func() {
		for _, c := range done {
			registry.Unregister(c)
		}
	}
	for _, c := range []prometheus.Collector{m.writes, m.plan, m.dropped, m.leader, m.snapshot} {
		if err := registry.Register(c); err != nil {
			unregister()
			return nil, err
		}
		done = append(done, c)
	}
	return unregister, nil
}

// leading begins to export the leader's world, until the function that it
// returns is called.
func (m *metrics) leading(w *world) (end func()) {
	m.leader.Set(1)
	m.snapshot.world.Store(w)
	return func() {
		m.snapshot.world.Store(nil)
		m.leader.Set(0)
	}
}

func (m *metrics) wrote(kind string) { m.writes.WithLabelValues(kind).Inc() }

// planned is deferred with the time at which the planning started.
func (m *metrics) planned(start time.Time) { m.plan.Observe(time.Since(start).Seconds()) }
