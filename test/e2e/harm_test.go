// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/netladder/netladder/api/v1alpha1"
)

// A database that counts connections sees nothing of half-open probes, one a
// second from each source: neither of those that get through nor of the
// controls.
func TestFullDatabaseUnharmed(t *testing.T) {
	const ns, probing, pace = "unharmed", 10 * time.Minute, time.Second
	app, other := label{"app", "shop"}, label{"app", "other"}
	makeNamespace(t, ns)
	startApp(t, ns, "shop-1", "node1", app)
	startApp(t, ns, "shop-2", "node2", app)
	startApp(t, ns, "other", "node3", other)
	db := startApp(t, ns, "db", "node2", database, "--tcp=:5432")
	isolate(t, ns, "shop-only", database.selector(), admit(app, 5432))
	// Three sources and the controls ask for more than one target may get.
	setTargetBudget(t, 10)
	made(t, &v1alpha1.ConnectivityCheck{
		ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "database"},
		Spec: v1alpha1.ConnectivityCheckSpec{
			Interval: metav1.Duration{Duration: pace}, Timeout: &metav1.Duration{Duration: timeout},
			Paths: []v1alpha1.Path{
				allow("shop", fromPods(app), toPods(database, 5432, "")),
				deny("other", fromPods(other), toPods(database, 5432, "")),
			},
		},
	})
	for _, path := range []string{"shop", "other"} {
		eventually(t, settled, path+" passes", pathRef{ns, "database", path}.is(v1alpha1.StatePassing, ""))
	}
	probes := func(path string) float64 { return probesOf(t, ns, path) }
	start, shop, others := time.Now(), probes("shop"), probes("other")
	r := recordIn(t, ns)
	pause(t, probing)
	shop, others = probes("shop")-shop, probes("other")-others
	t.Logf("%.0f probes of what is allowed and %.0f of what is not in %s", shop, others, time.Since(start).Round(time.Second))
	// A few rounds may be lost on a machine that is busy.
	if rounds := 0.95 * float64(probing/pace); shop < 2*rounds || others < rounds {
		t.Errorf("want %.0f and %.0f probes at least", 2*rounds, rounds)
	}
	var counted struct {
		Accepts      int
		Interrupted  int
		BlockedHosts []string
	}
	if err := json.Unmarshal(ask(t, db, http.MethodGet, "/counters"), &counted); err != nil {
		t.Fatal(err)
	}
	if counted.Accepts != 0 || counted.Interrupted != 0 || len(counted.BlockedHosts) != 0 {
		t.Errorf("after %s the database counted %+v", time.Since(start).Round(time.Second), counted)
	}
	r.quiet(t)
}

// setTargetBudget lets a target have more probes per second than the default
// for the rest of the test.
func setTargetBudget(t *testing.T, perSecond float64) {
	t.Helper()
	set := func(ctx context.Context, change func(args []string) []string) error {
		d := &appsv1.Deployment{}
		if err := kube.Get(ctx, client.ObjectKey{Namespace: namespace, Name: "netladder-controller"}, d); err != nil {
			return err
		}
		before := d.DeepCopy()
		c := &d.Spec.Template.Spec.Containers[0]
		c.Args = change(c.Args)
		if err := kube.Patch(ctx, d, client.StrategicMergeFrom(before)); err != nil {
			return err
		}
		out, err := tryLab(ctx, "kubectl", "-n", namespace, "rollout", "status", "deploy/netladder-controller", "--timeout=180s")
		if err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
		return nil
	}
	flag := fmt.Sprintf("--target-budget=%g", perSecond)
	t.Cleanup(func() {
		without := func(args []string) []string { return slices.DeleteFunc(args, func(a string) bool { return a == flag }) }
		if err := set(context.WithoutCancel(t.Context()), without); err != nil {
			t.Errorf("take %s back: %v", flag, err)
		}
	})
	if err := set(t.Context(), func(args []string) []string { return append(args, flag) }); err != nil {
		t.Fatalf("set %s: %v", flag, err)
	}
}

// probesOf counts the probes of a path of that name in a namespace, by all
// probers.
func probesOf(t *testing.T, ns, path string) float64 {
	t.Helper()
	pods, err := podsOf(t.Context(), "prober")
	if err != nil {
		t.Fatal(err)
	}
	n := 0.0
	for _, pod := range pods {
		n += metric(t, pod, "netladder_probes_total", fmt.Sprintf("check_namespace=%q", ns), fmt.Sprintf("path=%q", path))
	}
	return n
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
