// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"testing"

	"github.com/netladder/netladder/test/metricsdoc"
)

func TestMetricsAreDocumented(t *testing.T) {
	metricsdoc.Check(t, "Every role", buildInfo("controller"))
}
