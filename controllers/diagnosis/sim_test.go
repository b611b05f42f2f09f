// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package diagnosis_test

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/controllers/diagnosis"
	"github.com/netladder/netladder/controllers/plan"
)

// t0 is when every simulated world begins; what exists then is an hour old.
var t0 = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

const (
	meshKey = "netladder-system/fleet/mesh/MeshTCP"
	apiKey  = "netladder-system/fleet/api/TCP"
	apiAddr = "10.96.0.1:443"
)

// result is what a simulated prober knows of a pair; absent means Passing.
type result struct {
	state    v1alpha1.State
	verdict  v1alpha1.Verdict
	evidence string
	reason   string
	since    time.Time
}

// simNode is a node with its prober, echo pod and what the prober saw.
type simNode struct {
	facts   *diagnosis.NodeFacts
	report  *diagnosis.Report
	results map[string]result // by group key and pair key
	silent  bool
}

// sim is a small cluster with a mesh path and a path to one address.
type sim struct {
	now   time.Time
	check *v1alpha1.ConnectivityCheck
	nodes map[string]*simNode
	since time.Time // APIAvailableSince
	pods  int
}

func newSim(nodes ...string) *sim {
	s := &sim{now: t0, nodes: map[string]*simNode{}}
	s.check = &v1alpha1.ConnectivityCheck{ObjectMeta: metav1.ObjectMeta{Namespace: "netladder-system", Name: "fleet", Generation: 1}}
	s.check.Spec.Paths = []v1alpha1.Path{{Name: "mesh"}, {Name: "api"}}
	for _, n := range nodes {
		s.addNode(n, t0.Add(-time.Hour))
	}
	s.assign()
	for _, n := range s.nodes {
		n.report.ChangedAt = t0.Add(-time.Hour)
	}
	s.heartbeat()
	return s
}

func (s *sim) uid(kind string) string {
	s.pods++
	return fmt.Sprintf("%s-%d", kind, s.pods)
}

func (s *sim) pod(kind string, at time.Time) *diagnosis.PodFacts {
	return &diagnosis.PodFacts{UID: s.uid(kind), Ready: true, StartedAt: at, ReadySince: at}
}

func (s *sim) addNode(name string, at time.Time) {
	s.nodes[name] = &simNode{
		facts:   &diagnosis.NodeFacts{Ready: true, ReadySince: at, Prober: s.pod("prober", at), Echo: s.pod("echo", at)},
		report:  &diagnosis.Report{Assignment: &v1alpha1.ProbeAssignment{ObjectMeta: metav1.ObjectMeta{Name: name}}, SeenAt: at, ChangedAt: at},
		results: map[string]result{},
	}
}

func (s *sim) names() []string { return slices.Sorted(maps.Keys(s.nodes)) }

// assign writes every node's spec as the plan would.
func (s *sim) assign() {
	for i, name := range s.names() {
		n := s.nodes[name]
		spec := v1alpha1.ProbeAssignmentSpec{
			Heartbeat: metav1.Duration{Duration: time.Minute},
			Targets:   []v1alpha1.AssignedTarget{{IP: "10.96.0.1", Port: 443}},
		}
		pairs := ""
		mesh := group(meshKey, v1alpha1.ProbeMeshTCP)
		for k, peer := range s.names() {
			echo := s.nodes[peer].facts.Echo
			if k == i || echo == nil {
				continue
			}
			mesh.Members = append(mesh.Members, int32(len(spec.Nodes)))
			spec.Nodes = append(spec.Nodes, v1alpha1.AssignedNode{Name: peer, EchoIPs: []string{fmt.Sprintf("10.244.%d.2", k)}, EchoUID: echo.UID})
			pairs += peer + echo.UID
		}
		mesh.Hash, mesh.Port = "mesh-"+pairs, plan.EchoPort
		api := group(apiKey, v1alpha1.ProbeTCP)
		api.Hash, api.Members = "api-1", []int32{0}
		spec.Groups = []v1alpha1.ProbeGroup{mesh, api}
		if old := n.report.Assignment.Spec; len(old.Groups) > 0 && old.Groups[0].Hash != mesh.Hash {
			n.report.ChangedAt = s.now
		}
		n.report.Assignment.Spec = spec
	}
}

func group(key string, kind v1alpha1.ProbeKind) v1alpha1.ProbeGroup {
	return v1alpha1.ProbeGroup{Key: key, Kind: kind, Interval: metav1.Duration{Duration: 10 * time.Second}}
}

// heartbeat lets every prober that can report do so.
func (s *sim) heartbeat() {
	for _, name := range s.names() {
		n := s.nodes[name]
		if p := n.facts.Prober; !n.silent && p != nil && p.Ready {
			n.tell(s.now)
		}
	}
}

// tell writes the prober's status.
func (n *simNode) tell(now time.Time) {
	a := n.report.Assignment
	a.Status = v1alpha1.ProbeAssignmentStatus{PodUID: n.facts.Prober.UID, Heartbeat: ptr(metav1.NewTime(now))}
	n.report.SeenAt, n.report.HeardAt = now, now
	for i := range a.Spec.Groups {
		g := &a.Spec.Groups[i]
		gs := v1alpha1.GroupStatus{Key: g.Key, Hash: g.Hash, P50Microseconds: 300, P99Microseconds: 900}
		for _, p := range a.Spec.Pairs(g) {
			r, ok := n.results[g.Key+p.Key]
			switch {
			case !ok, r.state == v1alpha1.StatePassing:
				gs.Pairs.Passing++
				continue
			case r.state == v1alpha1.StatePending:
				gs.Pairs.Pending++
				continue
			case r.state == v1alpha1.StateFailing:
				gs.Pairs.Failing++
			case r.state == v1alpha1.StateDegraded:
				gs.Pairs.Degraded++
			default:
				gs.Pairs.Unknown++
			}
			a.Status.NotPassing = append(a.Status.NotPassing, v1alpha1.PairStatus{
				Group: g.Key, Target: p.Key, State: r.state, Verdict: r.verdict, Reason: r.reason, Evidence: r.evidence, Since: ptr(metav1.NewTime(r.since)),
			})
		}
		a.Status.Groups = append(a.Status.Groups, gs)
	}
	slices.SortStableFunc(a.Status.NotPassing, func(a, b v1alpha1.PairStatus) int { return cmp.Compare(order(a.State), order(b.State)) })
}

func order(s v1alpha1.State) int {
	return slices.Index([]v1alpha1.State{v1alpha1.StateFailing, v1alpha1.StateDegraded, v1alpha1.StateUnknown}, s)
}

// set notes a result: "node1>node2" for the mesh, "node1>api" for the address.
func (s *sim) set(pair string, state v1alpha1.State, v v1alpha1.Verdict) {
	source, target, _ := strings.Cut(pair, ">")
	key := meshKey + target + "/IPv4"
	if target == "api" {
		key = apiKey + apiAddr
	}
	if state == v1alpha1.StatePassing {
		delete(s.nodes[source].results, key)
		return
	}
	s.nodes[source].results[key] = result{state: state, verdict: v, since: s.now}
}

func (s *sim) fail(pairs ...string) *sim {
	for _, p := range pairs {
		s.set(p, v1alpha1.StateFailing, v1alpha1.VerdictDropped)
	}
	s.heartbeat()
	return s
}

func (s *sim) after(d time.Duration) *sim {
	s.now = s.now.Add(d)
	return s
}

// input is the judgement's view of the world.
func (s *sim) input() diagnosis.Input {
	in := diagnosis.Input{
		Check: s.check, Previous: s.check.Status, Now: s.now, APIAvailableSince: s.since,
		Reports: map[string]*diagnosis.Report{}, Nodes: map[string]*diagnosis.NodeFacts{},
		Resolved: &plan.Resolved{},
	}
	names := s.names()
	for name, n := range s.nodes {
		in.Nodes[name], in.Reports[name] = n.facts, n.report
	}
	in.Resolved.Paths = []plan.ResolvedPath{
		{Name: "mesh", Accepted: true, Groups: []*plan.Group{{Key: meshKey, Kind: v1alpha1.ProbeMeshTCP, Content: "mesh", Sources: names}}},
		{Name: "api", Accepted: true, Groups: []*plan.Group{{Key: apiKey, Kind: v1alpha1.ProbeTCP, Content: "api", Sources: names}}},
	}
	return in
}

func ptr[T any](v T) *T { return &v }
