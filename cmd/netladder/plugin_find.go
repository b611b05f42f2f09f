// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/cmd/netladder/internal/attempt"
)

// finder looks up what was written by name.
type finder struct {
	reader    client.Reader
	namespace string
	// note tells the user what else is meant.
	note func(string)
}

// resolve fills in the labels of an end that was written by a name, and the only
// port of a Service.
func (f *finder) resolve(ctx context.Context, e *attempt.End, target bool) error {
	key := types.NamespacedName{Namespace: e.In(f.namespace), Name: e.Name}
	switch e.Kind {
	case attempt.Pod:
		return f.pod(ctx, e, key)
	case attempt.Deployment:
		o := &appsv1.Deployment{}
		return f.workload(ctx, e, key, o, func() *metav1.LabelSelector { return o.Spec.Selector })
	case attempt.StatefulSet:
		o := &appsv1.StatefulSet{}
		return f.workload(ctx, e, key, o, func() *metav1.LabelSelector { return o.Spec.Selector })
	case attempt.DaemonSet:
		o := &appsv1.DaemonSet{}
		return f.workload(ctx, e, key, o, func() *metav1.LabelSelector { return o.Spec.Selector })
	case attempt.ReplicaSet:
		o := &appsv1.ReplicaSet{}
		return f.workload(ctx, e, key, o, func() *metav1.LabelSelector { return o.Spec.Selector })
	case attempt.Job:
		o := &batchv1.Job{}
		return f.workload(ctx, e, key, o, func() *metav1.LabelSelector { return o.Spec.Selector })
	case attempt.Node:
		return f.node(ctx, e)
	case attempt.Selector, attempt.AllPods:
		_, err := f.pods(ctx, e)
		return err
	case attempt.Service:
		if target && e.Port == (intstr.IntOrString{}) {
			return f.port(ctx, e, key)
		}
	}
	return nil
}

func (f *finder) get(ctx context.Context, e *attempt.End, key types.NamespacedName, object client.Object) error {
	err := f.reader.Get(ctx, key, object)
	switch {
	case apierrors.IsNotFound(err) && key.Namespace != "":
		return fmt.Errorf("there is no %s %s in namespace %s; -n chooses another namespace", e.Kind, key.Name, key.Namespace)
	case apierrors.IsNotFound(err):
		return fmt.Errorf("there is no %s %s", e.Kind, key.Name)
	case err != nil:
		return fmt.Errorf("looking up %s %s: %w", e.Kind, key.Name, err)
	}
	return nil
}

// pod is found by its labels: checks know no pods by name.
func (f *finder) pod(ctx context.Context, e *attempt.End, key types.NamespacedName) error {
	var pod corev1.Pod
	if err := f.get(ctx, e, key, &pod); err != nil {
		return err
	}
	if len(pod.Labels) == 0 {
		return fmt.Errorf("pod %s has no labels, by which a check finds pods; give it one, such as: kubectl label pod -n %s %s probe=me", key.Name, key.Namespace, key.Name)
	}
	e.Labels = &metav1.LabelSelector{MatchLabels: pod.Labels}
	n, err := f.pods(ctx, e)
	if err == nil && n > 1 {
		f.note(fmt.Sprintf("pod %s has the labels of %d pods: all of them are meant", key.Name, n))
	}
	return err
}

func (f *finder) workload(ctx context.Context, e *attempt.End, key types.NamespacedName, object client.Object, selector func() *metav1.LabelSelector) error {
	if err := f.get(ctx, e, key, object); err != nil {
		return err
	}
	e.Labels = selector()
	_, err := f.pods(ctx, e)
	return err
}

// pods counts what an end selects. Without any there is nothing to try.
func (f *finder) pods(ctx context.Context, e *attempt.End) (int, error) {
	selector := labels.Everything()
	if e.Labels != nil {
		var err error
		if selector, err = metav1.LabelSelectorAsSelector(e.Labels); err != nil {
			return 0, fmt.Errorf("reading labels: %w", err)
		}
	}
	var list corev1.PodList
	namespace := e.In(f.namespace)
	err := f.reader.List(ctx, &list, client.InNamespace(namespace), client.MatchingLabelsSelector{Selector: selector})
	switch {
	case apierrors.IsForbidden(err):
		return 1, nil // who may make checks need not be one who may see pods
	case err != nil:
		return 0, fmt.Errorf("listing pods: %w", err)
	case len(list.Items) == 0:
		return 0, fmt.Errorf("no pod in namespace %s has the labels %s; kubectl get pods -n %s --show-labels lists them", namespace, selector, namespace)
	}
	return len(list.Items), nil
}

// node is found by the label that every node has.
func (f *finder) node(ctx context.Context, e *attempt.End) error {
	var node corev1.Node
	if err := f.get(ctx, e, types.NamespacedName{Name: e.Name}, &node); err != nil {
		return err
	}
	name := node.Labels[corev1.LabelHostname]
	if name == "" {
		return fmt.Errorf("node %s has no label %s, by which a check finds it", e.Name, corev1.LabelHostname)
	}
	e.Labels = &metav1.LabelSelector{MatchLabels: map[string]string{corev1.LabelHostname: name}}
	return nil
}

// port of a Service that has but one.
func (f *finder) port(ctx context.Context, e *attempt.End, key types.NamespacedName) error {
	var service corev1.Service
	if err := f.get(ctx, e, key, &service); err != nil {
		return err
	}
	var all []string
	for i := range service.Spec.Ports {
		p := &service.Spec.Ports[i]
		text := fmt.Sprintf("svc/%s:%d", e.Name, p.Port)
		if p.Protocol == corev1.ProtocolUDP {
			text += "/UDP"
		}
		all = append(all, text)
	}
	if len(all) != 1 {
		return fmt.Errorf("which port of Service %s? write one of: %s", key.Name, strings.Join(all, ", "))
	}
	p := &service.Spec.Ports[0]
	e.Port = intstr.FromInt32(p.Port)
	if p.Protocol == corev1.ProtocolUDP {
		e.Protocol = v1alpha1.ProtocolUDP
	}
	return nil
}
