// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/time/rate"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	testingclock "k8s.io/utils/clock/testing"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/netladder/netladder/controllers/status"
	"github.com/netladder/netladder/test/builders"
)

// TestEventsSurviveALostAnswer: the status is stored, but the controller is
// told that it is not. Nothing differs when it looks again; its users have to
// hear of it all the same, once.
func TestEventsSurviveALostAnswer(t *testing.T) {
	h, nodes := meshCluster(t)
	var losing, lost atomic.Bool
	h.options.RESTConfig = tapped(nil, func(r *http.Request, _ *http.Response) error {
		if !strings.HasSuffix(r.URL.Path, "/connectivitychecks/mesh/status") || !losing.CompareAndSwap(true, false) {
			return nil
		}
		lost.Store(true)
		// The retry is to see what was stored.
		<-time.After(500 * time.Millisecond)
		return errors.New("connection reset by peer")
	})
	h.start()
	h.assigned(nodes, 1)
	h.reportAll(nodes)
	h.readyIs("mesh", metav1.ConditionTrue, "")
	h.hasEvent("mesh", "PathPassing")
	h.clock.Step(2 * time.Minute)
	h.reportAll(nodes)
	h.pass(5 * time.Second)
	losing.Store(true)
	h.report(nodes[0], "cross")
	h.readyIs("mesh", metav1.ConditionFalse, "")
	h.hasEvent("mesh", "PathFailing")
	if !lost.Load() {
		t.Error("no answer was lost")
	}
	h.pass(10 * time.Second)
	n := 0
	for _, e := range h.events("mesh") {
		if e.Reason == "PathFailing" {
			n++
		}
	}
	if n != 1 {
		t.Errorf("%d events tell of it, want 1", n)
	}
}

// announcerOf announces through a tap.
func announcerOf(h *cluster, perSecond rate.Limit, request func(*http.Request) error, response func(*http.Request, *http.Response) error) *announcer {
	h.t.Helper()
	c, err := client.New(tapped(request, response), client.Options{Scheme: h.client.Scheme(), Mapper: h.client.RESTMapper()})
	must(h.t, err)
	m := newMetrics()
	a := newAnnouncer(&writer{client: c, plain: c, metrics: m, timeout: writeTimeout, budgets: map[string]*rate.Limiter{
		writeEvent: rate.NewLimiter(perSecond, 1),
	}}, m, testingclock.NewFakePassiveClock(time.Now()), "test")
	a.pause = time.Millisecond
	return a
}

// noted are the notes of the events about a check, sorted.
func (h *cluster) noted(check string) []string {
	h.t.Helper()
	var out []string
	for _, e := range h.events(check) {
		out = append(out, e.Note)
	}
	slices.Sort(out)
	return out
}

// TestEventsAreTriedAgain: whether the request or only its answer was lost, the
// event is there once.
func TestEventsAreTriedAgain(t *testing.T) {
	h := newCluster(t)
	check := builders.MakeCheck("mesh").Namespace(h.namespace).Obj()
	requests, answers := 2, 1
	a := announcerOf(h, rate.Inf, func(*http.Request) error {
		if requests--; requests >= 0 {
			return errors.New("connection refused")
		}
		return nil
	}, func(*http.Request, *http.Response) error {
		if answers--; answers >= 0 {
			return errors.New("connection reset by peer")
		}
		return nil
	})
	ctx, cancel := context.WithCancel(t.Context())
	a.announce(ctx, check, []status.Event{{Type: status.Warning, Reason: "PathFailing", Message: "first"}, {Type: status.Warning, Reason: "PathFailing", Message: "second"}})
	done := make(chan error, 1)
	go func() { done <- a.Start(ctx) }()
	h.done = make(chan error)
	h.eventually("the events", func() error {
		if got := h.noted("mesh"); !slices.Equal(got, []string{"first", "second"}) {
			return fmt.Errorf("events: %v", got)
		}
		return nil
	})
	cancel()
	must(t, <-done)
	if got := h.noted("mesh"); !slices.Equal(got, []string{"first", "second"}) {
		t.Errorf("events: %v", got)
	}
}

// TestEventsAreWrittenBeforeTheEnd: what waits when the controller stops is
// written; if nobody takes it, the controller stops at once.
func TestEventsAreWrittenBeforeTheEnd(t *testing.T) {
	h := newCluster(t)
	check := builders.MakeCheck("mesh").Namespace(h.namespace).Obj()
	var list []status.Event
	var want []string
	for i := range 20 {
		list = append(list, status.Event{Type: status.Warning, Reason: "PathFailing", Message: fmt.Sprintf("event %02d", i)})
		want = append(want, list[i].Message)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()

	away := 0
	a := announcerOf(h, rate.Inf, func(*http.Request) error { away++; return errors.New("connection refused") }, nil)
	a.announce(t.Context(), check, list)
	must(t, a.Start(ended))
	if away != 1 || len(a.waiting) > 0 {
		t.Errorf("%d tries without an API server, %d events still wait", away, len(a.waiting))
	}

	a = announcerOf(h, rate.Inf, nil, nil)
	a.announce(t.Context(), check, list)
	must(t, a.Start(ended))
	if got := h.noted("mesh"); !slices.Equal(got, want) {
		t.Errorf("events: %v", got)
	}
}

// TestFindingsAreNotInTheWay: however many findings about policies come at once,
// as when Netladder is installed, that a path fails is told first.
func TestFindingsAreNotInTheWay(t *testing.T) {
	h := newCluster(t)
	var first atomic.Pointer[string]
	a := announcerOf(h, rate.Inf, func(r *http.Request) error {
		if r.Method != http.MethodPost {
			return nil
		}
		body, err := r.GetBody()
		if err != nil {
			return err
		}
		text, err := io.ReadAll(body)
		if err != nil {
			return err
		}
		first.CompareAndSwap(nil, ptr.To(string(text)))
		return nil
	}, nil)
	for i := range maxWaitingEvents + 1 {
		a.take(t.Context(), announcement{
			regarding: corev1.ObjectReference{Kind: "NetworkPolicyAudit", Namespace: h.namespace, Name: "netladder"}, action: actionAudit,
			event: status.Event{Type: status.Warning, Reason: "SelectsNoPod", Message: fmt.Sprint("finding ", i)}, at: a.clock.Now(),
		})
	}
	a.announce(t.Context(), builders.MakeCheck("mesh").Namespace(h.namespace).Obj(), []status.Event{{Type: status.Warning, Reason: "PathFailing", Message: "it fails"}})
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	must(t, a.Start(ended))
	if got := first.Load(); got == nil || !strings.Contains(*got, "it fails") {
		t.Errorf("the first event written is %v", got)
	}
	if got := h.noted("netladder"); len(got) != maxWaitingEvents {
		t.Errorf("%d findings were told, want %d", len(got), maxWaitingEvents)
	}
}
