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
// ago. Cordon is no fact here: it says nothing about the network.
func (j *judge) nodeMask(name string, f *NodeFacts) mask {
	switch {
	case f == nil:
		return mask{reason: v1alpha1.ReasonNodeGone, node: name, down: true}
	case f.Gone:
		return mask{reason: v1alpha1.ReasonNodeGone, node: name, began: f.NotReadySince, down: true}
	case !f.Ready:
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

// onlyUnheard is true if a node was not Ready because nobody could hear it: the
// API server was away, and what runs on the node went on. Then nothing has to
// settle once it is heard again.
func (j *judge) onlyUnheard(f *NodeFacts) bool {
	began := f.NotReadySince
	if began.IsZero() || j.in.APIAvailableSince.IsZero() || began.Before(j.in.APIAvailableSince.Add(-j.grace)) {
		return false
	}
	wentOn := func(p *PodFacts) bool { return p != nil && p.StartedAt.Before(began) }
	return wentOn(f.Prober) && wentOn(f.Echo)
}

// sourceMask excuses the bad results of a whole source.
func (j *judge) sourceMask(name string, f *NodeFacts, reporter string) mask {
	if m := j.nodeMask(name, f); m.active() {
		return m
	}
	m := mask{reason: v1alpha1.ReasonProberNotReady, node: name, down: true}
	p := f.Prober
	switch {
	case p == nil, p.Terminating:
		return m
	case !p.Ready:
		m.began = p.StartedAt
		return m
	case reporter != "" && reporter != p.UID:
		m.began = p.StartedAt
		return m
	case j.recent(p.ReadySince) && !j.onlyUnheard(f):
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
	e := f.Echo
	m := mask{reason: v1alpha1.ReasonTargetReplaced, node: p.node, down: true}
	switch {
	case e == nil, e.Terminating:
		return m
	case e.UID != p.echoUID:
		m.began = e.StartedAt
		return m
	case j.recent(e.StartedAt), j.outlived(e.StartedAt, heard):
		return mask{reason: v1alpha1.ReasonTargetReplaced, node: p.node, began: e.StartedAt}
	}
	return mask{}
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
