// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/netladder/netladder/test/metricsdoc"
)

func TestMetricsAreDocumented(t *testing.T) {
	registry := prometheus.NewRegistry()
	if _, err := newMetrics().register(registry); err != nil {
		t.Fatal(err)
	}
	metricsdoc.Check(t, "Controller", registry)
}
