// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	toolscache "k8s.io/client-go/tools/cache"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

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

// labelNetladder is the value of v1alpha1.LabelName on Netladder's objects.
const labelNetladder = "netladder"

// isOwn says whether a pod is one of Netladder's own, which is installed in
// the namespace. What labels a pod of another namespace has means nothing.
func isOwn(p *corev1.Pod, namespace string) bool {
	return p.Namespace == namespace && p.Labels[v1alpha1.LabelName] == labelNetladder
}
