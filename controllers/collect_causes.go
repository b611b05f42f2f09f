// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"github.com/netladder/netladder/controllers/diagnosis/causes"
)

// maxCauses bounds netladder_cause_paths over all checks.
const maxCauses = 50

// collectCauses exports what the paths that fail have in common.
func (c *collector) collectCauses(judged []check, gauge gauges) {
	var found []causes.Found
	for i := range judged {
		found = append(found, judged[i].causes...)
	}
	all := causes.All(found)
	for i := range all[:min(len(all), maxCauses)] {
		gauge(c.causes, float64(all[i].Paths), string(all[i].Rung), valid(all[i].Reason), valid(all[i].Object))
		if all[i].Text != "" {
			gauge(c.causeInfo, 1, string(all[i].Rung), valid(all[i].Reason), valid(all[i].Object), sentence(all[i].Text))
		}
	}
	gauge(c.causesDropped, float64(max(len(all)-maxCauses, 0)))
}
