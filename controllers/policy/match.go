// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"net/netip"

	"k8s.io/apimachinery/pkg/labels"

	"github.com/netladder/netladder/controllers/plan"
)

// match of a clause: perhaps is left to the network plugin.
type match int

const (
	no match = iota
	perhaps
	yes
)

// rule says whether a rule admits, and by which of its peers.
func (q *question) rule(r *rule) (match, *Rule) {
	after, before := q.ports(r)
	if !after && !before {
		return no, nil
	}
	if len(r.peers) == 0 {
		if after {
			return yes, &r.ref
		}
		return no, nil
	}
	var undecided *Rule
	for i := range r.peers {
		p := &r.peers[i]
		switch q.peer(p, after, before) {
		case yes:
			return yes, &p.ref
		case perhaps:
			if undecided == nil {
				undecided = &p.ref
			}
		}
	}
	if undecided != nil {
		return perhaps, undecided
	}
	return no, nil
}

// ports says whether the ports of a rule match the port of the destination, and
// that of the Service that is dialled, which the destination never sees.
func (q *question) ports(r *rule) (after, before bool) {
	after = portsMatch(r.ports, q.protocol, q.port, q.target)
	before = q.direction == Egress && q.service.IsValid() && portsMatch(r.ports, q.protocol, int32(q.service.Port()), nil)
	return after, before
}

// peer says whether the far end is one that a peer means; the ports of the rule
// match after a Service's translation, or before it, or both.
func (q *question) peer(p *peer, after, before bool) match {
	switch {
	case p.broken != "":
		return no
	case p.block != nil:
		return q.block(p.block, after, before)
	case after && q.pod != nil && q.inNamespace(p) && podsMatch(p.pods, q.pod):
		return yes
	}
	return no
}

// inNamespace says whether the pod is in a namespace that the peer means: one
// that is selected, or else the policy's own.
func (q *question) inNamespace(p *peer) bool {
	if p.namespaces == nil {
		return q.pod.Key.Namespace == p.ref.Policy.Namespace
	}
	return p.namespaces.Matches(q.namespace)
}

func podsMatch(s labels.Selector, p *plan.Pod) bool {
	return s == nil || s.Matches(labels.Set(p.Labels))
}

// block says whether an ipBlock has the far end's address. It is for addresses
// outside of the cluster; with those of pods and nodes, and where an address is
// translated, plugins differ.
func (q *question) block(b *block, after, before bool) match {
	translated := q.service.IsValid()
	if q.direction == Ingress {
		switch {
		case !after:
			return no
		case q.hidden():
			return certain(sameFamily(b.Addr(), q.ip), perhaps)
		case q.place == outside:
			return certain(b.contains(q.ip), yes)
		}
		return certain(b.contains(q.ip), perhaps)
	}
	after = after && b.contains(q.ip)
	before = before && b.contains(q.service.Addr())
	if q.place == outside && (after == before || !translated) {
		return certain(after, yes)
	}
	return certain(after || before, perhaps)
}

// hidden is true where it is left to the plugin by which address the far end is
// seen: a node, which has several, and a client of a Service from outside.
func (q *question) hidden() bool {
	return q.direction == Ingress && (q.place == nodeAddress || q.place == outside && q.service.IsValid())
}

func certain(ok bool, m match) match {
	if ok {
		return m
	}
	return no
}

// sameFamily also where an address is not known.
func sameFamily(a, b netip.Addr) bool {
	return !b.IsValid() || a.Is4() == b.Is4()
}

// portsMatch says whether one of the entries has a port; no entries mean all.
func portsMatch(ports []port, protocol string, number int32, target *plan.Pod) bool {
	if len(ports) == 0 {
		return true
	}
	for i := range ports {
		if p := &ports[i]; p.protocol == protocol && p.has(protocol, number, target) {
			return true
		}
	}
	return false
}

// has the number, whatever the entry's own protocol is. A name means what the
// target calls so for the protocol.
func (p *port) has(protocol string, number int32, target *plan.Pod) bool {
	switch {
	case p.broken:
		return false
	case p.name == "":
		return p.first == 0 || p.first <= number && number <= p.last
	case target == nil:
		return false
	}
	for i := range target.Ports {
		if c := &target.Ports[i]; c.Name == p.name && string(c.Protocol) == protocol && c.Port == number {
			return true
		}
	}
	return false
}
