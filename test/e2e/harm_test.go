// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/netladder/netladder/api/v1alpha1"
)

// A database that counts connections sees nothing of half-open probes: neither
// of those that get through nor of the controls.
func TestFullDatabaseUnharmed(t *testing.T) {
	const ns, probing = "unharmed", 10 * time.Minute
	app, other := label{"app", "shop"}, label{"app", "other"}
	makeNamespace(t, ns)
	startApp(t, ns, "shop-1", "node1", app)
	startApp(t, ns, "shop-2", "node2", app)
	startApp(t, ns, "other", "node3", other)
	db := startApp(t, ns, "db", "node2", database, "--tcp=:5432")
	isolate(t, ns, "shop-only", database.selector(), admit(app, 5432))
	made(t, &v1alpha1.ConnectivityCheck{
		ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "database"},
		Spec: v1alpha1.ConnectivityCheckSpec{
			Interval: metav1.Duration{Duration: time.Second}, Timeout: &metav1.Duration{Duration: timeout},
			Paths: []v1alpha1.Path{
				allow("shop", fromPods(app), toPods(database, 5432, "")),
				deny("other", fromPods(other), toPods(database, 5432, "")),
			},
		},
	})
	for _, path := range []string{"shop", "other"} {
		eventually(t, settled, path+" passes", pathRef{ns, "database", path}.is(v1alpha1.StatePassing, ""))
	}
	start := time.Now()
	r := recordIn(t, ns)
	pause(t, probing)
	var counted struct {
		Accepts      int
		Interrupted  int
		BlockedHosts []string
	}
	admin(t, db, http.MethodGet, "/counters", &counted)
	if counted.Accepts != 0 || counted.Interrupted != 0 || len(counted.BlockedHosts) != 0 {
		t.Errorf("after %s the database counted %+v", time.Since(start).Round(time.Second), counted)
	}
	r.quiet(t)
}

// Pods come and go all the time, and nothing is broken.
func TestFullChurnIsQuiet(t *testing.T) {
	const ns, replicas, checks, churning = "churn", 200, 20, 5 * time.Minute
	app := label{"app", "churn"}
	makeNamespace(t, ns)
	made(t, churnDeployment(ns, replicas, app))
	eventually(t, 6*time.Minute, "all pods run", func(ctx context.Context) error {
		pods, err := podsWith(ctx, ns, app)
		if err != nil {
			return err
		}
		n := 0
		for i := range pods {
			if pods[i].Status.Phase == corev1.PodRunning {
				n++
			}
		}
		if n < replicas {
			return fmt.Errorf("%d of %d pods run", n, replicas)
		}
		return nil
	})
	baseline := heldByProbers(t)
	r := recordIn(t, ns)
	for i := range checks {
		create(t, ns, fmt.Sprintf("churn-%d", i),
			allow("each-other", fromPods(app), toPods(app, 8080, "")))
	}
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	var minute1 map[string]held
	for start := time.Now(); time.Since(start) < churning; <-ticker.C {
		deleteOldest(t, ns, app)
		if minute1 == nil && time.Since(start) > time.Minute {
			minute1 = heldByProbers(t)
		}
	}
	minute5 := heldByProbers(t)
	r.quiet(t)
	for node, before := range minute1 {
		after := minute5[node]
		t.Logf("%s: minute 1 %+v, minute 5 %+v", node, before, after)
		if grown := after.rss - before.rss; grown > 5<<20 {
			t.Errorf("the prober on %s grew by %.1f MiB from minute 1 to 5", node, grown/(1<<20))
		}
	}
	for i := range checks {
		if err := kube.Delete(t.Context(), &v1alpha1.ConnectivityCheck{ObjectMeta: metav1.ObjectMeta{
			Namespace: ns, Name: fmt.Sprintf("churn-%d", i)}}); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, 2*time.Minute, "what was held is given back", func(context.Context) error {
		for node, now := range heldByProbers(t) {
			was := baseline[node]
			if now.namespaces > was.namespaces || now.descriptors > was.descriptors+5 || now.goroutines > was.goroutines+5 {
				return fmt.Errorf("%s: %+v, before %+v", node, now, was)
			}
		}
		return nil
	})
}

func churnDeployment(ns string, replicas int32, l label) *appsv1.Deployment {
	pod := appPod(ns, "", "", l, "--http=:8080")
	return &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "churn"},
		Spec: appsv1.DeploymentSpec{
			Replicas: ptr.To(replicas), Selector: ptr.To(l.selector()),
			Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: l.set()}, Spec: pod.Spec},
		},
	}
}

func podsWith(ctx context.Context, ns string, l label) ([]corev1.Pod, error) {
	var list corev1.PodList
	err := kube.List(ctx, &list, client.InNamespace(ns), client.MatchingLabels(l.set()))
	return list.Items, err
}

func deleteOldest(t *testing.T, ns string, l label) {
	t.Helper()
	pods, err := podsWith(t.Context(), ns, l)
	if err != nil {
		t.Fatal(err)
	}
	var oldest *corev1.Pod
	for i := range pods {
		p := &pods[i]
		if p.DeletionTimestamp == nil && (oldest == nil || p.CreationTimestamp.Before(&oldest.CreationTimestamp)) {
			oldest = p
		}
	}
	if oldest == nil {
		return
	}
	if err := kube.Delete(t.Context(), oldest); client.IgnoreNotFound(err) != nil {
		t.Fatal(err)
	}
}

// held is what a prober has of its node.
type held struct{ rss, threads, descriptors, goroutines, namespaces float64 }

func heldByProbers(t *testing.T) map[string]held {
	t.Helper()
	pods, err := podsOf(t.Context(), "prober")
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]held{}
	for node, pod := range pods {
		out[node] = held{
			rss: metric(t, pod, "process_resident_memory_bytes"), threads: metric(t, pod, "go_threads"), descriptors: metric(t, pod, "process_open_fds"),
			goroutines: metric(t, pod, "go_goroutines"), namespaces: metric(t, pod, "netladder_prober_held_namespaces"),
		}
	}
	return out
}
