// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package prober

import (
	"context"
	"fmt"
	"time"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/prober/netns"
	"github.com/netladder/netladder/prober/probe"
)

// probeListener looks at the sockets of a target pod for one that takes what
// is sent to the target, and then tries the target from the node, which no
// policy may cut off from its pods.
func (a *agent) probeListener(ctx context.Context, t probe.Target) probe.Result {
	began := time.Now()
	o, ok := t.Entry.(*origin)
	if !ok || o.listener == "" {
		return probe.Result{Verdict: probe.LocalError, Evidence: "the assignment does not say which pod the target is"}
	}
	protocol := protocolOf(o.protocol)
	listens, err := o.listens(t, protocol)
	if err != nil {
		return cannotEnter(err)
	}
	if !listens {
		return probe.Result{
			Verdict: probe.NotListening, Latency: time.Since(began),
			Evidence: fmt.Sprintf("no socket in the pod takes %s to %s", protocol, t.Addr),
		}
	}
	host, err := o.spaces.Host()
	if err != nil {
		return cannotEnter(err)
	}
	t.Entry = host
	kind := probe.TCPHalfOpen
	if protocol == v1alpha1.ProtocolUDP {
		kind = probe.UDP
	}
	r := a.probe(kind)(ctx, t)
	if r.Verdict != probe.Connected {
		r.Evidence = "the pod listens; from its node: " + r.Evidence
	}
	return r
}

// listens looks at the sockets of the target pod, which for a pod of the host
// network are those of the node.
func (o *origin) listens(t probe.Target, protocol v1alpha1.Protocol) (bool, error) {
	n, err := o.spaces.Pod(o.listener)
	if netns.ReasonOf(err) == netns.ReasonHostNetwork {
		n, err = o.spaces.Host()
	}
	if err != nil {
		return false, err
	}
	return n.Listens(t.Addr, string(protocol))
}

// probeHostControl tries a target that is no pod from the node's own network.
func (a *agent) probeHostControl(ctx context.Context, t probe.Target) probe.Result {
	o, ok := t.Entry.(*origin)
	if !ok {
		return probe.Result{Verdict: probe.LocalError, Evidence: "this probe has no place to start from"}
	}
	host, err := o.spaces.Host()
	if err != nil {
		return cannotEnter(err)
	}
	t.Entry = host
	kind := probe.TCP
	switch {
	case t.Host.Name == "" && t.Addr.Port() == 0:
		kind = probe.ICMP
	case protocolOf(o.protocol) == v1alpha1.ProtocolUDP:
		kind = probe.UDP
	}
	return a.probe(kind)(ctx, t)
}

func protocolOf(p v1alpha1.Protocol) v1alpha1.Protocol {
	if p == "" {
		return v1alpha1.ProtocolTCP
	}
	return p
}
