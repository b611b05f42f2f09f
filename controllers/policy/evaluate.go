// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"cmp"
	"net/netip"

	"k8s.io/apimachinery/pkg/labels"

	"github.com/netladder/netladder/controllers/plan"
)

// Evaluate says what the policies make of a connection. The pods of a Flow need
// not be in the index; its own view of them counts.
func (x *Index) Evaluate(f Flow) Result {
	f.Source.IP, f.Destination.IP = f.addresses()
	out := Result{Verdict: Allow, Egress: x.decide(&f, Egress), Ingress: x.decide(&f, Ingress)}
	for _, d := range []*Decision{&out.Egress, &out.Ingress} {
		if d.Verdict == Deny || d.Verdict == ImplementationDefined && out.Verdict == Allow {
			out.Verdict = d.Verdict
		}
	}
	return out
}

// addresses of both ends, those filled in that the Flow leaves open.
func (f *Flow) addresses() (source, destination netip.Addr) {
	source, destination = f.Source.IP.Unmap(), f.Destination.IP.Unmap()
	if !destination.IsValid() {
		destination = f.Destination.first(source)
	}
	if !source.IsValid() {
		source = f.Source.first(destination)
	}
	return source, destination
}

// first address of a pod, of the family of another address if that is valid.
func (p *Peer) first(like netip.Addr) netip.Addr {
	if p.Pod == nil {
		return netip.Addr{}
	}
	for _, ip := range p.Pod.IPs {
		if ip = ip.Unmap(); !like.IsValid() || ip.Is4() == like.Is4() {
			return ip
		}
	}
	return netip.Addr{}
}

// node whose network namespace an end is in; empty for pods with their own and
// for what is outside of the cluster.
func (p *Peer) node() string {
	if p.Pod == nil {
		return p.Node
	}
	if p.Pod.HostNetwork {
		return p.Pod.Node
	}
	return ""
}

// decide in one direction.
func (x *Index) decide(f *Flow, direction Direction) Decision {
	d := Decision{Direction: direction, Verdict: Allow}
	near, far := &f.Source, &f.Destination
	if direction == Ingress {
		near, far = far, near
	}
	if near.Pod == nil {
		return d
	}
	isolation := x.isolation(near.Pod, direction)
	d.Isolating = isolation.names
	if len(isolation.policies) == 0 {
		return d
	}
	if d.Exempt = exempt(f, near, far); d.Exempt != "" {
		return d
	}
	if f.Protocol != "TCP" && f.Protocol != "UDP" && f.Protocol != "SCTP" {
		d.Verdict, d.Why = ImplementationDefined, WhyProtocol
		return d
	}
	x.judge(&d, f, far, isolation.policies)
	switch {
	case d.Verdict == Allow:
	case near.Pod.HostNetwork:
		d.undefined(WhyHostNetwork)
	case sameEnd(near, far):
		d.undefined(WhyHairpin)
	}
	return d
}

func (d *Decision) undefined(why Why) {
	d.Verdict, d.Why = ImplementationDefined, why
	d.Admitting, d.Nearest, d.Undecided = nil, nil, nil
}

// exempt says why no policy applies.
func exempt(f *Flow, near, far *Peer) Exempt {
	if !f.Service.IsValid() && sameEnd(near, far) {
		return ExemptSelf
	}
	if node := far.node(); node != "" && node == near.Pod.Node {
		return ExemptLocalNode
	}
	return ""
}

func sameEnd(a, b *Peer) bool {
	return a.Pod != nil && b.Pod != nil && (a.Pod == b.Pod || a.Pod.UID != "" && a.Pod.UID == b.Pod.UID)
}

// judge by the rules. A pod in the network namespace of another node is looked
// at in the two ways that the specification leaves to the plugin: as the pod
// that it is, and as its node.
func (x *Index) judge(d *Decision, f *Flow, far *Peer, policies []*compiled) {
	var q question
	q.fill(x, f, d.Direction, far)
	q.answer(d, policies)
	if q.pod == nil || !q.pod.HostNetwork {
		return
	}
	var asNode Decision
	q.asNode()
	q.answer(&asNode, policies)
	if asNode.Verdict == d.Verdict {
		// What admits the node admits the pod too: this rule does, either way.
		d.Admitting = asNode.Admitting
		return
	}
	undecided := cmp.Or(d.Admitting, d.Undecided, asNode.Admitting, asNode.Undecided)
	d.undefined(WhyHostNetwork)
	d.Undecided = undecided
}

// place of an address, as far as ipBlocks are concerned.
type place int

const (
	outside place = iota
	podAddress
	nodeAddress
)

// question is what is asked of each rule: the connection as seen from the pod
// that a policy selects.
type question struct {
	direction Direction
	protocol  string
	port      int32
	service   netip.AddrPort
	// target is the pod whose names of ports count; nil if the destination is
	// none.
	target *plan.Pod

	// pod at the far end, and the labels of its namespace; nil if there is none.
	pod       *plan.Pod
	namespace labels.Set
	// node at the far end; empty if there is none.
	node  string
	ip    netip.Addr
	place place
}

func (q *question) fill(x *Index, f *Flow, direction Direction, far *Peer) {
	*q = question{
		direction: direction,
		protocol:  string(f.Protocol),
		port:      f.Port,
		service:   netip.AddrPortFrom(f.Service.Addr().Unmap(), f.Service.Port()),
		target:    f.Destination.Pod,
		pod:       far.Pod,
		node:      far.node(),
		ip:        far.IP,
	}
	if q.pod != nil {
		q.namespace = x.namespaceLabels(q.pod.Key.Namespace)
		q.place = podAddress
	}
	if q.node != "" {
		q.place = nodeAddress
	}
}

// asNode takes the pod at the far end for its node.
func (q *question) asNode() {
	if q.direction == Egress {
		q.target = nil
	}
	q.pod, q.namespace = nil, nil
}

// answer by the rules of all policies together.
func (q *question) answer(d *Decision, policies []*compiled) {
	d.Verdict = Deny
	for _, c := range policies {
		rules := c.side(q.direction).rules
		for i := range rules {
			switch m, by := q.rule(&rules[i]); {
			case m == yes:
				d.Verdict, d.Admitting, d.Undecided, d.Why = Allow, by, nil, ""
				return
			case m == perhaps && d.Undecided == nil:
				d.Verdict, d.Undecided, d.Why = ImplementationDefined, by, WhyIPBlock
			}
		}
	}
	if d.Verdict == Deny {
		d.Nearest = q.nearest(policies)
	}
}
