// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package index

import (
	corev1 "k8s.io/api/core/v1"

	"github.com/netladder/netladder/controllers/diagnosis"
)

// Pod is what diagnosis knows of one of Netladder's own pods.
func Pod(p *corev1.Pod) *diagnosis.PodFacts {
	facts := &diagnosis.PodFacts{
		UID:         string(p.UID),
		Terminating: p.DeletionTimestamp != nil,
		StartedAt:   p.CreationTimestamp.Time,
	}
	for i := range p.Status.ContainerStatuses {
		running := p.Status.ContainerStatuses[i].State.Running
		if running == nil {
			continue
		}
		facts.Running = true
		if running.StartedAt.After(facts.StartedAt) {
			facts.StartedAt = running.StartedAt.Time
		}
	}
	for i := range p.Status.Conditions {
		switch c := &p.Status.Conditions[i]; {
		case c.Type != corev1.PodReady:
		case c.Status == corev1.ConditionTrue:
			facts.Ready, facts.ReadySince = true, c.LastTransitionTime.Time
		default:
			facts.NotReadySince = c.LastTransitionTime.Time
		}
	}
	return facts
}

// Finished is true for a pod that ended and will not run again; a DaemonSet
// replaces it.
func Finished(p *corev1.Pod) bool {
	return p.Status.Phase == corev1.PodFailed || p.Status.Phase == corev1.PodSucceeded
}

// Current is the pod that counts among those of one component on one node: in
// a rollout two overlap, and the one that stays counts as soon as it is Ready;
// until then it may have no image yet, and the one before it serves. Finished
// pods count only where there is no other. Nil without pods.
func Current(pods []*corev1.Pod) *corev1.Pod {
	var current *corev1.Pod
	for _, p := range pods {
		if current == nil || better(p, current) {
			current = p
		}
	}
	return current
}

func better(a, b *corev1.Pod) bool {
	if fa, fb := Finished(a), Finished(b); fa != fb {
		return fb
	}
	if ta, tb := a.DeletionTimestamp != nil, b.DeletionTimestamp != nil; ta != tb {
		return tb
	}
	if ra, rb := Pod(a).Ready, Pod(b).Ready; ra != rb {
		return ra
	}
	if !a.CreationTimestamp.Equal(&b.CreationTimestamp) {
		return b.CreationTimestamp.Before(&a.CreationTimestamp)
	}
	return a.UID < b.UID // any order, so long as it is always the same
}
