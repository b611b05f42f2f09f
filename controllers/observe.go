// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/controllers/index"
)

// How long a touched object waits for more of the same before it is worked on.
const (
	// planDelay before an assignment is compared: a rollout touches the same
	// nodes many times a second.
	planDelay = time.Second
	// judgeDelay before a check is judged: reports of many nodes come together.
	judgeDelay = 300 * time.Millisecond
)

// subject is a kind of thing that is observed.
type subject string

const (
	subjectCheck     subject = "check"
	subjectNode      subject = "node"
	subjectPod       subject = "pod"
	subjectNamespace subject = "namespace"
	subjectService   subject = "service"
	subjectReport    subject = "report"
	// subjectPolicy is one NetworkPolicy, subjectPolicies all there are.
	subjectPolicy   subject = "policy"
	subjectPolicies subject = "policies"
	subjectTime     subject = "time"
)

// observation names one thing to look at again.
type observation struct {
	subject subject
	key     types.NamespacedName
}

// observer takes objects into the world and hands on what they touch. Before
// anything else it takes in all there is, so that nothing is ever written from
// half of a picture. It has one worker.
type observer struct {
	reader  client.Reader
	world   *world
	metrics *metrics
	// namespace is Netladder's own.
	namespace string
	// workloads is true where workload pods and namespaces are watched.
	workloads bool
	// policies are read from here; nil where they are not watched.
	policies client.Reader
	// nodes and checks are the inboxes of the assigner and the reporter.
	nodes, checks *inbox[reconcile.Request]
	// audits is the inbox of the auditor; nil without one.
	audits *inbox[reconcile.Request]
	// ticks is the observer's own: when the plan moves by itself.
	ticks  *inbox[observation]
	primed bool
}

// Reconcile looks at one thing again.
func (o *observer) Reconcile(ctx context.Context, what observation) (reconcile.Result, error) {
	if !o.primed {
		if err := o.prime(ctx); err != nil {
			return reconcile.Result{}, err
		}
		o.primed = true
	}
	var t touched
	var again time.Time
	var err error
	switch what.subject {
	case subjectCheck:
		t, err = o.check(ctx, what.key)
	case subjectNode:
		t, again, err = o.node(ctx, what.key.Name)
	case subjectPod:
		t, err = o.pod(ctx, what.key)
	case subjectNamespace:
		t, err = o.namespaceOf(ctx, what.key.Name)
	case subjectService:
		t, err = o.service(ctx, what.key)
	case subjectReport:
		t, err = o.report(ctx, what.key.Name)
	case subjectPolicy:
		t, err = o.policy(ctx, what.key)
	case subjectPolicies:
		t, err = o.allPolicies(ctx)
	case subjectTime:
		t = o.world.advance()
	}
	if err != nil {
		return reconcile.Result{}, fmt.Errorf("observing %s %s: %w", what.subject, what.key, err)
	}
	o.handOn(t)
	o.awaitAdvance()
	return reconcile.Result{RequeueAfter: until(again, o.world.clock.Now())}, nil
}

// awaitAdvance has the plan advanced when its time comes. Whatever is observed
// may be what makes it move at all, or earlier: one node more than a window holds,
// a check with shorter rounds.
func (o *observer) awaitAdvance() {
	if next := o.world.nextAdvance(); !next.IsZero() {
		o.ticks.addAfter(observation{subject: subjectTime}, until(next, o.world.clock.Now()))
	}
}

// handOn gives the touched nodes and checks to the queues that work on them.
func (o *observer) handOn(t touched) {
	o.handOnAudits(t)
	for _, name := range t.nodes {
		o.nodes.addAfter(request(types.NamespacedName{Name: name}), planDelay)
	}
	for key := range t.checks {
		o.checks.addAfter(request(key), judgeDelay)
	}
}

func request(key types.NamespacedName) reconcile.Request {
	return reconcile.Request{NamespacedName: key}
}

func (o *observer) check(ctx context.Context, key types.NamespacedName) (touched, error) {
	var c v1alpha1.ConnectivityCheck
	found, err := get(ctx, o.reader, key, &c)
	if err != nil {
		return touched{}, err
	}
	defer o.metrics.planned(time.Now())
	if !found {
		return o.world.observeCheck(key, nil), nil
	}
	return o.world.observeCheck(key, &c), nil
}

func (o *observer) node(ctx context.Context, name string) (touched, time.Time, error) {
	var n corev1.Node
	found, err := get(ctx, o.reader, types.NamespacedName{Name: name}, &n)
	if err != nil {
		return touched{}, time.Time{}, err
	}
	var pods corev1.PodList
	if err := o.reader.List(ctx, &pods, client.MatchingFields{ownPodsByNode: name}); err != nil {
		return touched{}, time.Time{}, fmt.Errorf("listing pods: %w", err)
	}
	defer o.metrics.planned(time.Now())
	var node *corev1.Node
	if found {
		node = &n
	}
	t, again := o.world.observeNode(name, node, pointers(pods.Items))
	return t, again, nil
}

func (o *observer) pod(ctx context.Context, key types.NamespacedName) (touched, error) {
	var p corev1.Pod
	found, err := get(ctx, o.reader, key, &p)
	if err != nil {
		return touched{}, err
	}
	defer o.metrics.planned(time.Now())
	if !found {
		return o.world.observePod(key, nil), nil
	}
	return o.world.observePod(key, &p), nil
}

func (o *observer) namespaceOf(ctx context.Context, name string) (touched, error) {
	var n corev1.Namespace
	found, err := get(ctx, o.reader, types.NamespacedName{Name: name}, &n)
	if err != nil {
		return touched{}, err
	}
	defer o.metrics.planned(time.Now())
	if !found {
		return o.world.observeNamespace(name, nil), nil
	}
	return o.world.observeNamespace(name, &n), nil
}

func (o *observer) policy(ctx context.Context, key types.NamespacedName) (touched, error) {
	var p networkingv1.NetworkPolicy
	found, err := get(ctx, o.policies, key, &p)
	if err != nil {
		return touched{}, err
	}
	if !found {
		return o.world.observePolicy(key, nil), nil
	}
	return o.world.observePolicy(key, &p), nil
}

func (o *observer) allPolicies(ctx context.Context) (touched, error) {
	var list networkingv1.NetworkPolicyList
	if err := o.policies.List(ctx, &list); err != nil {
		return touched{}, fmt.Errorf("listing NetworkPolicies: %w", err)
	}
	return o.world.observePolicies(pointers(list.Items)), nil
}

func (o *observer) service(ctx context.Context, key types.NamespacedName) (touched, error) {
	var s corev1.Service
	found, err := get(ctx, o.reader, key, &s)
	if err != nil {
		return touched{}, err
	}
	var endpointSlices discoveryv1.EndpointSliceList
	if err := o.reader.List(ctx, &endpointSlices, client.InNamespace(key.Namespace),
		client.MatchingFields{slicesByService: key.Name}); err != nil {
		return touched{}, fmt.Errorf("listing endpoint slices: %w", err)
	}
	defer o.metrics.planned(time.Now())
	if !found {
		return o.world.observeService(key, nil), nil
	}
	return o.world.observeService(key, index.ServiceFacts(&s, pointers(endpointSlices.Items))), nil
}

func (o *observer) report(ctx context.Context, name string) (touched, error) {
	var a v1alpha1.ProbeAssignment
	found, err := get(ctx, o.reader, types.NamespacedName{Name: name}, &a)
	if err != nil {
		return touched{}, err
	}
	if !found {
		return o.world.observeReport(name, nil), nil
	}
	return o.world.observeReport(name, &a), nil
}

// get reads an object and says whether it exists.
func get(ctx context.Context, reader client.Reader, key types.NamespacedName, object client.Object) (bool, error) {
	switch err := reader.Get(ctx, key, object); {
	case apierrors.IsNotFound(err):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("reading %T %s: %w", object, key, err)
	}
	return true, nil
}

func pointers[T any](items []T) []*T {
	out := make([]*T, len(items))
	for i := range items {
		out[i] = &items[i]
	}
	return out
}
