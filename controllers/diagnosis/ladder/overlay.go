// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package ladder

import (
	"github.com/netladder/netladder/api/v1alpha1"
)

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
		return p.tunnel(w, &w.Tunnel)
	case w.Pods.Fact != Fails || w.Here != Works || w.There != Works:
		return nil
	}
	f := &Finding{Rung: v1alpha1.RungOverlay, Reason: v1alpha1.ReasonCrossNodeBroken, Object: between(p.SourceNode.Name, w.Node.Name), Nodes: p.both(w)}
	f.Text = "pods on " + p.SourceNode.Name + " do not reach those on " + w.Node.Name
	if w.OtherWay == Fails {
		f.Text = "pods on " + p.SourceNode.Name + " and " + w.Node.Name + " do not reach each other"
	}
	f.Text += w.Pods.saw() + ", though the nodes do and each node's own pods do: see the network plugin's routes or tunnels between the two"
	if w.Tunnel.Verdict == v1alpha1.VerdictUnsupported && w.Tunnel.Text != "" {
		f.Text += "; " + p.SourceNode.Name + " has " + w.Tunnel.Text + ", which is not probed"
	}
	return f
}
