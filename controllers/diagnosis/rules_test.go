// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package diagnosis_test

import (
	"testing"
	"time"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/controllers/diagnosis"
	"github.com/netladder/netladder/controllers/plan"
	"github.com/netladder/netladder/controllers/status"
)

// persist judges and keeps the status, as the controller does.
func (s *sim) persist() v1alpha1.ConnectivityCheckStatus {
	s.check.Status = status.For(s.check, diagnosis.Summarize(s.input()), s.now)
	return s.check.Status
}

type want struct {
	state  v1alpha1.State
	reason string
	pairs  v1alpha1.PairCounts
}

func counts(pending, passing, degraded, failing, unknown int32) v1alpha1.PairCounts {
	return v1alpha1.PairCounts{Pending: pending, Passing: passing, Degraded: degraded, Failing: failing, Unknown: unknown}
}

// meshOf changes what node1's prober says of the mesh.
func meshOf(s *sim) (*v1alpha1.ProbeAssignmentStatus, *v1alpha1.GroupStatus) {
	st := &s.nodes["node1"].report.Assignment.Status
	return st, &st.Groups[0]
}

func allOfMesh(s *sim, change func(*simNode)) {
	for _, n := range s.nodes {
		change(n)
	}
}

// TestMeshPath goes through the rules on three nodes, six pairs in all.
func TestMeshPath(t *testing.T) {
	const (
		passing, failing, degraded = v1alpha1.StatePassing, v1alpha1.StateFailing, v1alpha1.StateDegraded
		unknown, pending           = v1alpha1.StateUnknown, v1alpha1.StatePending
	)
	inconsistent := want{passing, "", counts(0, 4, 0, 0, 2)}
	for name, tc := range map[string]struct {
		do   func(s *sim)
		want want
	}{
		"healthy":   {func(*sim) {}, want{passing, "", counts(0, 6, 0, 0, 0)}},
		"one fails": {func(s *sim) { s.fail("node1>node2") }, want{failing, "", counts(0, 5, 0, 1, 0)}},
		"one is degraded": {func(s *sim) {
			s.set("node1>node2", degraded, v1alpha1.VerdictDropped)
			s.heartbeat()
		}, want{degraded, "", counts(0, 5, 1, 0, 0)}},
		"one is unknown": {func(s *sim) {
			s.set("node1>node2", unknown, v1alpha1.VerdictUnmeasured)
			s.heartbeat()
		}, want{passing, "", counts(0, 5, 0, 0, 1)}},

		// Belief.
		"never reported": {func(s *sim) {
			allOfMesh(s, func(n *simNode) { n.report.Assignment.Status = v1alpha1.ProbeAssignmentStatus{} })
		}, want{pending, "Pending", counts(6, 0, 0, 0, 0)}},
		"no assignment": {func(s *sim) {
			allOfMesh(s, func(n *simNode) { n.report.Assignment = nil })
		}, want{pending, "Pending", counts(3, 0, 0, 0, 0)}},
		"left out": {func(s *sim) {
			r := s.nodes["node1"].report
			r.Assignment.Spec.Groups = r.Assignment.Spec.Groups[1:]
			r.LeftOut = []plan.LeftOut{{GroupKey: meshKey, Wanted: 2}}
		}, want{passing, "", counts(0, 4, 0, 0, 2)}},
		"content changed": {func(s *sim) {
			allOfMesh(s, func(n *simNode) { n.report.Assignment.Status.Groups[0].Hash = "other-" })
		}, want{pending, "Pending", counts(6, 0, 0, 0, 0)}},
		"spec behind the plan": {func(s *sim) {
			allOfMesh(s, func(n *simNode) {
				n.report.Assignment.Spec.Groups[0].Hash, n.report.Assignment.Status.Groups[0].Hash = "other-", "other-"
			})
		}, want{pending, "Pending", counts(6, 0, 0, 0, 0)}},
		"negative count": {func(s *sim) {
			_, g := meshOf(s)
			g.Pairs = counts(0, 3, 0, -1, 0)
		}, inconsistent},
		"negative count made up for": {func(s *sim) {
			_, g := meshOf(s)
			g.Pairs = counts(-1, 3, 0, 0, 0)
		}, inconsistent},
		"not all that count are listed": {func(s *sim) {
			s.fail("node1>node2", "node1>node3")
			st, _ := meshOf(s)
			st.NotPassing = st.NotPassing[:1]
		}, inconsistent},
		"an entry more, of an unknown group of this check": {func(s *sim) {
			s.fail("node1>node2")
			st, _ := meshOf(s)
			st.NotPassing = append(st.NotPassing, st.NotPassing[0])
			st.NotPassing[1].Group = "netladder-system/fleet/other/TCP"
		}, inconsistent},
		"an entry more, of another check": {func(s *sim) {
			s.fail("node1>node2")
			st, _ := meshOf(s)
			st.NotPassing = append(st.NotPassing, st.NotPassing[0])
			st.NotPassing[1].Group = "netladder-system/other/mesh/TCP"
		}, want{failing, "", counts(0, 5, 0, 1, 0)}},
		"overflowing counts": {func(s *sim) {
			_, g := meshOf(s)
			g.Pairs = counts(1<<31-1, 1<<31-1, 1<<31-1, 5, 0)
		}, inconsistent},
		"counts too small": {func(s *sim) {
			_, g := meshOf(s)
			g.Pairs = counts(0, 1, 0, 0, 0)
		}, inconsistent},
		"counted and not listed": {func(s *sim) {
			_, g := meshOf(s)
			g.Pairs = counts(0, 1, 0, 1, 0)
		}, inconsistent},
		"listed and not counted": {func(s *sim) {
			s.fail("node1>node2")
			_, g := meshOf(s)
			g.Pairs = counts(0, 2, 0, 0, 0)
		}, inconsistent},
		"listed twice": {func(s *sim) {
			s.fail("node1>node2")
			st, g := meshOf(s)
			st.NotPassing = append(st.NotPassing, st.NotPassing[0])
			g.Pairs = counts(0, 0, 0, 2, 0)
		}, inconsistent},
		"unassigned pair": {func(s *sim) {
			s.fail("node1>node2")
			st, _ := meshOf(s)
			st.NotPassing[0].Target = "node9/IPv4"
		}, inconsistent},
		"unknown group of this check": {func(s *sim) {
			s.fail("node1>node2")
			st, _ := meshOf(s)
			st.NotPassing[0].Group = "netladder-system/fleet/other/TCP"
		}, inconsistent},
		"a passing pair is listed": {func(s *sim) {
			s.fail("node1>node2")
			st, g := meshOf(s)
			st.NotPassing[0].State = passing
			g.Pairs = counts(0, 2, 0, 0, 0)
		}, inconsistent},
		"too many entries": {func(s *sim) {
			s.fail("node1>node2")
			st, _ := meshOf(s)
			st.NotPassing = append(st.NotPassing, make([]v1alpha1.PairStatus, 50)...)
		}, inconsistent},
		"negative cut": {func(s *sim) {
			s.fail("node1>node2")
			st, _ := meshOf(s)
			st.Cut = -1
		}, inconsistent},
		"cut pairs count": {func(s *sim) {
			s.fail("node1>node2", "node1>node3")
			st, _ := meshOf(s)
			st.NotPassing, st.Cut = st.NotPassing[:1], 1
		}, want{failing, "", counts(0, 4, 0, 2, 0)}},
		"a cut pair may be the excused one": {func(s *sim) {
			s.fail("node1>node2", "node1>node3")
			st, _ := meshOf(s)
			st.NotPassing, st.Cut = st.NotPassing[:1], 1 // node2 is listed
			s.nodes["node3"].facts.Echo.Terminating = true
		}, want{failing, "", counts(0, 4, 0, 1, 1)}},

		// Masks: node1's prober says that node2 fails.
		"target node not ready": {masked(func(s *sim) { s.nodes["node2"].facts.Ready = false }),
			want{passing, "", counts(0, 5, 0, 0, 1)}},
		"target node gone": {masked(func(s *sim) { s.nodes["node2"].facts.Gone = true }),
			want{passing, "", counts(0, 5, 0, 0, 1)}},
		"target node came back": {masked(func(s *sim) { s.nodes["node2"].facts.ReadySince = s.now.Add(-29 * time.Second) }),
			want{passing, "", counts(0, 5, 0, 0, 1)}},
		"target node came back before the grace": {masked(func(s *sim) { s.nodes["node2"].facts.ReadySince = s.now.Add(-30 * time.Second) }),
			want{failing, "", counts(0, 5, 0, 1, 0)}},
		"target node was unheard in an outage and went on": {masked(func(s *sim) {
			s.since = s.now.Add(-20 * time.Second)
			f := s.nodes["node2"].facts
			f.NotReadySince, f.ReadySince = s.now.Add(-15*time.Second), s.now.Add(-5*time.Second)
		}), want{failing, "", counts(0, 5, 0, 1, 0)}},
		"target node was unheard in an outage and started anew": {masked(func(s *sim) {
			s.since = s.now.Add(-20 * time.Second)
			f := s.nodes["node2"].facts
			f.NotReadySince, f.ReadySince = s.now.Add(-15*time.Second), s.now.Add(-5*time.Second)
			f.Prober.StartedAt = s.now.Add(-10 * time.Second)
		}), want{passing, "", counts(0, 5, 0, 0, 1)}},
		"target node was made anew after an outage, and its pods are those of the old one": {masked(func(s *sim) {
			s.since = s.now.Add(-20 * time.Second)
			f := s.nodes["node2"].facts
			f.CreatedAt, f.NotReadySince, f.ReadySince = s.now.Add(-8*time.Second), s.now.Add(-8*time.Second), s.now.Add(-2*time.Second)
		}), want{passing, "", counts(0, 5, 0, 0, 1)}},
		"target node was away long before the outage ended": {masked(func(s *sim) {
			s.since = s.now.Add(-20 * time.Second)
			f := s.nodes["node2"].facts
			f.NotReadySince, f.ReadySince = s.now.Add(-time.Minute), s.now.Add(-5*time.Second)
		}), want{passing, "", counts(0, 5, 0, 0, 1)}},
		"target node was away in an outage, unseen, and settled": {masked(func(s *sim) {
			s.since = s.now.Add(-27 * time.Second)
			s.nodes["node2"].facts.ReadySince = s.now.Add(-26 * time.Second)
		}), want{failing, "", counts(0, 5, 0, 1, 0)}},
		"target node was away in an outage, unseen, and may settle": {masked(func(s *sim) {
			s.since = s.now.Add(-20 * time.Second)
			s.nodes["node2"].facts.ReadySince = s.now.Add(-2 * time.Second)
		}), want{passing, "", counts(0, 5, 0, 0, 1)}},
		"target node was away in an outage, unseen, and started anew": {masked(func(s *sim) {
			s.since = s.now.Add(-27 * time.Second)
			f := s.nodes["node2"].facts
			f.ReadySince = s.now.Add(-26 * time.Second)
			f.Echo.StartedAt = s.now.Add(-31 * time.Second)
		}), want{passing, "", counts(0, 5, 0, 0, 1)}},
		"target node was away days after an outage, and its pods went on": {masked(func(s *sim) {
			s.since = s.now.Add(-72 * time.Hour)
			f := s.nodes["node2"].facts
			f.NotReadySince, f.ReadySince = s.now.Add(-time.Minute), s.now.Add(-5*time.Second)
			f.Prober.StartedAt, f.Echo.StartedAt = s.now.Add(-80*time.Hour), s.now.Add(-80*time.Hour)
		}), want{passing, "", counts(0, 5, 0, 0, 1)}},
		"target node was away days after an outage, unseen, and its pods went on": {masked(func(s *sim) {
			s.since = s.now.Add(-72 * time.Hour)
			f := s.nodes["node2"].facts
			f.ReadySince = s.now.Add(-28 * time.Second)
			f.Prober.StartedAt, f.Echo.StartedAt = s.now.Add(-80*time.Hour), s.now.Add(-80*time.Hour)
		}), want{passing, "", counts(0, 5, 0, 0, 1)}},
		"source node was away days after an outage, and its pods went on": {masked(func(s *sim) {
			s.since = s.now.Add(-72 * time.Hour)
			f := s.nodes["node1"].facts
			f.NotReadySince, f.ReadySince = s.now.Add(-time.Minute), s.now.Add(-5*time.Second)
		}), want{passing, "", counts(0, 5, 0, 0, 1)}},
		"target node is noted as away shortly after the outage and went on": {masked(func(s *sim) {
			s.since = s.now.Add(-20 * time.Second)
			f := s.nodes["node2"].facts
			f.NotReadySince, f.ReadySince = s.now.Add(-10*time.Second), s.now.Add(-time.Second)
		}), want{failing, "", counts(0, 5, 0, 1, 0)}},
		"target node was away before the outage": {masked(func(s *sim) {
			s.since = s.now.Add(2 * time.Second)
			s.nodes["node2"].facts.ReadySince = s.now.Add(-29 * time.Second)
		}), want{passing, "", counts(0, 5, 0, 0, 1)}},
		"source prober was unheard in an outage and went on": {masked(func(s *sim) {
			s.since = s.now.Add(-20 * time.Second)
			f := s.nodes["node1"].facts
			f.NotReadySince, f.ReadySince = s.now.Add(-15*time.Second), s.now.Add(-5*time.Second)
			f.Prober.ReadySince = s.now.Add(-5 * time.Second)
		}), want{failing, "", counts(0, 5, 0, 1, 0)}},
		"a clock far ahead excuses nothing": {masked(func(s *sim) { s.nodes["node2"].facts.ReadySince = s.now.Add(time.Hour) }),
			want{failing, "", counts(0, 5, 0, 1, 0)}},
		"source node not ready": {masked(func(s *sim) { s.nodes["node1"].facts.Ready = false }),
			want{passing, "", counts(0, 5, 0, 0, 1)}},
		"source prober not ready, and heard": {masked(func(s *sim) { s.notReady("node1") }),
			want{failing, "", counts(0, 5, 0, 1, 0)}},
		"source prober not ready, and not heard yet": {masked(func(s *sim) {
			s.notReady("node1")
			s.nodes["node1"].report.HeardAt = time.Time{}
		}), want{passing, "", counts(0, 5, 0, 0, 1)}},
		"source prober not ready, and heard before the outage": {masked(func(s *sim) {
			s.notReady("node1")
			s.since = s.now.Add(time.Second)
			s.after(2 * time.Second)
		}), want{passing, "", counts(0, 5, 0, 0, 1)}},
		"source prober not ready, and heard after the outage": {masked(func(s *sim) {
			s.notReady("node1")
			s.since = s.now.Add(-time.Second)
		}), want{failing, "", counts(0, 5, 0, 1, 0)}},
		"source prober not ready, and silent since": {masked(func(s *sim) {
			s.notReady("node1")
			s.after(161 * time.Second)
			s.nodes["node2"].report.SeenAt, s.nodes["node3"].report.SeenAt = s.now, s.now
		}), want{passing, "", counts(0, 4, 0, 0, 2)}},
		"source prober not ready, and young": {masked(func(s *sim) {
			s.notReady("node1")
			s.nodes["node1"].facts.Prober.StartedAt = s.now.Add(-29 * time.Second)
		}), want{passing, "", counts(0, 5, 0, 0, 1)}},
		// Readiness fails after 30 s without a report, a node after 40: such an
		// outage turns only the former.
		"source prober ready again after a short outage": {masked(func(s *sim) {
			s.since = s.now.Add(-3 * time.Second)
			s.nodes["node1"].facts.Prober.ReadySince = s.now.Add(-time.Second)
		}), want{failing, "", counts(0, 5, 0, 1, 0)}},
		"source prober terminating": {masked(func(s *sim) { s.nodes["node1"].facts.Prober.Terminating = true }),
			want{passing, "", counts(0, 5, 0, 0, 1)}},
		"source prober young": {masked(func(s *sim) { s.nodes["node1"].facts.Prober.StartedAt = s.now.Add(-29 * time.Second) }),
			want{passing, "", counts(0, 5, 0, 0, 1)}},
		"source prober replaced": {masked(func(s *sim) { s.nodes["node1"].facts.Prober.UID = "new" }),
			want{passing, "", counts(0, 4, 0, 0, 2)}},
		"source prober missing": {masked(func(s *sim) { s.nodes["node1"].facts.Prober = nil }),
			want{passing, "", counts(0, 4, 0, 0, 2)}},
		"echo terminating": {masked(func(s *sim) { s.nodes["node2"].facts.Echo.Terminating = true }),
			want{passing, "", counts(0, 5, 0, 0, 1)}},
		"echo missing": {masked(func(s *sim) { s.nodes["node2"].facts.Echo = nil }),
			want{passing, "", counts(0, 5, 0, 0, 1)}},
		"echo replaced": {masked(func(s *sim) { s.nodes["node2"].facts.Echo.UID = "new" }),
			want{passing, "", counts(0, 5, 0, 0, 1)}},
		"echo young": {masked(func(s *sim) { s.nodes["node2"].facts.Echo.StartedAt = s.now.Add(-29 * time.Second) }),
			want{passing, "", counts(0, 5, 0, 0, 1)}},
		"echo younger than the report": {masked(func(s *sim) {
			s.nodes["node2"].facts.Echo.StartedAt = s.now.Add(time.Second)
			s.after(time.Minute)
		}), want{passing, "", counts(0, 5, 0, 0, 1)}},
		"echo not ready excuses nothing": {masked(func(s *sim) { s.nodes["node2"].facts.Echo.Ready = false }),
			want{failing, "", counts(0, 5, 0, 1, 0)}},
		"good results need no excuse": {func(s *sim) { s.nodes["node2"].facts.Ready = false },
			want{passing, "", counts(0, 6, 0, 0, 0)}},
		"degraded is excused too": {func(s *sim) {
			s.set("node1>node2", degraded, v1alpha1.VerdictDropped)
			s.heartbeat()
			s.nodes["node2"].facts.Ready = false
		}, want{passing, "", counts(0, 5, 0, 0, 1)}},

		// Failing before the excuse.
		"was failing, target node not ready": {func(s *sim) {
			s.fail("node1>node2").persist()
			s.nodes["node2"].facts.Ready = false
		}, want{failing, "", counts(0, 5, 0, 1, 0)}},
		"was failing, prober replaced": {func(s *sim) {
			s.fail("node1>node2").persist()
			s.nodes["node1"].facts.Prober.UID = "new"
		}, want{failing, "", counts(0, 4, 0, 1, 1)}},
		"another pair was failing": {func(s *sim) {
			s.fail("node3>node2").persist()
			s.set("node3>node2", passing, "")
			s.fail("node1>node2")
			s.nodes["node2"].facts.Ready = false
		}, want{passing, "", counts(0, 5, 0, 0, 1)}},
		"another pair was failing, and this one by its own word": {func(s *sim) {
			s.fail("node3>node2").persist()
			s.set("node3>node2", passing, "")
			s.fail("node1>node2")
			s.after(time.Minute).nodes["node2"].facts.Ready = false
			s.nodes["node2"].facts.NotReadySince = s.now
		}, want{passing, "", counts(0, 5, 0, 0, 1)}},
		"was failing behind the worst, before the excuse": {func(s *sim) {
			s.fail("node1>node2").persist()
			s.check.Status.Paths[0].WorstPairs = nil
			s.after(time.Minute).nodes["node2"].facts.Ready = false
			s.nodes["node2"].facts.NotReadySince = s.now
		}, want{failing, "", counts(0, 5, 0, 1, 0)}},
		"was not failing behind the worst before the excuse": {func(s *sim) {
			s.fail("node1>node2").persist()
			s.check.Status.Paths[0].WorstPairs = nil
			s.nodes["node2"].facts.Ready = false
			s.nodes["node2"].facts.NotReadySince = s.now.Add(-time.Second)
		}, want{passing, "", counts(0, 5, 0, 0, 1)}},

		// Silence: 2.5 heartbeats and 10 s are 160 s.
		"not yet stale": {func(s *sim) { s.after(160 * time.Second) }, want{passing, "", counts(0, 6, 0, 0, 0)}},
		"stale":         {func(s *sim) { s.after(161 * time.Second) }, want{unknown, "ProberNotReady", counts(0, 0, 0, 0, 6)}},
		"stale keeps failing": {func(s *sim) { s.fail("node1>node2").after(161 * time.Second) },
			want{failing, "", counts(0, 0, 0, 1, 5)}},
		"the API server was away": {func(s *sim) {
			s.after(time.Hour)
			s.since = s.now.Add(-160 * time.Second)
		}, want{passing, "", counts(0, 6, 0, 0, 0)}},
		"stale, and the nodes are not ready": {func(s *sim) {
			allOfMesh(s, func(n *simNode) { n.facts.Ready = false })
			s.after(161 * time.Second)
		}, want{unknown, "NodeNotReady", counts(0, 0, 0, 0, 6)}},
		"never reported, and the nodes are not ready": {func(s *sim) {
			allOfMesh(s, func(n *simNode) {
				n.facts.Ready, n.report.Assignment.Status = false, v1alpha1.ProbeAssignmentStatus{}
			})
		}, want{unknown, "NodeNotReady", counts(0, 0, 0, 0, 6)}},
		"never reported by young probers": {func(s *sim) {
			allOfMesh(s, func(n *simNode) {
				n.facts.Prober.StartedAt, n.report.Assignment.Status = s.now, v1alpha1.ProbeAssignmentStatus{}
			})
		}, want{pending, "Pending", counts(6, 0, 0, 0, 0)}},
		"never reported and stale": {func(s *sim) {
			allOfMesh(s, func(n *simNode) { n.report.Assignment.Status = v1alpha1.ProbeAssignmentStatus{} })
			s.after(161 * time.Second)
		}, want{unknown, "ProberNotReady", counts(0, 0, 0, 0, 6)}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSim("node1", "node2", "node3")
			tc.do(s)
			p := diagnosis.Summarize(s.input()).Paths[0]
			if got := (want{p.State, p.Reason, p.Pairs}); got != tc.want {
				t.Errorf("got %+v, want %+v\nmessage: %s", got, tc.want, p.Message)
			}
		})
	}
}

// notReady takes the readiness of a node's prober away.
func (s *sim) notReady(node string) {
	p := s.nodes[node].facts.Prober
	p.Ready, p.ReadySince = false, time.Time{}
}

// masked lets node1's prober say that node2 fails, and something excuse it.
func masked(excuse func(*sim)) func(*sim) {
	return func(s *sim) {
		s.fail("node1>node2")
		excuse(s)
	}
}
