// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package prober

import (
	"strings"

	"github.com/go-logr/logr"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/prober/probe"
	"github.com/netladder/netladder/prober/schedule"
	"github.com/netladder/netladder/prober/track"
)

// recorder takes the outcomes of one pair.
type recorder struct {
	metrics *metrics
	path    *pathMetrics // nil for a proof
	key     string       // of the pair
	kind    probe.Kind
	pair    *track.Pair
	log     logr.Logger // of denials; discards where the path is not to be denied
	denied  v1alpha1.Verdict
	ladder  *ladder // nil where nobody climbs
}

func (a *agent) recorder(pg *v1alpha1.ProbeGroup, path *pathMetrics, pair *track.Pair, target string, l *ladder) *recorder {
	r := &recorder{metrics: a.metrics, path: path, key: target, kind: probe.Kind(pg.Kind), pair: pair, ladder: l}
	if pg.Expect == v1alpha1.ExpectDeny && a.log.V(1).Enabled() {
		r.log = a.log.V(1).WithValues("group", pg.Key, "target", target)
	}
	return r
}

// Record implements schedule.Recorder.
func (r *recorder) Record(o *schedule.Outcome) bool {
	verdict := v1alpha1.Verdict(o.Verdict)
	r.metrics.record(r.path, r.kind, o)
	if r.path != nil && !o.NotAfter.IsZero() {
		r.path.sawCertificate(r.key, o.NotAfter)
	}
	if r.path != nil && o.Queries > 0 {
		r.path.sawLookup(r.key, o.Queries)
	}
	every := r.pair.Observe(track.Observation{
		Verdict: verdict, Latency: o.Latency, Timed: o.Timed, Reason: o.Reason, Evidence: o.Evidence, Queries: o.Queries, Began: o.Began,
	}, o.At)
	r.ladder.saw(r.key, verdict, o.Began, every)
	if r.log.Enabled() && verdict.Denies() {
		r.logDenial()
	}
	return every
}

// logDenial says by what a pair is stopped, once for each way: the report only
// says that it is.
func (r *recorder) logDenial() {
	verdict, evidence := r.pair.Denial()
	if verdict != r.denied {
		r.denied = verdict
		r.log.Info("denied, as it should be", "verdict", verdict, "evidence", evidence)
	}
}

// pathOf takes a group's key apart: namespace, check, path and kind.
func pathOf(key string) pathKey {
	parts := strings.SplitN(key, "/", 4)
	for len(parts) < 3 {
		parts = append(parts, "")
	}
	return pathKey{namespace: parts[0], check: parts[1], path: parts[2]}
}
