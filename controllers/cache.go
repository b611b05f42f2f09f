// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	toolscache "k8s.io/client-go/tools/cache"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/controllers/index"
)

// cacheOptions keep the informers small: trimmed objects, and of pods,
// DaemonSets and ConfigMaps only Netladder's own. Where workload pods are sources
// and targets, or audited, it is all pods.
func cacheOptions(o Options, onWatchError toolscache.WatchErrorHandlerWithContext) cache.Options {
	own := map[string]cache.Config{o.Namespace: {}}
	fleet := map[string]cache.Config{o.Namespace: {FieldSelector: fields.OneTermEqualSelector("metadata.name", v1alpha1.FleetName)}}
	netladder := labels.SelectorFromSet(labels.Set{v1alpha1.LabelName: labelNetladder})
	pods := cache.ByObject{Namespaces: own, Label: netladder, Transform: index.Trim}
	if o.watchesWorkloads() {
		pods = cache.ByObject{Transform: index.Trim}
	}
	return cache.Options{
		DefaultTransform:         index.Trim,
		DefaultWatchErrorHandler: onWatchError,
		// Nothing read from the cache is ever changed, so reads need no copies.
		DefaultUnsafeDisableDeepCopy: ptr.To(true),
		// A read of a kind nobody watches would start an informer unnoticed.
		ReaderFailOnMissingInformer: true,
		ByObject: map[client.Object]cache.ByObject{
			&corev1.Pod{}:       pods,
			&appsv1.DaemonSet{}: {Namespaces: own, Label: netladder, Transform: index.Trim},
			&corev1.ConfigMap{}: {Namespaces: fleet, Transform: index.Trim},
		},
	}
}

// ownCache adds a cache of one kind to the manager, with its informer: nothing
// else waits for it where the kind is not known, or may not be read. The role or
// the CRD that it needs came later than the others.
func ownCache(
	ctx context.Context, mgr manager.Manager, kind client.Object, onWatchError toolscache.WatchErrorHandlerWithContext,
) (cache.Cache, cache.Informer, error) {
	c, err := cache.New(mgr.GetConfig(), cache.Options{
		HTTPClient: mgr.GetHTTPClient(), Scheme: mgr.GetScheme(), Mapper: mgr.GetRESTMapper(),
		DefaultTransform: index.Trim, DefaultUnsafeDisableDeepCopy: ptr.To(true), DefaultWatchErrorHandler: onWatchError,
	})
	if err != nil {
		return nil, nil, fmt.Errorf("making the cache of %T: %w", kind, err)
	}
	informer, err := c.GetInformer(ctx, kind, cache.BlockUntilSynced(false))
	if err != nil {
		return nil, nil, fmt.Errorf("making the informer of %T: %w", kind, err)
	}
	if err := mgr.Add(c); err != nil {
		return nil, nil, fmt.Errorf("adding the cache of %T: %w", kind, err)
	}
	return c, informer, nil
}

// labelNetladder is the value of v1alpha1.LabelName on Netladder's objects.
const labelNetladder = "netladder"

// isOwn says whether a pod is one of Netladder's own, which is installed in
// the namespace. What labels a pod of another namespace has means nothing.
func isOwn(p *corev1.Pod, namespace string) bool {
	return p.Namespace == namespace && p.Labels[v1alpha1.LabelName] == labelNetladder
}
