// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package prober

import (
	"context"
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/utils/clock"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/prober/probe"
	"github.com/netladder/netladder/prober/report"
	"github.com/netladder/netladder/prober/schedule"
	"github.com/netladder/netladder/prober/track"
)

// The API's bounds on what a group asks for.
const (
	minInterval = time.Second
	maxInterval = time.Hour
	minTimeout  = 10 * time.Millisecond
	maxTimeout  = 30 * time.Second
	// settleWithin bounds how long new pairs wait for their first attempt.
	settleWithin = 15 * time.Second
)

// agent turns assignments into schedules, outcomes into states and states
// into reports.
type agent struct {
	podUID     string
	resolvConf string
	probes     map[probe.Kind]probe.Method
	log        logr.Logger
	clock      clock.PassiveClock

	metrics   *metrics
	tracker   *track.Tracker
	scheduler *schedule.Scheduler
	reporter  *report.Reporter

	// Only the watch's goroutine touches these.
	seen    bool
	spec    *v1alpha1.ProbeAssignmentSpec
	batches map[probe.Kind]probe.Batch // nil for those that could not be made
}

// assigned takes in the node's assignment, nil when there is none.
func (a *agent) assigned(obj *v1alpha1.ProbeAssignment) {
	if obj == nil {
		a.withdraw()
		return
	}
	var seed *v1alpha1.ProbeAssignmentStatus
	if !a.seen {
		seed = &obj.Status
	}
	if a.seen && obj.Status.PodUID != a.podUID {
		a.reporter.Overwritten()
	}
	a.seen = true
	if a.spec != nil && reflect.DeepEqual(*a.spec, obj.Spec) {
		return
	}
	a.spec = &obj.Spec
	a.tracker.Update(a.spec, seed, a.clock.Now())
	groups, paths, settle := a.groups(a.spec)
	a.metrics.keep(paths)
	pairs, _ := a.tracker.Pairs()
	a.metrics.pairs.Set(float64(pairs))
	a.scheduler.Update(groups)
	a.reporter.Assigned(a.spec.Heartbeat.Duration, settle)
	a.log.Info("assignment", "groups", len(groups), "pairs", pairs)
}

func (a *agent) withdraw() {
	if a.spec == nil {
		return
	}
	a.spec = nil
	a.scheduler.Update(nil)
	a.tracker.Update(&v1alpha1.ProbeAssignmentSpec{}, nil, a.clock.Now())
	a.metrics.keep(nil)
	a.metrics.pairs.Set(0)
	a.reporter.Withdrawn()
	a.log.Info("no assignment any more")
}

// groups returns what to schedule, the paths that are in it, and within what
// time the pairs of each group will have been attempted.
func (a *agent) groups(spec *v1alpha1.ProbeAssignmentSpec) ([]schedule.Group, map[pathKey]struct{}, map[string]time.Duration) {
	groups := make([]schedule.Group, 0, len(spec.Groups))
	paths := make(map[pathKey]struct{}, len(spec.Groups))
	settle := make(map[string]time.Duration, len(spec.Groups))
	for i := range spec.Groups {
		pg := &spec.Groups[i]
		key := pathOf(pg.Key)
		paths[key] = struct{}{}
		g := a.group(spec, pg, a.metrics.path(key))
		settle[g.Key] = min(g.Interval, settleWithin) + g.Timeout
		groups = append(groups, g)
	}
	return groups, paths, settle
}

func (a *agent) group(spec *v1alpha1.ProbeAssignmentSpec, pg *v1alpha1.ProbeGroup, path *pathMetrics) schedule.Group {
	g := schedule.Group{
		Key: pg.Key, Content: v1alpha1.ContentHash(pg.Hash),
		Interval: min(max(pg.Interval.Duration, minInterval), maxInterval),
		Window:   min(int(pg.Window), len(pg.Members)), PerRound: int(pg.PerRound),
		Probe: a.probe(probe.Kind(pg.Kind)), Batch: a.batch(probe.Kind(pg.Kind)),
	}
	g.Timeout = min(max(pg.Timeout.Duration, minTimeout), maxTimeout, g.Interval)
	if pg.MaxLatency != nil {
		g.MaxLatency = pg.MaxLatency.Duration
	}
	template := a.target(pg, g.Timeout)
	for _, p := range spec.Pairs(pg) {
		target := template
		target.Addr, target.EchoUID = p.Addr, p.EchoUID
		tracked := a.tracker.Pair(pg.Key, p.Key)
		if tracked == nil {
			continue // the key of the group is there twice
		}
		g.Pairs = append(g.Pairs, schedule.Pair{
			Key: p.Key, Member: p.Member, EveryRound: tracked.EveryRound(), Target: target,
			Recorder: &recorder{metrics: a.metrics, path: path, kind: probe.Kind(pg.Kind), pair: tracked},
		})
	}
	return g
}

// probe returns what makes probes of a kind; for an unknown one, what says
// that this prober cannot.
func (a *agent) probe(kind probe.Kind) probe.Func {
	if f := a.probes[kind].Probe; f != nil {
		return f
	}
	evidence := fmt.Sprintf("this prober knows no probes of kind %.32q: upgrade it", string(kind))
	return func(context.Context, probe.Target) probe.Result {
		return probe.Result{Verdict: probe.Unsupported, Evidence: evidence}
	}
}

// batch returns the one batch of a kind, nil where there is none: its probes
// then run one by one.
func (a *agent) batch(kind probe.Kind) probe.Batch {
	create := a.probes[kind].NewBatch
	if create == nil {
		return nil
	}
	batch, known := a.batches[kind]
	if !known {
		var err error
		if batch, err = create(); err != nil {
			a.log.Error(err, "probes will cost more", "kind", kind)
		}
		a.batches[kind] = batch
	}
	return batch
}

// target is what all probes of a group have in common.
func (a *agent) target(pg *v1alpha1.ProbeGroup, timeout time.Duration) probe.Target {
	t := probe.Target{Timeout: timeout}
	if pg.Kind == v1alpha1.ProbeHTTP {
		t.HTTP = probe.HTTPRequest{Method: string(v1alpha1.HTTPGet), Path: "/"}
		if h := pg.HTTP; h != nil {
			t.HTTP.Method = or(string(h.Method), t.HTTP.Method)
			t.HTTP.Path = or(h.Path, t.HTTP.Path)
			t.HTTP.Host, t.HTTP.ExpectedStatuses = h.Host, h.ExpectedStatuses
		}
	}
	if d := pg.DNS; d != nil {
		t.DNS = probe.DNSQuestion{
			Name: d.Name, Type: or(string(d.Type), string(v1alpha1.DNSTypeA)),
			Transport: or(string(d.Transport), string(v1alpha1.DNSOverUDP)), ResolvConf: a.resolvConf,
		}
	}
	return t
}

func or(s, fallback string) string {
	if s == "" {
		return fallback
	}
	return s
}

// pathOf takes a group's key apart: namespace, check, path and kind.
func pathOf(key string) pathKey {
	parts := strings.SplitN(key, "/", 4)
	for len(parts) < 3 {
		parts = append(parts, "")
	}
	return pathKey{namespace: parts[0], check: parts[1], path: parts[2]}
}

// recorder takes the outcomes of one pair.
type recorder struct {
	metrics *metrics
	path    *pathMetrics
	kind    probe.Kind
	pair    *track.Pair
}

// Record implements schedule.Recorder.
func (r *recorder) Record(o *schedule.Outcome) bool {
	r.metrics.record(r.path, r.kind, o)
	return r.pair.Observe(track.Observation{
		Verdict: v1alpha1.Verdict(o.Verdict), Latency: o.Latency, Timed: o.Timed, Evidence: o.Evidence,
	}, o.At)
}
