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
	return p.tunnel(p.Way, p.Cause, p.Text)
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

// overlay: the nodes reach each other, and the tunnel between them does not
// work, or else nothing but what connects their pods is left.
func overlay(p *Pair, w *Way) *Finding {
	switch {
	case w.Nodes.Fact != Works:
		return nil
	case w.Tunnels:
		if w.Tunnel.Fact != Fails || w.Pods.Fact != Fails && p.Kind != v1alpha1.ProbeTunnel {
			return nil
		}
		return p.tunnel(w, w.Tunnel.Cause, w.Tunnel.Text)
	case w.Pods.Fact != Fails || w.Here != Works || w.There != Works:
		return nil
	}
	f := &Finding{Rung: v1alpha1.RungOverlay, Reason: v1alpha1.ReasonCrossNodeBroken, Object: between(p.SourceNode.Name, w.Node.Name), Nodes: p.both(w)}
	f.Text = "pods on " + p.SourceNode.Name + " do not reach those on " + w.Node.Name
	if w.OtherWay == Fails {
		f.Text = "pods on " + p.SourceNode.Name + " and " + w.Node.Name + " do not reach each other"
	}
	f.Text += w.Pods.saw() + ", though the nodes do and each node's own pods do: see the network plugin's routes or tunnels between the two"
	return f
}

// tunnel is the finding about a tunnel, with the cause that a prober found.
func (p *Pair) tunnel(w *Way, cause, text string) *Finding {
	here, there := p.SourceNode.Name, w.Node.Name
	f := &Finding{Rung: v1alpha1.RungOverlay, Reason: cause, Object: between(here, there), Nodes: p.both(w)}
	switch {
	case local(cause):
		f.Text = "the tunnel from " + here + " to " + there + ": " + orText(text, "an entry of the kernel is missing or wrong") +
			": the network plugin on " + here + " has to restore it"
		return f
	case cause == v1alpha1.CauseTunnelWayThere:
		f.Text = "what " + here + " sends to " + there + " through the tunnel is lost, while " + here + " hears " + there
	case cause == v1alpha1.CauseTunnelNotHeard:
		f.Text = here + " hears nothing from " + there + " through the tunnel"
	default:
		f.Reason = v1alpha1.ReasonTunnelBroken
		f.Text = "the tunnel between " + f.Object + " does not work"
		if text != "" {
			f.Text += " (" + text + ")"
		}
	}
	f.Text += ", though the nodes reach each other: see firewalls on and between the two for the tunnel's port or protocol"
	return f
}

func orText(a, b string) string {
	if a != "" {
		return a
	}
	return b
}
