// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"errors"
	"fmt"
	"time"

	networkingv1 "k8s.io/api/networking/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

// policyAccess sees to it that the observer knows all NetworkPolicies or none.
// They are in a cache of their own: the role that lets the controller read them
// came later than the others, and where it is missing nothing else may wait for
// it.
type policyAccess struct {
	cache cache.Cache
	// live reads past the cache.
	live     client.Reader
	informer cache.Informer
	world    *world
	problems *problems
	// observations and checks are the inboxes of the observer and the reporter,
	// own is that of this controller.
	observations *inbox[observation]
	checks       *inbox[reconcile.Request]
	own          *inbox[reconcile.Request]
}

// How soon the policies are looked at again: until they are all there, and while
// they may not be read.
const (
	policySyncEvery   = 500 * time.Millisecond
	policyAccessEvery = 30 * time.Second
	// policyAccessTimeout of the look.
	policyAccessTimeout = 10 * time.Second
)

// newPolicyAccess makes the cache, and has changes in it observed.
func newPolicyAccess(ctx context.Context, mgr manager.Manager, w *world, observations *inbox[observation], checks *inbox[reconcile.Request]) (*policyAccess, error) {
	p := &policyAccess{live: mgr.GetAPIReader(), world: w, observations: observations, checks: checks, own: &inbox[reconcile.Request]{}}
	onWatchError := watchErrors(w)
	var err error
	if p.cache, p.informer, err = ownCache(ctx, mgr, &networkingv1.NetworkPolicy{}, func(ctx context.Context, r *toolscache.Reflector, err error) {
		if apierrors.IsForbidden(err) {
			p.own.addAfter(reconcile.Request{}, 0)
		}
		onWatchError(ctx, r, err)
	}); err != nil {
		return nil, err
	}
	if _, err := p.informer.AddEventHandler(toolscache.ResourceEventHandlerDetailedFuncs{
		AddFunc: func(object any, initial bool) {
			if !initial {
				p.observe(object)
			}
		},
		UpdateFunc: func(_, object any) { p.observe(object) },
		DeleteFunc: p.observe,
	}); err != nil {
		return nil, fmt.Errorf("listening to NetworkPolicies: %w", err)
	}
	return p, nil
}

// observe has a policy observed.
func (p *policyAccess) observe(object any) {
	key, err := toolscache.DeletionHandlingObjectToName(object)
	if err != nil {
		return // it is none
	}
	p.observations.addAfter(observation{
		subject: subjectPolicy, key: types.NamespacedName{Namespace: key.Namespace, Name: key.Name},
	}, 0)
}

// watch adds the controller to the manager.
func (p *policyAccess) watch(mgr manager.Manager, problems *problems, b *builder.Builder) error {
	p.problems = problems
	p.own.addAfter(reconcile.Request{}, 0)
	if err := b.Named("policies").WatchesRawSource(p.own).Complete(p); err != nil {
		return fmt.Errorf("adding the look at NetworkPolicies to %T: %w", mgr, err)
	}
	return nil
}

// Reconcile finds out whether policies may be read, and has all of them
// observed once they are there.
func (p *policyAccess) Reconcile(ctx context.Context, _ reconcile.Request) (reconcile.Result, error) {
	asking, cancel := context.WithTimeout(ctx, policyAccessTimeout)
	defer cancel()
	err := p.live.List(asking, &networkingv1.NetworkPolicyList{}, client.Limit(1))
	if answer := apierrors.APIStatus(nil); apierrors.IsForbidden(err) && errors.As(err, &answer) {
		p.problems.set(ctx, "NetworkPolicies", problem{eventPolicyAccess, fmt.Sprintf(
			"the controller may not read NetworkPolicies, so that no path says which of them decides: apply config/full again, whose ClusterRole netladder-controller-full lets it, or config/audit (%s)",
			answer.Status().Message)})
		for key := range p.world.policiesRefused().checks {
			p.checks.addAfter(request(key), judgeDelay)
		}
		return reconcile.Result{RequeueAfter: policyAccessEvery}, nil
	}
	if err != nil {
		return reconcile.Result{}, fmt.Errorf("listing NetworkPolicies: %w", err)
	}
	p.problems.set(ctx, "NetworkPolicies", problem{})
	if !p.informer.HasSynced() {
		return reconcile.Result{RequeueAfter: policySyncEvery}, nil
	}
	p.observations.addAfter(observation{subject: subjectPolicies}, 0)
	return reconcile.Result{}, nil
}
