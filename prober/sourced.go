// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package prober

import (
	"context"
	"slices"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/prober/probe"
)

// sourced makes of a Func one whose probes start at their origin.
func sourced(f probe.Func) probe.Func {
	return func(ctx context.Context, t probe.Target) probe.Result {
		o, ok := t.Entry.(*origin)
		if !ok {
			return f(ctx, t)
		}
		n, err := o.enter()
		if err != nil {
			return cannotEnter(err)
		}
		t.Entry = n
		o.canary.look(n, t.Source)
		r := f(ctx, t)
		if o.doubts(v1alpha1.Verdict(r.Verdict)) {
			r = o.believe(ctx, r, t.Timeout-r.Latency)
		}
		return r
	}
}

// sourcedBatch makes of a Batch one whose probes start at their origins.
type sourcedBatch struct {
	inner probe.Batch
	// one makes those one by one whose place has yet to be found.
	one probe.Func
	// Of the goroutine that calls Start.
	starts []probe.Start
}

// Start implements probe.Batch.
func (b *sourcedBatch) Start(starts []probe.Start) {
	for i := range starts {
		s := starts[i]
		if o, ok := s.Target.Entry.(*origin); ok {
			n := o.ready()
			if n == nil {
				go b.alone(s)
				continue
			}
			s.Target.Entry = n
			o.canary.look(n, s.Target.Source)
			if !o.canary.clear() {
				s.Done = o.doubting(s)
			}
		}
		b.starts = append(b.starts, s)
	}
	b.inner.Start(b.starts)
	clear(b.starts)
	b.starts = b.starts[:0]
}

func (b *sourcedBatch) alone(s probe.Start) { s.Done(b.one(s.Ctx, s.Target)) }

// doubting returns the Done of a start whose verdict may not be believed.
func (o *origin) doubting(s probe.Start) func(probe.Result) {
	done, ctx, timeout := s.Done, s.Ctx, s.Target.Timeout
	return func(r probe.Result) {
		switch known, _, _, _ := o.canary.state(); {
		case !o.doubts(v1alpha1.Verdict(r.Verdict)):
			done(r)
		case known:
			done(o.believe(ctx, r, 0))
		default:
			r.Phases = slices.Clone(r.Phases) // they are ours only until we return
			go func() { done(o.believe(ctx, r, timeout-r.Latency)) }()
		}
	}
}
