// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/netladder/netladder/controllers/diagnosis/causes"
)

// maxCauses bounds netladder_cause_paths over all checks.
const maxCauses = 50

// collectCauses exports what the paths that fail have in common.
func (c *collector) collectCauses(judged []check, gauge func(desc *prometheus.Desc, value float64, labels ...string)) {
	var found []causes.Found
	for i := range judged {
		found = append(found, judged[i].causes...)
	}
	all := causes.All(found)
	for i := range all[:min(len(all), maxCauses)] {
		gauge(c.causes, float64(all[i].Paths), string(all[i].Rung), valid(all[i].Reason), valid(all[i].Object))
	}
	gauge(c.causesDropped, float64(max(len(all)-maxCauses, 0)))
}
