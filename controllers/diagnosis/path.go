// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package diagnosis

import (
	"cmp"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/controllers/plan"
)

// finding about a path: its state, and why.
type finding struct {
	state           v1alpha1.State
	reason, message string
}

// path judges one path.
func (j *judge) path(spec *v1alpha1.Path) *tally {
	r := j.resolved(spec.Name)
	t := &tally{
		previous: j.previous(spec.Name), status: v1alpha1.PathStatus{Name: spec.Name},
		deny: spec.Expect == v1alpha1.ExpectDeny,
	}
	if r != nil {
		t.undisclosed = r.Undisclosed
	}
	if to := spec.To.Service; to != nil {
		t.service = cmp.Or(to.Namespace, j.in.Check.Namespace)
		t.translated = to.Via == v1alpha1.ViaNodePort || to.Via == v1alpha1.ViaLoadBalancer
		t.claimed = to.Via != v1alpha1.ViaNodePort
	}
	if to := spec.To.DNS; to != nil && to.Resolver == v1alpha1.DNSEachReplica {
		t.service, t.claimed = clusterDNSNamespace, true
	}
	if to := spec.To.Canary; to != nil {
		t.canary, t.enforcement = to.Direction, &Enforcement{Path: spec.Name, Direction: to.Direction}
	}
	own := spec.To.Pods != nil && spec.To.Pods.NamespaceSelector == nil
	t.foreign = !own && j.in.Check.Namespace != j.in.Settings.Namespace
	t.pace = j.paceOf(r)
	t.fresh = t.previous == nil || !known(t.previous.State) || j.in.Previous.ObservedGeneration != j.in.Check.Generation
	f := j.find(t, r)
	t.status.Accepted = r != nil && r.Accepted
	t.status.State, t.status.Reason, t.status.Message = f.state, f.reason, printable(f.message, maxMessage)
	if t.canary != "" {
		t.status.Diagnosis = t.diagnoseCanary(f, j.in.Check.Namespace)
	}
	t.status.Pairs = t.counts
	t.status.Latency = t.latency()
	if r != nil && !j.in.Check.Spec.Suspend {
		t.status.Coverage = r.Coverage.DeepCopy()
	}
	t.status.LastTransitionTime = j.transition(t.previous, f)
	return t
}

// find goes from what needs no pairs to what the pairs say.
func (j *judge) find(t *tally, r *plan.ResolvedPath) finding {
	switch {
	case r == nil:
		return finding{v1alpha1.StatePending, v1alpha1.ReasonPending, "the path is not planned yet"}
	case len(r.Groups) == 0 && j.mayCome(t.previous, r.Reason):
		return finding{v1alpha1.StatePending, r.Reason, r.Message}
	case !r.Accepted:
		return finding{v1alpha1.StateUnknown, r.Reason, r.Message}
	case j.in.Check.Spec.Suspend:
		return finding{v1alpha1.StateUnknown, v1alpha1.ReasonSuspended, "spec.suspend is true: nothing is probed"}
	case len(r.Groups) == 0 && r.Reason == v1alpha1.ReasonNoEndpoints:
		return j.noEndpoints(t.previous, r)
	case len(r.Groups) == 0:
		return finding{v1alpha1.StateUnknown, r.Reason, r.Message}
	}
	for _, g := range r.Groups {
		t.several = t.several || g.Kind != r.Groups[0].Kind
	}
	t.proofs = proofs{groups: r.Proofs}
	sources := 0
	for _, g := range r.Groups {
		sources = max(sources, len(g.Sources))
		for _, name := range g.Sources {
			before := t.counts
			j.group(t, g, j.source(name))
			if t.canary != "" {
				t.enforcement.noteNode(name, before, t.counts)
			}
		}
	}
	j.noteLacking(t, r)
	if j.unfinished(t) {
		return finding{v1alpha1.StatePending, v1alpha1.ReasonPending, t.pendingMessage()}
	}
	if t.canary != "" {
		return j.keep(t, j.findCanary(t))
	}
	return j.keep(t, t.find(sources))
}

// unfinished is true if a path would be said to work before all of its pairs
// were attempted. Once it was known it does not wait for the pairs that come
// with a rotation or with new pods. Nor does a new one for ever: where pods come
// and go all the time, some pair is always new.
func (j *judge) unfinished(t *tally) bool {
	c, p := &t.counts, t.previous
	if !t.fresh || t.deny && t.canary == "" || c.Failing > 0 || c.Passing+c.Degraded == 0 || c.Pending == 0 {
		return false
	}
	if t.untried || p == nil || p.State != v1alpha1.StatePending || p.LastTransitionTime.IsZero() {
		return true
	}
	until := p.LastTransitionTime.Add(min(j.in.Check.Spec.Interval.Duration, firstWithin) + settleTime)
	j.wakeAt(until)
	return j.in.Now.Before(until)
}

// find says what the counted pairs make of the path. A Deny is proven only if
// that of each of its pairs is.
func (t *tally) find(sources int) finding {
	c := t.counts
	switch {
	case c.Failing > 0 && t.deny:
		return finding{v1alpha1.StateFailing, "", t.openMessage()}
	case c.Failing > 0:
		return finding{v1alpha1.StateFailing, "", t.failingMessage(sources)}
	case c.Unknown > 0 && t.deny:
		return finding{v1alpha1.StateUnknown, t.mainReason(), t.unprovenMessage()}
	case c.Pending > 0 && t.deny:
		return finding{v1alpha1.StatePending, v1alpha1.ReasonPending, t.pendingMessage()}
	case c.Degraded > 0:
		return finding{v1alpha1.StateDegraded, "", t.degradedMessage()}
	case c.Passing > 0:
		return finding{v1alpha1.StatePassing, "", t.passingMessage()}
	case c.Unknown > 0:
		return finding{v1alpha1.StateUnknown, t.mainReason(), t.unknownMessage()}
	}
	return finding{v1alpha1.StatePending, v1alpha1.ReasonPending, t.pendingMessage()}
}

// keep leaves a path in the state it was known to be in while the probers are
// taking up a changed set of pairs. A changed spec is another path.
func (j *judge) keep(t *tally, f finding) finding {
	p := t.previous
	if !t.settling || p == nil || f.state != v1alpha1.StatePending && f.state != v1alpha1.StateUnknown {
		return f
	}
	if t.deny && f.state == v1alpha1.StateUnknown {
		return f
	}
	if t.fresh {
		return f
	}
	return finding{p.State, p.Reason, p.Message}
}

// mayCome is true for a new path whose pods may still be starting: a check is
// often applied together with what it is about.
func (j *judge) mayCome(p *v1alpha1.PathStatus, reason string) bool {
	switch reason {
	case v1alpha1.ReasonNoSources, v1alpha1.ReasonNoTargets, v1alpha1.ReasonCanaryNotReady:
	default:
		return false
	}
	if p == nil {
		j.wakeAt(j.in.Now.Add(j.grace))
		return true
	}
	return p.State == v1alpha1.StatePending && j.recent(p.LastTransitionTime.Time)
}

// noEndpoints is Unknown while a rollout may explain it, then Failing. What
// was Failing before stays so.
func (j *judge) noEndpoints(p *v1alpha1.PathStatus, r *plan.ResolvedPath) finding {
	f := finding{v1alpha1.StateUnknown, v1alpha1.ReasonNoEndpoints, r.Message}
	switch {
	case p == nil:
		j.wakeAt(j.in.Now.Add(j.grace))
	case p.State == v1alpha1.StateFailing:
		f.state = v1alpha1.StateFailing
	case p.Reason != v1alpha1.ReasonNoEndpoints || p.LastTransitionTime.IsZero():
		j.wakeAt(j.in.Now.Add(j.grace))
	default:
		over := p.LastTransitionTime.Add(j.grace)
		if !j.in.Now.Before(over) {
			f.state = v1alpha1.StateFailing
		}
		j.wakeAt(over)
	}
	return f
}

// transition is when the state last changed. That a Service lost its
// endpoints counts as a change too: the grace is counted from it.
func (j *judge) transition(p *v1alpha1.PathStatus, f finding) metav1.Time {
	lost := p != nil && f.reason == v1alpha1.ReasonNoEndpoints && f.state == v1alpha1.StateUnknown && p.Reason != f.reason
	if p == nil || p.State != f.state || p.LastTransitionTime.IsZero() || lost {
		return metav1.NewTime(seconds(j.in.Now))
	}
	return p.LastTransitionTime
}

func known(s v1alpha1.State) bool {
	return s == v1alpha1.StatePassing || s == v1alpha1.StateDegraded || s == v1alpha1.StateFailing
}
