// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package diagnosis_test

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/controllers/diagnosis"
	"github.com/netladder/netladder/controllers/plan"
	"github.com/netladder/netladder/controllers/status"
)

const (
	passing, failing = v1alpha1.StatePassing, v1alpha1.StateFailing
	unknown, pending = v1alpha1.StateUnknown, v1alpha1.StatePending
	degraded         = v1alpha1.StateDegraded
)

func (d *denySim) keep() {
	d.check.Status = status.For(d.check, diagnosis.Summarize(d.input()), d.now)
}

// TestDenyPath goes through the proofs of four pairs.
func TestDenyPath(t *testing.T) {
	const (
		notListening = v1alpha1.ReasonTargetNotListening
		notProven    = v1alpha1.ReasonPathNotProven
		unavailable  = v1alpha1.ReasonControlUnavailable
	)
	young := 29 * time.Second
	for name, tc := range map[string]struct {
		do   func(d *denySim)
		want want
	}{
		"proven":       {func(*denySim) {}, want{passing, "", counts(0, 4, 0, 0, 0)}},
		"one is open":  {func(d *denySim) { d.open("web-0", "db-1") }, want{failing, "", counts(0, 3, 0, 1, 0)}},
		"reset opened": {func(d *denySim) { d.pair("web-0", "db-1", failingAs(v1alpha1.VerdictReset)) }, want{failing, "", counts(0, 3, 0, 1, 0)}},
		"denied is not open": {func(d *denySim) { d.pair("web-0", "db-1", failingAs(v1alpha1.VerdictDropped)) },
			want{unknown, v1alpha1.ReasonReportInconsistent, counts(0, 3, 0, 0, 1)}},
		"open needs no proof": {func(d *denySim) {
			d.open("web-0", "db-0").listener("db-0", failingAs(v1alpha1.VerdictNotListening))
		}, want{failing, "", counts(0, 2, 0, 1, 1)}},

		// Listeners.
		"not listening": {func(d *denySim) { d.listener("db-0", failingAs(v1alpha1.VerdictNotListening)) },
			want{unknown, notListening, counts(0, 2, 0, 0, 2)}},
		"its node does not get through": {func(d *denySim) { d.listener("db-0", failingAs(v1alpha1.VerdictRefused)) },
			want{unknown, notProven, counts(0, 2, 0, 0, 2)}},
		"degraded listener": {func(d *denySim) { d.listener("db-0", result{state: degraded}) }, want{passing, "", counts(0, 4, 0, 0, 0)}},
		"UDP is silent to its node": {func(d *denySim) {
			d.listener("db-0", unknownAs(v1alpha1.VerdictInconclusive, v1alpha1.ReasonInconclusive))
		}, want{unknown, v1alpha1.ReasonInconclusive, counts(0, 2, 0, 0, 2)}},
		"old prober": {func(d *denySim) {
			d.listener("db-0", unknownAs(v1alpha1.VerdictUnsupported, v1alpha1.ReasonUnsupported))
		}, want{unknown, unavailable, counts(0, 2, 0, 0, 2)}},
		"pending listener": {func(d *denySim) { d.listener("db-0", result{state: pending}) },
			want{unknown, unavailable, counts(0, 2, 0, 0, 2)}},
		"silent prober": {func(d *denySim) {
			d.nodes["node3"].report.SeenAt = d.now.Add(-161 * time.Second)
		}, want{unknown, unavailable, counts(0, 2, 0, 0, 2)}},
		"replaced prober":   {func(d *denySim) { d.nodes["node3"].facts.Prober.UID = "new" }, want{unknown, unavailable, counts(0, 2, 0, 0, 2)}},
		"never reported":    {func(d *denySim) { d.said("node3", listenerKey).Key = "x" }, want{unknown, unavailable, counts(0, 2, 0, 0, 2)}},
		"other content":     {func(d *denySim) { d.said("node3", listenerKey).Hash = "x-1" }, want{unknown, unavailable, counts(0, 2, 0, 0, 2)}},
		"other pairs":       {func(d *denySim) { d.said("node3", listenerKey).Hash = "Listener-0" }, want{unknown, unavailable, counts(0, 2, 0, 0, 2)}},
		"no prober there":   {func(d *denySim) { d.path.Proofs[0].Sources = []string{"node2"} }, want{unknown, unavailable, counts(0, 2, 0, 0, 2)}},
		"no assignment":     {func(d *denySim) { d.nodes["node3"].report.Assignment = nil }, want{unknown, unavailable, counts(0, 2, 0, 0, 2)}},
		"no proofs planned": {func(d *denySim) { d.path.Proofs = nil }, want{unknown, unavailable, counts(0, 0, 0, 0, 4)}},
		"left out": {func(d *denySim) {
			r := d.nodes["node3"].report
			r.Assignment.Spec.Groups, r.LeftOut = nil, []plan.LeftOut{{GroupKey: listenerKey, Wanted: 1}}
		}, want{unknown, v1alpha1.ReasonAssignmentTooLarge, counts(0, 2, 0, 0, 2)}},
		"does not add up": {func(d *denySim) { d.said("node3", listenerKey).Pairs = counts(0, 2, 0, 0, 0) },
			want{unknown, v1alpha1.ReasonReportInconsistent, counts(0, 2, 0, 0, 2)}},
		"absurd counts": {func(d *denySim) { d.said("node3", listenerKey).Pairs = counts(-1<<31, 1<<31-1, 1<<31-1, 3, 0) },
			want{unknown, v1alpha1.ReasonReportInconsistent, counts(0, 2, 0, 0, 2)}},
		"cut listener": {func(d *denySim) {
			d.listener("db-1", failingAs(v1alpha1.VerdictNotListening))
			st := &d.nodes["node3"].report.Assignment.Status
			st.NotPassing[0].Group, st.Cut = "commerce/other/path/TCP", 1
		}, want{unknown, unavailable, counts(0, 2, 0, 0, 2)}},
		"another pod at the address": {func(d *denySim) { d.nodes["node3"].report.Assignment.Spec.Targets[1].UID = "other" },
			want{unknown, unavailable, counts(0, 2, 0, 0, 2)}},
		"claimed by a node that was not told to look": {func(d *denySim) {
			d.listener("db-1", failingAs(v1alpha1.VerdictNotListening))
			st := &d.nodes["node1"].report.Assignment.Status
			st.Groups = append(st.Groups, v1alpha1.GroupStatus{Key: listenerKey, Hash: "Listener-1", Pairs: counts(0, 1, 0, 0, 0)})
		}, want{unknown, notListening, counts(0, 2, 0, 0, 2)}},

		// Wires.
		"broken wire":      {func(d *denySim) { d.wire("node1", "node3", failingAs(v1alpha1.VerdictDropped)) }, want{unknown, notProven, counts(0, 3, 0, 0, 1)}},
		"wire to own node": {func(d *denySim) { d.wire("node2", "node2", failingAs(v1alpha1.VerdictDropped)) }, want{unknown, notProven, counts(0, 3, 0, 0, 1)}},
		"wire of another":  {func(d *denySim) { d.wire("node3", "node2", failingAs(v1alpha1.VerdictDropped)) }, want{passing, "", counts(0, 4, 0, 0, 0)}},
		"degraded wire":    {func(d *denySim) { d.wire("node1", "node3", result{state: degraded}) }, want{passing, "", counts(0, 4, 0, 0, 0)}},
		"unmeasured wire":  {func(d *denySim) { d.wire("node1", "node3", unknownAs("Unmeasured", "Unmeasured")) }, want{unknown, unavailable, counts(0, 3, 0, 0, 1)}},
		"no echo pod there": {func(d *denySim) {
			d.nodes["node3"].facts.Echo = nil
			d.again()
		}, want{unknown, notProven, counts(0, 2, 0, 0, 2)}},
		"wire not reported": {func(d *denySim) { d.said("node1", wireKey).Key = "x" }, want{unknown, unavailable, counts(0, 2, 0, 0, 2)}},
		"wire and listener": {func(d *denySim) {
			d.wire("node1", "node3", failingAs(v1alpha1.VerdictDropped)).listener("db-1", failingAs(v1alpha1.VerdictNotListening))
		}, want{unknown, notListening, counts(0, 2, 0, 0, 2)}},

		// What the main prober says.
		"source silent": {func(d *denySim) { d.nodes["node1"].report.SeenAt = d.now.Add(-161 * time.Second) },
			want{unknown, v1alpha1.ReasonProberNotReady, counts(0, 2, 0, 0, 2)}},
		"not attempted": {func(d *denySim) { d.pair("web-0", "db-0", result{state: pending}) }, want{pending, "Pending", counts(1, 3, 0, 0, 0)}},
		"not attempted, and nothing listens": {func(d *denySim) {
			d.pair("web-0", "db-0", result{state: pending})
			d.listener("db-0", failingAs(v1alpha1.VerdictNotListening)).listener("db-1", failingAs(v1alpha1.VerdictNotListening))
		}, want{unknown, notListening, counts(1, 0, 0, 0, 3)}},
		"now and then open, and cut": {func(d *denySim) {
			d.pair("web-0", "db-0", result{state: degraded}).open("web-0", "db-1")
			st := &d.nodes["node1"].report.Assignment.Status
			st.NotPassing, st.Cut = st.NotPassing[:1], 1
		}, want{failing, "", counts(0, 2, 0, 1, 1)}},
		"now and then open": {func(d *denySim) { d.pair("web-0", "db-0", result{state: degraded, verdict: v1alpha1.VerdictConnected}) },
			want{degraded, "", counts(0, 3, 1, 0, 0)}},
		"now and then open, not proven": {func(d *denySim) {
			d.pair("web-0", "db-0", result{state: degraded}).listener("db-0", failingAs(v1alpha1.VerdictNotListening))
		}, want{unknown, notListening, counts(0, 2, 0, 0, 2)}},
		"intercepted": {func(d *denySim) {
			d.pair("web-0", "db-0", unknownAs(v1alpha1.VerdictIntercepted, v1alpha1.ReasonIntercepted))
		},
			want{unknown, v1alpha1.ReasonIntercepted, counts(0, 3, 0, 0, 1)}},
		"planned as an Allow": {func(d *denySim) { d.check.Spec.Paths[0].Expect = v1alpha1.ExpectAllow }, want{pending, "Pending", counts(2, 0, 0, 0, 0)}},

		// What excuses an open pair.
		"open, node of the target not ready": {func(d *denySim) { d.open("web-0", "db-0").nodes["node2"].facts.Ready = false },
			want{failing, "", counts(0, 3, 0, 1, 0)}},
		"open, node of the source not ready": {func(d *denySim) { d.open("web-0", "db-0").nodes["node1"].facts.Ready = false },
			want{failing, "", counts(0, 3, 0, 1, 0)}},
		"open, young prober": {func(d *denySim) { d.open("web-0", "db-0").nodes["node1"].facts.Prober.ReadySince = d.now },
			want{failing, "", counts(0, 3, 0, 1, 0)}},
		"open for a former prober": {func(d *denySim) { d.open("web-0", "db-0").nodes["node1"].facts.Prober.UID = "new" },
			want{unknown, v1alpha1.ReasonProberNotReady, counts(0, 2, 0, 0, 2)}},
		"open, young target": {func(d *denySim) { d.open("web-0", "db-0").pods["db-0"].facts.StartedAt = d.now.Add(-young) },
			want{unknown, v1alpha1.ReasonTargetReplaced, counts(0, 3, 0, 0, 1)}},
		"open, young source": {func(d *denySim) { d.open("web-0", "db-0").pods["web-0"].facts.StartedAt = d.now.Add(-young) },
			want{unknown, v1alpha1.ReasonSourceReplaced, counts(0, 3, 0, 0, 1)}},
		"open, no longer young": {func(d *denySim) {
			d.open("web-0", "db-0").pods["db-0"].facts.StartedAt = d.now.Add(-young - time.Second)
		},
			want{failing, "", counts(0, 3, 0, 1, 0)}},
		"open, terminating": {func(d *denySim) { d.open("web-0", "db-0").pods["db-0"].facts.Terminating = true },
			want{unknown, v1alpha1.ReasonTargetReplaced, counts(0, 3, 0, 0, 1)}},
		"was open, then terminating": {func(d *denySim) {
			d.open("web-0", "db-0").keep()
			d.pods["db-0"].facts.Terminating = true
		}, want{failing, "", counts(0, 3, 0, 1, 0)}},

		// What excuses that it is not proven.
		"not listening yet": {func(d *denySim) {
			d.listener("db-0", failingAs(v1alpha1.VerdictNotListening)).pods["db-0"].facts.StartedAt = d.now.Add(-young)
		}, want{pending, "Pending", counts(2, 2, 0, 0, 0)}},
		"not listening any more": {func(d *denySim) {
			d.listener("db-0", failingAs(v1alpha1.VerdictNotListening)).keep()
			d.pods["db-0"].facts.Terminating = true
		}, want{pending, "Pending", counts(2, 2, 0, 0, 0)}},
		"target node not ready": {func(d *denySim) {
			d.wire("node1", "node3", failingAs(v1alpha1.VerdictDropped)).nodes["node3"].facts.Ready = false
		}, want{unknown, v1alpha1.ReasonNodeNotReady, counts(0, 3, 0, 0, 1)}},
		"good results need no excuse": {func(d *denySim) { d.pods["db-0"].facts.Terminating = true }, want{passing, "", counts(0, 4, 0, 0, 0)}},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDeny()
			tc.do(d)
			p := d.judge()
			if got := (want{p.State, p.Reason, p.Pairs}); got != tc.want {
				t.Errorf("got %+v, want %+v\nmessage: %s", got, tc.want, p.Message)
			}
		})
	}
}

// TestProofsOnTheirWay: for two intervals and 5 s after the pairs or the proofs
// changed the path keeps its state; what is then still not proven is Unknown.
func TestProofsOnTheirWay(t *testing.T) {
	for name, tc := range map[string]struct {
		before func(d *denySim)
		after  time.Duration
		want   v1alpha1.State
	}{
		"nothing known before": {func(*denySim) {}, 0, pending},
		"passing":              {func(d *denySim) { d.keep() }, 24 * time.Second, passing},
		"failing":              {func(d *denySim) { d.open("web-0", "db-0").keep() }, 24 * time.Second, failing},
		"too late":             {func(d *denySim) { d.keep() }, 25 * time.Second, unknown},
		"of another spec": {func(d *denySim) {
			d.keep()
			d.check.Generation++
		}, 24 * time.Second, pending},
		"another is seen not to listen": {func(d *denySim) {
			d.keep()
			d.listener("db-0", failingAs(v1alpha1.VerdictNotListening))
		}, 24 * time.Second, unknown},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDeny()
			tc.before(d)
			d.nodes["node1"].results, d.nodes["node2"].results["x"] = map[string]result{}, result{}
			d.assignDeny("2")
			d.nodes["node3"].silent = true // its report still has the hash before
			d.heartbeat()
			d.after(tc.after)
			if got := d.judge(); got.State != tc.want {
				t.Errorf("got %s (%+v), want %s: %s", got.State, got.Pairs, tc.want, got.Message)
			}
		})
	}
}

// TestProofsOnTheirWayByGroup: that other groups of the same assignments change
// all the time does not excuse a proof that never comes.
func TestProofsOnTheirWayByGroup(t *testing.T) {
	d := newDeny()
	d.keep()
	d.said("node3", listenerKey).Hash = "Listener-0"
	for _, n := range d.nodes {
		n.report.ChangedAt, n.report.GroupsChangedAt = d.now, map[string]time.Time{"commerce/other/path/TCP": d.now}
	}
	if p := d.judge(); p.State != unknown {
		t.Errorf("got %s: %s", p.State, p.Message)
	}
	d.nodes["node3"].report.GroupsChangedAt[listenerKey] = d.now
	in := d.input()
	s := diagnosis.Summarize(in)
	if p := s.Paths[0]; p.State != passing || p.Pairs != counts(2, 2, 0, 0, 0) {
		t.Errorf("got %s: %+v", p.State, p.Pairs)
	}
	if wake := s.Deadline.Sub(d.now); wake <= 0 || wake > 25*time.Second {
		t.Errorf("judged again after %s", wake)
	}
}

// TestDenyFlapping: which way a path is blocked makes no event and no
// transition, and neither does it on a path that must work.
func TestDenyFlapping(t *testing.T) {
	s := newSim("node1", "node2").fail("node1>node2")
	s.persist()
	before := s.check.Status
	for i, v := range []v1alpha1.Verdict{v1alpha1.VerdictRejected, v1alpha1.VerdictDropped, v1alpha1.VerdictRejected} {
		s.after(20 * time.Second)
		r := s.nodes["node1"].results[meshKey+"node2/IPv4"]
		r.verdict = v
		s.nodes["node1"].results[meshKey+"node2/IPv4"] = r
		s.heartbeat()
		now := s.persist()
		if events := status.Events(before, now); len(events) > 0 {
			t.Errorf("%d: %+v", i, events)
		}
		if p := now.Paths[0]; p.LastTransitionTime != before.Paths[0].LastTransitionTime || p.WorstPairs[0].Verdict != v || p.WorstPairs[0].Since != before.Paths[0].WorstPairs[0].Since {
			t.Errorf("%d: %+v", i, p)
		}
	}
}

// TestDenyLatency: how long something was blocked for is no latency.
func TestDenyLatency(t *testing.T) {
	if p := newDeny().judge(); p.Latency != nil {
		t.Errorf("got %+v", p.Latency)
	}
}

// TestOpenSince: an open pair says since when, and where.
func TestOpenSince(t *testing.T) {
	d := newDeny()
	d.open("web-0", "db-1").after(time.Minute)
	w := d.judge().WorstPairs
	want := v1alpha1.WorstPair{Source: "web-0", SourceNode: "node1", Target: "db-1:5432", TargetNode: "node3",
		State: failing, Verdict: v1alpha1.VerdictConnected, Since: metav1.NewTime(t0)}
	if len(w) != 1 || w[0] != want {
		t.Errorf("got %+v", w)
	}
}

// TestDenyStory: what is told of a path whose policy is lifted and put back,
// and whose target goes down and comes up.
func TestDenyStory(t *testing.T) {
	d := newDeny()
	for _, step := range []struct {
		note string
		do   func()
		want string
		mark string
	}{
		{"proven", func() {}, "Normal PathPassing: path deny is Passing: blocked, and proven: the targets listen, and the way to them works", "1/1 "},
		{"policy off", func() { d.open("web-0", "db-1").open("web-1", "db-1") },
			"Warning PathFailing: path deny is Failing: open: web-0 reached db-1:5432 (Connected), web-1 reached db-1:5432 (Connected); " +
				"all 2 open pairs aim at db-1:5432; this path expects Deny", "0/1 deny"},
		{"one is closed", func() { d.pair("web-0", "db-1", result{state: passing}) }, "", "0/1 deny"},
		{"policy on", func() { d.pair("web-1", "db-1", result{state: passing}) },
			"Normal PathRecovered: path deny is Passing: blocked, and proven: the targets listen, and the way to them works", "1/1 "},
		{"target down", func() { d.listener("db-1", failingAs(v1alpha1.VerdictNotListening)) },
			"Normal PathUnknown: path deny is Unknown (TargetNotListening): 2 of 4 pairs are not proven to be blocked: 2 TargetNotListening, such as: " +
				"pod db-1 does not listen on TCP 5432, so nothing proves that a policy blocks it: start what listens there, or correct the port", "0/1 unknown: deny"},
		{"target up", func() { d.listener("db-1", result{state: passing}) },
			"Normal PathPassing: path deny is Passing: blocked, and proven: the targets listen, and the way to them works", "1/1 "},
	} {
		step.do()
		d.after(20 * time.Second)
		d.heartbeat()
		next := status.For(d.check, diagnosis.Summarize(d.input()), d.now)
		got := ""
		for _, e := range status.Events(d.check.Status, next) {
			got += e.Type + " " + e.Reason + ": " + e.Message
		}
		if got != step.want || next.Summary.Passing+" "+next.Summary.Broken != step.mark {
			t.Errorf("%s: got %s (%+v)\nwant %s", step.note, got, next.Summary, step.want)
		}
		d.check.Status = next
	}
}
