// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/test/builders"
)

// shop is a cluster with probers of level Full and a tenant, of whom a
// frontend runs on node0 and a database on node1.
type shop struct {
	*cluster
	nodes        []string
	frontend, db *corev1.Pod
}

const dbPort = 5432

func newShop(t *testing.T) *shop {
	t.Helper()
	s := &shop{cluster: newCluster(t), nodes: names(3)}
	s.options.Level = v1alpha1.LevelFull
	for i, name := range s.nodes {
		s.createNode(name, i)
	}
	s.makeTenant(nil)
	s.frontend = s.workload("frontend", "node0", "10.9.0.10")
	s.db = s.workload("db", "node1", "10.9.1.10")
	return s
}

// workload makes a pod of the tenant, with its name as its label app, that has
// been running for long.
func (s *shop) workload(name, node, ip string) *corev1.Pod {
	s.t.Helper()
	return s.createWorkload(s.tenants[0], running(builders.MakePod(name, node).Label("app", name).IPs(ip)))
}

func running(b *builders.Pod) *builders.Pod {
	return b.Ready(corev1.ConditionTrue, time.Now().Add(-time.Hour))
}

// declare makes the tenant's check of the path from the frontend to the
// database.
func (s *shop) declare(expect v1alpha1.Expectation) {
	s.t.Helper()
	b := builders.MakeCheck("shop").Namespace(s.tenants[0]).
		Declare("db", builders.FromPods(app("frontend")), builders.ToPods(nil, app("db"), dbPort))
	if expect == v1alpha1.ExpectDeny {
		b.Deny()
	}
	s.create(b.Obj())
}

func app(name string) map[string]string { return map[string]string{"app": name} }

// group of that kind in a node's assignment.
func (h *cluster) group(node string, kind v1alpha1.ProbeKind) (*v1alpha1.ProbeAssignment, *v1alpha1.ProbeGroup, error) {
	a, err := h.assignment(node)
	if err != nil {
		return nil, nil, err
	}
	var have []string
	for i := range a.Spec.Groups {
		if a.Spec.Groups[i].Kind == kind {
			return a, &a.Spec.Groups[i], nil
		}
		have = append(have, a.Spec.Groups[i].Key)
	}
	return nil, nil, fmt.Errorf("%s has no group %s, but %v", node, kind, have)
}

// probed waits until a node's group of that kind has these pairs.
func (h *cluster) probed(node string, kind v1alpha1.ProbeKind, want ...string) *v1alpha1.ProbeGroup {
	h.t.Helper()
	var group *v1alpha1.ProbeGroup
	h.eventually(fmt.Sprintf("%s to hold %s", node, kind), func() error {
		a, g, err := h.group(node, kind)
		if err != nil {
			return err
		}
		var keys []string
		for _, pair := range a.Spec.Pairs(g) {
			keys = append(keys, pair.Key)
		}
		if diff := cmp.Diff(want, keys); diff != "" {
			return errors.New(diff)
		}
		group = g
		return nil
	})
	return group
}

func key(source *corev1.Pod, ip string, port int) string {
	return fmt.Sprintf("%s>%s:%d", source.UID, ip, port)
}

// path waits until the only path of a check has a state and a reason.
func (h *cluster) path(check string, state v1alpha1.State, reason string) *v1alpha1.PathStatus {
	h.t.Helper()
	var path v1alpha1.PathStatus
	h.eventually(fmt.Sprintf("check %s to be %s %s", check, state, reason), func() error {
		paths := h.check(check).Status.Paths
		if len(paths) != 1 {
			return fmt.Errorf("%d paths", len(paths))
		}
		if path = paths[0]; path.State != state || path.Reason != reason {
			return fmt.Errorf("%+v", path)
		}
		return nil
	})
	return &path
}

func TestAllowFromPods(t *testing.T) {
	s := newShop(t)
	// None of these is a source: it has no identity of its own, or another one.
	s.createWorkload(s.tenants[0], running(builders.MakePod("host", "node2").Label("app", "frontend").HostNetwork().IPs("192.0.2.3")))
	other := s.makeTenant(nil)
	s.createWorkload(other, running(builders.MakePod("frontend", "node2").Label("app", "frontend").IPs("10.9.2.11")))
	s.declare(v1alpha1.ExpectAllow)
	s.start()
	g := s.probed("node0", v1alpha1.ProbeTCPHalfOpen, key(s.frontend, "10.9.1.10", dbPort))
	if g.From != v1alpha1.SourcePods || g.Expect == v1alpha1.ExpectDeny {
		t.Errorf("the group is %+v", g)
	}
	s.assigned(s.nodes[1:], 0)
	s.report("node0")
	s.readyIs("shop", metav1.ConditionTrue, "")

	s.clock.Step(2 * time.Minute)
	s.report("node0", "/db/")
	path := s.path("shop", v1alpha1.StateFailing, "")
	if len(path.WorstPairs) != 1 {
		t.Fatalf("worst pairs: %+v", path.WorstPairs)
	}
	if w := path.WorstPairs[0]; w.Source != "frontend" || w.SourceNode != "node0" || !strings.Contains(w.Target, "db") || w.TargetNode != "node1" {
		t.Errorf("the pair is named %+v", w)
	}

	// A second database, and then neither.
	second := s.workload("db2", "node2", "10.9.2.10")
	second.Labels = app("db")
	must(t, s.client.Update(t.Context(), second))
	s.eventually("two pairs", func() error {
		a, g, err := s.group("node0", v1alpha1.ProbeTCPHalfOpen)
		if err == nil && len(a.Spec.Pairs(g)) != 2 {
			return fmt.Errorf("%d pairs", len(a.Spec.Pairs(g)))
		}
		return err
	})
	s.delete(s.db)
	s.probed("node0", v1alpha1.ProbeTCPHalfOpen, key(s.frontend, "10.9.2.10", dbPort))
	s.report("node0")
	s.readyIs("shop", metav1.ConditionTrue, "")
	s.delete(second)
	s.path("shop", v1alpha1.StateUnknown, v1alpha1.ReasonNoTargets)
	s.assigned(s.nodes, 0)
}

func TestLabelChangeDropsTheSourceAtOnce(t *testing.T) {
	s := newShop(t)
	s.declare(v1alpha1.ExpectAllow)
	s.start()
	s.probed("node0", v1alpha1.ProbeTCPHalfOpen, key(s.frontend, "10.9.1.10", dbPort))
	s.report("node0")
	s.readyIs("shop", metav1.ConditionTrue, "")
	before := s.clock.Now()
	s.frontend.Labels = app("backend")
	must(t, s.client.Update(t.Context(), s.frontend))
	s.assigned(s.nodes, 0)
	// The API server's events take their time; the controller's own is planDelay.
	if took := s.clock.Now().Sub(before); took > 30*planDelay {
		t.Errorf("it took %s of the controller's time", took)
	}
	s.path("shop", v1alpha1.StateUnknown, v1alpha1.ReasonNoSources)
	s.frontend.Labels = app("frontend")
	must(t, s.client.Update(t.Context(), s.frontend))
	s.probed("node0", v1alpha1.ProbeTCPHalfOpen, key(s.frontend, "10.9.1.10", dbPort))
}

// TestDenyIsProvenByTwoNodes: what the target's node reports makes a path of
// another node's source pass or not.
func TestDenyIsProvenByTwoNodes(t *testing.T) {
	s := newShop(t)
	s.declare(v1alpha1.ExpectDeny)
	s.start()
	pair := key(s.frontend, "10.9.1.10", dbPort)
	if g := s.probed("node0", v1alpha1.ProbeTCPHalfOpen, pair); g.Expect != v1alpha1.ExpectDeny {
		t.Errorf("the prober is to expect %q", g.Expect)
	}
	s.probed("node0", v1alpha1.ProbeWire, "node1/IPv4")
	s.probed("node1", v1alpha1.ProbeListener, "10.9.1.10:5432")
	s.clock.Step(2 * time.Minute)
	s.reportAll(s.nodes)
	s.path("shop", v1alpha1.StatePassing, "")
	s.readyIs("shop", metav1.ConditionTrue, "")

	s.reportSeen("node1", outcome{"/Listener", v1alpha1.StateFailing, v1alpha1.VerdictNotListening, ""})
	s.path("shop", v1alpha1.StateUnknown, v1alpha1.ReasonTargetNotListening)
	s.report("node1")
	s.path("shop", v1alpha1.StatePassing, "")

	s.report("node0", "/Wire")
	s.path("shop", v1alpha1.StateUnknown, v1alpha1.ReasonPathNotProven)
	s.report("node0")
	s.path("shop", v1alpha1.StatePassing, "")

	// Open is open, whatever is proven.
	s.reportSeen("node1", outcome{"/Listener", v1alpha1.StateFailing, v1alpha1.VerdictNotListening, ""})
	s.reportSeen("node0", outcome{"/TCPHalfOpen", v1alpha1.StateFailing, v1alpha1.VerdictConnected, ""})
	path := s.path("shop", v1alpha1.StateFailing, "")
	if len(path.WorstPairs) != 1 || path.WorstPairs[0].Verdict != v1alpha1.VerdictConnected {
		t.Errorf("worst pairs: %+v", path.WorstPairs)
	}
	if v, ok := s.metric("netladder_path_state,check=shop,path=db,expect=Deny,state=Failing"); !ok || v != 1 {
		t.Errorf("the metric is %v (exported: %t)", v, ok)
	}
}

// TestDenyWithoutAProberAtTheTarget: silence is no proof.
func TestDenyWithoutAProberAtTheTarget(t *testing.T) {
	s := newShop(t)
	s.declare(v1alpha1.ExpectDeny)
	s.start()
	s.probed("node1", v1alpha1.ProbeListener, "10.9.1.10:5432")
	s.clock.Step(2 * time.Minute)
	s.reportAll(s.nodes)
	s.path("shop", v1alpha1.StatePassing, "")
	s.delete(&corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: "prober-node1"}})
	s.eventually("the path to be Unknown", func() error {
		s.clock.Step(time.Second)
		s.reportAll([]string{"node0", "node2"})
		if path := s.check("shop").Status.Paths[0]; path.State != v1alpha1.StateUnknown {
			return fmt.Errorf("%+v", path)
		}
		return nil
	})
}

// TestDisclosure: of another tenant's pods nothing is learned and nothing is
// shown, unless its namespace says so.
func TestDisclosure(t *testing.T) {
	s := newShop(t)
	secret := s.makeTenant(map[string]string{"team": "vault"})
	s.createWorkload(secret, running(builders.MakePod("topsecret", "node2").Label("app", "vault").IPs("10.9.2.20")))
	s.create(builders.MakeCheck("shop").Namespace(s.tenants[0]).
		Declare("vault", builders.FromPods(app("frontend")), builders.ToPods(map[string]string{"team": "vault"}, app("vault"), 8200)).Deny().Obj())
	s.start()
	s.probed("node0", v1alpha1.ProbeTCPHalfOpen, key(s.frontend, "10.9.2.20", 8200))
	s.clock.Step(2 * time.Minute)
	s.reportAll(s.nodes)
	s.path("shop", v1alpha1.StateUnknown, v1alpha1.ReasonControlNotPermitted)
	s.reportSeen("node0", outcome{"/TCPHalfOpen", v1alpha1.StateFailing, v1alpha1.VerdictConnected, ""})
	s.path("shop", v1alpha1.StateFailing, "")
	s.hasEvent("shop", "PathFailing")
	if _, _, err := s.group("node2", v1alpha1.ProbeListener); err == nil {
		t.Error("its listeners are looked at without leave")
	}
	told := func() string {
		text, err := json.Marshal([]any{s.check("shop").Status, s.events("shop")})
		must(t, err)
		return string(text)
	}
	if text := told(); strings.Contains(text, "topsecret") {
		t.Errorf("the pod is named: %s", text)
	}

	s.labelNamespace(secret, v1alpha1.LabelDiscloseTo, s.tenants[0])
	s.probed("node2", v1alpha1.ProbeListener, "10.9.2.20:8200")
	s.reportAll(s.nodes)
	s.path("shop", v1alpha1.StatePassing, "")
	s.reportSeen("node0", outcome{"/TCPHalfOpen", v1alpha1.StateFailing, v1alpha1.VerdictConnected, ""})
	s.path("shop", v1alpha1.StateFailing, "")
	if text := told(); !strings.Contains(text, "topsecret") {
		t.Errorf("the pod is not named, though it may be: %s", text)
	}

	s.labelNamespace(secret, v1alpha1.LabelDiscloseTo, "somebody-else")
	s.eventually("the pod to be named no more", func() error {
		text, err := json.Marshal(s.check("shop").Status)
		if err == nil && strings.Contains(string(text), "topsecret") {
			return errors.New(string(text))
		}
		return err
	})
}

func TestLevelRestrictedSaysWhatToEnable(t *testing.T) {
	s := newShop(t)
	s.options.Level = v1alpha1.LevelRestricted
	s.declare(v1alpha1.ExpectAllow)
	s.start()
	if path := s.path("shop", v1alpha1.StateUnknown, v1alpha1.ReasonUnsupported); path.Accepted || !strings.Contains(path.Message, "kubectl apply -k config/full") {
		t.Errorf("the path is %+v", path)
	}
	s.readyIs("shop", metav1.ConditionUnknown, "")
	s.assigned(s.nodes, 0)
}

// TestHostileReport: the worst that the schema lets a prober write is bounded,
// changes nothing about other nodes' pairs, and is said to be worthless.
func TestHostileReport(t *testing.T) {
	s := newShop(t)
	s.declare(v1alpha1.ExpectDeny)
	s.create(builders.MakeCheck("other").Namespace(s.tenants[0]).
		Declare("back", builders.FromPods(app("db")), builders.ToPods(nil, app("frontend"), 80)).Obj())
	s.start()
	s.probed("node0", v1alpha1.ProbeWire, "node1/IPv4")
	s.probed("node1", v1alpha1.ProbeTCPHalfOpen, key(s.db, "10.9.0.10", 80))
	s.clock.Step(2 * time.Minute)
	s.reportAll(s.nodes)
	s.path("shop", v1alpha1.StatePassing, "")
	s.path("other", v1alpha1.StatePassing, "")

	a, err := s.assignment("node0")
	must(t, err)
	const most = 100_000_000
	evil := strings.Repeat("\x1b[31m\u202e\x00", 30)
	status := s.statusOf("node0")
	for i := range a.Spec.Groups {
		g := &a.Spec.Groups[i]
		status.Groups = append(status.Groups, v1alpha1.GroupStatus{Key: g.Key, Hash: g.Hash, Pairs: v1alpha1.PairCounts{
			Passing: most, Degraded: most, Failing: most, Unknown: most, Pending: most,
		}, P50Microseconds: 3_600_000_000, P99Microseconds: 1})
	}
	foreign := s.tenants[0] + "/other/back/TCPHalfOpen"
	for i := len(status.Groups); i < 2048; i++ {
		status.Groups = append(status.Groups, v1alpha1.GroupStatus{Key: foreign, Hash: strings.Repeat("x", 64), Pairs: v1alpha1.PairCounts{Failing: most}})
	}
	for i := range 50 {
		status.NotPassing = append(status.NotPassing, v1alpha1.PairStatus{
			Group: []string{foreign, a.Spec.Groups[0].Key}[i%2], Target: strings.Repeat("é", 320), State: v1alpha1.StateFailing, Streak: 1<<31 - 1,
			Verdict: v1alpha1.Verdict(evil[:32]), Reason: evil[:64], Evidence: evil[:250], Since: status.Heartbeat,
		})
	}
	status.Cut = most
	must(t, s.applyReport("node0", status))
	path := s.path("shop", v1alpha1.StateUnknown, v1alpha1.ReasonReportInconsistent)
	text, err := json.Marshal(s.check("shop").Status)
	must(t, err)
	if len(text) > 8<<10 || strings.Contains(string(text), "[31m") || path.Pairs.Total() > 10 {
		t.Errorf("the status has %d bytes and %d pairs: %s", len(text), path.Pairs.Total(), text)
	}
	s.path("other", v1alpha1.StatePassing, "")
	s.hasEvent("other", "PathPassing")
	if n := s.eventCount("other"); n != 1 {
		t.Errorf("%d events about the other check, want that it passes and nothing else", n)
	}

	s.report("node0")
	s.path("shop", v1alpha1.StatePassing, "")
}
