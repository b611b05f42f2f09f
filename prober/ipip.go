// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package prober

import (
	"context"
	"maps"
	"net/netip"
	"slices"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/prober/probe"
)

// updateAsked takes in the peers of kind IPIP. Who is asked asks as well.
func (o *overlay) updateAsked(spec *v1alpha1.ProbeAssignmentSpec) {
	o.asked = map[netip.Addr]string{}
	for i := range spec.Groups {
		if g := &spec.Groups[i]; g.Kind == v1alpha1.ProbeIPIP {
			for _, p := range spec.Pairs(g) {
				o.asked[p.Addr.Addr()] = p.NodeName
			}
		}
	}
	switch {
	case len(o.asked) == 0:
		o.silence()
		o.dumb = nil
	case o.responder != nil:
		o.responder.Expect(slices.Collect(maps.Keys(o.asked)))
	}
}

// silence ends answering.
func (o *overlay) silence() {
	if o.responder != nil {
		o.responder.Close()
		o.responder = nil
	}
}

// answer begins to answer peers of kind IPIP where their own probes start.
func (o *overlay) answer(entry probe.Entry) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.responder != nil || o.dumb != nil || len(o.asked) == 0 {
		return
	}
	if o.responder, o.dumb = probe.NewIPIPResponder(entry); o.responder != nil {
		o.responder.Expect(slices.Collect(maps.Keys(o.asked)))
	}
}

// probeIPIP asks the prober on a peer by IP in IP. Where that fails it says
// which way is broken.
func (a *agent) probeIPIP(ctx context.Context, t probe.Target) probe.Result {
	o, to := a.overlay, t.Addr.Addr()
	o.answer(t.Entry)
	began := o.clock.Now()
	r := a.probe(probe.IPIP)(ctx, t)
	if !v1alpha1.Verdict(r.Verdict).IsBad() {
		if r.Verdict == probe.Inconclusive { // a reply came
			o.mend(to, probe.Connected)
		}
		o.mend(to, r.Verdict)
		return r
	}
	since := o.fail(to, began)
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.responder != nil {
		o.direction(&r, way{or(o.asked[to], to.String()), "by IP in IP", o.responder.Heard(to)}, since, began)
	}
	return r
}
