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
// DaemonSets and ConfigMaps only Netladder's own.
func cacheOptions(namespace string, onWatchError toolscache.WatchErrorHandlerWithContext) cache.Options {
	own := map[string]cache.Config{namespace: {}}
	fleet := map[string]cache.Config{namespace: {FieldSelector: fields.OneTermEqualSelector("metadata.name", v1alpha1.FleetName)}}
	netladder := labels.SelectorFromSet(labels.Set{v1alpha1.LabelName: "netladder"})
	return cache.Options{
		DefaultTransform:         index.Trim,
		DefaultWatchErrorHandler: onWatchError,
		// Nothing read from the cache is ever changed, so reads need no copies.
		DefaultUnsafeDisableDeepCopy: ptr.To(true),
		// A read of a kind nobody watches would start an informer unnoticed.
		ReaderFailOnMissingInformer: true,
		ByObject: map[client.Object]cache.ByObject{
			&corev1.Pod{}:       {Namespaces: own, Label: netladder, Transform: index.Trim},
			&appsv1.DaemonSet{}: {Namespaces: own, Label: netladder, Transform: index.Trim},
			&corev1.ConfigMap{}: {Namespaces: fleet, Transform: index.Trim},
		},
	}
}
