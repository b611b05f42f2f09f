// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package ladder

import (
	"github.com/netladder/netladder/api/v1alpha1"
)

// mtu: small packets get through, and large ones do not.
func mtu(p *Pair) *Finding {
	if p.Way == nil && p.Verdict != v1alpha1.VerdictTooBig {
		return nil
	}
	large, far := Seen{Fact: Fails, Verdict: p.Verdict, Text: p.Text}, p.Target
	switch {
	case p.Verdict == v1alpha1.VerdictTooBig:
	case p.Kind == v1alpha1.ProbeMTU && p.Verdict == v1alpha1.VerdictDropped:
	case talks(p.Kind) && p.Connected && p.Service == nil && p.Verdict == v1alpha1.VerdictDropped && p.Way.Pods.Fact == Works && p.Way.Large.Fact == Fails:
		large = p.Way.Large
	default:
		return nil
	}
	f := &Finding{Rung: v1alpha1.RungMTU, Reason: v1alpha1.ReasonLargePacketsLost}
	if p.Way != nil {
		far = p.Way.Node.Name
		f.Nodes = p.both(p.Way)
	}
	f.Object = between(p.SourceNode.Name, far)
	if large.Verdict == v1alpha1.VerdictTooBig {
		f.Reason = v1alpha1.ReasonPacketsTooBig
		f.Text = "large packets from " + p.SourceNode.Name + " do not fit on their way to " + far + large.saw() +
			": set the MTU of the pod network to what the way between the nodes takes, less the tunnel's headers"
		return f
	}
	f.Text = "large packets from " + p.SourceNode.Name + " to " + far + " are lost, and no hop says so" + large.saw() +
		": compare the MTU of the pod network with that of the way between the nodes, and let ICMP 3/4 pass"
	return f
}

// talks is true for a probe that sends more than small packets.
func talks(k v1alpha1.ProbeKind) bool {
	return k == v1alpha1.ProbeHTTP || k == v1alpha1.ProbeTLS || k == v1alpha1.ProbeGRPC
}
