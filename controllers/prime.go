// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/controllers/index"
)

// snapshot is everything that the world is made of.
type snapshot struct {
	nodes corev1.NodeList
	// pods are Netladder's own, at level Full all there are.
	pods corev1.PodList
	// namespaces are empty but at level Full.
	namespaces     corev1.NamespaceList
	services       corev1.ServiceList
	endpointSlices discoveryv1.EndpointSliceList
	checks         v1alpha1.ConnectivityCheckList
	assignments    v1alpha1.ProbeAssignmentList
}

// prime takes in everything there is at once.
func (o *observer) prime(ctx context.Context) error {
	var s snapshot
	lists := []client.ObjectList{&s.nodes, &s.pods, &s.services, &s.endpointSlices, &s.checks, &s.assignments}
	if o.workloads {
		lists = append(lists, &s.namespaces)
	}
	for _, list := range lists {
		if err := o.reader.List(ctx, list); err != nil {
			return fmt.Errorf("listing %T before the first plan: %w", list, err)
		}
	}
	o.handOn(o.world.prime(&s, o.workloads))
	return nil
}

// prime fills an empty world. Everything in it is touched, and so are
// assignments that are left of nodes that are gone. workloads says whether
// pods are sources and targets.
func (w *world) prime(s *snapshot, workloads bool) touched {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := w.clock.Now()
	w.available, w.primed = now, true
	w.engine.Advance(now)
	w.remember(pointers(s.assignments.Items), now)

	podsOf := map[string][]*corev1.Pod{}
	for i := range s.pods.Items {
		if p := &s.pods.Items[i]; isOwn(p, w.namespace) {
			podsOf[p.Spec.NodeName] = append(podsOf[p.Spec.NodeName], p)
		}
	}
	present := map[string]bool{}
	for i := range s.nodes.Items {
		n := &s.nodes.Items[i]
		present[n.Name] = true
		w.setNode(n.Name, n, podsOf[n.Name])
	}
	for name := range w.nodes {
		if !present[name] {
			delete(w.nodes, name)
		}
	}
	w.primeServices(s)
	if workloads {
		w.primePods(s)
	}
	for i := range s.checks.Items {
		c := &s.checks.Items[i]
		w.setCheck(client.ObjectKeyFromObject(c), c)
	}
	for i := range s.assignments.Items {
		w.setReport(s.assignments.Items[i].Name, &s.assignments.Items[i])
		w.doubt(s.assignments.Items[i].Name, &s.assignments.Items[i])
	}

	t := w.takeDirty()
	for name := range w.facts {
		t.nodes = append(t.nodes, name)
	}
	for name := range w.reports {
		t.nodes = append(t.nodes, name)
	}
	for key := range w.checks {
		t.checks[key] = struct{}{}
	}
	return t
}

func (w *world) primePods(s *snapshot) {
	for i := range s.namespaces.Items {
		w.setNamespace(s.namespaces.Items[i].Name, &s.namespaces.Items[i])
	}
	for i := range s.pods.Items {
		w.setPod(client.ObjectKeyFromObject(&s.pods.Items[i]), &s.pods.Items[i])
	}
}

func (w *world) primeServices(s *snapshot) {
	slicesOf := map[types.NamespacedName][]*discoveryv1.EndpointSlice{}
	for i := range s.endpointSlices.Items {
		if slice := &s.endpointSlices.Items[i]; serviceOf(slice) != "" {
			key := types.NamespacedName{Namespace: slice.Namespace, Name: serviceOf(slice)}
			slicesOf[key] = append(slicesOf[key], slice)
		}
	}
	for i := range s.services.Items {
		key := client.ObjectKeyFromObject(&s.services.Items[i])
		w.setService(key, index.ServiceFacts(&s.services.Items[i], slicesOf[key]))
	}
}

// serviceOf is the name of the Service that an EndpointSlice belongs to.
func serviceOf(s *discoveryv1.EndpointSlice) string { return s.Labels[discoveryv1.LabelServiceName] }
