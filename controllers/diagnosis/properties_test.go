// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package diagnosis_test

import (
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/controllers/diagnosis"
	"github.com/netladder/netladder/controllers/plan"
	"github.com/netladder/netladder/controllers/status"
)

// hostile draws what a prober that means harm could send, with enough of what
// is right that it gets past the first checks.
func hostile(t *rapid.T, n *simNode) {
	text := rapid.OneOf(
		rapid.SampledFrom([]string{
			"", meshKey, apiKey, apiAddr, "node1/IPv4", "node2/IPv4", "node9/IPv4", "\xff\xfe\x00", "\x1b[31mred", "\u202eevil",
			strings.Repeat("x", 10_000), strings.Repeat("é", 5_000), "netladder-system/fleet/other/TCP",
		}), rapid.String())
	count := rapid.OneOf(rapid.Int32Range(-1, 3), rapid.Int32())
	state := rapid.SampledFrom([]v1alpha1.State{v1alpha1.StateFailing, v1alpha1.StateDegraded, v1alpha1.StateUnknown, v1alpha1.StatePassing, "", "Bogus"})
	st := &n.report.Assignment.Status
	if rapid.Bool().Draw(t, "otherPod") {
		st.PodUID = text.Draw(t, "podUID")
	}
	st.Cut = count.Draw(t, "cut")
	for i := range st.Groups {
		g := &st.Groups[i]
		switch rapid.IntRange(0, 3).Draw(t, "groupFault") {
		case 0:
			g.Pairs = counts(count.Draw(t, "a"), count.Draw(t, "b"), count.Draw(t, "c"), count.Draw(t, "d"), count.Draw(t, "e"))
		case 1:
			g.Key, g.Hash = text.Draw(t, "key"), text.Draw(t, "hash")
		}
		g.P50Microseconds, g.P99Microseconds = rapid.Int64().Draw(t, "p50"), rapid.Int64().Draw(t, "p99")
	}
	for range rapid.IntRange(0, 60).Draw(t, "entries") {
		st.NotPassing = append(st.NotPassing, v1alpha1.PairStatus{
			Group: text.Draw(t, "group"), Target: text.Draw(t, "target"), State: state.Draw(t, "state"),
			Verdict: v1alpha1.Verdict(text.Draw(t, "verdict")), Reason: text.Draw(t, "reason"), Evidence: text.Draw(t, "evidence"),
			Since: ptr(metav1.NewTime(t0.Add(time.Duration(rapid.Int64().Draw(t, "since"))))), Streak: count.Draw(t, "streak"),
		})
	}
}

// TestHostileReports: no report breaks the judgement, its sums or the limits
// of what is written.
func TestHostileReports(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := newSim("node1", "node2", "node3")
		for _, name := range s.names() {
			randomResults(t, s, name)
		}
		s.heartbeat()
		if rapid.Bool().Draw(t, "persisted") {
			s.persist()
		}
		for _, name := range s.names() {
			if rapid.Bool().Draw(t, "hostile") {
				hostile(t, s.nodes[name])
			}
		}
		got := status.For(s.check, diagnosis.Summarize(s.input()), s.now)
		for i, total := range []int32{6, 3} {
			if got.Paths[i].Pairs.Total() != total {
				t.Fatalf("%s: %+v do not add up to %d", got.Paths[i].Name, got.Paths[i].Pairs, total)
			}
		}
		checkLimits(t, got)
	})
}

// checkLimits holds a status against what its schema and people can bear.
func checkLimits(t *rapid.T, s v1alpha1.ConnectivityCheckStatus) {
	shown := 0
	for _, p := range s.Paths {
		shown += len(p.WorstPairs)
		if len(p.WorstPairs) > 10 || !clean(p.Message, 1024) || !clean(p.Reason, 64) {
			t.Fatalf("beyond the limits: %+v", p)
		}
		for _, w := range p.WorstPairs {
			if !clean(w.Evidence, 256) || !clean(w.Target, 320) || !clean(string(w.Verdict), 32) || !clean(w.Reason, 64) {
				t.Fatalf("beyond the limits: %+v", w)
			}
			if w.Since.After(t0.Add(24 * time.Hour)) {
				t.Fatalf("of the future: %+v", w)
			}
		}
		if p.Latency != nil && (p.Latency.P50.Duration <= 0 || p.Latency.P99.Duration > time.Minute) {
			t.Fatalf("impossible latency: %+v", p.Latency)
		}
	}
	if shown > 40 {
		t.Fatalf("%d worst pairs", shown)
	}
	for _, c := range s.Conditions {
		if !clean(c.Message, 1024) || c.Reason == "" || c.LastTransitionTime.IsZero() {
			t.Fatalf("bad condition: %+v", c)
		}
	}
}

func clean(s string, limit int) bool {
	return len(s) <= limit && utf8.ValidString(s) && !strings.ContainsAny(s, "\x00\x1b\n\u202e")
}

func randomResults(t *rapid.T, s *sim, source string) {
	state := rapid.SampledFrom([]v1alpha1.State{
		v1alpha1.StatePassing, v1alpha1.StateFailing, v1alpha1.StateDegraded, v1alpha1.StateUnknown, v1alpha1.StatePending,
	})
	for _, target := range append(s.names(), "api") {
		if target != source {
			s.set(source+">"+target, state.Draw(t, source+">"+target), v1alpha1.VerdictDropped)
		}
	}
}

// disturb gives a node one of the excuses, or none.
func disturb(t *rapid.T, s *sim, name string) (excused bool) {
	f := s.nodes[name].facts
	switch rapid.IntRange(0, 8).Draw(t, name) {
	case 0:
		f.Ready = false
	case 1:
		f.Gone = true
	case 2:
		f.ReadySince = s.now.Add(-time.Second)
	case 3:
		f.Prober.Ready = false
		s.nodes[name].silent = true // what is told was there before
		f.Echo.Terminating = true
	case 4:
		f.Prober = nil
		f.Echo = nil
	case 5:
		f.Prober.UID, f.Echo.UID = "new", "new"
	case 6:
		f.Prober.StartedAt, f.Echo.StartedAt = s.now.Add(-time.Second), s.now.Add(-time.Second)
	default:
		return false
	}
	return true
}

// TestExcusedPairsBreakNothing: a path that was not Failing does not become so
// by pairs that are all excused.
func TestExcusedPairsBreakNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := newSim("node1", "node2", "node3", "node4")
		s.persist()
		excused := map[string]bool{}
		for _, name := range s.names() {
			excused[name] = disturb(t, s, name)
		}
		for _, source := range s.names() {
			for _, target := range s.names() {
				if source != target && (excused[source] || excused[target]) {
					state := rapid.SampledFrom([]v1alpha1.State{v1alpha1.StatePassing, v1alpha1.StateFailing, v1alpha1.StateDegraded})
					s.set(source+">"+target, state.Draw(t, source+">"+target), v1alpha1.VerdictDropped)
				}
			}
		}
		for _, n := range s.nodes {
			uid := n.report.Assignment.Status.PodUID
			n.tellAs(uid, s.now)
			if n.silent {
				n.report.HeardAt = time.Time{}
			}
			if st := &n.report.Assignment.Status; len(st.NotPassing) > 0 && rapid.Bool().Draw(t, "cut") {
				st.Cut = int32(len(st.NotPassing) - 1)
				st.NotPassing = st.NotPassing[:1]
			}
		}
		for range 3 {
			p := diagnosis.Summarize(s.input()).Paths[0]
			if p.State == v1alpha1.StateFailing || p.Pairs.Failing > 0 {
				t.Fatalf("Failing by excused pairs: %+v", p)
			}
			s.persist()
		}
	})
}

// tellAs writes the status as the pod with this UID.
func (n *simNode) tellAs(uid string, now time.Time) {
	p := n.facts.Prober
	n.facts.Prober = &diagnosis.PodFacts{UID: uid}
	n.tell(now)
	n.facts.Prober = p
}

// TestOrderDoesNotMatter: the entries of a report may come in any order, and
// judging twice gives the same.
func TestOrderDoesNotMatter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := newSim("node1", "node2", "node3", "node4")
		for _, name := range s.names() {
			randomResults(t, s, name)
		}
		s.heartbeat()
		first := diagnosis.Summarize(s.input())
		for _, n := range s.nodes {
			st := &n.report.Assignment.Status
			st.NotPassing = rapid.Permutation(st.NotPassing).Draw(t, "entries")
			st.Groups = rapid.Permutation(st.Groups).Draw(t, "groups")
		}
		if diff := cmp.Diff(first, diagnosis.Summarize(s.input())); diff != "" {
			t.Fatal(diff)
		}
	})
}

// TestWorstPairs: at most 10 of a path and 40 of a check, the strongest
// verdicts first, then the oldest.
func TestWorstPairs(t *testing.T) {
	s := newSim("node1", "node2", "node3", "node4", "node5")
	s.set("node5>node1", v1alpha1.StateFailing, v1alpha1.VerdictRejected)
	s.set("node4>node1", v1alpha1.StateDegraded, v1alpha1.VerdictRejected)
	s.after(-time.Minute)
	for _, source := range s.names()[1:4] {
		for _, target := range s.names() {
			if source != target {
				s.set(source+">"+target, v1alpha1.StateFailing, v1alpha1.VerdictDropped)
			}
		}
	}
	s.after(-time.Minute)
	s.set("node3>node5", v1alpha1.StateFailing, v1alpha1.VerdictDropped)
	s.after(2 * time.Minute).heartbeat()
	in := s.input()
	for i := range 5 {
		p := in.Resolved.Paths[0]
		p.Name = fmt.Sprintf("again%d", i)
		in.Resolved.Paths = append(in.Resolved.Paths, p)
		s.check.Spec.Paths = append(s.check.Spec.Paths, v1alpha1.Path{Name: p.Name})
	}
	paths := diagnosis.Summarize(in).Paths
	var got []string
	for _, w := range paths[0].WorstPairs {
		got = append(got, w.Source+">"+w.Target)
	}
	want := []string{"node5>node1", "node3>node5", "node2>node1", "node2>node3", "node2>node4", "node2>node5", "node3>node1"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	n := 0
	for _, p := range paths {
		n += len(p.WorstPairs)
	}
	if n != 40 {
		t.Errorf("%d pairs in all", n)
	}
}

// BenchmarkSummarize judges one mesh path of 5,000 sources with 32 peers.
func BenchmarkSummarize(b *testing.B) {
	for name, broken := range map[string]int{"healthy": 0, "everyTenthPairFails": 3, "allFail": 32} {
		b.Run(name, func(b *testing.B) {
			in := fleet(5000, 32, broken)
			want := int32(5000 * 32)
			b.ReportAllocs()
			for b.Loop() {
				if got := diagnosis.Summarize(in).Paths[0].Pairs; got.Total() != want || got.Failing != int32(5000*broken) {
					b.Fatalf("%+v", got)
				}
			}
		})
	}
}

// fleet is one mesh path over many nodes, of which every source sees the first
// few of its peers fail.
func fleet(nodes, peers, broken int) diagnosis.Input {
	s := newSim()
	s.check.Spec.Paths = s.check.Spec.Paths[:1]
	in := s.input()
	names := make([]string, nodes)
	for i := range names {
		names[i] = fmt.Sprintf("node%05d", i)
	}
	for i, name := range names {
		at := t0.Add(-time.Hour)
		n := &simNode{facts: &diagnosis.NodeFacts{Ready: true, ReadySince: at, Prober: s.pod("prober", at)}}
		n.facts.Echo = &diagnosis.PodFacts{UID: "echo-" + name, Ready: true, StartedAt: at}
		spec := v1alpha1.ProbeAssignmentSpec{Heartbeat: metav1.Duration{Duration: time.Minute}}
		g := group(meshKey, v1alpha1.ProbeMeshTCP)
		g.Hash, g.Port = "mesh-1", plan.EchoPort
		st := v1alpha1.ProbeAssignmentStatus{PodUID: n.facts.Prober.UID}
		for k := range peers {
			peer := names[(i+k+1)%nodes]
			g.Members = append(g.Members, int32(k))
			spec.Nodes = append(spec.Nodes, v1alpha1.AssignedNode{Name: peer, EchoIPs: []string{"10.244.0.2"}, EchoUID: "echo-" + peer})
			if k < broken {
				st.NotPassing = append(st.NotPassing, v1alpha1.PairStatus{
					Group: meshKey, Target: peer + "/IPv4", State: v1alpha1.StateFailing,
					Verdict: v1alpha1.VerdictDropped, Evidence: "no answer", Since: ptr(metav1.NewTime(t0)),
				})
			}
		}
		st.Groups = []v1alpha1.GroupStatus{{Key: meshKey, Hash: g.Hash, Pairs: counts(0, int32(peers-broken), 0, int32(broken), 0), P50Microseconds: int64(200 + i%100), P99Microseconds: 900}}
		spec.Groups = []v1alpha1.ProbeGroup{g}
		in.Nodes[name] = n.facts
		in.Reports[name] = &diagnosis.Report{Assignment: &v1alpha1.ProbeAssignment{Spec: spec, Status: st}, SeenAt: t0, ChangedAt: at}
	}
	in.Resolved.Paths = []plan.ResolvedPath{{Name: "mesh", Accepted: true, Groups: []*plan.Group{
		{Key: meshKey, Kind: v1alpha1.ProbeMeshTCP, Content: "mesh", Sources: names}}}}
	return in
}
