// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/netladder/netladder/api/v1alpha1"
)

// expireAgain is how long a check whose time is over is left alone that changed
// while it was to be deleted: until then the change should have been seen.
const expireAgain = time.Second

// expirer deletes the checks whose time to live is over, so that a program
// which makes one for a moment and is killed leaves nothing behind. The request
// is the key of a check.
type expirer struct {
	reader client.Reader
	writer *writer
	clock  clock.PassiveClock
}

// watch adds the controller to the manager.
func (e *expirer) watch(mgr manager.Manager, b *builder.Builder) error {
	hasTTL := predicate.NewPredicateFuncs(func(o client.Object) bool { return o.GetAnnotations()[v1alpha1.AnnotationTTL] != "" })
	if err := b.Named("expire").For(&v1alpha1.ConnectivityCheck{}, builder.WithPredicates(hasTTL)).Complete(e); err != nil {
		return fmt.Errorf("adding the end of checks to %T: %w", mgr, err)
	}
	return nil
}

// Reconcile deletes a check, or waits until it has to.
func (e *expirer) Reconcile(ctx context.Context, req reconcile.Request) (reconcile.Result, error) {
	var check v1alpha1.ConnectivityCheck
	found, err := get(ctx, e.reader, req.NamespacedName, &check)
	if err != nil || !found || check.DeletionTimestamp != nil {
		return reconcile.Result{}, err
	}
	end, ok := expires(&check)
	if !ok {
		return reconcile.Result{}, nil
	}
	if now := e.clock.Now(); now.Before(end) {
		return reconcile.Result{RequeueAfter: until(end, now)}, nil
	}
	switch err := e.writer.deleteAsRead(ctx, writeCheck, &check); {
	case apierrors.IsConflict(err):
		// It changed meanwhile, and may not ask for its end any more.
		return reconcile.Result{RequeueAfter: expireAgain}, nil
	case err != nil:
		return reconcile.Result{}, fmt.Errorf("deleting ConnectivityCheck %s, whose time is over: %w", req.NamespacedName, err)
	}
	log.FromContext(ctx).Info("Deleted a check whose time to live is over", "check", req.NamespacedName)
	return reconcile.Result{}, nil
}

// expires is when a check is to be deleted; false if it never is. Both times are
// the cluster's own: whoever made the check may have another clock. What cannot
// be read deletes nothing.
func expires(check *v1alpha1.ConnectivityCheck) (time.Time, bool) {
	ttl, err := time.ParseDuration(check.Annotations[v1alpha1.AnnotationTTL])
	if err != nil || ttl <= 0 || check.CreationTimestamp.IsZero() {
		return time.Time{}, false
	}
	return check.CreationTimestamp.Add(ttl), true
}
