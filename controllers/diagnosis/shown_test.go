// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package diagnosis_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/controllers/diagnosis"
	"github.com/netladder/netladder/controllers/plan"
)

// TestTargetNames: protocol and family are named where a node's name is not
// enough, and a node's pair with itself involves it once.
func TestTargetNames(t *testing.T) {
	const udpKey = "netladder-system/fleet/mesh/MeshUDP"
	s := newSim("node1")
	n := s.nodes["node1"]
	tcp, udp := group(meshKey, v1alpha1.ProbeMeshTCP), group(udpKey, v1alpha1.ProbeMeshUDP)
	st := v1alpha1.ProbeAssignmentStatus{PodUID: n.facts.Prober.UID}
	for _, g := range []*v1alpha1.ProbeGroup{&tcp, &udp} {
		g.Hash, g.Port, g.Members = "mesh-1", plan.EchoPort, []int32{0}
		st.Groups = append(st.Groups, v1alpha1.GroupStatus{Key: g.Key, Hash: g.Hash, Pairs: counts(0, 0, 0, 2, 0)})
		for _, target := range []string{"node1/IPv4", "node1/IPv6"} {
			st.NotPassing = append(st.NotPassing, v1alpha1.PairStatus{
				Group: g.Key, Target: target, State: v1alpha1.StateFailing, Verdict: v1alpha1.VerdictRefused, Since: ptr(metav1.NewTime(t0)),
			})
		}
	}
	n.report.Assignment.Spec = v1alpha1.ProbeAssignmentSpec{
		Nodes:  []v1alpha1.AssignedNode{{Name: "node1", EchoIPs: []string{"10.244.0.2", "fd00::2"}, EchoUID: n.facts.Echo.UID}},
		Groups: []v1alpha1.ProbeGroup{tcp, udp},
	}
	n.report.Assignment.Status = st
	in := s.input()
	in.Resolved.Paths[0].Groups = append(in.Resolved.Paths[0].Groups,
		&plan.Group{Key: udpKey, Kind: v1alpha1.ProbeMeshUDP, Content: "mesh", Sources: []string{"node1"}})
	p := diagnosis.Summarize(in).Paths[0]
	var got []string
	for _, w := range p.WorstPairs {
		got = append(got, w.Target)
	}
	want := []string{"node1 (TCP)", "node1 (TCP, IPv6)", "node1 (UDP)", "node1 (UDP, IPv6)"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s\n%+v", diff, p)
	}

	st.NotPassing, st.Groups[1].Pairs = st.NotPassing[:2], counts(0, 2, 0, 0, 0)
	n.report.Assignment.Status = st
	p = diagnosis.Summarize(in).Paths[0]
	if !strings.HasPrefix(p.Message, "all 2 failing pairs start at node1: node1→node1 (TCP) Refused, ") {
		t.Error(p.Message)
	}
}

// TestClaimedNodes: where a Service's endpoint is said to be on a node that is
// known, failures name the node and its troubles excuse them; of a node that
// does not exist neither.
func TestClaimedNodes(t *testing.T) {
	newClaim := func(node string) *sim {
		s := newSim("node1", "node2", "node3")
		s.check.Spec.Paths[1].To.Service = &v1alpha1.ServiceTarget{Name: "web", Via: v1alpha1.ViaEndpoints}
		for _, n := range s.nodes {
			n.report.Assignment.Spec.Targets[0].Node = node
		}
		return s.fail("node1>api", "node3>api")
	}
	judge := func(s *sim) v1alpha1.PathStatus { return diagnosis.Summarize(s.input()).Paths[1] }

	if p := judge(newClaim("node2")); p.State != v1alpha1.StateFailing || p.WorstPairs[0].TargetNode != "node2" {
		t.Errorf("%+v", p)
	}
	s := newClaim("node2")
	s.nodes["node2"].facts.Ready = false
	if p := judge(s); p.State != v1alpha1.StatePassing || p.Pairs.Unknown != 2 || p.WorstPairs[0].Reason != v1alpha1.ReasonNodeNotReady {
		t.Errorf("its node is away: %+v", p)
	}
	if p := judge(newClaim("node9")); p.State != v1alpha1.StateFailing || p.WorstPairs[0].TargetNode != "" {
		t.Errorf("no such node: %+v", p)
	}
	s = newClaim("node9")
	s.check.Spec.Paths[1].To.Service.Via = v1alpha1.ViaNodePort
	if p := judge(s); p.State == v1alpha1.StateFailing {
		t.Errorf("a nodePort's node is one: %+v", p)
	}
}

// TestCommonNode: what all failing paths of a check have in common is said of
// the check.
func TestCommonNode(t *testing.T) {
	for name, tc := range map[string]struct {
		fail []string
		want string
	}{
		"one path":       {[]string{"node1>node2", "node2>node3"}, "1 of 2 paths fails: mesh ("},
		"both":           {[]string{"node1>node2", "node2>node3", "node2>api"}, `2 of 2 paths fail, and all of their failing pairs involve node "node2": mesh (`},
		"not all pairs":  {[]string{"node1>node2", "node1>node3", "node2>api"}, "2 of 2 paths fail: mesh ("},
		"nothing common": {[]string{"node1>node2", "node3>api"}, "2 of 2 paths fail: mesh ("},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSim("node1", "node2", "node3").fail(tc.fail...)
			if got := diagnosis.Summarize(s.input()).Conditions[1].Message; !strings.HasPrefix(got, tc.want) {
				t.Errorf("got %s, want %s...", got, tc.want)
			}
		})
	}
}

// TestSinceIsNotOfTheFuture: a prober's clock may be ahead; what was said
// before is then kept, so that nothing is rewritten for it.
func TestSinceIsNotOfTheFuture(t *testing.T) {
	s := newSim("node1", "node2")
	s.set("node1>node2", v1alpha1.StateFailing, v1alpha1.VerdictDropped)
	s.heartbeat()
	s.nodes["node1"].report.Assignment.Status.NotPassing[0].Since = ptr(metav1.NewTime(t0.Add(time.Hour)))
	for range 2 {
		w := s.persist().Paths[0].WorstPairs
		if len(w) != 1 || !w[0].Since.Time.Equal(t0) {
			t.Fatalf("got %+v", w)
		}
		s.after(time.Minute)
	}
}

// TestEvidence: what a prober sends is made fit to be shown.
func TestEvidence(t *testing.T) {
	for name, tc := range map[string]struct{ in, want string }{
		"plain":         {"no answer within 1s", "no answer within 1s"},
		"escape":        {"\x1b[31mred\n", "?[31mred?"},
		"not UTF-8":     {"a\xffb", "a?b"},
		"bidi override": {"a\u202eb", "a?b"},
		"long":          {strings.Repeat("x", 10_000), strings.Repeat("x", 253) + "…"},
		"long and wide": {strings.Repeat("é", 5_000), strings.Repeat("é", 126) + "…"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSim("node1", "node2").fail("node1>node2")
			e := &s.nodes["node1"].report.Assignment.Status.NotPassing[0]
			e.Evidence, e.Verdict = tc.in, "Not a word"
			w := diagnosis.Summarize(s.input()).Paths[0].WorstPairs[0]
			if w.Evidence != tc.want || w.Verdict != "" {
				t.Errorf("got %q and %q", w.Evidence, w.Verdict)
			}
		})
	}
}

// TestLatency: the median of the medians by their pairs, and the greatest p99.
func TestLatency(t *testing.T) {
	type said struct{ p50, p99, passing int64 }
	us := func(p50, p99 int64) *v1alpha1.Latency {
		return &v1alpha1.Latency{
			P50: metav1.Duration{Duration: time.Duration(p50) * time.Microsecond},
			P99: metav1.Duration{Duration: time.Duration(p99) * time.Microsecond},
		}
	}
	for name, tc := range map[string]struct {
		said [3]said
		want *v1alpha1.Latency
	}{
		"all alike":      {[3]said{{300, 900, 2}, {300, 900, 2}, {300, 900, 2}}, us(300, 900)},
		"the middle one": {[3]said{{100, 900, 2}, {500, 700, 2}, {300, 5000, 2}}, us(300, 5000)},
		"none measured":  {[3]said{{0, 0, 2}, {0, 0, 2}, {0, 0, 2}}, nil},
		"impossible":     {[3]said{{-1, 5, 2}, {9, 8, 2}, {1, 1 << 60, 2}}, nil},
		"nothing passes": {[3]said{{100, 900, 0}, {500, 700, 2}, {900, 5000, 0}}, us(500, 700)},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSim("node1", "node2", "node3")
			for i, name := range s.names() {
				g := &s.nodes[name].report.Assignment.Status.Groups[0]
				g.P50Microseconds, g.P99Microseconds = tc.said[i].p50, tc.said[i].p99
				g.Pairs = counts(2-int32(tc.said[i].passing), int32(tc.said[i].passing), 0, 0, 0)
			}
			if diff := cmp.Diff(tc.want, diagnosis.Summarize(s.input()).Paths[0].Latency); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestWorstOfOnePath: no more than ten.
func TestWorstOfOnePath(t *testing.T) {
	s := newSim("node1", "node2", "node3", "node4")
	for _, source := range s.names() {
		for _, target := range s.names() {
			if source != target {
				s.set(source+">"+target, v1alpha1.StateFailing, v1alpha1.VerdictDropped)
			}
		}
	}
	s.heartbeat()
	p := diagnosis.Summarize(s.input()).Paths[0]
	if len(p.WorstPairs) != 10 || p.Pairs.Failing != 12 || !strings.HasSuffix(p.Message, " and 7 more") {
		t.Errorf("%d pairs: %s", len(p.WorstPairs), p.Message)
	}
}

// TestFailingPairsComeFirst: where room is short, the Failing pairs of one path
// go before the Degraded ones of another.
func TestFailingPairsComeFirst(t *testing.T) {
	s := newSim("node1", "node2", "node3", "node4", "node5")
	for _, source := range s.names() {
		for _, target := range s.names() {
			if source != target {
				s.set(source+">"+target, v1alpha1.StateDegraded, v1alpha1.VerdictDropped)
			}
		}
		s.set(source+">api", v1alpha1.StateFailing, v1alpha1.VerdictDropped)
	}
	s.heartbeat()
	in := s.input()
	mesh, api := in.Resolved.Paths[0], in.Resolved.Paths[1]
	in.Resolved.Paths, s.check.Spec.Paths = nil, nil
	for i := range 51 {
		p := mesh
		if i == 50 {
			p = api
		}
		p.Name = fmt.Sprintf("path%02d", i)
		in.Resolved.Paths = append(in.Resolved.Paths, p)
		s.check.Spec.Paths = append(s.check.Spec.Paths, v1alpha1.Path{Name: p.Name})
	}
	paths := diagnosis.Summarize(in).Paths
	if first, failing := len(paths[0].WorstPairs), len(paths[50].WorstPairs); first != 1 || failing != 5 {
		t.Errorf("%d Degraded pairs of the first path, %d Failing pairs of the last", first, failing)
	}
}

// The ends of tunnels go by their nodes, and a path without any is no trouble.
func TestOverlayShown(t *testing.T) {
	const key = "netladder-system/fleet/mesh/"
	s := newSim("node1", "node2")
	n := s.nodes["node1"]
	st := v1alpha1.ProbeAssignmentStatus{PodUID: n.facts.Prober.UID}
	n.report.Assignment.Spec = v1alpha1.ProbeAssignmentSpec{Targets: []v1alpha1.AssignedTarget{{IP: "10.244.2.0", Node: "node2"}, {IP: "fd00:2::", Node: "node2"}}}
	in := s.input()
	in.Resolved.Paths[0].Groups = nil
	for _, kind := range []v1alpha1.ProbeKind{v1alpha1.ProbeMTU, v1alpha1.ProbeTunnel} {
		g := group(key+string(kind), kind)
		g.Hash, g.From, g.Members = "tunnel-1", v1alpha1.SourceHost, []int32{0, 1}
		st.Groups = append(st.Groups, v1alpha1.GroupStatus{Key: g.Key, Hash: g.Hash, Pairs: counts(0, 0, 0, 2, 0)})
		for _, target := range []string{"10.244.2.0", "fd00:2::"} {
			st.NotPassing = append(st.NotPassing, v1alpha1.PairStatus{
				Group: g.Key, Target: target, State: v1alpha1.StateFailing, Verdict: v1alpha1.VerdictDropped, Since: ptr(metav1.NewTime(t0)),
				Reason: v1alpha1.CauseTunnelForwardMissing, Evidence: "no forwarding entry for node2",
			})
		}
		n.report.Assignment.Spec.Groups = append(n.report.Assignment.Spec.Groups, g)
		in.Resolved.Paths[0].Groups = append(in.Resolved.Paths[0].Groups, &plan.Group{Key: g.Key, Kind: kind, Content: "tunnel", Sources: []string{"node1"}})
	}
	n.report.Assignment.Status = st
	p := diagnosis.Summarize(in).Paths[0]
	var got []string
	for _, w := range p.WorstPairs {
		got = append(got, w.Target+" on "+w.TargetNode)
	}
	want := []string{"node2 on node2", "node2 (IPv6) on node2", "node2 (MTU) on node2", "node2 (MTU, IPv6) on node2"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s\n%+v", diff, p)
	}

	s = newSim("node1", "node2")
	in = s.input()
	in.Resolved.Paths[0] = plan.ResolvedPath{Name: in.Resolved.Paths[0].Name, Accepted: true, Reason: v1alpha1.ReasonNoOverlay, Message: "none is announced"}
	sum := diagnosis.Summarize(in)
	if p := sum.Paths[0]; p.State != v1alpha1.StateUnknown || p.Reason != v1alpha1.ReasonNoOverlay {
		t.Errorf("%+v", p)
	}
	for _, c := range sum.Conditions {
		if c.Type == v1alpha1.ConditionReady && c.Status != metav1.ConditionTrue {
			t.Errorf("%+v", c)
		}
	}
}
