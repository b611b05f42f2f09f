// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package ladder

import (
	"github.com/netladder/netladder/api/v1alpha1"
)

// way: what lies between the source's node and the target's fails for
// Netladder's own probes too, which no policy of the path's pods touches.
func way(p *Pair) *Finding {
	if !p.silent() || p.isDNS() || p.Service != nil && !p.Service.Through || p.Way == nil {
		return nil
	}
	return p.wayOf(p.Way)
}

// wayOf finds what is broken between two nodes. What it asks for of each rung
// excludes the others.
func (p *Pair) wayOf(w *Way) *Finding {
	if w.Same {
		return sameNode(p, w)
	}
	if f := underlay(p, w); f != nil {
		return f
	}
	switch {
	case p.Kind == v1alpha1.ProbeIPIP:
		return ipip(p, w)
	case w.Host:
		return nil // pods' networks do not lead to nodes
	}
	if f := overlay(p, w); f != nil {
		return f
	}
	return podNetwork(p, w)
}

// underlay: neither the nodes nor their pods reach each other. A ping alone
// proves little where firewalls drop all of them.
func underlay(p *Pair, w *Way) *Finding {
	if w.Nodes.Fact != Fails || w.Pods.Fact != Fails {
		return nil
	}
	if !w.Pings && !w.Silent && w.Nodes.Verdict != v1alpha1.VerdictUnreachable {
		return nil
	}
	f := &Finding{Rung: v1alpha1.RungUnderlay, Reason: v1alpha1.ReasonNodeUnreachable, Object: between(p.SourceNode.Name, w.Node.Name), Nodes: p.both(w)}
	f.Text = p.SourceNode.Name + " does not reach " + w.Node.Name + w.Nodes.saw() + ", nor do its pods reach those there"
	if w.Silent {
		f.Text += ", and the prober there is not heard"
	}
	f.Text += ": see the link, the routes and the firewall between the two nodes"
	return f
}

// both ends of a way.
func (p *Pair) both(w *Way) []string { return []string{p.SourceNode.Real, w.Node.Real} }

// sameNode: pods on one node do not reach each other.
func sameNode(p *Pair, w *Way) *Finding {
	if w.Pods.Fact != Fails || w.Host {
		return nil
	}
	return brokenOn(&p.SourceNode, &w.Pods)
}

// podNetwork: the nodes reach each other, and so do the ends of their tunnel,
// but on one of the two not even its own pods do.
func podNetwork(p *Pair, w *Way) *Finding {
	if w.Nodes.Fact != Works || w.Pods.Fact != Fails || w.Tunnels && w.Tunnel.Fact != Works {
		return nil
	}
	switch {
	case w.There == Fails:
		return brokenOn(&w.Node, &Seen{})
	case w.There == Works && w.Here == Fails:
		return brokenOn(&p.SourceNode, &Seen{})
	}
	return nil
}

func brokenOn(n *Node, s *Seen) *Finding {
	node := n.Name
	return &Finding{
		Rung: v1alpha1.RungPodNetwork, Reason: v1alpha1.ReasonSameNodeBroken, Object: node, Nodes: []string{n.Real},
		Text: "pods on " + node + " do not reach each other there" + s.saw() + ": see the network plugin on " + node + ", its bridge or the routes to its pods",
	}
}

// podRoute: the target is silent, other pods on its node are reached, and the
// node itself says what ails it.
func podRoute(p *Pair) *Finding {
	if !p.silent() || p.isDNS() || p.Service != nil || p.Way == nil {
		return nil
	}
	return p.near(p.Target, p.Way, p.Verdict, p.ByNode, &p.Near)
}

// near is what the node of a pod says of one that is silent: that it has no way to
// it, or that nothing listens there.
func (p *Pair) near(target string, w *Way, v v1alpha1.Verdict, byNode bool, n *Near) *Finding {
	there := w.Node.Name
	switch {
	case w.Host || w.Pods.Fact != Works:
		return nil
	case v == v1alpha1.VerdictUnreachable && byNode:
		return &Finding{
			Rung: v1alpha1.RungPodNetwork, Reason: v1alpha1.ReasonPodRouteMissing, Object: there, Nodes: []string{w.Node.Real},
			Text: there + " has no way to " + target + ", which is on it, though other pods there are reached: see the route to it and its interface on " + there,
		}
	case v != v1alpha1.VerdictDropped && v != v1alpha1.VerdictUnreachable || n.Listener.Fact != Fails:
		return nil
	case n.Listener.Verdict == v1alpha1.VerdictNotListening:
		return &Finding{
			Rung: v1alpha1.RungListener, Reason: v1alpha1.ReasonNothingListens, Object: target,
			Text: target + " is silent, and nothing listens there: see whether its process runs, and on which address and port",
		}
	case n.Route.Fact == Fails:
		return &Finding{
			Rung: v1alpha1.RungPodNetwork, Reason: v1alpha1.ReasonPodRouteMissing, Object: there, Nodes: []string{w.Node.Real},
			Text: there + " has no route to " + target + ", which is on it and listens, though other pods there are reached" + because(n.Route.Text) + ": see the route to it and its interface on " + there,
		}
	}
	return nil
}
