// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/netladder/netladder/api/v1alpha1"
)

// behind are the members behind the window of a group, as text.
func behind(spec *v1alpha1.ProbeAssignmentSpec, g *v1alpha1.ProbeGroup) []string {
	var out []string
	for _, m := range g.Members[g.Window:] {
		if g.Port != 0 {
			out = append(out, spec.Nodes[m].Name)
		} else {
			out = append(out, fmt.Sprintf("%s:%d", spec.Targets[m].IP, spec.Targets[m].Port))
		}
	}
	return out
}

// written is an assignment as it was written, with nothing reported yet.
func written(a Assignment) *v1alpha1.ProbeAssignment {
	return &v1alpha1.ProbeAssignment{Spec: *a.Spec.DeepCopy()}
}

func (in *Input) assign(node string, previous *v1alpha1.ProbeAssignment) Assignment {
	var resolved []*Resolved
	for _, c := range in.Checks {
		resolved = append(resolved, Resolve(c, in.Cluster, in.Settings, in.Now))
	}
	return Assign(node, resolved, in.Cluster, in.Settings, previous)
}

func TestBadPairsStayAssigned(t *testing.T) {
	const source = "node-00000"
	in := fixture(100)
	check := in.addCheck("mesh", meshOf(v1alpha1.MeshScopeAny), "")
	db := in.addCheck("db", in.addService("db", true, 100), "")
	first := in.assign(source, nil)
	in.Now = in.Now.Add(2 * epochUnit)
	next := in.assign(source, nil)
	mesh, tcp := first.Spec.Groups[0], first.Spec.Groups[1]

	// Pairs of the first windows that the next ones do not hold.
	var nodes, addrs []string
	held := func(name string) bool {
		return slices.ContainsFunc(next.Spec.Nodes, func(n v1alpha1.AssignedNode) bool { return n.Name == name })
	}
	for _, n := range first.Spec.Nodes {
		if !held(n.Name) {
			nodes = append(nodes, n.Name)
		}
	}
	for _, target := range first.Spec.Targets {
		if !slices.Contains(next.Spec.Targets, target) {
			addrs = append(addrs, netip.AddrPortFrom(netip.MustParseAddr(target.IP), uint16(target.Port)).String())
		}
	}
	if len(nodes) <= MaxKept || len(addrs) < 2 {
		t.Fatalf("windows moved by %d nodes and %d addresses only", len(nodes), len(addrs))
	}
	var other string
	for name := range in.Cluster.Nodes {
		if !held(name) && !slices.ContainsFunc(first.Spec.Nodes, func(n v1alpha1.AssignedNode) bool { return n.Name == name }) {
			other = name
		}
	}
	bad := func(g v1alpha1.ProbeGroup, targets ...string) (out []v1alpha1.PairStatus) {
		for _, target := range targets {
			out = append(out, v1alpha1.PairStatus{Group: g.Key, Target: target, State: v1alpha1.StateFailing})
		}
		return out
	}
	both := func(name string) []string { return []string{name + "/IPv4", name + "/IPv6"} }
	streak := bad(mesh, both(nodes[1])...)
	for i := range streak {
		streak[i].State, streak[i].Streak = v1alpha1.StateDegraded, int32(i)
	}
	slow := bad(mesh, both(nodes[1])...)
	slow[0].State, slow[1].State = v1alpha1.StateDegraded, v1alpha1.StateUnknown

	for _, tc := range []struct {
		name        string
		status      []v1alpha1.PairStatus
		change      func(in *Input)
		mesh, addrs []string
	}{
		{name: "nothing reported"},
		{name: "failing node", status: bad(mesh, both(nodes[1])...), mesh: nodes[1:2]},
		{name: "failing address", status: bad(tcp, addrs[1]), addrs: addrs[1:2]},
		{name: "streak", status: streak, mesh: nodes[1:2]},
		{name: "slow or unknown", status: slow},
		{name: "in the window", status: bad(mesh, next.Spec.Nodes[3].Name+"/IPv4")},
		{name: "itself", status: bad(mesh, source+"/IPv4")},
		{name: "never assigned", status: bad(mesh, other+"/IPv4", "nobody/IPv4", "", "/")},
		{name: "another group", status: bad(tcp, both(nodes[1])...)},
		{name: "no such address", status: bad(tcp, "192.0.2.1:1", "x", "10.200.0.1")},
		{name: "more than are kept", status: bad(mesh, nodes...), mesh: nodes[:MaxKept]},
		{name: "node gone", status: bad(mesh, both(nodes[1])...), change: func(in *Input) { delete(in.Cluster.Nodes, nodes[1]) }},
		{name: "content changed", status: append(bad(mesh, nodes[1]+"/IPv4"), bad(tcp, addrs[1])...), change: func(in *Input) {
			c, d := check.DeepCopy(), db.DeepCopy()
			c.Spec.FailureThreshold, d.Spec.FailureThreshold = 7, 7
			in.Checks = []*v1alpha1.ConnectivityCheck{c, d}
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			now := in
			now.Cluster = &Cluster{Nodes: map[string]*Node{}, Services: in.Cluster.Services}
			for name, n := range in.Cluster.Nodes {
				now.Cluster.Nodes[name] = n
			}
			if tc.change != nil {
				tc.change(&now)
			}
			previous := written(first)
			previous.Status.NotPassing = tc.status
			got := now.assign(source, previous)
			if kept := behind(&got.Spec, &got.Spec.Groups[0]); !slices.Equal(kept, tc.mesh) {
				t.Errorf("mesh keeps %v, want %v", kept, tc.mesh)
			}
			if kept := behind(&got.Spec, &got.Spec.Groups[1]); !slices.Equal(kept, tc.addrs) {
				t.Errorf("Service keeps %v, want %v", kept, tc.addrs)
			}
		})
	}
}

// A kept pair is in no window, and its node still has to hear of it.
func TestKeptPairsAreDirtyWithTheirTarget(t *testing.T) {
	in := fixture(100)
	in.addCheck("mesh", meshOf(v1alpha1.MeshScopeAny), "")
	e := in.engine()
	first, _ := e.Assign("node-00000", nil)
	previous := written(first)
	for _, n := range first.Spec.Nodes {
		previous.Status.NotPassing = append(previous.Status.NotPassing, v1alpha1.PairStatus{
			Group: first.Spec.Groups[0].Key, Target: n.Name + "/IPv4", State: v1alpha1.StateFailing})
	}
	e.Advance(e.NextAdvance())
	e.TakeDirty()
	got, _ := e.Assign("node-00000", previous)
	kept := behind(&got.Spec, &got.Spec.Groups[0])
	if len(kept) == 0 {
		t.Fatal("nothing kept")
	}
	e.SetNode(withEcho(in.Cluster.Nodes[kept[0]], "new"))
	if d := e.TakeDirty(); !slices.Contains(d.Nodes, "node-00000") {
		t.Errorf("node-00000 keeps %s and is not dirty with it", kept[0])
	}
}

func TestSizeLimit(t *testing.T) {
	for _, tc := range []struct {
		checks, limit int
		shrunk, gone  bool
	}{
		{checks: 60},
		{checks: 60, limit: 18_000, shrunk: true},
		{checks: 60, limit: 9_000, shrunk: true, gone: true},
		{checks: 60, limit: 10, gone: true},
		{checks: 600, gone: true, shrunk: true},
	} {
		t.Run(fmt.Sprintf("%d checks in %d", tc.checks, tc.limit), func(t *testing.T) {
			in := fixture(200)
			in.Settings.SizeLimit = tc.limit
			for i := range tc.checks {
				to := meshOf(v1alpha1.MeshScopeCrossNode)
				switch i % 3 {
				case 1:
					to = in.addService(fmt.Sprint("db-", i), true, 40+i)
				case 2:
					to = dnsOf(fmt.Sprintf("service-%d.shop", i))
				}
				in.addCheck(fmt.Sprintf("check-%03d", i), to, "")
			}
			a := in.assign("node-00042", nil)
			raw, err := json.Marshal(a.Spec)
			if err != nil {
				t.Fatal(err)
			}
			if limit := in.Settings.sizeLimit(); len(raw) > limit && tc.limit != 10 {
				t.Errorf("%d bytes, limit %d", len(raw), limit)
			}
			shrunk, gone := 0, 0
			for _, l := range a.LeftOut {
				if l.Kept == 0 {
					gone++
				} else {
					shrunk++
				}
			}
			if (shrunk > 0) != tc.shrunk || (gone > 0) != tc.gone || gone+len(a.Spec.Groups) != tc.checks {
				t.Errorf("%d shrunk, %d gone, %d groups left; want shrunk %t, gone %t", shrunk, gone, len(a.Spec.Groups), tc.shrunk, tc.gone)
			}
			t.Logf("%d bytes, %d groups, %d shrunk, %d gone", len(raw), len(a.Spec.Groups), shrunk, gone)
		})
	}
}

// The estimate must never be below the truth, nor far above it.
func TestSizeEstimate(t *testing.T) {
	in := fixture(200)
	in.addCheck("mesh", meshOf(v1alpha1.MeshScopeAny), "")
	in.addCheck("dns", dnsOf("kubernetes.default"), "")
	c := in.addCheck("http", in.addService("web", true, 90), "")
	c.Spec.Paths[0].HTTP = &v1alpha1.HTTPLayer{Path: "/?" + strings.Repeat("<&>", 50)}
	v := newView(in.Cluster, in.Now)
	var resolved []*Resolved
	for _, c := range in.Checks {
		resolved = append(resolved, v.resolve(compile(c, in.Settings)))
	}
	a := assigner{nodes: in.Cluster.Nodes}
	r := a.render(a.drafts("node-00000", resolved, nil))
	r.spec.Heartbeat.Duration = heartbeat(1000)
	truth := len(mustJSON(r.spec))
	if r.size < truth || r.size > truth*11/10 {
		t.Errorf("estimated %d bytes, it is %d", r.size, truth)
	}
}

func TestProbeRate(t *testing.T) {
	in := fixture(100)
	in.addCheck("dns", dnsOf("example.com"), "")                   // 1 per 10 s
	in.addCheck("mesh", meshOf(v1alpha1.MeshScopeAny), "")         // 3 per 10 s
	in.addCheck("service", in.addService("web", false, 3), "")     // 1 per 10 s
	in.addCheck("headless", in.addService("db", true, 90), "")     // 3 per 10 s
	in.addCheck("own", meshOf(v1alpha1.MeshScopeSameNode), "none") // no source
	a := in.assign("node-00000", nil)
	if got := ProbeRate(&a.Spec); got < 0.799 || got > 0.801 {
		t.Errorf("%v probes per second, want 0.8", got)
	}
}
