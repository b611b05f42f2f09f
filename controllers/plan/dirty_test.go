// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/netladder/netladder/api/v1alpha1"
)

// What one change touches, in a cluster of 400 nodes.
func TestChangesTouchWhatReadsThem(t *testing.T) {
	in := fixture(400)
	in.addCheck("mesh", meshOf(v1alpha1.MeshScopeAny), "")
	in.addCheck("own", meshOf(v1alpha1.MeshScopeSameNode), "")
	check := in.addCheck("api", in.addService("api", false, 5), "3")
	in.addCheck("db", in.addService("db", true, 400), "")
	in.addCheck("dns", dnsOf("example.com"), "")
	shop := func(name string) types.NamespacedName { return types.NamespacedName{Namespace: "shop", Name: name} }
	node := in.Cluster.Nodes["node-00007"]

	for _, tc := range []struct {
		name           string
		change         func(e *Engine)
		atLeast, nodes int
		checks         int
	}{
		{"nothing", func(e *Engine) { e.SetNode(withEcho(node, string(node.Echo.UID))) }, 0, 0, 0},
		{"an unread label", func(e *Engine) {
			n := *node
			n.Labels = map[string]string{"pool": "7", "other": "x"}
			e.SetNode(&n)
		}, 0, 0, 0},
		{"an echo pod", func(e *Engine) { e.SetNode(withEcho(node, "new")) }, WindowSize + 1, WindowSize + 1, 0},
		{"a node leaves", func(e *Engine) { e.DeleteNode(node.Name) }, WindowSize + 1, WindowSize + 1, 4},
		{"a node is made anew", func(e *Engine) { n := *node; n.UID = "new"; e.SetNode(&n) }, 1, 1, 0},
		{"a cluster IP", func(e *Engine) {
			s := *in.Cluster.Services[shop("api")]
			s.ClusterIPs = in.Cluster.Nodes["node-00001"].Echo.IPs
			e.SetService(&s)
		}, 40, 40, 1},
		{"an endpoint behind a cluster IP", func(e *Engine) { e.SetService(withoutEndpoint(in.Cluster.Services[shop("api")], 2)) }, 0, 0, 0},
		{"an endpoint of a headless Service", func(e *Engine) { e.SetService(withoutEndpoint(in.Cluster.Services[shop("db")], 2)) }, 1, 60, 1},
		{"the nodes of a headless Service's endpoints", func(e *Engine) {
			s := *in.Cluster.Services[shop("db")]
			s.Ports = slices.Clone(s.Ports)
			s.Ports[0].On = slices.Repeat([]string{node.Name}, len(s.Ports[0].Endpoints))
			e.SetService(&s)
		}, 400, 400, 1},
		{"severity", func(e *Engine) { c := check.DeepCopy(); c.Spec.Severity = v1alpha1.SeverityCritical; e.SetCheck(c) }, 0, 0, 1},
		{"sampling", func(e *Engine) {
			c := check.DeepCopy()
			c.Spec.Paths[0].Sampling = &v1alpha1.Sampling{TargetsPerSource: 7}
			e.SetCheck(c)
		}, 40, 40, 1},
		{"a check changes", func(e *Engine) { c := check.DeepCopy(); c.Spec.FailureThreshold = 9; e.SetCheck(c) }, 40, 40, 1},
		{"a check made anew", func(e *Engine) { c := check.DeepCopy(); c.UID = "new"; e.SetCheck(c) }, 40, 40, 1},
		{"a check goes", func(e *Engine) { e.DeleteCheck(types.NamespacedName{Namespace: home, Name: "api"}) }, 40, 40, 1},
		{"time inside an epoch", func(e *Engine) { e.Advance(e.NextAdvance().Add(-time.Second)) }, 0, 0, 0},
		{"the end of an epoch", func(e *Engine) { e.Advance(e.NextAdvance()) }, 400, 400, 2},
	} {
		t.Run(tc.name, func(t *testing.T) {
			e := in.engine()
			tc.change(e)
			d := e.TakeDirty()
			if len(d.Nodes) < tc.atLeast || len(d.Nodes) > tc.nodes || len(d.Checks) != tc.checks {
				t.Errorf("%d nodes and %d checks dirty, want %d to %d and %d", len(d.Nodes), len(d.Checks), tc.atLeast, tc.nodes, tc.checks)
			}
		})
	}
}

// Many changes cost one flush, and heartbeats change for the whole fleet.
func TestAGrowingFleetSlowsItsHeartbeat(t *testing.T) {
	in := fixture(481)
	e := NewEngine(in.Settings)
	e.Advance(in.Now)
	for i, name := range nodeNames(481) {
		if i == 480 {
			if d := e.TakeDirty(); len(d.Nodes) != 480 {
				t.Fatalf("%d dirty, want 480", len(d.Nodes))
			}
		}
		e.SetNode(in.Cluster.Nodes[name])
	}
	if d := e.TakeDirty(); len(d.Nodes) != 481 {
		t.Errorf("%d dirty, want all 481: the heartbeat doubled", len(d.Nodes))
	}
	if a, ok := e.Assign("node-00000", nil); !ok || a.Spec.Heartbeat.Duration != 2*time.Minute {
		t.Errorf("heartbeat %s (%t), want 2m0s", a.Spec.Heartbeat.Duration, ok)
	}
	if _, ok := e.Assign("nobody", nil); ok {
		t.Error("an unknown node has an assignment")
	}
}

func TestHeartbeat(t *testing.T) {
	for probers, want := range map[int]time.Duration{0: time.Minute, 480: time.Minute, 481: 2 * time.Minute, 5000: 16 * time.Minute} {
		if got := heartbeat(probers); got != want {
			t.Errorf("heartbeat(%d) = %s, want %s", probers, got, want)
		}
	}
}

func TestParseGroupKey(t *testing.T) {
	check, path, kind, ok := ParseGroupKey("ns/name/path/MeshTCP")
	if got := fmt.Sprintln(check, path, kind, ok); got != "ns/name path MeshTCP true\n" {
		t.Error(got)
	}
	for _, key := range []string{"", "a/b/c", "a/b/c/", "a/b/c/d/e", "/b/c/d"} {
		if _, _, _, ok := ParseGroupKey(key); ok {
			t.Errorf("%q was accepted", key)
		}
	}
}
