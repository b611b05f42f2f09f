// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/netladder/netladder/api/v1alpha1"
)

// lookAgain is how soon a DaemonSet that lacks pods is looked at again:
// nothing but time tells that the refusals of its pods were written down.
const lookAgain = 10 * time.Second

// health finds out why a DaemonSet that is installed has no pods. The request
// is the name of one.
type health struct {
	// live reads events past the cache: they are many, and seldom needed.
	live     client.Reader
	reader   client.Reader
	options  Options
	problems *problems
}

// Reconcile looks at one DaemonSet.
func (h *health) Reconcile(ctx context.Context, req reconcile.Request) (reconcile.Result, error) {
	found, err := h.podSecurity(ctx, req.Name)
	if err != nil {
		return reconcile.Result{}, err
	}
	again := time.Duration(0)
	if found == (problem{}) {
		if found, again, err = h.pods(ctx, req.NamespacedName); err != nil {
			return reconcile.Result{}, err
		}
	}
	h.problems.set(ctx, "pods of "+req.Name, found)
	return reconcile.Result{RequeueAfter: again}, nil
}

// podSecurity looks before the first pod is refused.
func (h *health) podSecurity(ctx context.Context, daemonSet string) (problem, error) {
	if h.options.Level != v1alpha1.LevelFull || daemonSet != v1alpha1.ProberName {
		return problem{}, nil
	}
	var namespace corev1.Namespace
	if found, err := get(ctx, h.reader, types.NamespacedName{Name: h.options.Namespace}, &namespace); err != nil || !found {
		return problem{}, err
	}
	return podSecurity(&namespace), nil
}

// pods looks for what the pods were refused with that a DaemonSet lacks.
func (h *health) pods(ctx context.Context, key types.NamespacedName) (found problem, again time.Duration, err error) {
	var d appsv1.DaemonSet
	if found, err := get(ctx, h.reader, key, &d); err != nil || !found {
		return problem{}, 0, err
	}
	missing := d.Status.DesiredNumberScheduled - d.Status.CurrentNumberScheduled
	if missing <= 0 {
		return problem{}, 0, nil
	}
	var events corev1.EventList
	if err := h.live.List(ctx, &events, client.InNamespace(key.Namespace), client.Limit(maxEventsRead),
		client.MatchingFields{"involvedObject.uid": string(d.UID), "reason": "FailedCreate"}); err != nil {
		return problem{}, 0, fmt.Errorf("listing events of DaemonSet %s: %w", key, err)
	}
	var last *corev1.Event
	for i := range events.Items {
		if e := &events.Items[i]; last == nil || last.LastTimestamp.Before(&e.LastTimestamp) {
			last = e
		}
	}
	if last == nil {
		return problem{}, lookAgain, nil
	}
	return problem{eventPodsNotCreated, fmt.Sprintf("%d pods of DaemonSet %s are missing: %s", missing, key.Name, last.Message)}, lookAgain, nil
}

// maxEventsRead of one DaemonSet: Kubernetes joins those that repeat.
const maxEventsRead = 100

// watch adds the controller to the manager.
func (h *health) watch(mgr manager.Manager, b *builder.Builder) error {
	b = b.Named("health").
		Watches(&appsv1.DaemonSet{}, &handler.EnqueueRequestForObject{}, builder.WithPredicates(scheduled()))
	if h.options.Level == v1alpha1.LevelFull {
		prober := request(types.NamespacedName{Namespace: h.options.Namespace, Name: v1alpha1.ProberName})
		own := predicate.NewPredicateFuncs(func(obj client.Object) bool { return obj.GetName() == h.options.Namespace })
		b = b.Watches(&corev1.Namespace{}, handler.EnqueueRequestsFromMapFunc(
			func(context.Context, client.Object) []reconcile.Request { return []reconcile.Request{prober} },
		), builder.WithPredicates(own, changed()))
	}
	if err := b.Complete(h); err != nil {
		return fmt.Errorf("adding the look at what is installed to %T: %w", mgr, err)
	}
	return nil
}

// scheduled lets an update pass if the number of pods changed, or should.
func scheduled() predicate.Predicate {
	return predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
		before, after := e.ObjectOld.(*appsv1.DaemonSet), e.ObjectNew.(*appsv1.DaemonSet)
		return before.UID != after.UID ||
			before.Status.DesiredNumberScheduled != after.Status.DesiredNumberScheduled ||
			before.Status.CurrentNumberScheduled != after.Status.CurrentNumberScheduled
	}}
}
