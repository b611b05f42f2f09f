// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/controllers/status"
)

// maxWaitingEvents bounds the events that wait for the write budget. When a
// whole network breaks, the first events say so; the statuses say the rest.
const maxWaitingEvents = 200

// announcer records events within the write budget, so that a burst of them
// delays no status.
type announcer struct {
	recorder events.EventRecorder
	writer   *writer
	metrics  *metrics
	waiting  chan announcement
}

type announcement struct {
	check *v1alpha1.ConnectivityCheck
	event status.Event
}

func newAnnouncer(r events.EventRecorder, w *writer, m *metrics) *announcer {
	return &announcer{recorder: r, writer: w, metrics: m, waiting: make(chan announcement, maxWaitingEvents)}
}

// announce takes events that tell of a status that is persisted.
func (a *announcer) announce(ctx context.Context, check *v1alpha1.ConnectivityCheck, list []status.Event) {
	for _, event := range list {
		select {
		case a.waiting <- announcement{check: check, event: event}:
		default:
			a.metrics.dropped.Inc()
			log.FromContext(ctx).Info("Dropped an event: too many wait", "reason", event.Reason, "path", event.Path)
		}
	}
}

// Start records what waits until the context ends.
func (a *announcer) Start(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case next := <-a.waiting:
			if err := a.writer.wait(ctx, writeEvent); err != nil {
				return nil //nolint:nilerr // the context ended, as it does when the process stops
			}
			a.recorder.Eventf(next.check, nil, eventType(next.event), next.event.Reason, "Diagnose", "%s", next.event.Message)
		}
	}
}

func eventType(e status.Event) string {
	if e.Type == status.Warning {
		return corev1.EventTypeWarning
	}
	return corev1.EventTypeNormal
}
