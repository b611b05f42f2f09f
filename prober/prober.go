// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

// Package prober is the process that runs once on each node: it watches the
// node's ProbeAssignment, makes the probes it asks for, and reports what it
// saw in the assignment's status. Without an API server it goes on with what
// it was last told.
package prober

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/prober/apiaccess"
	"github.com/netladder/netladder/prober/climb"
	"github.com/netladder/netladder/prober/kernel"
	"github.com/netladder/netladder/prober/netns"
	"github.com/netladder/netladder/prober/probe"
	"github.com/netladder/netladder/prober/report"
	"github.com/netladder/netladder/prober/schedule"
	"github.com/netladder/netladder/prober/track"
)

// Options of a prober.
type Options struct {
	// NodeName is the name of the node, and so of its ProbeAssignment.
	NodeName string
	// PodUID of the pod that the prober runs in.
	PodUID string
	// FleetFile is the path of the file with the API server's endpoints; it
	// need not exist.
	FleetFile string
	// MetricsAddress and HealthAddress to listen on, such as ":8080"; empty
	// for none. They may be the same.
	MetricsAddress, HealthAddress string
	// ResolvConf is the path of the resolver configuration for DNS probes;
	// empty means the system's.
	ResolvConf string
	// Level says what the prober may do; empty means Restricted.
	Level v1alpha1.Level
	// ProcRoot is where the proc filesystem of the node's PID namespace is
	// mounted; empty means /proc. Only level Full reads it.
	ProcRoot string
	// ReportMinInterval between two reports; default 1 s.
	ReportMinInterval time.Duration
	// Probes is the table of what can be probed, usually probe.Kinds().
	Probes map[probe.Kind]probe.Method
	// Config of the client; nil means that of the pod's ServiceAccount.
	Config *rest.Config
	// Collectors are exported beside the prober's own metrics.
	Collectors []prometheus.Collector
	// Log of the process.
	Log logr.Logger
}

// Run probes until ctx ends. It returns an error only where the prober cannot
// be started, or a listener fails; it never gives up for want of an API server.
func Run(ctx context.Context, o Options) error {
	if o.NodeName == "" || o.PodUID == "" {
		return errors.New("the prober needs the name of its node and the UID of its pod")
	}
	if o.Config == nil {
		access, err := apiaccess.InCluster(o.FleetFile)
		if err != nil {
			return err
		}
		o.Config = access.Config()
	}
	client, err := newAPIClient(o.Config, o.NodeName)
	if err != nil {
		return err
	}
	a := newAgent(o, client)
	for _, c := range o.Collectors {
		if err := a.metrics.registry.Register(c); err != nil {
			return fmt.Errorf("registering metrics: %w", err)
		}
	}
	a.setLevel(o)
	defer a.release()
	servers, err := listen(ctx, o, a)
	if err != nil {
		return err
	}
	return a.run(ctx, client, servers)
}

func newAgent(o Options, writer report.Writer) *agent {
	m := newMetrics()
	a := &agent{
		node: o.NodeName, podUID: o.PodUID, resolvConf: o.ResolvConf, overlay: newOverlay(), podRoutes: kernel.ReadPodRoutes, probes: o.Probes, log: o.Log, clock: clock.RealClock{}, metrics: m,
		publicRoots: sync.OnceValue(publicRoots),
		batches:     map[probe.Kind]probe.Batch{}, sourced: map[probe.Kind]*sourcedBatch{},
		can: abilitiesOf(v1alpha1.LevelRestricted, 0), canaries: newCanaries(clock.RealClock{}),
		scheduler: schedule.New(schedule.Options{Seed: o.NodeName, Observer: m}),
	}
	a.tracker = track.New(func(c track.Change) { a.reporter.Changed(c) })
	a.reporter = report.New(report.Options{
		PodUID: o.PodUID, MinInterval: o.ReportMinInterval, Source: a.tracker, Rungs: func() []v1alpha1.RungStatus { return a.climber.Rungs() },
		Writer: writer, Observer: m, Log: o.Log,
	})
	// What a climb saw belongs to a failure that is told or about to be.
	a.climber = climb.New(climb.Options{Run: a.climb, Changed: func() { a.reporter.Changed(track.Transition) }})
	return a
}

// setLevel gives the agent what its level allows. What is missing for it is
// told in the log now, and as Unsupported of each path that needs it.
func (a *agent) setLevel(o Options) {
	a.metrics.setLevel(o.Level)
	if o.Level != v1alpha1.LevelFull {
		return
	}
	caps, err := effectiveCapabilities()
	if err != nil {
		a.log.Error(err, "as if there were none")
	}
	a.can = abilitiesOf(o.Level, caps)
	a.can.log(a.log, caps)
	if !a.can.enter {
		return
	}
	spaces, err := netns.New(netns.Options{ProcRoot: o.ProcRoot, Log: a.log.WithName("netns")})
	if err != nil {
		a.log.Error(err, "no probe from pods or nodes, no proof of a Deny")
		a.can.enter, a.can.lack = false, "this prober cannot enter network namespaces: "+err.Error()
		return
	}
	a.spaces = registry{spaces}
	a.metrics.held = a.spaces.Held
}

// release lets go of all network namespaces.
func (a *agent) release() {
	a.climber.Close()
	a.canaries.close()
	a.overlay.close()
	if a.spaces != nil {
		a.spaces.Close()
	}
}

// run returns when ctx ended, or a server failed, and everything has ended.
func (a *agent) run(ctx context.Context, client *apiClient, servers []*server) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	failed := make(chan error, len(servers))
	parts := []func(){
		func() { a.scheduler.Run(ctx) },
		func() { a.reporter.Run(ctx) },
		func() { client.watch(ctx, a.log, a.assigned) },
	}
	for _, s := range servers {
		parts = append(parts, func() {
			if err := s.run(ctx); err != nil {
				failed <- err
				cancel()
			}
		})
	}
	done := make(chan struct{})
	for _, part := range parts {
		go func() {
			part()
			done <- struct{}{}
		}()
	}
	for range parts {
		<-done
	}
	close(failed)
	return <-failed
}
