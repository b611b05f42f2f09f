// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/test/builders"
)

// names of the nodes of a test; all of them are in every test's cluster one
// after the other, since nodes have no namespace.
func names(n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = fmt.Sprintf("node%d", i)
	}
	return out
}

// meshCluster has three nodes and a check of the mesh between them.
func meshCluster(t *testing.T) (*cluster, []string) {
	t.Helper()
	h := newCluster(t)
	nodes := names(3)
	for i, name := range nodes {
		h.createNode(name, i)
	}
	h.create(builders.MakeCheck("mesh").Namespace(h.namespace).Path("cross", builders.ToMesh(v1alpha1.MeshScopeCrossNode)).Obj())
	return h, nodes
}

// readyMesh is a meshCluster whose controller runs, whose probers reported and
// whose check is Ready.
func readyMesh(t *testing.T) (*cluster, []string) {
	t.Helper()
	h, nodes := meshCluster(t)
	h.start()
	h.assigned(nodes, 1)
	h.reportAll(nodes)
	h.readyIs("mesh", metav1.ConditionTrue, "")
	return h, nodes
}

func TestCheckBecomesReadyAndFails(t *testing.T) {
	h, nodes := meshCluster(t)
	h.start()
	h.assigned(nodes, 1)
	for _, name := range nodes {
		a, err := h.assignment(name)
		must(t, err)
		if got := len(a.Spec.Groups[0].Members); got != 2 {
			t.Errorf("%s aims at %d nodes, want the 2 others", name, got)
		}
	}
	h.readyIs("mesh", metav1.ConditionUnknown, v1alpha1.ReasonPending)
	h.reportAll(nodes)
	h.readyIs("mesh", metav1.ConditionTrue, v1alpha1.ReasonAllPathsPassing)
	h.hasEvent("mesh", "PathPassing")
	if got := h.check("mesh").Status.Summary.Passing; got != "1/1" {
		t.Errorf("summary %q", got)
	}

	h.clock.Step(2 * time.Minute) // nothing is young any more
	h.reportAll(nodes)
	h.report(nodes[0], "cross")
	h.readyIs("mesh", metav1.ConditionFalse, v1alpha1.ReasonPathsFailing)
	h.hasEvent("mesh", "PathFailing")
	if broken := h.check("mesh").Status.Summary.Broken; broken != "cross" {
		t.Errorf("broken %q", broken)
	}
	for series, want := range map[string]float64{
		"netladder_path_state,check=mesh,path=cross,expect=Allow,severity=Warning,state=Failing": 1,
		"netladder_path_state,check=mesh,path=cross,state=Passing":                               0,
		"netladder_path_pairs,check=mesh,path=cross,state=Failing":                               2,
		"netladder_path_pairs,check=mesh,path=cross,state=Passing":                               4,
		"netladder_failing_pair,source_node=node0,verdict=Dropped":                               1,
		"netladder_failing_pairs_dropped":                                                        0,
		"netladder_plan_nodes":                                                                   3,
		"netladder_api_writes_total,object=assignment":                                           3,
	} {
		if got, ok := h.metric(series); !ok || got != want {
			t.Errorf("%s is %v (exported: %t), want %v", series, got, ok, want)
		}
	}

	h.reportAll(nodes)
	h.readyIs("mesh", metav1.ConditionTrue, "")
	h.hasEvent("mesh", "PathRecovered")
	if _, ok := h.metric("netladder_failing_pair"); ok {
		t.Error("netladder_failing_pair is still exported")
	}

	h.delete(h.check("mesh"))
	h.eventually("series to go", func() error {
		if _, ok := h.metric("netladder_path_state"); ok {
			return errors.New("netladder_path_state is exported")
		}
		return nil
	})
	h.assigned(nodes, 0)
}

func TestSilenceIsNoted(t *testing.T) {
	h, nodes := readyMesh(t)
	// No report any more: nothing but time makes the controller look again.
	h.eventually("Fresh to be False", func() error {
		h.clock.Step(time.Second)
		if c := meta.FindStatusCondition(h.check("mesh").Status.Conditions, v1alpha1.ConditionFresh); c.Status != metav1.ConditionFalse {
			return fmt.Errorf("Fresh is %s", c.Status)
		}
		return nil
	})
	h.reportAll(nodes)
	h.readyIs("mesh", metav1.ConditionTrue, "")
}

func TestServiceMissingThenThere(t *testing.T) {
	h := newCluster(t)
	h.createNode("node0", 0)
	h.create(builders.MakeCheck("shop").Namespace(h.namespace).Path("db", builders.ToService("db", 5432)).Obj())
	h.start()
	h.eventually("the path to be refused", func() error {
		paths := h.check("shop").Status.Paths
		if len(paths) != 1 || paths[0].Reason != v1alpha1.ReasonServiceNotFound {
			return fmt.Errorf("paths: %+v", paths)
		}
		return nil
	})
	h.create(builders.MakeService(h.namespace, "db", 5432))
	h.create(builders.MakeEndpointSlice(h.namespace, "db", 5432, "10.9.7.7"))
	h.assigned([]string{"node0"}, 1)
	h.report("node0")
	h.readyIs("shop", metav1.ConditionTrue, "")
}

func TestRestartRepeatsNothing(t *testing.T) {
	h, nodes := readyMesh(t)
	h.clock.Step(2 * time.Minute)
	h.reportAll(nodes)
	h.report(nodes[1], "cross")
	h.readyIs("mesh", metav1.ConditionFalse, "")
	h.hasEvent("mesh", "PathFailing")
	h.pass(15 * time.Second)
	h.stop()

	before, events := h.versions(nodes), h.eventCount("mesh")
	h.start()
	h.eventually("the new controller to judge", func() error {
		if v, ok := h.metric("netladder_path_state,state=Failing"); !ok || v != 1 {
			return fmt.Errorf("netladder_path_state is %v (exported: %t)", v, ok)
		}
		return nil
	})
	h.pass(15 * time.Second)
	if diff := cmp.Diff(before, h.versions(nodes)); diff != "" {
		t.Errorf("a restart wrote (-before +after):\n%s", diff)
	}
	for _, kind := range []string{writeAssignment, writeCheckStatus, writeEvent} {
		if n, _ := h.metric("netladder_api_writes_total,object=" + kind); n != 0 {
			t.Errorf("a restart made %v writes of %s", n, kind)
		}
	}
	if got := h.eventCount("mesh"); got != events {
		t.Errorf("%d events before the restart, %d after", events, got)
	}
}

// versions are the resourceVersions of all that the controller writes.
func (h *cluster) versions(nodes []string) map[string]string {
	h.t.Helper()
	out := map[string]string{"check": h.check("mesh").ResourceVersion}
	for _, name := range nodes {
		a, err := h.assignment(name)
		must(h.t, err)
		out[name] = a.ResourceVersion
	}
	return out
}

// eventCount counts repetitions too.
func (h *cluster) eventCount(check string) int {
	n := 0
	for _, e := range h.events(check) {
		n++
		if e.Series != nil {
			n += int(e.Series.Count)
		}
	}
	return n
}

func TestNothingChangedNothingWritten(t *testing.T) {
	h, nodes := readyMesh(t)
	h.pass(15 * time.Second)
	before := h.versions(nodes)

	// What happens all the time on a quiet cluster.
	var node corev1.Node
	must(t, h.client.Get(t.Context(), client.ObjectKey{Name: nodes[0]}, &node))
	node.Status.Conditions[0].LastHeartbeatTime = metav1.Now()
	must(t, h.client.Status().Update(t.Context(), &node))
	node.Annotations = map[string]string{"somebody": "noted something"}
	must(t, h.client.Update(t.Context(), &node))
	h.pass(5 * time.Second)
	if diff := cmp.Diff(before, h.versions(nodes)); diff != "" {
		t.Errorf("something was written (-before +after):\n%s", diff)
	}
}

func TestOthersFieldsStay(t *testing.T) {
	h, nodes := meshCluster(t)
	h.start()
	h.assigned(nodes, 1)
	a, err := h.assignment(nodes[0])
	must(t, err)
	wanted := a.Spec.DeepCopy()
	a.Labels = map[string]string{"team": "network"}
	a.Spec.Groups = nil
	must(t, h.client.Update(t.Context(), a, client.FieldOwner("somebody")))
	h.eventually("the spec to be repaired", func() error {
		if a, err = h.assignment(nodes[0]); err != nil {
			return err
		}
		if diff := cmp.Diff(*wanted, a.Spec); diff != "" {
			return errors.New(diff)
		}
		return nil
	})
	if a.Labels["team"] != "network" {
		t.Errorf("somebody's label is gone: %v", a.Labels)
	}
	h.delete(a)
	h.eventually("a deleted assignment to come back", func() error {
		_, err := h.assignment(nodes[0])
		return err
	})
	h.reportAll(nodes)
	h.readyIs("mesh", metav1.ConditionTrue, "")
	for _, entry := range h.check("mesh").ManagedFields {
		owns := entry.FieldsV1.GetRawString()
		if entry.Manager == v1alpha1.FieldOwnerController && (strings.Contains(owns, "f:spec") || entry.Subresource != "status") {
			t.Errorf("the controller owns more of a check than its status: %s", owns)
		}
	}
}
