// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-logr/logr/funcr"
	"github.com/prometheus/client_golang/prometheus"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/uuid"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	testingclock "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/test/builders"
)

// patience is how long a condition may take on a machine that does much else.
const patience = 60 * time.Second

// cluster is one test's part of the API server, and the controller in it.
type cluster struct {
	t         *testing.T
	client    client.Client
	clock     *testingclock.FakeClock
	registry  *prometheus.Registry
	namespace string
	options   Options
	// tenants are other namespaces of this test; checks are in the first of
	// them, if there is one.
	tenants []string

	cancel context.CancelFunc
	done   chan error
	panics atomic.Pointer[string]
}

// newCluster makes a namespace with the controller's Deployment. The
// controller does not run yet.
func newCluster(t *testing.T) *cluster {
	t.Helper()
	scheme := runtime.NewScheme()
	must(t, errors.Join(clientgoscheme.AddToScheme(scheme), v1alpha1.AddToScheme(scheme)))
	c, err := client.New(apiServer, client.Options{Scheme: scheme})
	must(t, err)
	h := &cluster{t: t, client: c, clock: testingclock.NewFakeClock(time.Now())}
	t.Cleanup(h.clean)
	h.makeNamespace("")
	return h
}

// makeNamespace makes the namespace that stands for Netladder's; an empty name
// is generated.
func (h *cluster) makeNamespace(name string) {
	h.t.Helper()
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
	if name == "" {
		ns.GenerateName = "netladder-"
	}
	h.create(ns)
	h.namespace = ns.Name
	labels := map[string]string{"app": "controller"}
	h.create(&appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Namespace: h.namespace, Name: "netladder-controller"},
		Spec: appsv1.DeploymentSpec{
			Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "controller", Image: "x"}}},
			},
		},
	})
	h.options = Options{
		RESTConfig: apiServer, Namespace: h.namespace, Image: "netladder.test/netladder:v1", DeploymentName: "netladder-controller",
	}
}

// start runs the controller until stop, or the end of the test.
func (h *cluster) start() {
	h.t.Helper()
	h.options.Identity = string(uuid.NewUUID()) // several run in this process
	must(h.t, h.options.Validate())
	ctx := log.IntoContext(context.Background(), funcr.New(h.log, funcr.Options{Verbosity: 1}))
	ctx, h.cancel = context.WithCancel(ctx)
	h.registry = prometheus.NewRegistry()
	h.done = make(chan error, 1)
	go func() { h.done <- run(ctx, h.options.withDefaults(), h.clock, h.registry) }()
}

// log shows the controller's log on request, and notes panics: the controller
// survives them, a test must not.
func (h *cluster) log(prefix, line string) {
	if strings.Contains(line, "panic") {
		h.panics.Store(&line)
	}
	if os.Getenv("NETLADDER_TEST_LOG") != "" {
		fmt.Fprintln(os.Stderr, prefix, line)
	}
}

func (h *cluster) stop() {
	h.t.Helper()
	if h.cancel == nil {
		return
	}
	h.cancel()
	h.cancel = nil
	select {
	case err := <-h.done:
		if err != nil {
			h.t.Errorf("the controller ended with: %v", err)
		}
	case <-time.After(patience):
		h.t.Errorf("the controller did not end")
	}
}

// clean removes what is not in the test's namespace, where others would see it.
func (h *cluster) clean() {
	h.stop()
	if line := h.panics.Load(); line != nil {
		h.t.Errorf("the controller panicked: %s", *line)
	}
	ctx := context.Background()
	now := client.GracePeriodSeconds(0)
	errs := []error{h.client.DeleteAllOf(ctx, &corev1.Node{}, now), h.client.DeleteAllOf(ctx, &v1alpha1.ProbeAssignment{})}
	for _, namespace := range append(h.tenants, h.namespace) {
		errs = append(errs,
			h.client.DeleteAllOf(ctx, &v1alpha1.ConnectivityCheck{}, client.InNamespace(namespace)),
			h.client.DeleteAllOf(ctx, &corev1.Pod{}, client.InNamespace(namespace), now),
			h.client.DeleteAllOf(ctx, &networkingv1.NetworkPolicy{}, client.InNamespace(namespace)),
			h.client.DeleteAllOf(ctx, &v1alpha1.NetworkPolicyAudit{}, client.InNamespace(namespace)))
	}
	if err := errors.Join(errs...); err != nil {
		h.t.Errorf("cleaning: %v", err)
	}
}

// eventually waits until condition returns nil. While it waits, the
// controller's time passes several times as fast as the test's.
func (h *cluster) eventually(what string, condition func() error) {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(h.t.Context(), patience)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := condition()
		if err == nil {
			return
		}
		select {
		case <-ctx.Done():
			h.t.Fatalf("%s: %v", what, err)
		case err := <-h.done:
			h.done <- err
			h.t.Fatalf("%s: the controller ended: %v", what, err)
		case <-tick.C:
			h.clock.Step(100 * time.Millisecond)
		}
	}
}

// pass lets the controller's time pass, and the controller work, for a while.
func (h *cluster) pass(d time.Duration) {
	h.t.Helper()
	const steps = 40
	for i := 0; i < steps; i++ {
		h.clock.Step(d / steps)
		h.settle()
	}
}

// settle gives the controller a moment: for statements that nothing happens.
func (h *cluster) settle() {
	select {
	case <-h.t.Context().Done():
	case <-time.After(30 * time.Millisecond):
	}
}

func (h *cluster) create(object client.Object) {
	h.t.Helper()
	must(h.t, h.client.Create(h.t.Context(), object))
}

func (h *cluster) delete(object client.Object) {
	h.t.Helper()
	// Also after the test, when its context has ended.
	must(h.t, h.client.Delete(context.WithoutCancel(h.t.Context()), object, client.GracePeriodSeconds(0)))
}

// createPod makes a pod with its status.
func (h *cluster) createPod(b *builders.Pod) *corev1.Pod {
	h.t.Helper()
	return h.createWorkload(h.namespace, b)
}

// createWorkload makes a pod of another namespace with its status.
func (h *cluster) createWorkload(namespace string, b *builders.Pod) *corev1.Pod {
	h.t.Helper()
	wanted := b.Namespace(namespace).Obj()
	pod := wanted.DeepCopy()
	h.create(pod)
	pod.Status = wanted.Status
	must(h.t, h.client.Status().Update(h.t.Context(), pod))
	return pod
}

// createNode makes a node with a prober and an echo pod; i gives the IP.
func (h *cluster) createNode(name string, i int) {
	h.t.Helper()
	wanted := builders.MakeNode(name).InternalIPs(fmt.Sprintf("192.0.2.%d", i+1)).Ready(corev1.ConditionTrue, time.Now().Add(-time.Hour)).Obj()
	node := wanted.DeepCopy()
	h.create(node)
	node.Status = wanted.Status
	must(h.t, h.client.Status().Update(h.t.Context(), node))
	since := time.Now().Add(-time.Hour)
	h.createPod(builders.MakeProberPod("prober-"+name, name).IPs(fmt.Sprintf("10.9.%d.2", i)).Ready(corev1.ConditionTrue, since))
	h.createPod(builders.MakeEchoPod("echo-"+name, name).IPs(fmt.Sprintf("10.9.%d.3", i)).Ready(corev1.ConditionTrue, since))
}

func (h *cluster) assignment(name string) (*v1alpha1.ProbeAssignment, error) {
	var a v1alpha1.ProbeAssignment
	return &a, h.client.Get(h.t.Context(), client.ObjectKey{Name: name}, &a)
}

func (h *cluster) check(name string) *v1alpha1.ConnectivityCheck {
	h.t.Helper()
	var c v1alpha1.ConnectivityCheck
	must(h.t, h.client.Get(h.t.Context(), client.ObjectKey{Namespace: h.checks(), Name: name}, &c))
	return &c
}

// checks is the namespace of the test's checks.
func (h *cluster) checks() string {
	if len(h.tenants) > 0 {
		return h.tenants[0]
	}
	return h.namespace
}

// makeTenant makes another namespace, with labels.
func (h *cluster) makeTenant(labels map[string]string) string {
	h.t.Helper()
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "tenant-", Labels: labels}}
	h.create(ns)
	h.tenants = append(h.tenants, ns.Name)
	return ns.Name
}

// metric is the value of a series, by its name and some of its labels, as in
// "x,state=Failing"; false without one.
func (h *cluster) metric(series string) (float64, bool) {
	h.t.Helper()
	families, err := h.registry.Gather()
	must(h.t, err)
	name, selector, _ := strings.Cut(series, ",")
	for _, family := range families {
		if family.GetName() != name {
			continue
		}
		for _, m := range family.GetMetric() {
			labels := ","
			for _, l := range m.GetLabel() {
				labels += l.GetName() + "=" + l.GetValue() + ","
			}
			matches := true
			for _, want := range strings.Split(selector, ",") {
				matches = matches && (want == "" || strings.Contains(labels, ","+want+","))
			}
			if matches {
				return m.GetGauge().GetValue() + m.GetCounter().GetValue(), true
			}
		}
	}
	return 0, false
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
