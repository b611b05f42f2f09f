// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package prober

import (
	"context"
	"net/netip"
	"testing"
	"time"

	"github.com/go-logr/logr"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/prober/netns"
	"github.com/netladder/netladder/prober/probe"
)

func TestListener(t *testing.T) {
	addr := netip.MustParseAddrPort("10.0.0.7:5432")
	for name, tc := range map[string]struct {
		spaces   *spaces
		protocol v1alpha1.Protocol
		sees     probe.Verdict
		kind     probe.Kind // by which the node tries it; empty where it does not
		asked    string
		want     probe.Verdict
	}{
		"listens and answers": {spaces: &spaces{listens: true}, sees: probe.Connected, kind: probe.TCPHalfOpen, asked: "target TCP 10.0.0.7:5432", want: probe.Connected},
		"answers by UDP":      {spaces: &spaces{listens: true}, protocol: v1alpha1.ProtocolUDP, sees: probe.Connected, kind: probe.UDP, asked: "target UDP 10.0.0.7:5432", want: probe.Connected},
		"silent by UDP":       {spaces: &spaces{listens: true}, protocol: v1alpha1.ProtocolUDP, sees: probe.Inconclusive, kind: probe.UDP, asked: "target UDP 10.0.0.7:5432", want: probe.Inconclusive},
		"not reached":         {spaces: &spaces{listens: true}, sees: probe.Dropped, kind: probe.TCPHalfOpen, asked: "target TCP 10.0.0.7:5432", want: probe.Dropped},
		"does not listen":     {sees: probe.Connected, asked: "target TCP 10.0.0.7:5432", want: probe.NotListening},
		"cannot be asked": {
			spaces: &spaces{listenErr: &netns.Error{Reason: netns.ReasonUnsupported, Message: "an old kernel"}},
			asked:  "target TCP 10.0.0.7:5432", want: probe.Unsupported,
		},
		"gone": {spaces: &spaces{pods: map[string]error{}}, want: probe.LocalError},
		"sandboxed": {
			spaces: &spaces{pods: map[string]error{"target": &netns.Error{Reason: netns.ReasonSandboxedRuntime}}}, want: probe.Unsupported,
		},
		"of the host network": {
			spaces: &spaces{listens: true, pods: map[string]error{"target": &netns.Error{Reason: netns.ReasonHostNetwork}}},
			sees:   probe.Connected, kind: probe.TCPHalfOpen, asked: "node TCP 10.0.0.7:5432", want: probe.Connected,
		},
		"the node is closed": {
			spaces: &spaces{listens: true, host: &netns.Error{Reason: netns.ReasonNotPermitted, Message: "no"}},
			asked:  "target TCP 10.0.0.7:5432", want: probe.Unsupported,
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := tc.spaces
			if s == nil {
				s = &spaces{}
			}
			if s.pods == nil {
				s.pods = map[string]error{"target": nil}
			}
			tried := probe.Kind("")
			try := func(k probe.Kind) probe.Method {
				return probe.Method{Probe: func(ctx context.Context, target probe.Target) probe.Result {
					if n, ok := target.Entry.(space); !ok || n.name != "node" || target.Addr != addr || target.SilenceDenies {
						t.Errorf("tried %+v", target)
					}
					tried = k
					return seen(tc.sees)(ctx, target)
				}}
			}
			a := newAgent(Options{NodeName: "node0", PodUID: "uid", Log: logr.Discard(), Probes: map[probe.Kind]probe.Method{
				probe.TCPHalfOpen: try(probe.TCPHalfOpen), probe.UDP: try(probe.UDP), probe.TCP: try(probe.TCP),
			}}, nil)
			a.can, a.spaces = abilitiesOf(v1alpha1.LevelFull, allCaps), s
			spec := listenerSpec("a-1", v1alpha1.AssignedTarget{IP: "10.0.0.7", Port: 5432, Protocol: tc.protocol, UID: "target"})
			a.tracker.Update(&spec, nil, time.Now())
			groups, paths, _ := a.groups(&spec)
			if len(groups) != 1 || len(groups[0].Pairs) != 1 || len(paths) != 0 {
				t.Fatalf("groups %+v, paths %v", groups, paths)
			}
			r := groups[0].Probe(t.Context(), groups[0].Pairs[0].Target)
			if r.Verdict != tc.want || tried != tc.kind || r.Evidence == "" && name != "sandboxed" {
				t.Errorf("%s (%s), tried by %q; want %s by %q", r.Verdict, r.Evidence, tried, tc.want, tc.kind)
			}
			if asked := append(s.asked, "")[0]; asked != tc.asked {
				t.Errorf("asked %q, want %q", asked, tc.asked)
			}
		})
	}
}

// listenerSpec is one Listener group with an interval of a second.
func listenerSpec(hash string, targets ...v1alpha1.AssignedTarget) v1alpha1.ProbeAssignmentSpec {
	s := tcpSpec(hash)
	g := &s.Groups[0]
	g.Key, g.Kind, g.FailureThreshold = "shop/orders/to-db/Listener", v1alpha1.ProbeListener, 1
	for i, target := range targets {
		s.Pods = append(s.Pods, v1alpha1.AssignedPod{UID: target.UID, Namespace: "shop", Name: "db", IPs: []string{target.IP}})
		s.Targets = append(s.Targets, target)
		g.Members = append(g.Members, int32(i))
	}
	return s
}
