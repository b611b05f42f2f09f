// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package prober

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/prober/probe"
	"github.com/netladder/netladder/prober/track"
	"github.com/netladder/netladder/test/netns"
)

// askingNodes ask each other by IP in IP, through a router.
func askingNodes(t *testing.T) (topo *netns.Topology, a, b *tunnelled) {
	t.Helper()
	topo = netns.NewTopology(t)
	make := func(name, other string, n *netns.NS, peer netip.Addr) *tunnelled {
		a := &agent{probes: probe.Kinds(), log: logr.Discard(), overlay: newOverlay()}
		a.overlay.update(&v1alpha1.ProbeAssignmentSpec{
			Targets: []v1alpha1.AssignedTarget{{IP: peer.String(), Node: other}},
			Groups:  []v1alpha1.ProbeGroup{{Kind: v1alpha1.ProbeIPIP, From: v1alpha1.SourceHost, Members: []int32{0}}},
		}, name)
		t.Cleanup(a.overlay.close)
		return &tunnelled{agent: a, at: place{t, n}, peer: peer}
	}
	return topo, make("node-a", "node-b", topo.Source, netns.TargetV4), make("node-b", "node-a", topo.Target, netns.SourceV4)
}

// A drop of protocol 4 is seen as that direction.
func TestIPIPFaults(t *testing.T) {
	topo, a, b := askingNodes(t)
	for _, c := range []struct {
		name, rule string
		a, b       string
	}{
		{"from a to b", "ip protocol 4 ip daddr 10.77.2.2 drop", v1alpha1.CauseTunnelWayThere, v1alpha1.CauseTunnelNotHeard},
		{"from b to a", "ip protocol 4 ip daddr 10.77.1.2 drop", v1alpha1.CauseTunnelNotHeard, v1alpha1.CauseTunnelWayThere},
		{"both ways", "ip protocol 4 drop", v1alpha1.CauseTunnelNotHeard, v1alpha1.CauseTunnelNotHeard},
	} {
		t.Run(c.name, func(t *testing.T) {
			_ = a.probe(v1alpha1.ProbeIPIP, 250*time.Millisecond) // the first begins to answer the other
			for _, n := range []*tunnelled{b, a, b} {
				if r := n.probe(v1alpha1.ProbeIPIP, 20*time.Second); r.Verdict != probe.Connected {
					t.Fatalf("healthy: %+v", r)
				}
			}
			topo.Router.RunInput(t, "table inet t { chain c { type filter hook forward priority 0;\n"+c.rule+"\n}\n}\n", "nft", "-f", "-")
			defer topo.Router.Run(t, "nft", "flush", "ruleset")
			var atA, atB probe.Result
			for range 3 {
				atA, atB = a.probe(v1alpha1.ProbeIPIP, 250*time.Millisecond), b.probe(v1alpha1.ProbeIPIP, 250*time.Millisecond)
			}
			for _, said := range []probe.Result{atA, atB} {
				if !strings.Contains(said.Evidence, "by IP in IP") || !strings.Contains(said.Evidence, "node-") {
					t.Errorf("says %s", said.Evidence)
				}
			}
			if atA.Verdict != probe.Dropped || atA.Reason != c.a || atB.Verdict != probe.Dropped || atB.Reason != c.b {
				t.Errorf("a says %s, %s: %s\nb says %s, %s: %s", atA.Verdict, atA.Reason, atA.Evidence, atB.Verdict, atB.Reason, atB.Evidence)
			}
		})
	}
}

// Where hosts track connections no reply proves anything. A pair that failed is
// not said to work when replies come again, nor to fail for ever.
func TestIPIPIsUnknownOnceRepliesProveNothing(t *testing.T) {
	topo, a, b := askingNodes(t)
	for _, n := range []*netns.NS{topo.Source, topo.Target} {
		n.RunInput(t, "table inet t { chain c { type filter hook input priority 0;\nct state new accept\n}\n}\n", "nft", "-f", "-")
	}
	spec := &v1alpha1.ProbeAssignmentSpec{
		Targets: []v1alpha1.AssignedTarget{{IP: a.peer.String(), Node: "node-b"}},
		Groups:  []v1alpha1.ProbeGroup{{Key: "g", Hash: "h", Kind: v1alpha1.ProbeIPIP, FailureThreshold: 2, Members: []int32{0}}},
	}
	tracker := track.New(func(track.Change) {})
	tracker.Update(spec, nil, time.Now())
	pair := tracker.Pair("g", spec.Pairs(&spec.Groups[0])[0].Key)
	round := func(timeout time.Duration) (state v1alpha1.State, reason string, every bool) {
		_ = b.probe(v1alpha1.ProbeIPIP, timeout)
		r := a.probe(v1alpha1.ProbeIPIP, timeout)
		every = pair.Observe(track.Observation{Verdict: v1alpha1.Verdict(r.Verdict), Reason: r.Reason, Evidence: r.Evidence}, time.Now())
		if _, listed := tracker.Snapshot(); len(listed) > 0 {
			return listed[0].State, listed[0].Reason, every
		}
		groups, _ := tracker.Snapshot()
		if groups[0].Pairs.Passing > 0 {
			t.Fatalf("it is said to work: %+v", r)
		}
		return v1alpha1.StatePending, "", every
	}
	_ = a.probe(v1alpha1.ProbeIPIP, 250*time.Millisecond) // the first begins to answer the other
	round(20 * time.Second)
	if state, reason, _ := round(20 * time.Second); state != v1alpha1.StateUnknown || reason != v1alpha1.ReasonInconclusive {
		t.Fatalf("replies come, and it is %s %s", state, reason)
	}
	topo.Router.RunInput(t, "table inet t { chain c { type filter hook forward priority 0;\nip protocol 4 ip daddr 10.77.2.2 drop\n}\n}\n", "nft", "-f", "-")
	for i := range 3 {
		if state, reason, _ := round(250 * time.Millisecond); i == 2 && (state != v1alpha1.StateFailing || reason != v1alpha1.CauseTunnelWayThere) {
			t.Fatalf("one way is broken, and it is %s %s", state, reason)
		}
	}
	topo.Router.Run(t, "nft", "flush", "ruleset")
	for i := 1; ; i++ {
		state, reason, every := round(20 * time.Second)
		switch {
		case i < 5 && state == v1alpha1.StateFailing:
		case i == 5 && state == v1alpha1.StateUnknown && reason == v1alpha1.ReasonInconclusive && !every:
			return
		default:
			t.Fatalf("round %d since it healed: %s %s, in every round: %v", i, state, reason, every)
		}
	}
}
