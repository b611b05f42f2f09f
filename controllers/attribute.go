// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/netladder/netladder/controllers/diagnosis/causes"
	"github.com/netladder/netladder/controllers/status"
)

// Reasons of the events on Nodes.
const (
	// eventRungBroken: paths fail, and what they have in common is a rung of the
	// network that is broken on this node.
	eventRungBroken = "RungBroken"
	// eventRungRepaired: no path has failed for that for a minute.
	eventRungRepaired = "RungRepaired"
)

// followCauses says which causes begin and end by what all checks were last
// judged to be.
func (w *world) followCauses() causes.News {
	w.mu.Lock()
	defer w.mu.Unlock()
	var found []causes.Found
	for _, known := range w.checks {
		found = append(found, known.causes...)
	}
	if len(found) == 0 && len(w.told) == 0 {
		return causes.News{}
	}
	var news causes.News
	w.told, news = w.told.Follow(causes.All(found), w.clock.Now())
	return news
}

// attribute tells of causes on the nodes that they are about, and returns when to
// look again; zero if not before something changes.
func (r *reporter) attribute(ctx context.Context) time.Time {
	news := r.world.followCauses()
	for i := range news.Begun {
		c := &news.Begun[i]
		r.onNode(ctx, c.Node, status.Event{Type: status.Warning, Reason: eventRungBroken, Message: c.String() + " fail (" + c.Reason + ")"})
	}
	for i := range news.Ended {
		c := &news.Ended[i]
		r.onNode(ctx, c.Node, status.Event{Type: status.Normal, Reason: eventRungRepaired, Message: "no path fails any more for the rung " + string(c.Rung) + " of " + c.Object})
	}
	return news.Again
}

// onNode announces an event about a node that is there.
func (r *reporter) onNode(ctx context.Context, name string, event status.Event) {
	uid, ok := r.world.nodeUID(name)
	if !ok {
		return
	}
	regarding := corev1.ObjectReference{APIVersion: "v1", Kind: "Node", Name: name, UID: uid}
	r.events.take(ctx, announcement{regarding: regarding, action: actionDiagnose, event: event, at: r.world.clock.Now()})
}
