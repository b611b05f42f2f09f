// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package echo

import "github.com/prometheus/client_golang/prometheus"

// Values of the metrics' labels.
const (
	protocolTCP  = "tcp"
	protocolUDP  = "udp"
	protocolHTTP = "http"

	// reasonSource: the source is over its rate.
	reasonSource = "source_rate"
	// reasonTotal: all sources together are over the rate.
	reasonTotal = "total_rate"
	// reasonConnections: too many connections at once.
	reasonConnections = "connections"
	// reasonMalformed: no request of the protocol.
	reasonMalformed = "malformed"
	// reasonIncomplete: the connection ended or stalled before its request was
	// whole or its reply was sent.
	reasonIncomplete = "incomplete"
)

// metrics of one server.
type metrics struct {
	requests *prometheus.CounterVec
	dropped  *prometheus.CounterVec
}

func newMetrics() *metrics {
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "netladder_echo_requests_total",
			Help: "Well-formed requests within the limits, by protocol.",
		}, []string{"protocol"}),
		dropped: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "netladder_echo_dropped_total",
			Help: "Requests and connections that got no answer, by reason.",
		}, []string{"reason"}),
	}
	for _, protocol := range []string{protocolTCP, protocolUDP, protocolHTTP} {
		m.requests.WithLabelValues(protocol)
	}
	for _, reason := range []string{reasonSource, reasonTotal, reasonConnections, reasonMalformed, reasonIncomplete} {
		m.dropped.WithLabelValues(reason)
	}
	return m
}

// Describe implements prometheus.Collector.
func (m *metrics) Describe(ch chan<- *prometheus.Desc) {
	m.requests.Describe(ch)
	m.dropped.Describe(ch)
}

// Collect implements prometheus.Collector.
func (m *metrics) Collect(ch chan<- prometheus.Metric) {
	m.requests.Collect(ch)
	m.dropped.Collect(ch)
}

func (m *metrics) request(protocol string) { m.requests.WithLabelValues(protocol).Inc() }

func (m *metrics) drop(reason string) { m.dropped.WithLabelValues(reason).Inc() }
