// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package plan

import "github.com/netladder/netladder/api/v1alpha1"

// ProbeRate is how many probes per second an assignment starts, as long as
// every pair passes.
func ProbeRate(spec *v1alpha1.ProbeAssignmentSpec) float64 {
	rate := 0.0
	for i := range spec.Groups {
		g := &spec.Groups[i]
		if g.Interval.Duration <= 0 {
			continue
		}
		rate += perRound(spec, g) / g.Interval.Seconds()
	}
	return rate
}

// perRound is how many probes a group starts in one round, on average.
func perRound(spec *v1alpha1.ProbeAssignmentSpec, g *v1alpha1.ProbeGroup) float64 {
	sources := 1.0
	if g.From == v1alpha1.SourcePods {
		sources = float64(len(g.Sources))
	}
	if g.Host != nil || g.Kind == v1alpha1.ProbeDNS && (g.DNS == nil || !g.DNS.AsksMembers()) {
		return sources
	}
	return sources * targetsPerRound(spec, g)
}

func targetsPerRound(spec *v1alpha1.ProbeAssignmentSpec, g *v1alpha1.ProbeGroup) float64 {
	window, behind := 0, 0
	for i, m := range g.Members {
		pairs := 1
		if g.Port != 0 && m >= 0 && int(m) < len(spec.Nodes) {
			pairs = len(spec.Nodes[m].EchoIPs)
		}
		if i < int(g.Window) {
			window += pairs
		} else {
			behind += pairs
		}
	}
	if g.Window <= 0 {
		return float64(behind)
	}
	return float64(behind) + float64(window)*float64(min(g.PerRound, g.Window))/float64(g.Window)
}
