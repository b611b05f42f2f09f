// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"golang.org/x/time/rate"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	"github.com/netladder/netladder/api/v1alpha1"
	apply "github.com/netladder/netladder/api/v1alpha1/applyconfiguration/api/v1alpha1"
)

// kinds of writes, as in the metric netladder_api_writes_total.
const (
	writeAssignment  = "assignment"
	writeCheckStatus = "check_status"
	writeEvent       = "event"
	writeInstall     = "install"
	writeAudit       = "audit"
	writeCheck       = "check"
)

// writeTimeout is how long one write may take. Who waits for its object to be
// read or written again waits that long at most.
const writeTimeout = 15 * time.Second

// writer is the only way to the API server for writes. Each kind of write has
// a budget, and who waits for it is served in the order of coming.
type writer struct {
	client client.Client
	// plain has no cache. What is created and never read again goes through
	// it: the cached client would watch the kind to read its own writes.
	plain   client.Client
	metrics *metrics
	budgets map[string]*rate.Limiter
	timeout time.Duration
}

func newWriter(mgr manager.Manager, m *metrics) (*writer, error) {
	plain, err := client.New(mgr.GetConfig(), client.Options{
		HTTPClient: mgr.GetHTTPClient(), Scheme: mgr.GetScheme(), Mapper: mgr.GetRESTMapper(),
	})
	if err != nil {
		return nil, fmt.Errorf("making a client without a cache: %w", err)
	}
	return &writer{client: mgr.GetClient(), plain: plain, metrics: m, timeout: writeTimeout, budgets: map[string]*rate.Limiter{
		writeAssignment:  rate.NewLimiter(8, 8),
		writeCheckStatus: rate.NewLimiter(4, 4),
		writeEvent:       rate.NewLimiter(2, 2),
		writeInstall:     rate.NewLimiter(1, 5),
		writeAudit:       rate.NewLimiter(4, 4),
		writeCheck:       rate.NewLimiter(2, 10),
	}}, nil
}

// wait takes one write from a budget.
func (w *writer) wait(ctx context.Context, kind string) error {
	if err := w.budgets[kind].Wait(ctx); err != nil {
		return fmt.Errorf("waiting for the write budget of %s: %w", kind, err)
	}
	w.metrics.wrote(kind)
	return nil
}

// apply makes an object as wanted: the fields in it become the controller's,
// all others stay as they are.
func (w *writer) apply(ctx context.Context, kind string, object runtime.ApplyConfiguration) error {
	if err := w.wait(ctx, kind); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, w.timeout)
	defer cancel()
	return w.client.Apply(ctx, object, client.ForceOwnership, client.FieldOwner(v1alpha1.FieldOwnerController))
}

// applyUnread is apply for an object of a kind that is not in the manager's
// cache.
func (w *writer) applyUnread(ctx context.Context, kind string, object runtime.ApplyConfiguration) error {
	if err := w.wait(ctx, kind); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, w.timeout)
	defer cancel()
	return w.plain.Apply(ctx, object, client.ForceOwnership, client.FieldOwner(v1alpha1.FieldOwnerController))
}

// applyStatus does the same for the status of an object.
func (w *writer) applyStatus(ctx context.Context, kind string, object runtime.ApplyConfiguration) error {
	if err := w.wait(ctx, kind); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, w.timeout)
	defer cancel()
	return w.client.Status().Apply(ctx, object, client.ForceOwnership, client.FieldOwner(v1alpha1.FieldOwnerController))
}

// applyAudit makes a NetworkPolicyAudit as wanted; what is wanted is then as the
// API server has it. Audits are read from a cache of their own, so they do not
// go through the one that would watch them to read its own writes.
func (w *writer) applyAudit(ctx context.Context, object *apply.NetworkPolicyAuditApplyConfiguration) error {
	if err := w.wait(ctx, writeAudit); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, w.timeout)
	defer cancel()
	return w.plain.Apply(ctx, object, client.ForceOwnership, client.FieldOwner(v1alpha1.FieldOwnerAudit))
}

// applyAuditStatus does the same for its status.
func (w *writer) applyAuditStatus(ctx context.Context, object *apply.NetworkPolicyAuditApplyConfiguration) error {
	if err := w.wait(ctx, writeAudit); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, w.timeout)
	defer cancel()
	return w.plain.Status().Apply(ctx, object, client.ForceOwnership, client.FieldOwner(v1alpha1.FieldOwnerAudit))
}

// create makes a new object that nobody here reads.
func (w *writer) create(ctx context.Context, kind string, object client.Object) error {
	if err := w.wait(ctx, kind); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, w.timeout)
	defer cancel()
	return w.plain.Create(ctx, object)
}

// delete removes an object if it is still the one with that UID; one that is
// gone is none of its concern.
func (w *writer) delete(ctx context.Context, kind string, object client.Object, uid types.UID) error {
	if err := w.wait(ctx, kind); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, w.timeout)
	defer cancel()
	from := w.client
	if kind == writeAudit {
		from = w.plain
	}
	return client.IgnoreNotFound(from.Delete(ctx, object, client.Preconditions{UID: &uid}))
}

// deleteAsRead is delete for an object that must not have changed since it was
// read: else the error is a conflict.
func (w *writer) deleteAsRead(ctx context.Context, kind string, object client.Object) error {
	if err := w.wait(ctx, kind); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, w.timeout)
	defer cancel()
	uid, version := object.GetUID(), object.GetResourceVersion()
	return client.IgnoreNotFound(w.client.Delete(ctx, object, client.Preconditions{UID: &uid, ResourceVersion: &version}))
}

// deleteUnread is delete for an object of a kind that is not in the manager's
// cache.
func (w *writer) deleteUnread(ctx context.Context, kind string, object client.Object, uid types.UID) error {
	if err := w.wait(ctx, kind); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, w.timeout)
	defer cancel()
	return client.IgnoreNotFound(w.plain.Delete(ctx, object, client.Preconditions{UID: &uid}))
}

// convert turns an API value into its apply configuration; both have the same
// JSON. What is a null in it, such as a time that is zero, is left out.
func convert[to any](from any) (*to, error) {
	text, err := json.Marshal(from)
	if err != nil {
		return nil, fmt.Errorf("encoding %T: %w", from, err)
	}
	out := new(to)
	if err := json.Unmarshal(text, out); err != nil {
		return nil, fmt.Errorf("decoding %T from %T: %w", out, from, err)
	}
	return out, nil
}
