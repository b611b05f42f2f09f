// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/netladder/netladder/api/v1alpha1"
)

// settle is how long a story keeps looking after its disturbance is over: a
// false alarm that comes late is false all the same.
const settle = detectionBound + 2*time.Second

func TestProberKilledIsQuiet(t *testing.T) {
	calm(t)
	r := record(t)
	for _, component := range []string{"prober", "echo"} {
		pods, err := podsOf(t.Context(), component)
		if err != nil {
			t.Fatal(err)
		}
		if err := kube.Delete(t.Context(), pods[faultNode], client.GracePeriodSeconds(0)); err != nil {
			t.Fatal(err)
		}
		replaced(t, component, pods)
	}
	pause(t, settle)
	eventually(t, time.Minute, "Ready after", ready(clusterNetwork))
	r.quiet(t)
}

func TestRolloutsAreQuiet(t *testing.T) {
	calm(t)
	r := record(t)
	for _, workload := range []string{"ds/" + v1alpha1.ProberName, "ds/" + v1alpha1.EchoName, "deploy/netladder-controller"} {
		kubectl(t, "-n", namespace, "rollout", "restart", workload)
		kubectl(t, "-n", namespace, "rollout", "status", workload, "--timeout=180s")
	}
	pause(t, settle)
	eventually(t, time.Minute, "Ready after", ready(clusterNetwork))
	r.quiet(t)
}

// A path that is broken while the controller restarts must stay broken: no
// resolved-then-refired alert.
func TestControllerRestartKeepsFailing(t *testing.T) {
	calm(t)
	heal := breakNetwork(t, "vxlan", faultNode)
	eventually(t, slack*detectionBound, "cross-node is Failing", inState(clusterNetwork, v1alpha1.StateFailing, pathCrossNode))
	pause(t, settle) // node2's DNS fails too, a little later
	r := record(t)
	for _, workload := range []string{"deploy/netladder-controller", "ds/" + v1alpha1.ProberName} {
		kubectl(t, "-n", namespace, "rollout", "restart", workload)
		kubectl(t, "-n", namespace, "rollout", "status", workload, "--timeout=180s")
	}
	pause(t, settle)
	for _, state := range []v1alpha1.State{v1alpha1.StatePassing, v1alpha1.StateUnknown, v1alpha1.StatePending, v1alpha1.StateDegraded} {
		for _, tr := range r.to(state) {
			if tr.path == clusterNetwork+"/"+pathCrossNode {
				t.Errorf("the path was resolved while it was broken: %s", tr)
			}
		}
	}
	heal()
	eventually(t, slack*detectionBound+10*time.Second, "Ready again", ready(clusterNetwork))
}

func TestDrainIsQuiet(t *testing.T) {
	calm(t)
	r := record(t)
	t.Cleanup(func() {
		if out, err := tryLab(context.WithoutCancel(t.Context()), "kubectl", "uncordon", faultNode); err != nil {
			t.Errorf("uncordon: %v\n%s", err, out)
		}
	})
	kubectl(t, "drain", faultNode, "--ignore-daemonsets", "--delete-emptydir-data", "--force", "--timeout=120s")
	pause(t, settle)
	kubectl(t, "uncordon", faultNode)
	eventually(t, time.Minute, "Ready after", ready(clusterNetwork))
	r.quiet(t)
}

func TestNodeDeletedAndAddedIsQuiet(t *testing.T) {
	calm(t)
	r := record(t)
	t.Cleanup(func() {
		if out, err := tryLab(context.WithoutCancel(t.Context()), "start", faultNode); err != nil {
			t.Errorf("start %s: %v\n%s", faultNode, err, out)
		}
	})
	kubectl(t, "drain", faultNode, "--ignore-daemonsets", "--delete-emptydir-data", "--force", "--timeout=120s")
	kubectl(t, "delete", "node", faultNode)
	lab(t, "stop", faultNode)
	eventually(t, time.Minute, "the assignment of a deleted node is gone", func(ctx context.Context) error {
		err := kube.Get(ctx, client.ObjectKey{Name: faultNode}, &v1alpha1.ProbeAssignment{})
		switch {
		case err == nil:
			return errors.New("it is there")
		case !apierrors.IsNotFound(err):
			return fmt.Errorf("get: %w", err)
		}
		return nil
	})
	pause(t, settle)
	lab(t, "start", faultNode)
	eventually(t, 3*time.Minute, "the node is back and probed", func(ctx context.Context) error {
		if err := ready(clusterNetwork)(ctx); err != nil {
			return err
		}
		check, err := getCheck(ctx, clusterNetwork)
		if err != nil {
			return err
		}
		if p := pathOf(check, pathSameNode); p.Pairs.Passing < 3 {
			return fmt.Errorf("same-node: %+v", p.Pairs)
		}
		return nil
	})
	pause(t, settle)
	r.quiet(t)
}

// A node that loses its power says nothing about the paths of the others, and
// a path between nodes that are down is not a broken network.
func TestNodeStoppedIsQuietOnceNotReady(t *testing.T) {
	calm(t)
	t.Cleanup(func() {
		if out, err := tryLab(context.WithoutCancel(t.Context()), "start", faultNode); err != nil {
			t.Errorf("start %s: %v\n%s", faultNode, err, out)
		}
	})
	lab(t, "stop", faultNode)
	eventually(t, 2*time.Minute, "the node is NotReady", func(ctx context.Context) error {
		node := &corev1.Node{}
		if err := kube.Get(ctx, client.ObjectKey{Name: faultNode}, node); err != nil {
			return err
		}
		for _, c := range node.Status.Conditions {
			if c.Type == corev1.NodeReady && c.Status != corev1.ConditionTrue {
				return nil
			}
		}
		return fmt.Errorf("still Ready")
	})
	check, err := getCheck(t.Context(), clusterNetwork)
	if err != nil {
		t.Fatal(err)
	}
	if p := pathOf(check, pathSameNode); p.State != v1alpha1.StatePassing {
		t.Errorf("same-node is %s (%s): the other nodes are well", p.State, p.Message)
	}
	lab(t, "start", faultNode)
	eventually(t, 3*time.Minute, "Ready after", ready(clusterNetwork))
}

// replaced waits until every pod of the component that is gone has a Ready
// successor.
func replaced(t *testing.T, component string, before map[string]*corev1.Pod) {
	t.Helper()
	eventually(t, 2*time.Minute, component+" is replaced", func(ctx context.Context) error {
		ds := &appsv1.DaemonSet{}
		if err := kube.Get(ctx, client.ObjectKey{Namespace: namespace, Name: "netladder-" + component}, ds); err != nil {
			return err
		}
		if ds.Status.NumberReady != ds.Status.DesiredNumberScheduled {
			return fmt.Errorf("%d of %d Ready", ds.Status.NumberReady, ds.Status.DesiredNumberScheduled)
		}
		now, err := podsOf(ctx, component)
		if err != nil {
			return err
		}
		if now[faultNode] == nil || now[faultNode].UID == before[faultNode].UID {
			return fmt.Errorf("%s still has the old pod", faultNode)
		}
		return nil
	})
}

// pause lets the cluster run on: the story is that nothing happens.
func pause(t *testing.T, d time.Duration) {
	t.Helper()
	select {
	case <-t.Context().Done():
	case <-time.After(d):
	}
}
