// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"cmp"
	"context"
	"time"
	"unicode/utf8"

	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/rand"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/controllers/status"
)

// maxWaitingEvents bounds the events that wait for the write budget, and again
// those about policies. When a
// whole network breaks, the first events say so; the statuses say the rest.
const maxWaitingEvents = 200

// announcer records events within the write budget, so that a burst of them
// delays no status.
type announcer struct {
	writer   *writer
	metrics  *metrics
	clock    clock.PassiveClock
	instance string
	waiting  chan announcement
	// findings about policies wait apart: they come in hundreds when they come at
	// all, and no hurry is in them.
	findings chan announcement
	// pause before the second try to write an event.
	pause time.Duration
}

type announcement struct {
	regarding corev1.ObjectReference
	action    string
	event     status.Event
	at        time.Time
}

// actions: what the controller did when it came upon what an event tells of.
const (
	actionDiagnose = "Diagnose"
	actionInstall  = "Install"
)

func newAnnouncer(w *writer, m *metrics, c clock.PassiveClock, instance string) *announcer {
	return &announcer{
		writer: w, metrics: m, clock: c, instance: instance, pause: firstPause,
		waiting: make(chan announcement, maxWaitingEvents), findings: make(chan announcement, maxWaitingEvents),
	}
}

// announce takes events that tell of a status that is persisted.
func (a *announcer) announce(ctx context.Context, check *v1alpha1.ConnectivityCheck, list []status.Event) {
	regarding := corev1.ObjectReference{
		APIVersion: v1alpha1.GroupVersion.String(), Kind: "ConnectivityCheck",
		Namespace: check.Namespace, Name: check.Name, UID: check.UID, ResourceVersion: check.ResourceVersion,
	}
	for _, event := range list {
		a.take(ctx, announcement{regarding: regarding, action: actionDiagnose, event: event, at: a.clock.Now()})
	}
}

func (a *announcer) take(ctx context.Context, n announcement) {
	to := a.waiting
	if n.action == actionAudit {
		to = a.findings
	}
	select {
	case to <- n:
	default:
		a.metrics.dropped.Inc()
		log.FromContext(ctx).Info("Dropped an event: too many wait", "reason", n.event.Reason, "path", n.event.Path)
	}
}

// Start records what waits until the context ends. What still waits then is
// tried once, unless the API server does not answer any more.
func (a *announcer) Start(ctx context.Context) error {
	last, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(drainTimeout, cancel) })
	defer stop()
	for {
		next, ok := a.next(ctx)
		if !ok {
			break
		}
		_ = a.record(ctx, last, next) // it says what it dropped
	}
	var err error
	for {
		next, ok := a.left()
		switch {
		case !ok:
			return nil
		case err == nil:
			err = a.record(ctx, last, next)
		default:
			a.drop(ctx, next, err)
		}
	}
}

// next waits for an event; false when the context ends.
func (a *announcer) next(ctx context.Context) (announcement, bool) {
	if ctx.Err() != nil {
		return announcement{}, false
	}
	if next, ok := a.left(); ok {
		return next, true
	}
	select {
	case <-ctx.Done():
		return announcement{}, false
	case next := <-a.waiting:
		return next, true
	case next := <-a.findings:
		return next, true
	}
}

// left is an event that waits already; false if none does.
func (a *announcer) left() (announcement, bool) {
	for _, from := range []chan announcement{a.waiting, a.findings} {
		select {
		case next := <-from:
			return next, true
		default:
		}
	}
	return announcement{}, false
}

// drainTimeout leaves the rest of the process some time to stop.
const drainTimeout = stopTimeout - 2*time.Second

// How long the pauses are between the tries to write an event, each three times
// the one before.
const (
	firstPause = 500 * time.Millisecond
	lastPause  = 5 * time.Second
)

// record writes an event, and tries again until ctx ends. A write goes on until
// last ends. The event is named here, so that one whose answer was lost is not
// there twice.
func (a *announcer) record(ctx, last context.Context, next announcement) error {
	object := a.object(next)
	object.Name = cut(object.GenerateName, maxNamePrefix) + rand.String(10)
	for pause := a.pause; ; pause *= 3 {
		err := a.writer.create(last, writeEvent, object.DeepCopy())
		if err == nil || apierrors.IsAlreadyExists(err) {
			return nil
		}
		// As when the namespace is being deleted.
		refused := apierrors.IsForbidden(err) || apierrors.IsNotFound(err) || apierrors.IsInvalid(err)
		if ctx.Err() != nil || refused || pause > lastPause {
			a.drop(ctx, next, err)
			return err
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
}

func (a *announcer) drop(ctx context.Context, n announcement, err error) {
	a.metrics.dropped.Inc()
	log.FromContext(ctx).Info("Dropped an event: it could not be written", "reason", n.event.Reason, "path", n.event.Path, "error", err.Error())
}

// maxNamePrefix leaves room for what makes the name of an event unique.
const maxNamePrefix = 200

// object is the event as the API server keeps it. It is made here and not by
// client-go's recorder, which joins all events of one check and reason into a
// series under the note of the first: the path that breaks second would never
// be named.
func (a *announcer) object(n announcement) *eventsv1.Event {
	return &eventsv1.Event{
		ObjectMeta:          metav1.ObjectMeta{Namespace: cmp.Or(n.regarding.Namespace, metav1.NamespaceDefault), GenerateName: n.regarding.Name + "-"},
		EventTime:           metav1.NewMicroTime(n.at),
		Type:                eventType(n.event),
		Reason:              n.event.Reason,
		Action:              n.action,
		Note:                cut(n.event.Message, maxNote),
		Regarding:           n.regarding,
		ReportingController: v1alpha1.GroupVersion.Group + "/controller",
		ReportingInstance:   a.instance,
	}
}

// maxNote is the API server's limit of an event's note, in bytes.
const maxNote = 1024

// cut shortens text to limit bytes without breaking a character.
func cut(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	for limit > 0 && !utf8.RuneStart(text[limit]) {
		limit--
	}
	return text[:limit]
}

func eventType(e status.Event) string {
	if e.Type == status.Warning {
		return corev1.EventTypeWarning
	}
	return corev1.EventTypeNormal
}
