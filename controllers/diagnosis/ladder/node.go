// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package ladder

import (
	"github.com/netladder/netladder/api/v1alpha1"
)

// node: one of the two nodes is not there. Who answered was.
func node(p *Pair) *Finding {
	if !p.silent() {
		return nil
	}
	if p.Way != nil && !p.Way.Same {
		if f := away(&p.Way.Node); f != nil {
			return f
		}
	}
	return away(&p.SourceNode)
}

func away(n *Node) *Finding {
	f := &Finding{Rung: v1alpha1.RungNode, Reason: v1alpha1.ReasonNodeNotReady, Object: n.Name, Nodes: []string{n.Real}}
	switch {
	case n.Gone:
		f.Reason = v1alpha1.ReasonNodeGone
		f.Text = n.Name + " left the cluster"
	case n.NotReady:
		f.Text = n.Name + " is not Ready"
		if n.Since != "" {
			f.Text += " since " + n.Since
		}
		f.Text += ": see kubectl describe node, and whether it runs"
	default:
		return nil
	}
	return f
}
