// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/types"
	toolscache "k8s.io/client-go/tools/cache"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/controllers/diagnosis"
	"github.com/netladder/netladder/controllers/workload"
)

// canaryPolicies watches the NetworkPolicies of Netladder's own namespace: the
// one that isolates the canary pods is repaired, and others may make them say
// nothing. They have a cache of their own, because where the role that lets the
// controller read them is missing nothing else may wait for it.
type canaryPolicies struct {
	namespace string
	cache     cache.Cache
	informer  cache.Informer
	world     *world
	// install and checks are the inboxes of the installer and the reporter, own
	// is that of this controller.
	install, checks, own *inbox[reconcile.Request]
}

// newCanaryPolicies makes the cache, and has changes in it looked at.
func newCanaryPolicies(ctx context.Context, mgr manager.Manager, namespace string, w *world, install, checks *inbox[reconcile.Request]) (*canaryPolicies, error) {
	p := &canaryPolicies{namespace: namespace, world: w, install: install, checks: checks, own: &inbox[reconcile.Request]{}}
	var err error
	if p.cache, err = cache.New(mgr.GetConfig(), cache.Options{
		HTTPClient: mgr.GetHTTPClient(), Scheme: mgr.GetScheme(), Mapper: mgr.GetRESTMapper(),
		DefaultNamespaces:            map[string]cache.Config{namespace: {}},
		DefaultTransform:             cache.TransformStripManagedFields(),
		DefaultUnsafeDisableDeepCopy: ptr.To(true),
		DefaultWatchErrorHandler:     watchErrors(w),
	}); err != nil {
		return nil, fmt.Errorf("making the cache of the own NetworkPolicies: %w", err)
	}
	if p.informer, err = p.cache.GetInformer(ctx, &networkingv1.NetworkPolicy{}, cache.BlockUntilSynced(false)); err != nil {
		return nil, fmt.Errorf("making the informer of the own NetworkPolicies: %w", err)
	}
	if _, err := p.informer.AddEventHandler(toolscache.ResourceEventHandlerDetailedFuncs{
		AddFunc: func(object any, _ bool) { p.observe(object, false) },
		UpdateFunc: func(before, object any) {
			old, ok := before.(*networkingv1.NetworkPolicy)
			now, too := object.(*networkingv1.NetworkPolicy)
			p.observe(object, ok && too && altered().Update(event.UpdateEvent{ObjectOld: old, ObjectNew: now}))
		},
		DeleteFunc: func(object any) { p.observe(object, true) },
	}); err != nil {
		return nil, fmt.Errorf("listening to the own NetworkPolicies: %w", err)
	}
	if err := mgr.Add(p.cache); err != nil {
		return nil, fmt.Errorf("adding the cache of the own NetworkPolicies: %w", err)
	}
	return p, nil
}

// observe has the policies looked at, and that of the canary repaired.
func (p *canaryPolicies) observe(object any, repair bool) {
	p.own.addAfter(reconcile.Request{}, 0)
	key, err := toolscache.DeletionHandlingObjectToName(object)
	if err == nil && repair && key.Name == v1alpha1.CanaryName {
		p.install.addAfter(request(types.NamespacedName{Namespace: key.Namespace, Name: key.Name}), 0)
	}
}

// watch adds the controller to the manager.
func (p *canaryPolicies) watch(mgr manager.Manager, b *builder.Builder) error {
	p.own.addAfter(reconcile.Request{}, 0)
	if err := b.Named("canary").WatchesRawSource(p.own).Complete(p); err != nil {
		return fmt.Errorf("adding the look at the own NetworkPolicies to %T: %w", mgr, err)
	}
	return nil
}

// Reconcile tells the world what the policies mean for the canary pods, once
// they are all known.
func (p *canaryPolicies) Reconcile(ctx context.Context, _ reconcile.Request) (reconcile.Result, error) {
	if !p.informer.HasSynced() {
		return reconcile.Result{RequeueAfter: policySyncEvery}, nil
	}
	var list networkingv1.NetworkPolicyList
	if err := p.cache.List(ctx, &list, client.InNamespace(p.namespace)); err != nil {
		return reconcile.Result{}, fmt.Errorf("listing the own NetworkPolicies: %w", err)
	}
	policies := pointers(list.Items)
	slices.SortFunc(policies, func(a, b *networkingv1.NetworkPolicy) int { return strings.Compare(a.Name, b.Name) })
	known := diagnosis.CanaryPolicies{Doubts: canaryDoubts(p.namespace, policies)}
	for _, policy := range policies {
		if policy.Name == v1alpha1.CanaryName {
			known.Since = policy.CreationTimestamp.Time
		}
	}
	for _, key := range p.world.setCanary(known) {
		p.checks.addAfter(request(key), judgeDelay)
	}
	return reconcile.Result{}, nil
}

// setCanary notes the policies around the canary pods, and returns the checks
// that are about them.
func (w *world) setCanary(known diagnosis.CanaryPolicies) (checks []types.NamespacedName) {
	w.mu.Lock()
	defer w.mu.Unlock()
	same := maps.Equal(known.Doubts, w.canary.Doubts)
	switch {
	case !same:
		// What was seen under other policies is still reported for a while.
		known.Since = w.clock.Now()
	case w.canary.Since.After(known.Since):
		known.Since = w.canary.Since
	}
	if same && known.Since.Equal(w.canary.Since) {
		return nil
	}
	w.canary = known
	for key, c := range w.checks {
		if slices.ContainsFunc(c.object.Spec.Paths, func(p v1alpha1.Path) bool { return p.To.Canary != nil }) {
			checks = append(checks, key)
		}
	}
	return checks
}

// noteEnforcement gathers which nodes do not enforce policies. Whoever blamed a
// policy is to be judged again with whatever is observed next.
func (w *world) noteEnforcement() {
	next := map[v1alpha1.PolicyDirection]map[string]bool{}
	for _, c := range w.checks {
		for i := range c.enforcement {
			e := &c.enforcement[i]
			for _, name := range e.Nodes {
				if next[e.Direction] == nil {
					next[e.Direction] = map[string]bool{}
				}
				next[e.Direction][name] = true
			}
		}
	}
	if maps.EqualFunc(next, w.notEnforcing, maps.Equal[map[string]bool]) {
		return
	}
	w.notEnforcing = next
	for namespace := range w.policies.readers {
		w.policies.touched[namespace] = struct{}{}
	}
}

// isolateCanary applies the policy of the canary pods. Rules that somebody added
// to it are none of the fields that an apply of it takes over, so it is made
// anew; but not if they would come back each time, which CanaryNotIsolated says.
func (i *installer) isolateCanary(ctx context.Context, settings workload.Settings) error {
	var policy networkingv1.NetworkPolicy
	found, err := get(ctx, i.live, types.NamespacedName{Namespace: settings.Namespace, Name: v1alpha1.CanaryName}, &policy)
	if err != nil {
		return err
	}
	if found && len(policy.Spec.Ingress)+len(policy.Spec.Egress) > 0 && !declaredElsewhere(&policy) {
		if err := i.writer.deleteUnread(ctx, writeInstall, &policy, policy.UID); err != nil {
			return err
		}
	}
	return i.writer.applyUnread(ctx, writeInstall, workload.CanaryPolicy(settings))
}

// removeCanary takes away what was installed of the canary: the pods, and then
// what isolates them.
func (i *installer) removeCanary(ctx context.Context) error {
	key := types.NamespacedName{Namespace: i.options.Namespace, Name: v1alpha1.CanaryName}
	for _, each := range []struct {
		object client.Object
		remove func(context.Context, string, client.Object, types.UID) error
	}{
		{&appsv1.DaemonSet{}, i.writer.delete}, {&networkingv1.NetworkPolicy{}, i.writer.deleteUnread},
	} {
		found, err := get(ctx, i.live, key, each.object)
		if err != nil {
			return err
		}
		if !found || !applied(each.object) || declaredElsewhere(each.object) {
			continue // somebody else's
		}
		if err := each.remove(ctx, writeInstall, each.object, each.object.GetUID()); err != nil {
			return fmt.Errorf("removing %T %s: %w", each.object, key, err)
		}
		log.FromContext(ctx).Info("Removed what --canary=false does without", "object", key, "kind", fmt.Sprintf("%T", each.object))
	}
	return nil
}
