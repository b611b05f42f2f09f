// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package ladder_test

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/controllers/diagnosis/ladder"
)

func fact(t *rapid.T) ladder.Fact {
	return rapid.SampledFrom([]ladder.Fact{ladder.Unknown, ladder.Works, ladder.Works, ladder.Fails, ladder.Fails}).Draw(t, "fact")
}

func seen(t *rapid.T) ladder.Seen {
	s := ladder.Seen{Fact: fact(t)}
	if s.Fact == ladder.Fails {
		s.Verdict = rapid.SampledFrom([]v1alpha1.Verdict{
			v1alpha1.VerdictDropped, v1alpha1.VerdictUnreachable, v1alpha1.VerdictRejected, v1alpha1.VerdictRefused, v1alpha1.VerdictTooBig,
		}).Draw(t, "verdict")
	}
	return s
}

func cause(t *rapid.T) string {
	return rapid.SampledFrom([]string{
		"", v1alpha1.CauseTunnelWayThere, v1alpha1.CauseTunnelNotHeard, v1alpha1.CauseTunnelForwardMissing, v1alpha1.CauseTunnelDeviceDown, "Other",
	}).Draw(t, "cause")
}

func node(t *rapid.T) ladder.Node {
	n := ladder.Node{Name: rapid.SampledFrom([]string{"node1", "node2", "node3"}).Draw(t, "node")}
	n.NotReady = rapid.IntRange(0, 30).Draw(t, "not ready") == 0
	return n
}

func way(t *rapid.T) *ladder.Way {
	if rapid.IntRange(0, 9).Draw(t, "no way") == 0 {
		return nil
	}
	b := rapid.Bool()
	back := seen(t)
	back.Cause = cause(t)
	return &ladder.Way{
		Back: back,
		Node: node(t), Same: rapid.IntRange(0, 4).Draw(t, "same") == 0, Host: rapid.IntRange(0, 4).Draw(t, "host") == 0,
		Pods: seen(t), Nodes: seen(t), Tunnel: seen(t), Large: seen(t), Tunnels: b.Draw(t, "tunnels"), Here: fact(t), There: fact(t),
		Pings: b.Draw(t, "pings"), Silent: b.Draw(t, "silent"), OtherWay: fact(t),
	}
}

func near(t *rapid.T) ladder.Near {
	n := ladder.Near{Listener: seen(t), Route: seen(t)}
	if n.Listener.Fact == ladder.Fails && rapid.Bool().Draw(t, "deaf") {
		n.Listener.Verdict = v1alpha1.VerdictNotListening
	}
	return n
}

func service(t *rapid.T) *ladder.Service {
	if rapid.IntRange(0, 2).Draw(t, "no service") == 0 {
		return nil
	}
	s := &ladder.Service{Name: "shop/api", Address: seen(t), Ready: rapid.IntRange(-1, 6).Draw(t, "ready")}
	for range rapid.IntRange(0, 3).Draw(t, "endpoints") {
		e := ladder.Endpoint{Name: "pod", Seen: seen(t), ByNode: rapid.Bool().Draw(t, "by node"), Way: way(t), Near: near(t)}
		e.Outside = e.Way == nil && rapid.Bool().Draw(t, "outside")
		s.Endpoints = append(s.Endpoints, e)
	}
	s.NoLocal = rapid.IntRange(0, 9).Draw(t, "no local") == 0
	s.Hairpin, s.Sticky = rapid.IntRange(0, 9).Draw(t, "hairpin") == 0, rapid.Bool().Draw(t, "sticky")
	return s
}

func pair(t *rapid.T) *ladder.Pair {
	p := &ladder.Pair{
		Kind: rapid.SampledFrom([]v1alpha1.ProbeKind{
			v1alpha1.ProbeTCP, v1alpha1.ProbeHTTP, v1alpha1.ProbeDNS, v1alpha1.ProbeDNS, v1alpha1.ProbeMeshTCP, v1alpha1.ProbeTunnel, v1alpha1.ProbeIPIP, v1alpha1.ProbeMTU, v1alpha1.ProbeICMP,
		}).Draw(t, "kind"),
		Verdict: rapid.SampledFrom(append(v1alpha1.Verdicts(), v1alpha1.VerdictDropped, v1alpha1.VerdictDropped, v1alpha1.VerdictDNSTimeout, v1alpha1.VerdictUnreachable)).Draw(t, "verdict"),
		Streak:  rapid.IntRange(1, 9).Draw(t, "streak"), Source: "web-0", Target: "api-0:80",
		From:       rapid.SampledFrom([]v1alpha1.SourceKind{v1alpha1.SourceProber, v1alpha1.SourcePods, v1alpha1.SourceHost}).Draw(t, "from"),
		SourceNode: ladder.Node{Name: "node0"}, ByNode: rapid.Bool().Draw(t, "by node"), Near: near(t), Way: way(t), Admitted: rapid.Bool().Draw(t, "admitted"),
		Connected: rapid.IntRange(0, 4).Draw(t, "connected") == 0,
		Elsewhere: rapid.Bool().Draw(t, "elsewhere"), Service: service(t), DNS: service(t),
	}
	p.Cause = cause(t)
	if rapid.IntRange(0, 9).Draw(t, "policy") == 0 {
		p.Policy = &ladder.Finding{Rung: v1alpha1.RungPolicy, Reason: v1alpha1.ReasonPolicyDenies, Text: "denied"}
	}
	return p
}

// rows are what a pair's probers saw, which a report may lack.
func rows(p *ladder.Pair) []*ladder.Seen {
	var out []*ladder.Seen
	of := func(w *ladder.Way) {
		if w != nil {
			out = append(out, &w.Pods, &w.Nodes, &w.Tunnel, &w.Large)
		}
	}
	of(p.Way)
	out = append(out, &p.Near.Listener, &p.Near.Route)
	for _, s := range []*ladder.Service{p.Service, p.DNS} {
		if s == nil {
			continue
		}
		out = append(out, &s.Address)
		for i := range s.Endpoints {
			out = append(out, &s.Endpoints[i].Seen, &s.Endpoints[i].Near.Listener, &s.Endpoints[i].Near.Route)
			of(s.Endpoints[i].Way)
		}
	}
	return out
}

// TestLessEvidenceNeverAnotherRung: without some of the rows an answer stays or
// becomes Undetermined; it never blames another rung.
func TestLessEvidenceNeverAnotherRung(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := pair(t)
		before := ladder.Diagnose(p)
		// A tunnel's own pair has seen the tunnel itself.
		keep := func(s *ladder.Seen) bool {
			return p.Way != nil && (p.Kind == v1alpha1.ProbeTunnel && s == &p.Way.Tunnel || p.Kind == v1alpha1.ProbeMeshTCP && s == &p.Way.Pods)
		}
		for _, s := range rows(p) {
			if !keep(s) && rapid.Bool().Draw(t, "drop") {
				*s = ladder.Seen{}
			}
		}
		after := ladder.Diagnose(p)
		if after == nil || after.Rung == v1alpha1.RungUndetermined {
			return
		}
		if before == nil || before.Rung != after.Rung {
			t.Fatalf("with less evidence %+v, with all of it %+v", after, before)
		}
	})
}

// TestFindings: whatever is known, a finding is whole, and Undetermined names
// rungs that may be broken.
func TestFindings(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := ladder.Diagnose(pair(t))
		if f == nil {
			return
		}
		undetermined := f.Rung == v1alpha1.RungUndetermined
		if f.Reason == "" || f.Text == "" || f.Rule == "" || undetermined != (len(f.Candidates) > 0) || len(f.Candidates) > 8 {
			t.Fatalf("%+v", f)
		}
		if !slices.Contains(ladder.Order(), f.Rung) || slices.Contains(f.Candidates, v1alpha1.RungUndetermined) {
			t.Fatalf("%+v", f)
		}
	})
}
