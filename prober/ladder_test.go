// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package prober

import (
	"context"
	"testing"
	"time"

	"github.com/go-logr/logr"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/prober/probe"
	"github.com/netladder/netladder/prober/schedule"
)

// What fails is climbed for from where it started, what must be blocked is not,
// and what recovers is forgotten.
func TestLadder(t *testing.T) {
	type where struct{ kind, entry string }
	made := make(chan where, 10)
	probes := map[probe.Kind]probe.Method{}
	for kind := range probe.Kinds() {
		probes[kind] = probe.Method{Probe: func(_ context.Context, target probe.Target) probe.Result {
			w := where{kind: string(kind)}
			if n, ok := target.Entry.(space); ok {
				w.entry = n.name
			}
			made <- w
			return probe.Result{Verdict: probe.Dropped, Evidence: "silence"}
		}}
	}
	a := newAgent(Options{NodeName: "node1", PodUID: "uid", Log: logr.Discard(), Probes: probes}, nil)
	a.can, a.spaces = abilitiesOf(v1alpha1.LevelFull, allCaps), &spaces{pods: map[string]error{"pod": nil}}
	t.Cleanup(a.release)
	second := metav1.Duration{Duration: time.Second}
	group := func(key string, expect v1alpha1.Expectation) v1alpha1.ProbeGroup {
		return v1alpha1.ProbeGroup{
			Key: key, Hash: "a-1", Kind: v1alpha1.ProbeTCP, From: v1alpha1.SourcePods, Sources: []int32{0}, Members: []int32{0}, Expect: expect,
			Interval: second, Timeout: second, FailureThreshold: 1, SuccessThreshold: 1,
		}
	}
	spec := &v1alpha1.ProbeAssignmentSpec{
		Nodes:    []v1alpha1.AssignedNode{{Name: "node2", IPs: []string{"172.30.0.2"}, EchoIPs: []string{"10.0.2.1"}, EchoUID: "echo"}},
		Pods:     []v1alpha1.AssignedPod{{UID: "pod", IPs: []string{"10.0.1.1"}}},
		Targets:  []v1alpha1.AssignedTarget{{IP: "10.96.0.20", Port: 80}},
		Services: []v1alpha1.AssignedService{{Targets: []int32{0}, Endpoints: []v1alpha1.AssignedTarget{{IP: "10.0.2.5", Port: 8080, Node: "node2"}}}},
		Groups:   []v1alpha1.ProbeGroup{group("ns/check/allow/TCP", ""), group("ns/check/deny/TCP", v1alpha1.ExpectDeny)},
	}
	a.tracker.Update(spec, nil, time.Now())
	groups, _, _ := a.groups(spec)
	saw := func(group int, v probe.Verdict) {
		groups[group].Pairs[0].Recorder.Record(&schedule.Outcome{Result: probe.Result{Verdict: v}, At: time.Now()})
	}
	saw(1, probe.Dropped) // as it should be
	saw(0, probe.Dropped)
	want := map[where]bool{{"TCPHalfOpen", "pod"}: true, {"MeshTCP", ""}: true, {"ICMP", "node"}: true}
	for len(want) > 0 {
		select {
		case w := <-made:
			delete(want, w)
		case <-time.After(time.Minute):
			t.Fatalf("no step %v", want)
		}
	}
	for deadline := time.Now().Add(time.Minute); len(a.climber.Rungs()) < 5; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("rungs %+v", a.climber.Rungs())
		}
	}
	for _, r := range a.climber.Rungs() {
		if r.Rung != v1alpha1.RungMTU && r.Rung != v1alpha1.RungOverlay && (r.Verdict != v1alpha1.VerdictDropped || r.Evidence != "silence") {
			t.Errorf("rung %+v", r)
		}
	}
	saw(0, probe.Connected)
	if rungs := a.climber.Rungs(); len(rungs) != 0 {
		t.Errorf("after it recovered: rungs %+v", rungs)
	}
}
