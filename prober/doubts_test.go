// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package prober

import (
	"context"
	"errors"
	"net/netip"
	"testing"
	"time"

	"github.com/go-logr/logr"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/prober/kernel"
	"github.com/netladder/netladder/prober/probe"
)

// What the assignment doubts is looked at from its own node for as long as it
// stands there: its sockets, the way from the node, and the kernel's route.
func TestDoubts(t *testing.T) {
	a := newAgent(Options{NodeName: "node1", PodUID: "uid", Log: logr.Discard(), Probes: map[probe.Kind]probe.Method{
		probe.TCPHalfOpen: {Probe: func(_ context.Context, target probe.Target) probe.Result {
			if n, ok := target.Entry.(space); !ok || n.name != "node" {
				t.Errorf("tried from %+v", target.Entry)
			}
			return probe.Result{Verdict: probe.Dropped, Evidence: "silence"}
		}},
	}}, nowhere{})
	a.can, a.spaces = abilitiesOf(v1alpha1.LevelFull, allCaps), &spaces{pods: map[string]error{"db": nil}, listens: true}
	missing := kernel.PodRoutes{
		To:    kernel.Route{To: netip.MustParseAddr("10.0.1.5"), Found: true, Device: 2, DeviceName: "eth0"},
		Other: kernel.Route{Found: true, Device: 7, Dst: netip.MustParsePrefix("10.0.1.3/32")},
	}
	a.podRoutes = func(host kernel.Entry, to netip.Addr) (kernel.PodRoutes, error) {
		if n, ok := host.(space); !ok || n.name != "node" || to != missing.To.To {
			t.Errorf("looked in %+v for %s", host, to)
		}
		return missing, nil
	}
	t.Cleanup(a.release)
	spec := v1alpha1.ProbeAssignmentSpec{
		Pods:    []v1alpha1.AssignedPod{{UID: "db", IPs: []string{"10.0.1.5"}}},
		Targets: []v1alpha1.AssignedTarget{{IP: "10.0.1.5", Port: 5432, Node: "node1", UID: "db"}, {IP: "10.0.1.6", Port: 5432}},
		Doubts:  []int32{0, 1, -1, 7},
	}
	a.assigned(&v1alpha1.ProbeAssignment{Spec: spec})
	for deadline := time.Now().Add(time.Minute); len(a.climber.Rungs()) < 2; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("rungs %+v", a.climber.Rungs())
		}
	}
	got := a.climber.Rungs()
	listener, route := got[0], got[1]
	if listener.Rung != v1alpha1.RungListener || listener.Source != "Host" || listener.Target != "10.0.1.5:5432" || listener.Verdict != v1alpha1.VerdictDropped || listener.Evidence != "the pod listens; from its node: silence" {
		t.Errorf("the sockets: %+v", listener)
	}
	if route.Rung != v1alpha1.RungPodNetwork || route.Probe != v1alpha1.ProbePodRoute || route.Target != "10.0.1.5:5432" || route.Verdict != v1alpha1.VerdictUnreachable ||
		route.Evidence != "the node has no route to 10.0.1.5 but the default route by eth0" {
		t.Errorf("the route: %+v", route)
	}
	spec.Doubts = nil
	a.assigned(&v1alpha1.ProbeAssignment{Spec: spec})
	if got := a.climber.Rungs(); len(got) != 0 {
		t.Errorf("nobody doubts it any more: %+v", got)
	}
}

// What cannot be looked at, or compared with nothing, says nothing.
func TestPodRouteNeutral(t *testing.T) {
	a := newAgent(Options{NodeName: "node1", PodUID: "uid", Log: logr.Discard()}, nil)
	for name, c := range map[string]struct {
		routes kernel.PodRoutes
		err    error
		want   probe.Verdict
	}{
		"an error":           {err: errors.New("no netlink"), want: probe.LocalError},
		"nothing to compare": {want: probe.Inconclusive},
		"there": {routes: kernel.PodRoutes{
			To:    kernel.Route{Found: true, Device: 3, Dst: netip.MustParsePrefix("10.0.1.5/32")},
			Other: kernel.Route{Found: true, Device: 7, Dst: netip.MustParsePrefix("10.0.1.3/32")},
		}, want: probe.Connected},
	} {
		t.Run(name, func(t *testing.T) {
			a.podRoutes = func(kernel.Entry, netip.Addr) (kernel.PodRoutes, error) { return c.routes, c.err }
			if r := a.probePodRoute(t.Context(), probe.Target{Addr: netip.MustParseAddrPort("10.0.1.5:80")}); r.Verdict != c.want {
				t.Errorf("%s (%s), want %s", r.Verdict, r.Evidence, c.want)
			}
		})
	}
}
