// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/netladder/netladder/controllers/diagnosis"
)

// A watch may miss what happened between two versions of a node.
func TestNodeFactsNotReadySince(t *testing.T) {
	at := func(minute int) time.Time { return time.Date(2026, 1, 1, 12, minute, 0, 0, time.UTC) }
	node := func(status corev1.ConditionStatus, since time.Time) *corev1.Node {
		return &corev1.Node{Status: corev1.NodeStatus{Conditions: []corev1.NodeCondition{
			{Type: corev1.NodeReady, Status: status, LastTransitionTime: metav1.NewTime(since)},
		}}}
	}
	for name, c := range map[string]struct {
		versions []*corev1.Node
		want     time.Time
	}{
		"never":            {[]*corev1.Node{node(corev1.ConditionTrue, at(1))}, time.Time{}},
		"now":              {[]*corev1.Node{node(corev1.ConditionTrue, at(1)), node(corev1.ConditionFalse, at(2))}, at(2)},
		"once":             {[]*corev1.Node{node(corev1.ConditionUnknown, at(2)), node(corev1.ConditionTrue, at(3))}, at(2)},
		"once, seen again": {[]*corev1.Node{node(corev1.ConditionFalse, at(2)), node(corev1.ConditionTrue, at(3)), node(corev1.ConditionTrue, at(3))}, at(2)},
		"missed":           {[]*corev1.Node{node(corev1.ConditionTrue, at(1)), node(corev1.ConditionTrue, at(3))}, time.Time{}},
		"missed after one that was seen": {[]*corev1.Node{
			node(corev1.ConditionFalse, at(2)), node(corev1.ConditionTrue, at(3)), node(corev1.ConditionTrue, at(9)),
		}, time.Time{}},
	} {
		t.Run(name, func(t *testing.T) {
			var facts *diagnosis.NodeFacts
			for _, n := range c.versions {
				facts = nodeFacts(facts, n, ownPods{})
			}
			if !facts.NotReadySince.Equal(c.want) {
				t.Errorf("NotReadySince is %s, want %s", facts.NotReadySince, c.want)
			}
		})
	}
}
