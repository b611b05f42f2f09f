// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"fmt"
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/netladder/netladder/test/builders"
)

func TestNodeDeleted(t *testing.T) {
	h, nodes := meshCluster(t)
	h.start()
	h.assigned(nodes, 1)
	h.delete(&corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: nodes[2]}})
	h.eventually("its assignment to go", func() error {
		if _, err := h.assignment(nodes[2]); !apierrors.IsNotFound(err) {
			return fmt.Errorf("still there (%t)", err == nil)
		}
		return nil
	})
	h.eventually("the others to aim elsewhere", func() error {
		for _, name := range nodes[:2] {
			a, err := h.assignment(name)
			if err != nil {
				return err
			}
			if len(a.Spec.Groups) != 1 || len(a.Spec.Groups[0].Members) != 1 {
				return fmt.Errorf("%s: %+v", name, a.Spec.Groups)
			}
		}
		return nil
	})
	h.reportAll(nodes[:2])
	h.readyIs("mesh", metav1.ConditionTrue, "")
}

func TestProberGap(t *testing.T) {
	h, nodes := meshCluster(t)
	h.start()
	h.assigned(nodes, 1)
	before, err := h.assignment(nodes[0])
	must(t, err)
	h.delete(&corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: h.namespace, Name: "prober-" + nodes[0]}})
	h.pass(2 * time.Minute)
	after, err := h.assignment(nodes[0])
	must(t, err)
	if after.UID != before.UID || after.ResourceVersion != before.ResourceVersion {
		t.Errorf("the assignment of a node whose prober is being replaced was touched")
	}
	h.pass(podHold)
	h.eventually("the assignment to go in the end", func() error {
		if _, err := h.assignment(nodes[0]); !apierrors.IsNotFound(err) {
			return fmt.Errorf("still there (%t)", err == nil)
		}
		return nil
	})
}

func TestEchoRolloutCostsOneWrite(t *testing.T) {
	h, nodes := meshCluster(t)
	h.start()
	h.assigned(nodes, 1)
	h.pass(5 * time.Second)
	before, err := h.assignment(nodes[0])
	must(t, err)
	h.delete(&corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: h.namespace, Name: "echo-" + nodes[1]}})
	h.pass(5 * time.Second)
	starting := h.createPod(builders.MakeEchoPod("echo-new", nodes[1]).Phase(corev1.PodPending).Ready(corev1.ConditionFalse, time.Now()))
	h.pass(5 * time.Second)
	if a, err := h.assignment(nodes[0]); err != nil || a.Generation != before.Generation {
		t.Fatalf("written while the new echo pod has no IP: generation %d, then %d (%v)", before.Generation, a.Generation, err)
	}
	starting.Status.Phase = corev1.PodRunning
	starting.Status.PodIPs = []corev1.PodIP{{IP: "10.9.1.33"}}
	starting.Status.PodIP = "10.9.1.33"
	must(t, h.client.Status().Update(t.Context(), starting))
	h.eventually("the new echo pod to be aimed at", func() error {
		a, err := h.assignment(nodes[0])
		if err != nil {
			return err
		}
		for _, n := range a.Spec.Nodes {
			if n.Name == nodes[1] && n.EchoUID == string(starting.UID) && slices.Equal(n.EchoIPs, []string{"10.9.1.33"}) {
				return nil
			}
		}
		return fmt.Errorf("nodes: %+v", a.Spec.Nodes)
	})
	h.pass(5 * time.Second)
	if a, err := h.assignment(nodes[0]); err != nil || a.Generation != before.Generation+1 {
		t.Errorf("generation %d before the rollout, %d after (%v): want one write", before.Generation, a.Generation, err)
	}
}
