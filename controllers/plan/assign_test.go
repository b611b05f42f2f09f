// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"

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

// moved is a node's assignment in two epochs, and what it held in the first
// and does not in the second.
type moved struct {
	in          Input
	mesh, db    *v1alpha1.ConnectivityCheck
	first, next Assignment
	nodes       []string
	addrs       []string
	// never is a node that it holds in neither.
	never string
}

func newMoved(t *testing.T, source string) *moved {
	t.Helper()
	m := &moved{in: fixture(100)}
	m.mesh = m.in.addCheck("mesh", meshOf(v1alpha1.MeshScopeAny), "")
	m.db = m.in.addCheck("db", m.in.addService("db", true, 100), "")
	m.first = m.in.assign(source, nil)
	m.in.Now = m.in.Now.Add(2 * epochUnit)
	m.next = m.in.assign(source, nil)
	held := func(a Assignment, name string) bool {
		return slices.ContainsFunc(a.Spec.Nodes, func(n v1alpha1.AssignedNode) bool { return n.Name == name })
	}
	for _, n := range m.first.Spec.Nodes {
		if !held(m.next, n.Name) {
			m.nodes = append(m.nodes, n.Name)
		}
	}
	for _, target := range m.first.Spec.Targets {
		if !slices.Contains(m.next.Spec.Targets, target) {
			m.addrs = append(m.addrs, netip.AddrPortFrom(netip.MustParseAddr(target.IP), uint16(target.Port)).String())
		}
	}
	for name := range m.in.Cluster.Nodes {
		if !held(m.first, name) && !held(m.next, name) {
			m.never = name
		}
	}
	if len(m.nodes) <= MaxKept || len(m.addrs) < 2 || m.never == "" {
		t.Fatalf("windows moved by %d nodes and %d addresses only", len(m.nodes), len(m.addrs))
	}
	return m
}

// failing reports targets of a group.
func failing(g v1alpha1.ProbeGroup, targets ...string) (out []v1alpha1.PairStatus) {
	for _, target := range targets {
		out = append(out, v1alpha1.PairStatus{Group: g.Key, Target: target, State: v1alpha1.StateFailing})
	}
	return out
}

func TestBadPairsStayAssigned(t *testing.T) {
	const source = "node-00000"
	m := newMoved(t, source)
	mesh, tcp := m.first.Spec.Groups[0], m.first.Spec.Groups[1]
	if mesh.Kind != v1alpha1.ProbeMeshTCP {
		mesh, tcp = tcp, mesh
	}
	both := []string{m.nodes[1] + "/IPv4", m.nodes[1] + "/IPv6"}
	streak, slow := failing(mesh, both...), failing(mesh, both...)
	streak[0].State, streak[1].State, streak[1].Streak = v1alpha1.StateDegraded, v1alpha1.StateUnknown, 1
	slow[0].State, slow[1].State = v1alpha1.StateDegraded, v1alpha1.StateUnknown

	for _, tc := range []struct {
		name        string
		status      []v1alpha1.PairStatus
		change      func(in *Input)
		mesh, addrs []string
	}{
		{name: "nothing reported"},
		{name: "failing node", status: failing(mesh, both...), mesh: m.nodes[1:2]},
		{name: "failing address", status: failing(tcp, m.addrs[1]), addrs: m.addrs[1:2]},
		{name: "streak", status: streak, mesh: m.nodes[1:2]},
		{name: "slow or unknown", status: slow},
		{name: "in the window", status: failing(mesh, m.next.Spec.Nodes[3].Name+"/IPv4")},
		{name: "itself", status: failing(mesh, source+"/IPv4")},
		{name: "never assigned", status: failing(mesh, m.never+"/IPv4", "nobody/IPv4", "", "/")},
		{name: "another group", status: failing(tcp, both...)},
		{name: "no such address", status: failing(tcp, "192.0.2.1:1", "x", "10.200.0.1")},
		{name: "more than are kept", status: failing(mesh, m.nodes...), mesh: m.nodes[:MaxKept]},
		{name: "node gone", status: failing(mesh, both...), change: func(in *Input) { delete(in.Cluster.Nodes, m.nodes[1]) }},
		{name: "endpoint gone", status: failing(tcp, m.addrs[1]), change: m.dropEndpoint},
		{name: "content changed", status: append(failing(mesh, both...), failing(tcp, m.addrs[1])...), change: m.changeContent},
	} {
		t.Run(tc.name, func(t *testing.T) {
			now := m.in
			now.Cluster = &Cluster{Nodes: maps.Clone(m.in.Cluster.Nodes), Services: maps.Clone(m.in.Cluster.Services)}
			if tc.change != nil {
				tc.change(&now)
			}
			previous := written(m.first)
			previous.Status.NotPassing = tc.status
			got := now.assign(source, previous)
			for i := range got.Spec.Groups {
				g, want := &got.Spec.Groups[i], tc.addrs
				if g.Key == mesh.Key {
					want = tc.mesh
				}
				if kept := behind(&got.Spec, g); !slices.Equal(kept, want) {
					t.Errorf("%s keeps %v, want %v", g.Key, kept, want)
				}
			}
		})
	}
}

func (m *moved) dropEndpoint(in *Input) {
	key := types.NamespacedName{Namespace: "shop", Name: "db"}
	s := in.Cluster.Services[key]
	at := slices.Index(s.Ports[0].Endpoints, netip.MustParseAddrPort(m.addrs[1]))
	in.Cluster.Services[key] = withoutEndpoint(s, at)
}

func (m *moved) changeContent(in *Input) {
	mesh, db := m.mesh.DeepCopy(), m.db.DeepCopy()
	mesh.Spec.FailureThreshold, db.Spec.FailureThreshold = 7, 7
	in.Checks = []*v1alpha1.ConnectivityCheck{mesh, db}
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

// crowded has many checks from every node.
func crowded(checks int) Input {
	in := fixture(200)
	for i := range checks {
		to := meshOf(v1alpha1.MeshScopeCrossNode)
		switch i % 3 {
		case 1:
			to = in.addService(fmt.Sprint("db-", i), true, 40+i)
		case 2:
			to = dnsOf(fmt.Sprintf("service-%d.shop", i))
		}
		in.addCheck(fmt.Sprintf("check-%03d", i), to, "")
	}
	return in
}

// A bad pair stays also where the size limit takes it out of the window.
func TestBadPairsStayInAShrunkWindow(t *testing.T) {
	in := crowded(60)
	whole := in.assign("node-00042", nil)
	g := whole.Spec.Groups[0]
	last := whole.Spec.Nodes[g.Members[g.Window-1]].Name
	previous := written(whole)
	previous.Status.NotPassing = failing(g, last+"/IPv4")
	in.Settings.SizeLimit = 15_000
	a := in.assign("node-00042", previous)
	got := a.Spec.Groups[0]
	if got.Window >= g.Window || !slices.Contains(behind(&a.Spec, &got), last) {
		t.Errorf("window of %d instead of %d, behind it %v, want %s there", got.Window, g.Window, behind(&a.Spec, &got), last)
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
			in := crowded(tc.checks)
			in.Settings.SizeLimit = tc.limit
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
	in.Settings.Level = v1alpha1.LevelFull
	in.Cluster.Pods = map[types.UID]*Pod{}
	for i := range 60 {
		in.addPod("shop", fmt.Sprint("web-", i), "web", 0).Sandboxed = i%9 == 0
	}
	udp := toPods("web", 53)
	udp.Pods.Protocol = v1alpha1.ProtocolUDP
	in.addPath("shop", "pods", fromPods("web"), udp, v1alpha1.ExpectDeny)
	outside := types.NamespacedName{Namespace: "shop", Name: "outside"}
	in.Cluster.Services[outside] = &Service{Key: outside, ExternalName: strings.Repeat("long.", 50) + "com"}
	for i := range 40 { // they weigh enough to be missed
		in.addPath("shop", fmt.Sprint("name-", i), fromPods("web"), v1alpha1.Target{Service: &v1alpha1.ServiceTarget{Name: "outside", Port: intstr.FromInt32(80)}}, "")
	}
	for i := range 20 {
		in.addCheck(fmt.Sprint("service-", i), in.addService(fmt.Sprint("service-", i), false, 90), "")
	}
	v := newView(in.Cluster, in.Now)
	var resolved []*Resolved
	for _, c := range in.Checks {
		resolved = append(resolved, v.resolve(compile(c, in.Settings)))
	}
	a := assigner{cluster: in.Cluster, nodes: in.Cluster.Nodes, limit: 1 << 20}
	drafts := a.drafts("node-00000", resolved, nil)
	r := a.render(drafts)
	a.services(&r, drafts)
	r.spec.Heartbeat.Duration = heartbeat(1000)
	truth := len(mustJSON(r.spec))
	if r.size < truth || r.size > truth*11/10 {
		t.Errorf("estimated %d bytes, it is %d", r.size, truth)
	}
}

func TestProbeRate(t *testing.T) {
	in := fixture(100)
	in.Settings.Budgets.Target = MaxBudget
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
