// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/netladder/netladder/api/v1alpha1"
)

// TestDetection measures how long it takes from a broken overlay to the status
// that tells it, and from its healing to Ready, and holds both against the
// stated bound itself.
func TestDetection(t *testing.T) {
	const runs = 20
	calm(t)
	var broke, healed []time.Duration
	for range runs {
		// Faults do not wait for the beginning of a round.
		pause(t, rand.N(interval))
		heal := breakNetwork(t, "vxlan", faultNode)
		broke = append(broke, eventually(t, time.Minute, "Failing", inState(clusterNetwork, v1alpha1.StateFailing, pathCrossNode)))
		pause(t, settle) // until everything that fails by it has failed
		heal()
		healed = append(healed, eventually(t, time.Minute, "Ready again", ready(clusterNetwork)))
		pause(t, settle)
	}
	for name, took := range map[string][]time.Duration{"fault to Failing": broke, "healing to Ready": healed} {
		slices.Sort(took)
		median, longest := took[len(took)/2], took[len(took)-1]
		t.Logf("| %s | %d | %.1f s | %.1f s | %.1f s |", name, runs, median.Seconds(), longest.Seconds(), detectionBound.Seconds())
		if longest > detectionBound {
			t.Errorf("%s took up to %s, the bound is %s", name, longest, detectionBound)
		}
	}
}
