// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/predicate"

	"github.com/netladder/netladder/api/v1alpha1"
)

// Indexes of the informer caches.
const (
	ownPodsByNode   = "spec.nodeName"
	slicesByService = "service"
)

// addIndexes adds the indexes that the observer lists by.
func addIndexes(ctx context.Context, mgr manager.Manager, namespace string) error {
	indexer := mgr.GetFieldIndexer()
	if err := indexer.IndexField(ctx, &corev1.Pod{}, ownPodsByNode, func(o client.Object) []string {
		if pod := o.(*corev1.Pod); isOwn(pod, namespace) {
			return nonEmpty(pod.Spec.NodeName)
		}
		return nil
	}); err != nil {
		return fmt.Errorf("indexing pods by node: %w", err)
	}
	if err := indexer.IndexField(ctx, &discoveryv1.EndpointSlice{}, slicesByService, func(o client.Object) []string {
		return nonEmpty(serviceOf(o.(*discoveryv1.EndpointSlice)))
	}); err != nil {
		return fmt.Errorf("indexing endpoint slices by service: %w", err)
	}
	return nil
}

func nonEmpty(s string) []string {
	if s == "" {
		return nil
	}
	return []string{s}
}

// watch adds the observer to the manager.
func (o *observer) watch(mgr manager.Manager, ticks *inbox[observation], b *builder.TypedBuilder[observation]) error {
	ticks.addAfter(observation{subject: subjectTime}, 0)
	b = b.Named("observe").
		WatchesRawSource(ticks).
		Watches(&v1alpha1.ConnectivityCheck{}, enqueue(ofSelf(subjectCheck)), builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Watches(&v1alpha1.ProbeAssignment{}, enqueue(ofSelf(subjectReport))).
		Watches(&corev1.Node{}, enqueue(ofSelf(subjectNode)), builder.WithPredicates(changed())).
		Watches(&corev1.Pod{}, enqueue(o.ofPod), builder.WithPredicates(changed(), notInitial())).
		Watches(&corev1.Service{}, enqueue(ofSelf(subjectService)), builder.WithPredicates(changed())).
		Watches(&discoveryv1.EndpointSlice{}, enqueue(func(obj client.Object) []observation {
			return ofName(subjectService, obj.GetNamespace(), serviceOf(obj.(*discoveryv1.EndpointSlice)))
		}), builder.WithPredicates(changed()))
	if o.workloads {
		b = b.Watches(&corev1.Namespace{}, enqueue(ofSelf(subjectNamespace)), builder.WithPredicates(changed(), notInitial()))
	}
	if err := b.Complete(o); err != nil {
		return fmt.Errorf("adding the observer to %T: %w", mgr, err)
	}
	return nil
}

// ofPod is what a pod makes worth a look: the node of one of Netladder's own,
// and itself where workload pods count. Netladder's own count as such too: a
// check may aim at them.
func (o *observer) ofPod(obj client.Object) []observation {
	pod := obj.(*corev1.Pod)
	var out []observation
	if isOwn(pod, o.namespace) {
		out = ofName(subjectNode, "", pod.Spec.NodeName)
	}
	if o.workloads {
		out = append(out, ofName(subjectPod, pod.Namespace, pod.Name)...)
	}
	return out
}

// notInitial drops what was there when the informer began: the observer takes
// in all of that at once, before anything else, and of pods there are many.
func notInitial() predicate.Predicate {
	return predicate.Funcs{CreateFunc: func(e event.CreateEvent) bool { return !e.IsInInitialList }}
}

func ofSelf(s subject) func(client.Object) []observation {
	return func(obj client.Object) []observation { return ofName(s, obj.GetNamespace(), obj.GetName()) }
}

func ofName(s subject, namespace, name string) []observation {
	if name == "" {
		return nil
	}
	return []observation{{subject: s, key: types.NamespacedName{Namespace: namespace, Name: name}}}
}

func enqueue(of func(client.Object) []observation) handler.TypedEventHandler[client.Object, observation] {
	return handler.TypedEnqueueRequestsFromMapFunc(func(_ context.Context, obj client.Object) []observation { return of(obj) })
}

// changed lets an update pass if the trimmed object differs in more than its
// resourceVersion: heartbeats of nodes and counters in statuses do not.
func changed() predicate.Predicate {
	return predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
		before, after := e.ObjectOld.DeepCopyObject().(client.Object), e.ObjectNew.DeepCopyObject().(client.Object)
		before.SetResourceVersion("")
		after.SetResourceVersion("")
		before.SetGeneration(0)
		after.SetGeneration(0)
		return !equality.Semantic.DeepEqual(before, after)
	}}
}
