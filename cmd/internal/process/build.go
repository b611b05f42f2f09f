// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package process

import (
	"cmp"
	"runtime"
	"runtime/debug"

	"github.com/prometheus/client_golang/prometheus"
)

// Build is what a program was built from.
type Build struct {
	Version string
	// Revision of the source; if empty, what Go noted of the working tree.
	Revision string
}

// Info is the metric that says what a process was built from. role is its
// subcommand.
func (b Build) Info(role string) prometheus.Collector {
	info := prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "netladder_build_info",
		Help: "1 for what this process was built from, and its role: controller, prober or echo.",
	}, []string{"version", "revision", "go_version", "role"})
	info.WithLabelValues(b.Version, cmp.Or(b.Revision, vcsRevision(), "unknown"), runtime.Version(), role).Set(1)
	return info
}

func vcsRevision() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			return s.Value
		}
	}
	return ""
}
