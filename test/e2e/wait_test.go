// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/netladder/netladder/api/v1alpha1"
)

// eventually waits until probe returns nil and returns how long that took.
// When the deadline passes it fails the test with the last reason and a dump
// of everything one would look at.
func eventually(t *testing.T, deadline time.Duration, what string, probe func(context.Context) error) time.Duration {
	t.Helper()
	start := time.Now()
	last := errors.New("never asked")
	err := wait.PollUntilContextTimeout(t.Context(), 100*time.Millisecond, deadline, true, func(ctx context.Context) (bool, error) {
		err := probe(ctx)
		if ctx.Err() == nil {
			last = err // an error of the deadline itself would say nothing
		}
		return err == nil, nil
	})
	if err != nil {
		dump(t)
		t.Fatalf("%s: not within %s: %v", what, deadline, last)
	}
	took := time.Since(start)
	t.Logf("%s: %s", what, took.Round(10*time.Millisecond))
	return took
}

func getCheck(ctx context.Context, name string) (*v1alpha1.ConnectivityCheck, error) {
	check := &v1alpha1.ConnectivityCheck{}
	return check, kube.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, check)
}

func pathOf(check *v1alpha1.ConnectivityCheck, name string) *v1alpha1.PathStatus {
	for i := range check.Status.Paths {
		if check.Status.Paths[i].Name == name {
			return &check.Status.Paths[i]
		}
	}
	return nil
}

// leading is nil while a controller leads. Without one a status says nothing of
// now.
func leading(ctx context.Context) error {
	lease := &coordinationv1.Lease{}
	if err := kube.Get(ctx, client.ObjectKey{Namespace: namespace, Name: "netladder-controller"}, lease); err != nil {
		return err
	}
	holder, renewed := ptr.Deref(lease.Spec.HolderIdentity, ""), ptr.Deref(lease.Spec.RenewTime, metav1.MicroTime{})
	if age := time.Since(renewed.Time); holder == "" || age > 10*time.Second {
		return fmt.Errorf("the Lease is held by %q and was renewed %s ago: nobody writes the status", holder, age)
	}
	return nil
}

// ready is nil when the check's status is about its current spec and Ready, and
// somebody keeps it.
func ready(name string) func(context.Context) error {
	return func(ctx context.Context) error {
		if err := leading(ctx); err != nil {
			return err
		}
		check, err := getCheck(ctx, name)
		if err != nil {
			return err
		}
		if check.Status.ObservedGeneration != check.Generation {
			return fmt.Errorf("status is about generation %d of %d", check.Status.ObservedGeneration, check.Generation)
		}
		c := meta.FindStatusCondition(check.Status.Conditions, v1alpha1.ConditionReady)
		if c == nil || c.Status != metav1.ConditionTrue {
			return fmt.Errorf("Ready is %+v", c)
		}
		return nil
	}
}

// calm waits until the check is Ready and no pod of Netladder is so young that
// it excuses bad results.
func calm(t *testing.T) {
	t.Helper()
	eventually(t, 3*time.Minute, "calm", func(ctx context.Context) error {
		for _, component := range []string{"prober", "echo"} {
			pods, err := podsOf(ctx, component)
			if err != nil {
				return err
			}
			for node, pod := range pods {
				if age := sinceReady(pod); age < grace {
					return fmt.Errorf("%s on %s is Ready for %s", component, node, age)
				}
			}
		}
		return ready(clusterNetwork)(ctx)
	})
}

// grace is for how long after its start a pod excuses bad results; see
// docs/architecture.md.
const grace = 32 * time.Second

func sinceReady(pod *corev1.Pod) time.Duration {
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue {
			return time.Since(c.LastTransitionTime.Time)
		}
	}
	return 0
}

// inState is nil when every named path is in the state and every other path
// of the check passes.
func inState(name string, state v1alpha1.State, paths ...string) func(context.Context) error {
	return func(ctx context.Context) error {
		check, err := getCheck(ctx, name)
		if err != nil {
			return err
		}
		for _, p := range paths {
			if got := pathOf(check, p); got == nil || got.State != state {
				return fmt.Errorf("path %s is not %s: %+v", p, state, got)
			}
		}
		return nil
	}
}

// othersPass fails the test unless every path but the named ones passes now.
func othersPass(t *testing.T, name string, paths ...string) {
	t.Helper()
	check, err := getCheck(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	except := map[string]bool{}
	for _, p := range paths {
		except[p] = true
	}
	for _, p := range check.Status.Paths {
		if !except[p.Name] && p.State != v1alpha1.StatePassing {
			t.Errorf("path %s is %s (%s: %s), want Passing", p.Name, p.State, p.Reason, p.Message)
		}
	}
}

// onlyPairsWith fails the test when a failing pair of the path does not touch
// the node, or when none is listed.
func onlyPairsWith(t *testing.T, name, path, node string) {
	t.Helper()
	check, err := getCheck(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	p := pathOf(check, path)
	listed := 0
	for _, pair := range p.WorstPairs {
		if pair.State != v1alpha1.StateFailing {
			continue
		}
		listed++
		if pair.Source != node && pair.TargetNode != node {
			t.Errorf("path %s blames %s → %s (%s), which has nothing to do with %s", path, pair.Source, pair.Target, pair.Evidence, node)
		}
	}
	if listed == 0 {
		t.Errorf("path %s lists no failing pair: %+v", path, p)
	}
}

// eventSays waits for an event about the check, not older than since, whose
// reason and message match.
func eventSays(t *testing.T, since time.Time, check, reason, fragment string) {
	t.Helper()
	eventually(t, 10*time.Second, "event "+reason, func(ctx context.Context) error {
		events := &eventsv1.EventList{}
		if err := kube.List(ctx, events, client.InNamespace(namespace)); err != nil {
			return err
		}
		for _, e := range events.Items {
			if !e.EventTime.Time.Before(since) && e.Regarding.Name == check && e.Reason == reason && strings.Contains(e.Note, fragment) {
				return nil
			}
		}
		return fmt.Errorf("no event %s about %s since %s that says %q", reason, check, since.Format(time.TimeOnly), fragment)
	})
}

// dump logs what a person would look at.
func dump(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), time.Minute)
	defer cancel()
	for _, args := range [][]string{
		{"get", "ccheck", "-A", "-o", "wide"},
		{"get", "ccheck", "-n", namespace, "-o", "yaml"},
		{"get", "nodes", "-o", "wide"},
		{"get", "pods", "-A", "-o", "wide"},
		{"get", "lease", "-n", namespace, "-o", "yaml"},
		{"get", "passign", "-o", "yaml"},
		{"get", "events", "-n", namespace, "--sort-by=.lastTimestamp"},
		{"logs", "-n", namespace, "-l", "app.kubernetes.io/component=controller", "--tail=60", "--prefix"},
		{"logs", "-n", namespace, "-l", "app.kubernetes.io/component=prober", "--tail=30", "--prefix"},
	} {
		cmd := exec.CommandContext(ctx, labPath, append([]string{"--name", labName, "kubectl"}, args...)...)
		out, err := cmd.CombinedOutput()
		t.Logf("kubectl %s (%v)\n%s", strings.Join(args, " "), err, out)
	}
}
