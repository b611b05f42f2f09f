// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"errors"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	toolscache "k8s.io/client-go/tools/cache"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/netladder/netladder/api/v1alpha1"
)

// auditStart and auditAll are requests that are about no namespace: to begin,
// and to audit all.
func auditStart() reconcile.Request { return request(types.NamespacedName{Name: "start:"}) }
func auditAll() reconcile.Request   { return request(types.NamespacedName{Name: "all:"}) }

// How long changes wait for more of the same before a namespace is audited.
const (
	// auditDelay of what happens in it.
	auditDelay = 2 * time.Second
	// auditAllDelay of what may concern all of them.
	auditAllDelay = 15 * time.Second
)

// newAuditor makes an auditor that audits nothing before it is started. What is
// persisted is in a cache of its own: where the CRD or the role is missing, for
// they came later than the others, nothing else may wait for it.
func newAuditor(ctx context.Context, mgr manager.Manager, w *world, c clock.PassiveClock) (*auditor, error) {
	a := &auditor{
		live: mgr.GetAPIReader(), world: w, clock: c, own: &inbox[reconcile.Request]{}, namespaces: map[string]*audited{},
	}
	var err error
	if a.cache, a.informer, err = ownCache(ctx, mgr, &v1alpha1.NetworkPolicyAudit{}, watchErrors(w)); err != nil {
		return nil, err
	}
	if _, err := a.informer.AddEventHandler(toolscache.ResourceEventHandlerFuncs{DeleteFunc: a.deleted}); err != nil {
		return nil, fmt.Errorf("listening to NetworkPolicyAudits: %w", err)
	}
	return a, nil
}

// deleted has an audit made again that somebody deleted.
func (a *auditor) deleted(object any) {
	if key, err := toolscache.DeletionHandlingObjectToName(object); err == nil {
		a.own.addAfter(request(types.NamespacedName{Name: key.Namespace}), auditDelay)
	}
}

// watch adds the controller to the manager.
func (a *auditor) watch(mgr manager.Manager, b *builder.Builder) error {
	a.own.addAfter(auditStart(), 0)
	if err := b.Named("audit").WatchesRawSource(a.own).Complete(a); err != nil {
		return fmt.Errorf("adding the auditor to %T: %w", mgr, err)
	}
	return nil
}

// start waits until all policies and all audits are known, and audits all
// namespaces then.
func (a *auditor) start(ctx context.Context) (reconcile.Result, error) {
	asking, cancel := context.WithTimeout(ctx, policyAccessTimeout)
	defer cancel()
	err := a.live.List(asking, &v1alpha1.NetworkPolicyAuditList{}, client.Limit(1))
	answer := apierrors.APIStatus(nil)
	if (apierrors.IsForbidden(err) || apierrors.IsNotFound(err)) && errors.As(err, &answer) {
		a.problems.set(ctx, auditKind, problem{eventAuditAccess, fmt.Sprintf(
			"NetworkPolicies are not audited, for the controller may not read NetworkPolicyAudits or there is no such kind: apply config/crd and config/full or config/audit again, or start the controller with --audit=false (%s)",
			answer.Status().Message)})
		return reconcile.Result{RequeueAfter: policyAccessEvery}, nil
	}
	if err != nil {
		return reconcile.Result{}, fmt.Errorf("listing NetworkPolicyAudits: %w", err)
	}
	a.problems.set(ctx, auditKind, problem{})
	if _, known := a.world.audited(); !known || !a.informer.HasSynced() {
		return reconcile.Result{RequeueAfter: policySyncEvery}, nil
	}
	a.started = true
	return reconcile.Result{}, a.all(ctx)
}

// all namespaces that have policies, or an audit.
func (a *auditor) all(ctx context.Context) error {
	namespaces, _ := a.world.audited()
	var list v1alpha1.NetworkPolicyAuditList
	if err := a.cache.List(ctx, &list); err != nil {
		return fmt.Errorf("listing NetworkPolicyAudits: %w", err)
	}
	for i := range list.Items {
		namespaces = append(namespaces, list.Items[i].Namespace)
	}
	for _, name := range namespaces {
		a.own.addAfter(request(types.NamespacedName{Name: name}), 0)
	}
	return nil
}

// handOnAudits gives the namespaces that may have to be audited to the auditor.
func (o *observer) handOnAudits(t touched) {
	if o.audits == nil {
		return
	}
	for _, name := range t.audits {
		o.audits.addAfter(request(types.NamespacedName{Name: name}), auditDelay)
	}
	if t.allAudits {
		o.audits.addAfter(auditAll(), auditAllDelay)
	}
}
