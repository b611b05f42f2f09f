// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package prober

import (
	"context"
	"crypto/x509"
	"fmt"
	"net/netip"
	"reflect"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/utils/clock"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/prober/climb"
	"github.com/netladder/netladder/prober/kernel"
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

	// publicRoots are the certificate authorities trusted where a check names
	// none.
	publicRoots func() *x509.CertPool

	overlay *overlay
	// podRoutes is kernel.ReadPodRoutes; replaced in tests.
	podRoutes func(host kernel.Entry, to netip.Addr) (kernel.PodRoutes, error)

	can      abilities
	spaces   namespaces // nil where none can be entered
	canaries *canaries

	metrics   *metrics
	tracker   *track.Tracker
	scheduler *schedule.Scheduler
	reporter  *report.Reporter
	climber   *climb.Climber
	node      string

	// Only the watch's goroutine touches these.
	seen    bool
	spec    *v1alpha1.ProbeAssignmentSpec
	ground  *climb.Ground              // of spec
	batches map[probe.Kind]probe.Batch // nil for those that could not be made
	sourced map[probe.Kind]*sourcedBatch
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
	a.enter(a.spec)
	a.overlay.update(a.spec, a.node)
	a.tracker.Update(a.spec, seed, a.clock.Now())
	groups, paths, settle := a.groups(a.spec)
	a.metrics.keep(paths)
	pairs, _ := a.tracker.Pairs()
	a.metrics.pairs.Set(float64(pairs))
	a.scheduler.Update(groups)
	a.climber.Update(func(ref climb.Ref) []climb.Step { return a.steps(a.ground, ref) })
	a.climber.Watch(a.doubts(a.ground))
	a.reporter.Assigned(a.spec.Heartbeat.Duration, settle)
	a.log.Info("assignment", "groups", len(groups), "pairs", pairs)
}

func (a *agent) withdraw() {
	if a.spec == nil {
		return
	}
	a.spec = nil
	a.scheduler.Update(nil)
	a.enter(&v1alpha1.ProbeAssignmentSpec{})
	a.overlay.update(&v1alpha1.ProbeAssignmentSpec{}, a.node)
	a.tracker.Update(&v1alpha1.ProbeAssignmentSpec{}, nil, a.clock.Now())
	a.climber.Update(func(climb.Ref) []climb.Step { return nil })
	a.climber.Watch(nil)
	a.metrics.keep(nil)
	a.metrics.pairs.Set(0)
	a.reporter.Withdrawn()
	a.log.Info("no assignment any more")
}

// enter holds the namespaces of the pods of an assignment and no others.
func (a *agent) enter(spec *v1alpha1.ProbeAssignmentSpec) {
	if a.spaces == nil {
		return
	}
	a.spaces.Update(podsOf(spec))
	stay := make(map[string]struct{}, len(spec.Pods))
	for i := range spec.Pods {
		stay[spec.Pods[i].UID] = struct{}{}
	}
	a.canaries.keep(stay)
}

// groups returns what to schedule, the paths that are in it, and within what
// time the pairs of each group will have been attempted.
func (a *agent) groups(spec *v1alpha1.ProbeAssignmentSpec) ([]schedule.Group, map[pathKey]struct{}, map[string]time.Duration) {
	a.ground = climb.NewGround(spec)
	groups := make([]schedule.Group, 0, len(spec.Groups))
	paths := make(map[pathKey]struct{}, len(spec.Groups))
	settle := make(map[string]time.Duration, len(spec.Groups))
	for i := range spec.Groups {
		pg := &spec.Groups[i]
		var path *pathMetrics // nil for a proof, which is no probe of the path
		if !pg.Kind.Proves() {
			key := pathOf(pg.Key)
			paths[key] = struct{}{}
			path = a.metrics.path(key)
		}
		g := a.group(spec, pg, path)
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
	}
	g.Probe, g.Batch = a.method(pg)
	g.Timeout = min(max(pg.Timeout.Duration, minTimeout), maxTimeout, g.Interval)
	if pg.MaxLatency != nil {
		g.MaxLatency = pg.MaxLatency.Duration
	}
	template := a.target(spec, pg, g.Timeout)
	pairs := spec.Pairs(pg)
	up := a.ladder(a.ground, pg, g.Interval)
	path.expect(g.Content, pg.Kind, pairs)
	for _, p := range pairs {
		target := template
		target.Addr, target.EchoUID, target.Source = p.Addr, p.EchoUID, p.SourceIP
		if pg.Kind == v1alpha1.ProbeDNS {
			target.DNS.Server = p.Addr
		}
		if o := a.origin(pg, &p); o != nil {
			target.Entry = o
		}
		tracked := a.tracker.Pair(pg.Key, p.Key)
		if tracked == nil {
			continue // the key of the group is there twice
		}
		g.Pairs = append(g.Pairs, schedule.Pair{
			Key: p.Key, Member: p.Member, EveryRound: tracked.EveryRound(), Target: target,
			Recorder: a.recorder(pg, path, tracked, p.Key, up),
		})
	}
	return g
}

// method returns what makes the probes of a group; where this prober cannot,
// what says so.
func (a *agent) method(pg *v1alpha1.ProbeGroup) (probe.Func, probe.Batch) {
	if why := a.can.unsupported(pg); why != "" {
		return unsupported(why), nil
	}
	kind := probe.Kind(pg.Kind)
	switch pg.Kind {
	case v1alpha1.ProbeListener:
		return a.probeListener, nil
	case v1alpha1.ProbeHostControl:
		return a.probeHostControl, nil
	case v1alpha1.ProbeTunnel:
		return sourced(a.probeTunnel), nil
	case v1alpha1.ProbeIPIP:
		return sourced(a.probeIPIP), nil
	case v1alpha1.ProbeMTU:
		return sourced(a.probeMTU), nil
	case v1alpha1.ProbeWire:
		kind = probe.MeshTCP
	}
	f, batch := a.probe(kind), a.batch(kind)
	if pg.From == v1alpha1.SourceProber {
		return f, batch
	}
	f = sourced(f)
	if batch == nil {
		return f, nil
	}
	if a.sourced[kind] == nil {
		a.sourced[kind] = &sourcedBatch{inner: batch, one: f}
	}
	return f, a.sourced[kind]
}

// probe returns what makes one probe of a kind.
func (a *agent) probe(kind probe.Kind) probe.Func {
	if f := a.probes[kind].Probe; f != nil {
		return f
	}
	return unsupported(fmt.Sprintf("this prober knows no probes of kind %.32q: upgrade it", string(kind)))
}

func unsupported(evidence string) probe.Func {
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

// origin returns where the probes of a pair start; nil for the prober itself.
func (a *agent) origin(pg *v1alpha1.ProbeGroup, p *v1alpha1.Pair) *origin {
	proves := pg.Kind == v1alpha1.ProbeListener || pg.Kind == v1alpha1.ProbeHostControl
	if a.spaces == nil || pg.From == v1alpha1.SourceProber && !proves {
		return nil
	}
	o := &origin{spaces: a.spaces, deny: pg.Expect == v1alpha1.ExpectDeny, layer7: isLayer7(pg.Kind)}
	if proves {
		switch {
		case p.Target != nil:
			o.protocol = p.Target.Protocol
		case pg.Host != nil:
			o.protocol = pg.Host.Protocol
		}
	}
	if pg.Kind == v1alpha1.ProbeListener && p.Target != nil {
		o.listener = p.Target.UID
	}
	if p.Source == nil {
		return o
	}
	o.uid = p.Source.UID
	if pg.Kind == v1alpha1.ProbeTCP || pg.Kind == v1alpha1.ProbeTCPHalfOpen || isLayer7(pg.Kind) {
		o.canary = a.canaries.of(canaryKey{o.uid, p.SourceIP.Is4()})
	}
	return o
}

// target is what all probes of a group have in common.
func (a *agent) target(spec *v1alpha1.ProbeAssignmentSpec, pg *v1alpha1.ProbeGroup, timeout time.Duration) probe.Target {
	t := probe.Target{
		Timeout: timeout,
		// What must be silent is proven to answer others.
		SilenceDenies: pg.Kind == v1alpha1.ProbeUDP && pg.Expect == v1alpha1.ExpectDeny,
	}
	if h := pg.Host; h != nil && h.Port > 0 && h.Port <= 65535 {
		t.Host = probe.HostName{Name: h.Hostname, Port: uint16(h.Port)}
	}
	a.setLayer(&t, spec, pg)
	if d := pg.DNS; d != nil {
		t.DNS = probe.DNSQuestion{
			Answers: d.Answers, Name: d.Name, Type: or(string(d.Type), string(v1alpha1.DNSTypeA)),
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
