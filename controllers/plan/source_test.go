// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"pgregory.net/rapid"

	"github.com/netladder/netladder/api/v1alpha1"
)

func podsNamed(n int) []*Pod {
	out := make([]*Pod, n)
	for i := range out {
		out[i] = &Pod{UID: types.UID(fmt.Sprint("uid-", i)), IPs: []netip.Addr{podIP(i)}}
	}
	return out
}

// Each window is full, all pods have their turn, and a pod that comes changes
// one place of a window, unless it changes how often windows move.
func TestSourceWindows(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n, k := rapid.IntRange(1, 120).Draw(t, "pods"), rapid.IntRange(1, 10).Draw(t, "k")
		pods := podsNamed(n + 1)
		before, after := newNodePods(slices.Clone(pods[:n])), newNodePods(slices.Clone(pods))
		seen := map[types.UID]bool{}
		for turn := range before.parts(k) {
			w := before.window(k, turn)
			if len(w) != min(n, k) {
				t.Fatalf("window of %d of %d pods, want %d", len(w), n, k)
			}
			for _, p := range w {
				seen[p.UID] = true
			}
			if before.parts(k) != after.parts(k) {
				continue
			}
			others := 0
			for _, p := range after.window(k, turn) {
				if !slices.Contains(w, p) {
					others++
				}
			}
			if others > 2 {
				t.Fatalf("a pod that comes moves %d of %d", others, k)
			}
		}
		if len(seen) != n {
			t.Fatalf("%d of %d pods had their turn", len(seen), n)
		}
	})
}

type crowd struct {
	in     Input
	check  *v1alpha1.ConnectivityCheck
	engine *Engine
}

// newCrowd has 20 sources on node 0, and targets.
func newCrowd(targets int) *crowd {
	c := &crowd{in: full(2)}
	for i := range 20 {
		c.in.addPod("shop", fmt.Sprintf("web-%02d", i), "web", 0)
	}
	for i := range targets {
		c.in.addPod("shop", fmt.Sprintf("db-%03d", i), "db", 1)
	}
	c.check = c.in.addPath("shop", "check", fromPods("web"), toPods("db", 5432), "")
	c.engine = c.in.engine()
	return c
}

// Sources and targets rotate so that each source meets each target.
func TestEachSourceMeetsEachTarget(t *testing.T) {
	c := newCrowd(100)
	coverage := c.in.resolved(c.check).Coverage
	if coverage.PossiblePairs != 2000 || coverage.AssignedPairs < 2 || coverage.AssignedPairs > 2*WindowSize || coverage.FullAfter == nil {
		t.Fatalf("%+v", coverage)
	}
	met := map[string]bool{}
	end := c.in.Now.Add(coverage.FullAfter.Duration)
	for now := c.in.Now; now.Before(end); now = c.engine.NextAdvance() {
		c.engine.Advance(now)
		a, _ := c.engine.Assign("node-00000", nil)
		if len(a.Spec.Pods) != defaultSourcesPerNode {
			t.Fatalf("%d sources", len(a.Spec.Pods))
		}
		for _, p := range a.Spec.Pairs(&a.Spec.Groups[0]) {
			met[p.Key] = true
		}
	}
	if len(met) != 2000 {
		t.Errorf("%d of 2000 pairs in %s", len(met), coverage.FullAfter.Duration)
	}
}

// whenUnmissed is when a pod is not a source, and would not be missed as one.
func (c *crowd) whenUnmissed(t *testing.T, uid types.UID) time.Time {
	t.Helper()
	with, without := c.in, c.in
	without.Cluster = &Cluster{Nodes: c.in.Cluster.Nodes, Namespaces: c.in.Cluster.Namespaces, Pods: maps.Clone(c.in.Cluster.Pods)}
	delete(without.Cluster.Pods, uid)
	for range 1000 {
		with.Now = with.Now.Add(epochUnit)
		without.Now = with.Now
		a, b := with.assign("node-00000", nil), without.assign("node-00000", nil)
		if slices.EqualFunc(a.Spec.Pods, b.Spec.Pods, func(x, y v1alpha1.AssignedPod) bool { return x.UID == y.UID }) {
			return with.Now
		}
	}
	t.Fatal("the pod is a source at all times")
	return time.Time{}
}

// A source with a bad pair stays after its turn, with the target, and no longer
// than it is bad; and its node hears of it when it goes. All targets are in the
// window, so that nothing else is kept.
func TestBadSourcesStay(t *testing.T) {
	c := newCrowd(3)
	e := c.engine
	first, _ := e.Assign("node-00000", nil)
	previous := written(first)
	bad := first.Spec.Pairs(&first.Spec.Groups[0])[0]
	source, target := bad.Source.UID, bad.Addr
	previous.Status.NotPassing = append(failing(first.Spec.Groups[0], bad.Key), failing(first.Spec.Groups[0], "shop-web-99>10.0.0.1:1", "x>y", ">")...)
	e.Advance(c.whenUnmissed(t, types.UID(source)))
	isRow := func(p v1alpha1.AssignedPod) bool { return p.UID == source }
	next, _ := e.Assign("node-00000", nil)
	if slices.ContainsFunc(next.Spec.Pods, isRow) {
		t.Fatal("the window did not move")
	}
	kept, _ := e.Assign("node-00000", previous)
	if !slices.ContainsFunc(kept.Spec.Pods, isRow) || len(kept.Spec.Pods) != defaultSourcesPerNode+1 || kept.Spec.Groups[0].Hash == next.Spec.Groups[0].Hash {
		t.Errorf("%+v is kept, want %s too", kept.Spec.Pods, source)
	}
	if pairs := kept.Spec.Pairs(&kept.Spec.Groups[0]); !slices.ContainsFunc(pairs, func(p v1alpha1.Pair) bool { return p.Key == bad.Key }) {
		t.Errorf("%s is not kept, at %s", bad.Key, target)
	}
	e.TakeDirty()
	e.DeletePod(types.UID(source))
	if d := e.TakeDirty(); !slices.Contains(d.Nodes, "node-00000") {
		t.Error("the kept source went, and its node is not dirty")
	}
	if gone, _ := e.Assign("node-00000", previous); slices.ContainsFunc(gone.Spec.Pods, isRow) {
		t.Error("a source that is gone is kept")
	}
}

// What one pod touches, where 400 nodes have pods of 100 checks.
func TestPodsTouchWhatReadsThem(t *testing.T) {
	in := full(400)
	for i := range 400 {
		in.addPod("shop", fmt.Sprint("web-", i), "web", i)
		in.addPod("bank", fmt.Sprint("safe-", i), "safe", i)
	}
	db := in.addPod("shop", "db-0", "db", 7)
	in.addPath("shop", "pods", fromPods("web"), toPods("db", 1), "Deny")
	in.addPath("shop", "dns", fromPods("web"), dnsOf("a"), "")
	in.addPath("bank", "bank", fromPods("safe"), toPods("safe", 1), "")
	in.addPath(home, "all", fromProbers(), anywhere(toPods("db", 1)), "")
	with := func(p *Pod, change func(p *Pod)) *Pod { c := *p; change(&c); return &c }
	web := in.Cluster.Pods["shop-web-3"]
	for _, tc := range []struct {
		name          string
		change        func(e *Engine)
		nodes, checks int
	}{
		{"nothing", func(e *Engine) { e.SetPod(with(web, func(*Pod) {})) }, 0, 0},
		{"an unread label", func(e *Engine) {
			e.SetPod(with(web, func(p *Pod) { p.Labels = map[string]string{"app": "web", "x": "y"} }))
		}, 0, 0},
		{"a pod that nobody selects", func(e *Engine) {
			e.SetPod(with(web, func(p *Pod) { p.UID, p.Labels = "new", map[string]string{"app": "x"} }))
		}, 0, 0},
		{"a source goes", func(e *Engine) { e.DeletePod(web.UID) }, 1, 2},
		{"a source comes", func(e *Engine) { e.SetPod(with(web, func(p *Pod) { p.UID = "new" })) }, 1, 2},
		{"a source leaves by its label", func(e *Engine) {
			e.SetPod(with(web, func(p *Pod) { p.Labels = map[string]string{"app": "x"} }))
		}, 1, 2},
		{"one of many targets goes", func(e *Engine) { e.DeletePod("bank-safe-3") }, 60, 1},
		{"the target of all moves", func(e *Engine) { e.SetPod(with(db, func(p *Pod) { p.Node = "node-00008" })) }, 400, 2},
	} {
		t.Run(tc.name, func(t *testing.T) {
			e := in.engine()
			tc.change(e)
			d := e.TakeDirty()
			if len(d.Nodes) > tc.nodes || tc.nodes > 0 && len(d.Nodes) == 0 || len(d.Checks) != tc.checks {
				t.Errorf("%d nodes and %d checks dirty, want 1 to %d and %d", len(d.Nodes), len(d.Checks), tc.nodes, tc.checks)
			}
		})
	}
}
