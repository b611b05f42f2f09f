// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package prober

import (
	"context"
	"time"

	"github.com/netladder/netladder/prober/climb"
	"github.com/netladder/netladder/prober/probe"
)

// doubts are the steps by which this node looks at its own pods that others do
// not reach; none where it cannot.
func (a *agent) doubts(ground *climb.Ground) []climb.Step {
	if !a.can.enter || !a.can.raw || a.spaces == nil {
		return nil
	}
	return ground.Doubts()
}

// probePodRoute looks for the route of this node to one of its pods, beside that
// to the prober's own, which is one of them. It sends nothing.
func (a *agent) probePodRoute(_ context.Context, t probe.Target) probe.Result {
	began := time.Now()
	r := probe.Result{Verdict: probe.Connected}
	switch routes, err := a.podRoutes(placeOf(t.Entry), t.Addr.Addr()); {
	case err != nil:
		r.Verdict, r.Evidence = probe.LocalError, "the node's kernel cannot be looked at: "+err.Error()
	case !routes.Known():
		r.Verdict, r.Evidence = probe.Inconclusive, "the node has no route to the prober's own pod either but the default route"
	case routes.Missing() != "":
		r.Verdict, r.Evidence = probe.Unreachable, routes.Missing()
	}
	r.Latency = time.Since(began)
	return r
}
