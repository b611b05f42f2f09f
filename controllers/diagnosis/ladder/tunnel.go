// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package ladder

import (
	"github.com/netladder/netladder/api/v1alpha1"
)

// kernel: the prober found on its own node what the pair lacks.
func kernel(p *Pair) *Finding {
	if p.Kind != v1alpha1.ProbeTunnel || p.Way == nil || !local(p.Cause) {
		return nil
	}
	return p.tunnel(p.Way, &Seen{Verdict: p.Verdict, Text: p.Text, Cause: p.Cause})
}

// vtep: the other end itself says that nothing there takes the tunnel's packets.
func vtep(p *Pair) *Finding {
	w := p.Way
	if p.Kind != v1alpha1.ProbeTunnel || p.Verdict != v1alpha1.VerdictRefused || w == nil || w.Same {
		return nil
	}
	if local(w.Back.Cause) {
		return p.tunnel(w, &Seen{Verdict: p.Verdict, Text: p.Text})
	}
	there := w.Node.Name
	return &Finding{
		Rung: v1alpha1.RungOverlay, Reason: v1alpha1.ReasonTunnelBroken, Object: there, Nodes: []string{w.Node.Real},
		Text: "nothing on " + there + " takes what " + p.SourceNode.Name + " sends through the tunnel (" + orText(p.Text, string(p.Verdict)) +
			"): see the network plugin and its tunnel device on " + there + ", and whether a firewall there rejects it",
	}
}

// ipip: what probers send each other by IP in IP is lost between two nodes that
// reach each other. Where the network plugin has tunnels by IP in IP, those must
// not work either: else only what probers send is lost.
func ipip(p *Pair, w *Way) *Finding {
	if w.Nodes.Fact != Works || w.Tunnels && w.Tunnel.Fact != Fails {
		return nil
	}
	switch p.Verdict {
	case v1alpha1.VerdictDropped, v1alpha1.VerdictRejected, v1alpha1.VerdictLocalDenied:
		return p.tunnel(w, &Seen{Verdict: p.Verdict, Text: p.Text, Cause: p.Cause})
	}
	return nil
}

// local is true for a cause that needs no inference: an entry of the node's
// kernel that is missing or wrong.
func local(cause string) bool {
	switch cause {
	case v1alpha1.CauseTunnelDeviceMissing, v1alpha1.CauseTunnelDeviceDown, v1alpha1.CauseTunnelDeviceDiffers,
		v1alpha1.CauseTunnelRouteMissing, v1alpha1.CauseTunnelNeighbourMissing, v1alpha1.CauseTunnelNeighbourWrong,
		v1alpha1.CauseTunnelForwardMissing, v1alpha1.CauseTunnelForwardWrong:
		return true
	}
	return false
}

// Strength of a reason: of several on one rung, about the same nodes, the strongest
// is the cause, or says most of it, and the others follow from it.
func Strength(reason string) int {
	switch {
	case local(reason):
		return 3
	case reason == v1alpha1.CauseTunnelWayThere:
		return 2
	case reason == v1alpha1.CauseTunnelNotHeard, reason == v1alpha1.ReasonPacketsTooBig:
		return 1
	}
	return 0
}

// tunnel is the finding about a tunnel. Of what the two ends found to be the
// cause the stronger counts: what one's kernel lacks is why the other hears
// nothing.
func (p *Pair) tunnel(w *Way, s *Seen) *Finding {
	here, there := p.SourceNode.Name, w.Node.Name
	f := &Finding{Rung: v1alpha1.RungOverlay, Reason: s.Cause, Object: between(here, there), Nodes: p.both(w)}
	neither := s.Cause == v1alpha1.CauseTunnelNotHeard && w.Back.Cause == s.Cause
	if Strength(w.Back.Cause) > Strength(s.Cause) {
		here, there, s = there, here, &w.Back
		f.Reason = s.Cause
	}
	by, which := "through the tunnel", "the tunnel's port or protocol"
	if p.Kind == v1alpha1.ProbeIPIP {
		by, which = "by IP in IP", "IP protocol 4"
	}
	switch {
	case local(s.Cause):
		f.Text = "the tunnel from " + here + " to " + there + ": " + orText(s.Text, "an entry of the kernel is missing or wrong") +
			": the network plugin on " + here + " has to restore it"
		return f
	case s.Cause == v1alpha1.CauseTunnelWayThere:
		f.Text = "what " + here + " sends to " + there + " " + by + " is lost, while " + here + " hears " + there
	case neither:
		f.Text = f.Object + " hear nothing from each other " + by
	case s.Cause == v1alpha1.CauseTunnelNotHeard:
		f.Text = here + " hears nothing from " + there + " " + by
	default:
		f.Reason = v1alpha1.ReasonTunnelBroken
		f.Text = "the tunnel between " + f.Object + " does not work"
		if p.Kind == v1alpha1.ProbeIPIP {
			f.Text = "what " + here + " sends to " + there + " " + by + " is not answered"
		}
		if s.Text != "" {
			f.Text += " (" + s.Text + ")"
		}
	}
	if s.Cause != "" && s.Verdict != "" && s.Verdict != v1alpha1.VerdictDropped {
		f.Text += s.saw()
	}
	f.Text += ", though the nodes reach each other: see firewalls on and between the two for " + which
	return f
}

func orText(a, b string) string {
	if a != "" {
		return a
	}
	return b
}
