// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

// Package report tells the controller what a prober saw: at once where a
// state changes, else at a slow heartbeat, and as soon as it can where the API
// server was away.
package report

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/utils/clock"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/prober/track"
)

const (
	// writeTimeout bounds one write, lastTimeout the one before the end.
	writeTimeout = 5 * time.Second
	lastTimeout  = 2 * time.Second
)

// Writer writes a status whole.
type Writer interface {
	WriteStatus(ctx context.Context, s *v1alpha1.ProbeAssignmentStatus) error
}

// Source is what is reported about; a track.Tracker is one.
type Source interface {
	// Snapshot returns the groups, and the pairs that are neither Pending nor
	// Passing; the slices are the caller's.
	Snapshot() ([]v1alpha1.GroupStatus, []v1alpha1.PairStatus)
	// Pairs returns how many pairs there are and how many of them were never
	// attempted.
	Pairs() (all, unattempted int)
	// News returns the keys of the groups with pairs that were attempted for the
	// first time since the last Snapshot.
	News() []string
}

// Observer sees how writes end.
type Observer interface {
	Reported(at time.Time)
	ReportFailed()
}

// Options of a Reporter.
type Options struct {
	// PodUID of this prober.
	PodUID string
	// MinInterval between two writes; default 1 s.
	MinInterval time.Duration
	// Source and Writer of what is reported.
	Source Source
	Writer Writer
	// Rungs returns what climbs saw; nil where nobody climbs.
	Rungs func() []v1alpha1.RungStatus
	// Observer of the writes; may be nil.
	Observer Observer
	// Clock; default the real one.
	Clock clock.Clock
	// Jitter returns numbers in [0,1); default random ones.
	Jitter func() float64
	// Log of failed writes.
	Log logr.Logger
}

// Reporter writes the status of one assignment. Create it with New.
type Reporter struct {
	o    Options
	poke chan struct{}

	mu   sync.Mutex
	pace pace
}

// New returns a Reporter that has nothing to report about yet.
func New(o Options) *Reporter {
	if o.MinInterval <= 0 {
		o.MinInterval = time.Second
	}
	if o.Clock == nil {
		o.Clock = clock.RealClock{}
	}
	if o.Jitter == nil {
		o.Jitter = rand.Float64
	}
	return &Reporter{o: o, poke: make(chan struct{}, 1), pace: pace{minInterval: o.MinInterval, jitter: o.Jitter}}
}

// Assigned says that the source has a new assignment. The pairs of each group
// will have been attempted within the time given by its key; a report that does
// not tell of trouble waits for that.
func (r *Reporter) Assigned(heartbeat time.Duration, settle map[string]time.Duration) {
	r.change(func(p *pace) { p.assign(r.o.Clock.Now(), heartbeat, settle) })
}

// Withdrawn says that there is no assignment any more.
func (r *Reporter) Withdrawn() { r.change((*pace).withdraw) }

// Changed says that the source changed.
func (r *Reporter) Changed(c track.Change) {
	if c == track.NoChange {
		return
	}
	r.change(func(p *pace) { p.dirty, p.urgent = true, p.urgent || c == track.Transition })
}

// Overwritten says that the status is somebody else's, such as the last
// report of the pod before this one.
func (r *Reporter) Overwritten() {
	r.change(func(p *pace) { p.reclaim(r.o.Clock.Now()) })
}

// Unreported returns for how long a change has waited that could not be
// written.
func (r *Reporter) Unreported() time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.pace.unreported(r.o.Clock.Now())
}

func (r *Reporter) change(f func(*pace)) {
	r.mu.Lock()
	f(&r.pace)
	r.mu.Unlock()
	select {
	case r.poke <- struct{}{}:
	default:
	}
}

// Run writes reports until ctx ends, and then a last one if there is news.
func (r *Reporter) Run(ctx context.Context) {
	timer := r.o.Clock.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		timer.Stop()
		if wait, ok := r.wait(); ok && wait <= 0 && ctx.Err() == nil {
			r.write(ctx, writeTimeout)
			continue
		} else if ok {
			timer.Reset(wait)
		}
		select {
		case <-ctx.Done():
			r.last(ctx)
			return
		case <-r.poke:
		case <-timer.C():
		}
	}
}

// wait returns for how long there is nothing to write, false for ever.
func (r *Reporter) wait() (time.Duration, bool) {
	settled := r.settled()
	var news []string
	if !settled {
		news = r.o.Source.News()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	at, ok := r.pace.due(settled, news)
	return at.Sub(r.o.Clock.Now()), ok
}

func (r *Reporter) settled() bool {
	_, unattempted := r.o.Source.Pairs()
	return unattempted == 0
}

// last writes news that a healthy report would have had to wait with.
func (r *Reporter) last(ctx context.Context) {
	r.mu.Lock()
	news := r.pace.assigned && r.pace.dirty && r.pace.reported
	r.mu.Unlock()
	if news {
		r.write(context.WithoutCancel(ctx), lastTimeout)
	}
}

func (r *Reporter) write(ctx context.Context, timeout time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	r.mu.Lock()
	r.pace.begin(r.o.Clock.Now())
	r.mu.Unlock()
	groups, pairs := r.o.Source.Snapshot()
	status := Build(r.o.PodUID, r.o.Clock.Now(), groups, pairs)
	if r.o.Rungs != nil {
		status.Rungs = bounded(r.o.Rungs())
	}
	err := r.o.Writer.WriteStatus(ctx, status)
	now := r.o.Clock.Now()
	r.mu.Lock()
	failedBefore := r.pace.backoff > 0
	r.pace.end(now, err == nil)
	r.mu.Unlock()
	switch {
	case err != nil && !failedBefore:
		r.o.Log.Error(err, "report not written; it will be tried again until it is")
	case err == nil && failedBefore:
		r.o.Log.Info("report written again")
	}
	if r.o.Observer == nil {
		return
	}
	if err != nil {
		r.o.Observer.ReportFailed()
	} else {
		r.o.Observer.Reported(now)
	}
}
