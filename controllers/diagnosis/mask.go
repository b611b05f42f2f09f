// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package diagnosis

import (
	"time"

	"github.com/netladder/netladder/api/v1alpha1"
)

// mask excuses bad results. The zero mask excuses nothing.
type mask struct {
	// reason of the Unknown that a bad result becomes.
	reason string
	// node, or pod, that the reason is about.
	node string
	// began is when the cause set in; zero if that is not known.
	began time.Time
	// down is true while the cause lasts, false in the grace after it.
	down bool
}

func (m mask) active() bool { return m.reason != "" }

// nodeMask excuses what happens around a node that is away or was a moment
// ago. One that is said to be away since an outage of the API server, and whose
// prober has been heard after it, is not: whoever judges nodes has yet to hear of
// it. The prober of a node that is really away is silent. Cordon is no fact here:
// it says nothing about the network.
func (j *judge) nodeMask(name string, f *NodeFacts) mask {
	switch {
	case f == nil:
		return mask{reason: v1alpha1.ReasonNodeGone, node: name, down: true}
	case f.Gone:
		return mask{reason: v1alpha1.ReasonNodeGone, node: name, began: f.NotReadySince, down: true}
	case !f.Ready && (!j.onlyUnheard(f) || !j.heard(name, f)):
		return mask{reason: v1alpha1.ReasonNodeNotReady, node: name, began: f.NotReadySince, down: true}
	case j.recent(f.ReadySince) && !j.onlyUnheard(f):
		began := f.NotReadySince
		if began.IsZero() {
			began = f.ReadySince
		}
		return mask{reason: v1alpha1.ReasonNodeNotReady, node: name, began: began}
	}
	return mask{}
}

// reportTime is what a report takes from its prober to here, amply.
const reportTime = 5 * time.Second

// onlyUnheard is true if a node was not Ready because nobody could hear it: the
// API server was away just then, and what runs on the node went on. Then nothing
// has to settle once it is heard again. A node that is away at another time was
// cut off, even if its pods never stopped.
func (j *judge) onlyUnheard(f *NodeFacts) bool {
	if j.recent(f.CreatedAt) {
		// Whatever its pods are said to be was said of another node.
		return false
	}
	began := f.NotReadySince
	switch {
	case began.IsZero():
		// It was over before anybody could look. The node may have been cut off:
		// what is bad only from then has two rounds to become good.
		settled := f.ReadySince.Add(2*j.in.Check.Spec.Interval.Duration + reportTime)
		if !j.inOutage(f.ReadySince) {
			return false
		}
		if j.in.Now.Before(settled) {
			j.wakeAt(settled)
			return false
		}
		began = f.ReadySince
	case !j.inOutage(began):
		return false
	}
	// Pods that are hardly older than the absence came with a node that is new.
	wentOn := func(p *PodFacts) bool { return p != nil && p.StartedAt.Before(began.Add(-j.grace)) }
	return wentOn(f.Prober) && wentOn(f.Echo)
}

// inOutage is true for a time that is no further than the grace from the end of
// the last outage of the API server: what was noted then may be due to that.
func (j *judge) inOutage(t time.Time) bool {
	end := j.in.APIAvailableSince
	return !end.IsZero() && !t.Before(end.Add(-j.grace)) && !t.After(end.Add(j.grace))
}

// heard is true if the node's present prober has told something since the API
// server was last found again, and is not silent now. Then it runs and reaches
// the API server, whatever is said of its pod and its node.
func (j *judge) heard(name string, f *NodeFacts) bool {
	r := j.in.Reports[name]
	if r == nil || r.Assignment == nil || f.Prober == nil || f.Prober.Terminating {
		return false
	}
	return r.Assignment.Status.PodUID == f.Prober.UID && !r.HeardAt.IsZero() &&
		!r.HeardAt.Before(j.in.APIAvailableSince) && !j.isStale(r)
}

// sourceMask excuses the bad results of a whole source. That its prober is not
// Ready, or became so just now, excuses nothing once the prober is heard: it is
// not Ready while it cannot report, and that is why what it then tells is new.
func (j *judge) sourceMask(name string, f *NodeFacts, reporter string) mask {
	if m := j.nodeMask(name, f); m.active() {
		return m
	}
	m := mask{reason: v1alpha1.ReasonProberNotReady, node: name, down: true}
	p := f.Prober
	switch {
	case p == nil, p.Terminating:
		return m
	case reporter != "" && reporter != p.UID, !p.Ready && !j.heard(name, f):
		m.began = p.StartedAt
		return m
	case j.recent(p.StartedAt):
		return mask{reason: v1alpha1.ReasonProberNotReady, node: name, began: p.StartedAt}
	}
	return mask{}
}

// excuse is what excuses a bad result about a pair.
func (j *judge) excuse(t *tally, c *claim, b *bad) mask {
	heard := c.src.report.SeenAt
	if t.deny {
		// Whatever a node or a prober is going through, a connection that was
		// made was made; but not if it was a prober before this one that made it.
		if !c.src.current {
			return c.src.distrust()
		}
		if t.canary != "" {
			return j.canaryMask(t, c, b.pair)
		}
		return j.podMask(b, heard)
	}
	if c.src.mask.active() {
		return c.src.mask
	}
	if m := j.sourcePodMask(b, heard); m.active() {
		return m
	}
	return j.targetMask(b, heard)
}

// targetMask excuses bad results about what is on a node. That an echo pod is
// not Ready excuses nothing: the network that is tested may be why it is not.
// heard is when the result was last heard: one that is older than a pod is
// about its predecessor.
func (j *judge) targetMask(b *bad, heard time.Time) mask {
	p := b.pair
	if p.node == "" {
		return mask{}
	}
	f := j.in.Nodes[p.node]
	if m := j.nodeMask(p.node, f); m.active() {
		if b.hidden {
			m.node = b.target
		}
		return m
	}
	if p.echoUID == "" {
		return j.targetPodMask(b, heard)
	}
	return j.ownPodMask(mask{reason: v1alpha1.ReasonTargetReplaced, node: p.node}, f.Echo, p.echoUID, heard)
}

// podMask excuses bad results of and about workload pods that come or go:
// policies are not programmed at once, and an address finds a new owner.
func (j *judge) podMask(b *bad, heard time.Time) mask {
	if m := j.sourcePodMask(b, heard); m.active() {
		return m
	}
	return j.targetPodMask(b, heard)
}

func (j *judge) sourcePodMask(b *bad, heard time.Time) mask {
	if b.pair.pod == nil {
		return mask{}
	}
	return j.workloadMask(mask{reason: v1alpha1.ReasonSourceReplaced, node: b.source}, b.pair.pod.UID, heard)
}

func (j *judge) targetPodMask(b *bad, heard time.Time) mask {
	uid := b.pair.targetPod()
	if uid == "" {
		return mask{}
	}
	return j.workloadMask(mask{reason: v1alpha1.ReasonTargetReplaced, node: b.target}, uid, heard)
}

// workloadMask is m if a workload pod comes or goes.
func (j *judge) workloadMask(m mask, uid string, heard time.Time) mask {
	w := j.in.Pods[uid]
	switch {
	case w == nil, w.Terminating:
		m.down = true
		return m
	case j.recent(w.StartedAt), j.outlived(w.StartedAt, heard):
		m.began = w.StartedAt
		return m
	}
	return mask{}
}

// outlived is true if a pod started after a result was heard.
func (j *judge) outlived(started, heard time.Time) bool {
	return started.After(heard) && !started.After(j.in.Now)
}

// recent is true within the grace after t. A time that lies further ahead
// than the grace comes from a broken clock and excuses nothing.
func (j *judge) recent(t time.Time) bool {
	if t.IsZero() {
		return false
	}
	age := j.in.Now.Sub(t)
	if age >= j.grace || age <= -j.grace {
		return false
	}
	j.wakeAt(t.Add(j.grace))
	return true
}
