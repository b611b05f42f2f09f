// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package diagnosis_test

import (
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/types"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/controllers/diagnosis"
	"github.com/netladder/netladder/controllers/plan"
	"github.com/netladder/netladder/controllers/status"
)

const (
	canaryKey     = "netladder-system/policy-enforcement/canary/TCP"
	canaryWireKey = "netladder-system/policy-enforcement/canary/Wire"
)

// canarySim is three nodes with a canary pod each, planned by the real plan.
type canarySim struct {
	*sim
	direction v1alpha1.PolicyDirection
	policies  diagnosis.CanaryPolicies
	cluster   *plan.Cluster
	bare      map[string]bool // nodes that the plan knows without a canary pod
}

func newCanary(direction v1alpha1.PolicyDirection) *canarySim {
	s := &canarySim{sim: newSim(), direction: direction, bare: map[string]bool{}}
	for _, n := range []string{"node1", "node2", "node3"} {
		s.addNode(n, t0.Add(-time.Hour))
		s.nodes[n].facts.Canary = s.pod("canary", t0.Add(-time.Hour))
	}
	s.check.Name, s.check.UID = "policy-enforcement", "check"
	s.check.Spec.Paths = []v1alpha1.Path{{
		Name: "canary", Expect: v1alpha1.ExpectDeny, From: v1alpha1.Source{Probers: &v1alpha1.ProbersSource{}},
		To: v1alpha1.Target{Canary: &v1alpha1.CanaryTarget{Direction: direction}},
	}}
	s.plan()
	for _, n := range s.nodes {
		n.report.ChangedAt = t0.Add(-time.Hour)
	}
	s.heartbeat()
	return s
}

var canarySettings = plan.Settings{Namespace: "netladder-system", Level: v1alpha1.LevelFull}

// plan writes every node's spec anew.
func (s *canarySim) plan() {
	s.cluster = &plan.Cluster{Nodes: map[string]*plan.Node{}}
	for i, name := range s.names() {
		f := s.nodes[name].facts
		n := &plan.Node{Name: name, UID: "uid", Prober: true}
		if f.Echo != nil {
			n.Echo = &plan.Echo{UID: types.UID(f.Echo.UID), IPs: []netip.Addr{netip.AddrFrom4([4]byte{10, 244, byte(i), 2})}}
		}
		if f.Canary != nil && !s.bare[name] {
			n.Canary = &plan.Canary{
				UID: types.UID(f.Canary.UID), Key: types.NamespacedName{Namespace: "netladder-system", Name: f.Canary.UID},
				IPs: []netip.Addr{netip.AddrFrom4([4]byte{10, 244, byte(i), podNumber(f.Canary.UID)})},
			}
		}
		s.cluster.Nodes[name] = n
	}
	in := plan.Input{Checks: []*v1alpha1.ConnectivityCheck{s.check}, Cluster: s.cluster, Settings: canarySettings, Now: s.now}
	for _, a := range plan.Build(in) {
		r := s.nodes[a.Node].report
		if !reflect.DeepEqual(r.Assignment.Spec, a.Spec) {
			r.Assignment.Spec, r.ChangedAt = a.Spec, s.now
		}
	}
}

// podNumber makes the address of a pod another than that of its predecessor.
func podNumber(uid string) byte {
	_, n, _ := strings.Cut(uid, "-")
	i, _ := strconv.Atoi(n)
	return byte(i)
}

func (s *canarySim) input() diagnosis.Input {
	in := s.sim.input()
	in.Resolved = plan.Resolve(s.check, s.cluster, canarySettings, s.now)
	in.Canary = s.policies
	for _, name := range s.names() {
		if s.nodes[name].facts.Gone {
			delete(in.Nodes, name)
		}
	}
	return in
}

// pair notes what the prober of a node saw of its canary pod.
func (s *canarySim) pair(node string, r result) *canarySim { return s.seen(node, canaryKey, r) }
func (s *canarySim) wire(node string, r result) *canarySim { return s.seen(node, canaryWireKey, r) }

func (s *canarySim) seen(node, key string, r result) *canarySim {
	a := s.nodes[node].report.Assignment
	for i := range a.Spec.Groups {
		if g := &a.Spec.Groups[i]; g.Key == key {
			for _, p := range a.Spec.Pairs(g) {
				r.since = s.now
				s.nodes[node].results[key+p.Key] = r
			}
		}
	}
	s.heartbeat()
	return s
}

func (s *canarySim) open(nodes ...string) *canarySim {
	for _, n := range nodes {
		s.pair(n, failingAs(v1alpha1.VerdictConnected))
	}
	return s
}

func (s *canarySim) keep() *canarySim {
	s.check.Status = status.For(s.check, diagnosis.Summarize(s.input()), s.now)
	return s
}

// replace a node's canary pod, as a rollout does.
func (s *canarySim) replace(node string) *canarySim {
	s.nodes[node].facts.Canary = s.pod("canary", s.now)
	s.plan()
	return s
}

// TestEnforcement: what makes a node enforced, not enforced, or neither, in both
// directions.
func TestEnforcement(t *testing.T) {
	const young = 29 * time.Second
	type counted struct{ enforced, not, inconclusive, pending int }
	notReady := func(node string, since time.Duration) func(s *canarySim) {
		return func(s *canarySim) {
			c := s.nodes[node].facts.Canary
			c.Ready, c.ReadySince, c.NotReadySince = false, time.Time{}, s.now.Add(-since)
		}
	}
	for name, tc := range map[string]struct {
		do     func(s *canarySim)
		state  v1alpha1.State
		reason string
		nodes  counted
	}{
		"enforced": {func(*canarySim) {}, passing, "", counted{3, 0, 0, 0}},

		// Not enforced.
		"one node does not":           {func(s *canarySim) { s.open("node3") }, failing, v1alpha1.ReasonPolicyNotEnforced, counted{2, 1, 0, 0}},
		"nobody does":                 {func(s *canarySim) { s.open("node1", "node2", "node3") }, failing, v1alpha1.ReasonPolicyNotEnforced, counted{0, 3, 0, 0}},
		"now and then":                {func(s *canarySim) { s.pair("node3", result{state: degraded}) }, degraded, "", counted{2, 1, 0, 0}},
		"open needs no proof":         {func(s *canarySim) { s.open("node3").wire("node3", failingAs(v1alpha1.VerdictDropped)) }, failing, v1alpha1.ReasonPolicyNotEnforced, counted{2, 1, 0, 0}},
		"open, and not Ready":         {func(s *canarySim) { s.open("node3"); notReady("node3", time.Hour)(s) }, failing, v1alpha1.ReasonPolicyNotEnforced, counted{2, 1, 0, 0}},
		"open, node not Ready":        {func(s *canarySim) { s.open("node3").nodes["node3"].facts.Ready = false }, failing, v1alpha1.ReasonPolicyNotEnforced, counted{2, 1, 0, 0}},
		"open beside an unproven one": {func(s *canarySim) { s.open("node3"); notReady("node1", time.Hour)(s) }, failing, v1alpha1.ReasonPolicyNotEnforced, counted{1, 1, 1, 0}},

		// Inconclusive: silence that may have another reason.
		"no proof of life":      {notReady("node2", 30*time.Second), unknown, v1alpha1.ReasonCanaryNotReady, counted{2, 0, 1, 0}},
		"the network is broken": {func(s *canarySim) { s.wire("node2", failingAs(v1alpha1.VerdictDropped)) }, unknown, v1alpha1.ReasonPathNotProven, counted{2, 0, 1, 0}},
		"no echo pod": {func(s *canarySim) {
			s.keep().nodes["node2"].facts.Echo = nil
			s.plan()
			s.after(time.Minute).heartbeat()
		}, unknown, "", counted{2, 0, 1, 0}},
		"no canary pod":          {func(s *canarySim) { s.keep().bare["node2"] = true; s.plan(); s.after(time.Minute).heartbeat() }, unknown, v1alpha1.ReasonCanaryNotReady, counted{2, 0, 1, 0}},
		"the wire was not tried": {func(s *canarySim) { s.wire("node2", unknownAs("Unmeasured", "Unmeasured")) }, unknown, v1alpha1.ReasonControlUnavailable, counted{2, 0, 1, 0}},
		"cannot enter the pod":   {func(s *canarySim) { s.pair("node2", unknownAs("Unsupported", "Unsupported")) }, unknown, v1alpha1.ReasonUnsupported, counted{2, 0, 1, 0}},
		"denied is not open":     {func(s *canarySim) { s.pair("node2", failingAs(v1alpha1.VerdictDropped)) }, unknown, v1alpha1.ReasonReportInconsistent, counted{2, 0, 1, 0}},
		"another policy admits": {func(s *canarySim) {
			s.open("node3").policies.Doubts = map[v1alpha1.PolicyDirection]string{s.direction: "NetworkPolicy open selects the canary pods too"}
		}, unknown, v1alpha1.ReasonCanaryNotIsolated, counted{0, 0, 3, 0}},

		// A node that is away, or a pod that comes or goes, is no news.
		"node not Ready":           {func(s *canarySim) { s.nodes["node3"].facts.Ready = false; notReady("node3", time.Hour)(s) }, passing, "", counted{2, 0, 1, 0}},
		"node gone":                {func(s *canarySim) { s.nodes["node3"].facts.Gone = true }, passing, "", counted{2, 0, 1, 0}},
		"prober replaced":          {func(s *canarySim) { s.nodes["node3"].facts.Prober = s.pod("prober", s.now) }, passing, "", counted{2, 0, 1, 0}},
		"prober silent":            {func(s *canarySim) { s.nodes["node3"].report.SeenAt = s.now.Add(-161 * time.Second) }, passing, "", counted{2, 0, 1, 0}},
		"not Ready a moment ago":   {func(s *canarySim) { s.keep(); notReady("node3", young)(s) }, passing, "", counted{2, 0, 0, 1}},
		"terminating":              {func(s *canarySim) { s.keep().nodes["node3"].facts.Canary.Terminating = true; notReady("node3", 0)(s) }, passing, "", counted{2, 0, 0, 1}},
		"replaced":                 {func(s *canarySim) { s.keep().replace("node3").after(young) }, passing, "", counted{3, 0, 0, 0}},
		"replaced, and open":       {func(s *canarySim) { s.keep().replace("node3").after(young).heartbeat(); s.open("node3") }, passing, "", counted{2, 0, 1, 0}},
		"replaced, and open still": {func(s *canarySim) { s.keep().replace("node3").after(young + time.Second).heartbeat(); s.open("node3") }, failing, v1alpha1.ReasonPolicyNotEnforced, counted{2, 1, 0, 0}},
		"was open, and replaced": {func(s *canarySim) { s.open("node3").keep().replace("node3").after(time.Second) },
			failing, v1alpha1.ReasonPolicyNotEnforced, counted{2, 0, 0, 1}},
		"echo pod replaced": {func(s *canarySim) {
			s.keep().nodes["node3"].facts.Echo = s.pod("echo", s.now)
			s.after(time.Second)
			s.wire("node3", failingAs(v1alpha1.VerdictWrongIdentity))
		}, passing, "", counted{2, 0, 0, 1}},
		"echo pod terminating": {func(s *canarySim) {
			s.keep().nodes["node3"].facts.Echo.Terminating = true
			s.wire("node3", failingAs(v1alpha1.VerdictDropped))
		}, passing, "", counted{2, 0, 0, 1}},
		"open, and the policy is new": {func(s *canarySim) { s.open("node3").policies.Since = s.now.Add(-young) }, passing, "", counted{2, 0, 1, 0}},
		"open, and the policy is not": {func(s *canarySim) { s.open("node3").policies.Since = s.now.Add(-young - time.Second) },
			failing, v1alpha1.ReasonPolicyNotEnforced, counted{2, 1, 0, 0}},

		// The beginning.
		"not attempted": {func(s *canarySim) { s.pair("node3", result{state: pending}) }, pending, "Pending", counted{2, 0, 0, 1}},
		"joins": {func(s *canarySim) {
			s.keep().addNode("node4", s.now)
			s.nodes["node4"].facts.Canary = s.pod("canary", s.now)
			s.plan()
		}, passing, "", counted{3, 0, 0, 1}},
		"joins without a canary pod": {func(s *canarySim) {
			s.keep().addNode("node4", s.now)
			s.plan()
		}, passing, "", counted{3, 0, 1, 0}},
	} {
		for _, direction := range []v1alpha1.PolicyDirection{v1alpha1.PolicyIngress, v1alpha1.PolicyEgress} {
			t.Run(name+" "+string(direction), func(t *testing.T) {
				s := newCanary(direction)
				tc.do(s)
				summary := diagnosis.Summarize(s.input())
				p, e := summary.Paths[0], summary.Enforcement[0]
				reason := tc.reason
				if name == "no echo pod" { // egress aims at it, ingress merely proves by it
					reason = v1alpha1.ReasonPathNotProven
					if direction == v1alpha1.PolicyEgress {
						reason = v1alpha1.ReasonCanaryNotReady
					}
				}
				got := counted{e.Enforced, e.NotEnforced, e.Inconclusive, e.Pending}
				if p.State != tc.state || p.Reason != reason || got != tc.nodes || e.Direction != direction || len(e.Nodes) != e.NotEnforced {
					t.Errorf("got %s (%s), %+v, want %s (%s), %+v\nmessage: %s\npairs: %+v", p.State, p.Reason, got, tc.state, reason, tc.nodes, p.Message, p.Pairs)
				}
				if (p.State == failing) != (p.Diagnosis != nil) {
					t.Errorf("%s, and the diagnosis is %+v", p.State, p.Diagnosis)
				}
			})
		}
	}
}

// TestEnforcementMessages: the sentence names the nodes and the next step.
func TestEnforcementMessages(t *testing.T) {
	const ingress, egress = v1alpha1.PolicyIngress, v1alpha1.PolicyEgress
	for name, tc := range map[string]struct {
		direction v1alpha1.PolicyDirection
		do        func(s *canarySim)
		want      string
	}{
		"one, ingress": {ingress, func(s *canarySim) { s.open("node3") },
			"ingress policies are not enforced on node3: the prober there reached the canary pod of its node, which NetworkPolicy netladder-canary denies; see whether the network plugin's policy agent runs there"},
		"one, egress": {egress, func(s *canarySim) { s.open("node3") },
			"egress policies are not enforced on node3: the canary pod there reached the echo pod of its node, which NetworkPolicy netladder-canary denies; see whether the network plugin's policy agent runs there"},
		"two": {ingress, func(s *canarySim) { s.open("node3", "node1") },
			"ingress policies are not enforced on node1, node3: the probers there reached the canary pods of their nodes, which NetworkPolicy netladder-canary denies; see whether the network plugin's policy agent runs there"},
		"all": {egress, func(s *canarySim) { s.open("node1", "node2", "node3") },
			"egress policies are not enforced on all 3 nodes: the canary pods there reached the echo pods of their nodes, which NetworkPolicy netladder-canary denies; see whether the network plugin of this cluster enforces NetworkPolicy at all"},
		"enforced": {egress, func(*canarySim) {}, "egress policies are enforced, and proven to be: the canary pods live, and their nodes' network works"},
		"one away": {ingress, func(s *canarySim) { s.nodes["node2"].facts.Ready = false; s.nodes["node2"].facts.Canary.Ready = false },
			"ingress policies are enforced, and proven to be: the canary pods live, and their nodes' network works; nothing is known of node2 (NodeNotReady)"},
		"not Ready": {ingress, func(s *canarySim) { s.nodes["node2"].facts.Canary.Ready = false },
			"of 1 of 3 nodes it is not known whether they enforce ingress policies: CanaryNotReady (the canary pod on node node2 is not Ready, so nothing proves that a policy blocks it: see why in the pods of DaemonSet netladder-canary)"},
		"a broken network": {egress, func(s *canarySim) { s.wire("node2", failingAs(v1alpha1.VerdictDropped)) },
			"of 1 of 3 nodes it is not known whether they enforce egress policies: PathNotProven (the prober on node2 does not reach the echo pod on node2 either (Dropped), so nothing proves that it is a policy that blocks the canary pod of node node2 on its way to the echo pod: repair the network of that node)"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newCanary(tc.direction)
			tc.do(s)
			if d := cmp.Diff(tc.want, diagnosis.Summarize(s.input()).Paths[0].Message); d != "" {
				t.Error(d)
			}
		})
	}
	s := newCanary(ingress)
	s.open("node3")
	p := diagnosis.Summarize(s.input()).Paths[0]
	want := []v1alpha1.DecidingPolicy{{Namespace: "netladder-system", Name: "netladder-canary", Direction: ingress}}
	if d := p.Diagnosis; d.Message != p.Message || !slices.Equal(d.Policies, want) {
		t.Errorf("%+v", d)
	}
	for i := range 300 {
		name := fmt.Sprintf("a-node-with-a-long-name-%s-%03d", strings.Repeat("x", 200), i)
		s.addNode(name, t0.Add(-time.Hour))
		s.nodes[name].facts.Canary = s.pod("canary", t0.Add(-time.Hour))
		s.plan()
		s.open(name)
	}
	if p := diagnosis.Summarize(s.input()).Paths[0]; len(p.Message) > 1024 || len(p.Diagnosis.Message) > 1024 || !strings.HasSuffix(p.Message, "policy agent runs there") {
		t.Errorf("%d bytes: %s", len(p.Message), p.Message)
	}
}

// TestEnforcementStory: what is told of a node whose policy agent is turned off
// and on, and of a rollout of all canary pods.
func TestEnforcementStory(t *testing.T) {
	s := newCanary(v1alpha1.PolicyIngress)
	s.check.Status.Paths = nil
	for _, step := range []struct {
		note string
		do   func()
		want string
	}{
		{"proven", func() {}, "PathPassing"},
		{"off", func() { s.after(time.Minute).heartbeat(); s.open("node3") }, "PathFailing"},
		{"still", func() { s.after(time.Minute).heartbeat() }, ""},
		{"on", func() { clear(s.nodes["node3"].results); s.after(time.Minute).heartbeat() }, "PathRecovered"},
		{"node1 rolls", func() { s.after(time.Minute).heartbeat(); s.replace("node1") }, ""},
		{"its prober knows", func() { s.after(2 * time.Second).heartbeat() }, ""},
		{"node2 rolls", func() { s.after(time.Minute).heartbeat(); s.nodes["node2"].facts.Canary.Terminating = true }, ""},
		{"its successor", func() { s.after(5 * time.Second); s.replace("node2").heartbeat() }, ""},
		{"drained", func() { s.after(time.Minute).heartbeat(); s.nodes["node2"].facts.Ready = false }, ""},
	} {
		before := s.check.Status
		step.do()
		s.keep()
		var got []string
		for _, e := range status.Events(before, s.check.Status) {
			got = append(got, e.Reason)
		}
		if strings.Join(got, " ") != step.want {
			t.Errorf("%s: events %v, want %q (%+v)", step.note, got, step.want, s.check.Status.Paths[0])
		}
	}
}
