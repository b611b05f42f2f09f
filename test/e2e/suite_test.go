// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

// Package e2e tells Netladder's stories on a real cluster: the lab that
// hack/e2e.sh started, with Netladder installed in it. The stories run one
// after the other; each leaves the cluster as it found it.
package e2e

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/netladder/netladder/api/v1alpha1"
)

// Where Netladder is installed, and what it probes out of the box.
const (
	namespace      = "netladder-system"
	clusterNetwork = "cluster-network"
)

// Paths of the cluster-network check.
const (
	pathSameNode  = "same-node"
	pathCrossNode = "cross-node"
	pathAPIServer = "api-server"
	pathClusterIP = "cluster-ip"
	pathDNSUDP    = "dns-udp"
	pathDNSTCP    = "dns-tcp"

	pathDNSReplicas = "dns-replicas"
)

// The checks of the stories run at this pace; detectionBound is the stated
// time from a fault to the status that tells it.
const (
	interval         = 2 * time.Second
	timeout          = 500 * time.Millisecond
	failureThreshold = 2
	detectionBound   = interval*failureThreshold + timeout + 3*time.Second
)

var (
	kube    client.WithWatch
	labName = envOr("NETLADDER_LAB_NAME", "nl")
	labPath = envOr("NETLADDER_LAB", "../../bin/lab")
)

func TestMain(m *testing.M) {
	if err := connect(); err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err, "- run it by `make e2e`")
		os.Exit(1)
	}
	os.Exit(m.Run())
}

func connect() error {
	config, err := clientcmd.BuildConfigFromFlags("", os.Getenv("KUBECONFIG"))
	if err != nil {
		return fmt.Errorf("kubeconfig: %w", err)
	}
	config.QPS = -1 // a story polls as often as it likes
	config.Timeout = 0
	scheme := runtime.NewScheme()
	if err := clientgoscheme.AddToScheme(scheme); err != nil {
		return err
	}
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		return err
	}
	kube, err = client.NewWithWatch(config, client.Options{Scheme: scheme})
	return err
}

func envOr(name, fallback string) string {
	if v := os.Getenv(name); v != "" {
		return v
	}
	return fallback
}

// lab runs a command of the lab and fails the test if it fails.
func lab(t *testing.T, args ...string) string {
	t.Helper()
	out, err := tryLab(t.Context(), args...)
	if err != nil {
		t.Fatalf("lab %v: %v\n%s", args, err, out)
	}
	return out
}

func tryLab(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, labPath, append([]string{"--name", labName}, args...)...)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// breakNetwork injects a fault for the rest of the test and returns what
// heals it. Healing twice is fine.
func breakNetwork(t *testing.T, fault ...string) (heal func()) {
	t.Helper()
	lab(t, append([]string{"break"}, fault...)...)
	heal = func() {
		// The test's context is gone when cleanups run.
		if out, err := tryLab(context.WithoutCancel(t.Context()), append([]string{"heal"}, fault...)...); err != nil {
			t.Errorf("lab heal %v: %v\n%s", fault, err, out)
		}
	}
	t.Cleanup(heal)
	return heal
}

// kubectl runs the lab's kubectl and fails the test if it fails.
func kubectl(t *testing.T, args ...string) string {
	t.Helper()
	return lab(t, append([]string{"kubectl"}, args...)...)
}

// create makes a check at the pace of the stories, for the rest of the test.
func create(t *testing.T, namespace, name string, paths ...v1alpha1.Path) {
	t.Helper()
	check := &v1alpha1.ConnectivityCheck{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec: v1alpha1.ConnectivityCheckSpec{
			Interval: metav1.Duration{Duration: interval}, Timeout: &metav1.Duration{Duration: timeout},
			FailureThreshold: failureThreshold, Paths: paths,
		},
	}
	if err := kube.Create(t.Context(), check); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := kube.Delete(context.WithoutCancel(t.Context()), check); client.IgnoreNotFound(err) != nil {
			t.Errorf("delete check %s/%s: %v", namespace, name, err)
		}
	})
}

// podsOf lists Netladder's pods of one component, by node.
func podsOf(ctx context.Context, component string) (map[string]*corev1.Pod, error) {
	var list corev1.PodList
	err := kube.List(ctx, &list, client.InNamespace(namespace), client.MatchingLabels{v1alpha1.LabelComponent: component})
	if err != nil {
		return nil, err
	}
	pods := map[string]*corev1.Pod{}
	for i := range list.Items {
		if pod := &list.Items[i]; pod.DeletionTimestamp == nil {
			pods[pod.Spec.NodeName] = pod
		}
	}
	return pods, nil
}
