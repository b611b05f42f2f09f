// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package process_test

import (
	"testing"

	"github.com/netladder/netladder/cmd/internal/process"
	"github.com/netladder/netladder/test/metricsdoc"
)

func TestMetricsAreDocumented(t *testing.T) {
	metricsdoc.Check(t, "Every role", process.Build{}.Info("controller"))
}
