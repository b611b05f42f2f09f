// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"slices"
	"time"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/controllers/plan"
)

// doubtAgain is the least time between two times that a target becomes doubtful:
// each costs a write of its node's assignment, and what comes and goes is told by
// its own prober.
const doubtAgain = time.Minute

// doubt takes in which targets a report makes doubtful. Only probers of level
// Full can look at them. What a prober said stands while it is silent: its results
// need it again the moment it reports, it costs a few probes, and it ends with the
// node, the check or the target.
func (w *world) doubt(name string, a *v1alpha1.ProbeAssignment) {
	if !w.workloads {
		return
	}
	now, before := w.clock.Now(), w.doubts[name]
	list := slices.DeleteFunc(plan.Doubts(a), func(d plan.Doubt) bool {
		at, known := before[d]
		return known && !at.held && now.Sub(at.since) < doubtAgain
	})
	after := map[plan.Doubt]doubtful{}
	for _, d := range list {
		at := before[d]
		if !at.held {
			at = doubtful{since: now, held: true}
		}
		after[d] = at
	}
	for d, at := range before {
		if _, stays := after[d]; !stays && now.Sub(at.since) < doubtAgain {
			after[d] = doubtful{since: at.since}
		}
	}
	if w.doubts[name] = after; len(after) == 0 {
		delete(w.doubts, name)
	}
	w.engine.SetDoubts(name, list)
}

// doubtful is since when a report makes a target so, or made it so last, and
// whether it still does.
type doubtful struct {
	since time.Time
	held  bool
}
