// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/netladder/netladder/api/v1alpha1"
	apply "github.com/netladder/netladder/api/v1alpha1/applyconfiguration/api/v1alpha1"
	"github.com/netladder/netladder/controllers/diagnosis"
	"github.com/netladder/netladder/controllers/status"
)

// reporter says in each check's status what its paths are. The request is the
// key of a check.
type reporter struct {
	reader client.Reader
	writer *writer
	world  *world
	events *announcer
}

// Reconcile judges one check, and persists what changed.
func (r *reporter) Reconcile(ctx context.Context, req reconcile.Request) (reconcile.Result, error) {
	var object v1alpha1.ConnectivityCheck
	found, err := get(ctx, r.reader, req.NamespacedName, &object)
	if err != nil || !found {
		return reconcile.Result{}, err
	}
	input, ok := r.world.diagnosisInput(req.NamespacedName)
	if !ok || input.Check.UID != object.UID {
		return reconcile.Result{}, nil // the observer has yet to see it and asks again
	}
	judged := *input.Check
	judged.Status = object.Status // as last persisted
	input.Check, input.Previous = &judged, object.Status
	summary := diagnosis.Summarize(input)
	blame(summary.Conditions, r.world.installation())
	next := status.For(&judged, summary, input.Now)
	writtenAt := r.world.judged(req.NamespacedName, &next, &summary)
	deadline := earliest(summary.Deadline, r.attribute(ctx))

	told := r.world.toldOf(req.NamespacedName, object.Status)
	due, changed := status.Due(object.Status, next, writtenAt)
	if !changed || input.Now.Before(due) {
		if list := r.news(req.NamespacedName, told, object.Status); len(list) > 0 {
			r.announce(ctx, &judged, list)
		}
		return reconcile.Result{RequeueAfter: until(earliest(due, deadline), input.Now)}, nil
	}
	if err := r.write(ctx, &judged, next); err != nil {
		// It may be persisted all the same, with only the answer lost.
		r.world.setTold(req.NamespacedName, &told)
		// A check that was deleted meanwhile needs no status.
		return reconcile.Result{}, client.IgnoreNotFound(err)
	}
	r.world.statusWritten(req.NamespacedName)
	r.announce(ctx, &judged, r.news(req.NamespacedName, told, next))
	log.FromContext(ctx).V(1).Info("Reported", "check", req.NamespacedName, "summary", next.Summary)
	return reconcile.Result{RequeueAfter: until(deadline, input.Now)}, nil
}

// blame adds what is wrong with the installation to the condition Ready, where
// that is why it may not be True.
func blame(conditions []metav1.Condition, installation string) {
	if installation == "" {
		return
	}
	for i := range conditions {
		if c := &conditions[i]; c.Type == v1alpha1.ConditionReady && c.Status != metav1.ConditionTrue {
			c.Message += "; Netladder itself has a problem: " + installation
		}
	}
}

// news are the events on the way from one status to another.
func (r *reporter) news(key types.NamespacedName, old, next v1alpha1.ConnectivityCheckStatus) []status.Event {
	return append(status.Events(old, next), status.Diagnosed(old, next, func(path *v1alpha1.PathStatus) bool {
		return r.world.firstDiagnosed(key, path)
	})...)
}

// announce tells how a check came to the status that is persisted.
func (r *reporter) announce(ctx context.Context, check *v1alpha1.ConnectivityCheck, list []status.Event) {
	r.world.setTold(types.NamespacedName{Namespace: check.Namespace, Name: check.Name}, nil)
	r.events.announce(ctx, check, list)
}

// earliest of two times, of which zero means never.
func earliest(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

func (r *reporter) write(ctx context.Context, check *v1alpha1.ConnectivityCheck, next v1alpha1.ConnectivityCheckStatus) error {
	s, err := convert[apply.ConnectivityCheckStatusApplyConfiguration](next)
	if err != nil {
		return err
	}
	for i := range s.Paths {
		s.Paths[i].WithPairs(counts(&next.Paths[i].Pairs))
	}
	// The UID keeps the status of a deleted check from a new one of its name.
	object := apply.ConnectivityCheck(check.Name, check.Namespace).WithUID(check.UID).WithStatus(s)
	if err := r.writer.applyStatus(ctx, writeCheckStatus, object); err != nil {
		return fmt.Errorf("applying the status of ConnectivityCheck %s: %w",
			types.NamespacedName{Namespace: check.Namespace, Name: check.Name}, err)
	}
	return nil
}

// counts with their zeros spelled out: of an object whose fields all vanish,
// an apply makes a null, which the schema refuses.
func counts(p *v1alpha1.PairCounts) *apply.PairCountsApplyConfiguration {
	return apply.PairCounts().WithPending(p.Pending).WithPassing(p.Passing).WithDegraded(p.Degraded).
		WithFailing(p.Failing).WithUnknown(p.Unknown)
}
