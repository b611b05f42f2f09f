// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package diagnosis_test

import (
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/controllers/diagnosis"
	"github.com/netladder/netladder/controllers/plan"
)

// TestChangedPairs: node3 leaves and comes back, and the probers need a while
// to take that up.
func TestChangedPairs(t *testing.T) {
	for name, tc := range map[string]struct {
		before func(s *sim)
		after  time.Duration
		want   want
	}{
		"keeps passing":    {func(*sim) {}, 39 * time.Second, want{v1alpha1.StatePassing, "", counts(0, 6, 0, 0, 0)}},
		"until it is late": {func(*sim) {}, 40 * time.Second, want{v1alpha1.StatePending, "Pending", counts(6, 0, 0, 0, 0)}},
		"a listed pair that stays keeps its state": {func(s *sim) { s.fail("node1>node2") }, 20 * time.Second,
			want{v1alpha1.StateFailing, "", counts(0, 5, 0, 1, 0)}},
		"even when it is late": {func(s *sim) { s.fail("node1>node2") }, time.Minute,
			want{v1alpha1.StateFailing, "", counts(5, 0, 0, 1, 0)}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSim("node1", "node2", "node3")
			tc.before(s)
			s.persist()
			s.nodes["node3"].facts.Echo = s.pod("echo", s.now.Add(-time.Hour))
			s.nodes["node2"].facts.Echo = s.pod("echo", s.now.Add(-time.Hour))
			s.nodes["node1"].facts.Echo = s.pod("echo", s.now.Add(-time.Hour))
			s.assign()
			p := diagnosis.Summarize(s.after(tc.after).input()).Paths[0]
			if got := (want{p.State, p.Reason, p.Pairs}); got != tc.want {
				t.Errorf("got %+v, want %+v\nmessage: %s", got, tc.want, p.Message)
			}
		})
	}
}

// TestChangedPairsAllNew: the probers know the new pairs and have not
// attempted any; the path keeps its state for an interval and 30 s.
func TestChangedPairsAllNew(t *testing.T) {
	for name, tc := range map[string]struct {
		after      time.Duration
		generation int64
		want       v1alpha1.State
	}{
		"soon":            {5 * time.Second, 1, v1alpha1.StatePassing},
		"late":            {40 * time.Second, 1, v1alpha1.StatePending},
		"of another spec": {5 * time.Second, 2, v1alpha1.StatePending},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSim("node1", "node2")
			s.persist()
			s.nodes["node1"].facts.Echo, s.nodes["node2"].facts.Echo = s.pod("echo", t0), s.pod("echo", t0)
			s.assign()
			s.set("node1>node2", v1alpha1.StatePending, "")
			s.set("node2>node1", v1alpha1.StatePending, "")
			s.heartbeat()
			s.check.Generation = tc.generation
			if got := diagnosis.Summarize(s.after(tc.after).input()).Paths[0].State; got != tc.want {
				t.Errorf("got %s, want %s", got, tc.want)
			}
		})
	}
}

// TestNewPath: a path of which nothing is known yet passes once all of its pairs
// were attempted; one that is known does not wait for those that join it.
func TestNewPath(t *testing.T) {
	const pending, passing = v1alpha1.StatePending, v1alpha1.StatePassing
	untried := func(s *sim, pairs ...string) {
		for _, p := range pairs {
			s.set(p, pending, "")
		}
		s.heartbeat()
	}
	was := func(s *sim, state v1alpha1.State, ago time.Duration) {
		s.check.Status = v1alpha1.ConnectivityCheckStatus{ObservedGeneration: 1, Paths: []v1alpha1.PathStatus{
			{Name: "mesh", Accepted: true, State: state, LastTransitionTime: metav1.NewTime(t0.Add(-ago))},
		}}
	}
	for name, tc := range map[string]struct {
		do   func(s *sim)
		want v1alpha1.State
	}{
		"all attempted":   {func(*sim) {}, passing},
		"one not":         {func(s *sim) { untried(s, "node1>node2") }, pending},
		"a source not":    {func(s *sim) { untried(s, "node1>node2", "node1>node3") }, pending},
		"one is not told": {func(s *sim) { s.nodes["node1"].report.Assignment.Status = v1alpha1.ProbeAssignmentStatus{} }, pending},
		"one is not assigned": {func(s *sim) {
			s.nodes["node1"].report.Assignment.Spec.Groups = nil
		}, pending},
		"one is slow": {func(s *sim) {
			s.set("node2>node3", v1alpha1.StateDegraded, v1alpha1.VerdictConnected)
			untried(s, "node1>node2")
		}, pending},
		"one fails": {func(s *sim) {
			untried(s, "node1>node2")
			s.fail("node2>node3")
		}, v1alpha1.StateFailing},
		"still pending": {func(s *sim) {
			was(s, pending, 39*time.Second)
			untried(s, "node1>node2")
		}, pending},
		"some pair is new all the time": {func(s *sim) {
			was(s, pending, 40*time.Second)
			untried(s, "node1>node2")
		}, passing},
		"a source is late": {func(s *sim) {
			was(s, pending, time.Hour)
			untried(s, "node1>node2", "node1>node3")
		}, pending},
		"a source is silent": {func(s *sim) {
			was(s, pending, time.Hour)
			s.nodes["node1"].report.Assignment.Status = v1alpha1.ProbeAssignmentStatus{}
			s.nodes["node1"].report.SeenAt = t0.Add(-time.Hour)
		}, passing},
		"known, and one joins": {func(s *sim) {
			was(s, passing, time.Hour)
			untried(s, "node1>node2")
		}, passing},
		"known, and a source joins": {func(s *sim) {
			was(s, passing, time.Hour)
			untried(s, "node1>node2", "node1>node3")
		}, passing},
		"known of another spec": {func(s *sim) {
			was(s, passing, time.Hour)
			untried(s, "node1>node2")
			s.check.Generation = 2
		}, pending},
		"unknown before": {func(s *sim) {
			was(s, v1alpha1.StateUnknown, time.Hour)
			untried(s, "node1>node2")
		}, pending},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSim("node1", "node2", "node3")
			s.check.Spec.Interval.Duration = 10 * time.Second
			tc.do(s)
			found := diagnosis.Summarize(s.input())
			p, ready := found.Paths[0], found.Conditions[1]
			if p.State != tc.want {
				t.Errorf("got %s %+v, want %s", p.State, p.Pairs, tc.want)
			}
			if p.State == pending && (ready.Status == metav1.ConditionTrue || p.Reason != v1alpha1.ReasonPending || p.Message == "") {
				t.Errorf("%+v, Ready %+v", p, ready)
			}
		})
	}
}

// TestWithoutPairs: what needs no results.
func TestWithoutPairs(t *testing.T) {
	prev := func(state v1alpha1.State, reason string, ago time.Duration) v1alpha1.PathStatus {
		return v1alpha1.PathStatus{Name: "mesh", State: state, Reason: reason, LastTransitionTime: metav1.NewTime(t0.Add(-ago))}
	}
	noSources := plan.ResolvedPath{Reason: v1alpha1.ReasonNoSources, Message: "no running pod"}
	noEndpoints := plan.ResolvedPath{Accepted: true, Reason: v1alpha1.ReasonNoEndpoints, Message: "Service a/b has no endpoints"}
	for name, tc := range map[string]struct {
		resolved plan.ResolvedPath
		previous v1alpha1.PathStatus
		suspend  bool
		want     want
	}{
		"not accepted": {plan.ResolvedPath{Reason: v1alpha1.ReasonPortNotFound, Message: "no"}, v1alpha1.PathStatus{}, false,
			want{state: v1alpha1.StateUnknown, reason: v1alpha1.ReasonPortNotFound}},
		"no sources at first": {noSources, v1alpha1.PathStatus{}, false,
			want{state: v1alpha1.StatePending, reason: v1alpha1.ReasonNoSources}},
		"no sources in the grace": {noSources, prev(v1alpha1.StatePending, v1alpha1.ReasonNoSources, 29*time.Second), false,
			want{state: v1alpha1.StatePending, reason: v1alpha1.ReasonNoSources}},
		"no sources after the grace": {noSources, prev(v1alpha1.StatePending, v1alpha1.ReasonNoSources, 30*time.Second), false,
			want{state: v1alpha1.StateUnknown, reason: v1alpha1.ReasonNoSources}},
		"no sources after passing": {noSources, prev(v1alpha1.StatePassing, "", time.Second), false,
			want{state: v1alpha1.StateUnknown, reason: v1alpha1.ReasonNoSources}},
		"suspended": {noEndpoints, v1alpha1.PathStatus{}, true,
			want{state: v1alpha1.StateUnknown, reason: v1alpha1.ReasonSuspended}},
		"no endpoints at first": {noEndpoints, v1alpha1.PathStatus{}, false,
			want{state: v1alpha1.StateUnknown, reason: v1alpha1.ReasonNoEndpoints}},
		"no endpoints after passing for long": {noEndpoints, prev(v1alpha1.StatePassing, "", time.Hour), false,
			want{state: v1alpha1.StateUnknown, reason: v1alpha1.ReasonNoEndpoints}},
		"no endpoints after another unknown": {noEndpoints, prev(v1alpha1.StateUnknown, v1alpha1.ReasonNoTargets, time.Hour), false,
			want{state: v1alpha1.StateUnknown, reason: v1alpha1.ReasonNoEndpoints}},
		"no endpoints in the grace": {noEndpoints, prev(v1alpha1.StateUnknown, v1alpha1.ReasonNoEndpoints, 29*time.Second), false,
			want{state: v1alpha1.StateUnknown, reason: v1alpha1.ReasonNoEndpoints}},
		"no endpoints after the grace": {noEndpoints, prev(v1alpha1.StateUnknown, v1alpha1.ReasonNoEndpoints, 30*time.Second), false,
			want{state: v1alpha1.StateFailing, reason: v1alpha1.ReasonNoEndpoints}},
		"no endpoints stays failing": {noEndpoints, prev(v1alpha1.StateFailing, v1alpha1.ReasonNoEndpoints, time.Second), false,
			want{state: v1alpha1.StateFailing, reason: v1alpha1.ReasonNoEndpoints}},
	} {
		t.Run(name, func(t *testing.T) {
			in := newSim().input()
			in.Check.Spec.Suspend = tc.suspend
			tc.resolved.Name = "mesh"
			in.Resolved.Paths = []plan.ResolvedPath{tc.resolved}
			if tc.previous.Name != "" {
				in.Previous.Paths = []v1alpha1.PathStatus{tc.previous}
			}
			got := diagnosis.Summarize(in)
			p := got.Paths[0]
			if g := (want{p.State, p.Reason, p.Pairs}); g != tc.want {
				t.Errorf("got %+v, want %+v", g, tc.want)
			}
			if fresh := p.LastTransitionTime.Time.Equal(t0); fresh == (tc.previous.State == tc.want.state && tc.previous.Reason == tc.want.reason) {
				t.Errorf("lastTransitionTime %v", p.LastTransitionTime)
			}
			grace := p.Reason == v1alpha1.ReasonNoEndpoints && p.State == v1alpha1.StateUnknown || p.State == v1alpha1.StatePending
			if grace == got.Deadline.IsZero() || grace && got.Deadline.After(t0.Add(30*time.Second)) {
				t.Errorf("deadline %v while %s/%s", got.Deadline, p.State, p.Reason)
			}
			if other := got.Paths[1]; other.State != v1alpha1.StatePending || other.Accepted {
				t.Errorf("a path that is not planned: %+v", other)
			}
		})
	}
}

// TestNoServers: a path to each server of the cluster's DNS fails for the same
// cause as those that ask its Service, when there is none.
func TestNoServers(t *testing.T) {
	in := newSim().input()
	in.DNS = types.NamespacedName{Namespace: "kube-system", Name: "kube-dns"}
	in.Check.Spec.Paths[0].To = v1alpha1.Target{DNS: &v1alpha1.DNSTarget{Name: "a.", Resolver: v1alpha1.DNSEachReplica}}
	name := in.Check.Spec.Paths[0].Name
	in.Resolved.Paths = []plan.ResolvedPath{{Name: name, Accepted: true, Reason: v1alpha1.ReasonNoEndpoints, Message: "no endpoints"}}
	in.Previous.Paths = []v1alpha1.PathStatus{{Name: name, State: v1alpha1.StateFailing, Reason: v1alpha1.ReasonNoEndpoints}}
	d := diagnosis.Summarize(in).Paths[0].Diagnosis
	if d == nil || d.Rung != v1alpha1.RungDNS || d.Reason != v1alpha1.ReasonDNSNoServers || !strings.Contains(d.Message, "kube-system/kube-dns") {
		t.Errorf("diagnosis %+v", d)
	}
}

// TestMessage: the sentence names what the failing pairs have in common, and
// only that.
func TestMessage(t *testing.T) {
	for name, tc := range map[string]struct {
		path int
		fail []string
		want string
	}{
		"one pair":       {0, []string{"node1>node2"}, "1 of 12 pairs fails: node1→node2 Dropped; the other 11 pairs pass"},
		"aim at a node":  {0, []string{"node1>node2", "node3>node2"}, "all 2 failing pairs aim at node2: node1→node2 Dropped, node3→node2 Dropped; the other 10 pairs pass"},
		"start at":       {0, []string{"node1>node2", "node1>node3"}, "all 2 failing pairs start at node1: node1→node2 Dropped, node1→node3 Dropped; the other 10 pairs pass"},
		"involve":        {0, []string{"node1>node2", "node2>node3"}, "all 2 failing pairs involve node2: node1→node2 Dropped, node2→node3 Dropped; the other 10 pairs pass"},
		"between":        {0, []string{"node1>node2", "node2>node1"}, "all 2 failing pairs are between node1 and node2: node1→node2 Dropped, node2→node1 Dropped; the other 10 pairs pass"},
		"nothing common": {0, []string{"node1>node2", "node3>node4"}, "2 of 12 pairs fail: node1→node2 Dropped, node3→node4 Dropped; the other 10 pairs pass"},
		"everywhere":     {1, []string{"node1>api", "node2>api", "node3>api", "node4>api"}, "from all 4 nodes to 10.96.0.1:443: node1→10.96.0.1:443 Dropped, node2→10.96.0.1:443 Dropped, node3→10.96.0.1:443 Dropped, node4→10.96.0.1:443 Dropped"},
		"some nodes":     {1, []string{"node1>api", "node2>api"}, "all 2 failing pairs aim at 10.96.0.1:443: node1→10.96.0.1:443 Dropped, node2→10.96.0.1:443 Dropped; the other 2 pairs pass"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSim("node1", "node2", "node3", "node4").fail(tc.fail...)
			if got := diagnosis.Summarize(s.input()).Paths[tc.path].Message; got != tc.want {
				t.Errorf("got  %s\nwant %s", got, tc.want)
			}
		})
	}
}

// TestFresh: an unexplained silence makes the check not Fresh and so not
// Ready; one that the node explains does not.
func TestFresh(t *testing.T) {
	for name, tc := range map[string]struct {
		do           func(s *sim)
		fresh, ready metav1.ConditionStatus
	}{
		"silent":         {func(*sim) {}, metav1.ConditionFalse, metav1.ConditionUnknown},
		"node not ready": {func(s *sim) { s.nodes["node1"].facts.Ready = false }, metav1.ConditionTrue, metav1.ConditionTrue},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSim("node1", "node2", "node3").after(170 * time.Second)
			s.nodes["node1"].silent = true
			s.heartbeat()
			tc.do(s)
			got := map[string]metav1.Condition{}
			for _, c := range diagnosis.Summarize(s.input()).Conditions {
				got[c.Type] = c
			}
			if got["Fresh"].Status != tc.fresh || got["Ready"].Status != tc.ready || got["Accepted"].Status != metav1.ConditionTrue {
				t.Errorf("got %+v", got)
			}
			if tc.fresh == metav1.ConditionFalse && !strings.Contains(got["Fresh"].Message, "node1") {
				t.Errorf("the message does not name the node: %s", got["Fresh"].Message)
			}
		})
	}
}
