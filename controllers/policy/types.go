// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

// Package policy says what the NetworkPolicies of a cluster make of a
// connection, and which policy and which clause of it decided. It is pure: no
// client, no clock; the same index gives the same answer whatever the order in
// which it was filled.
//
// It follows the specification of networking.k8s.io/v1 and nothing else. Where
// that leaves a case to the network plugin the answer is ImplementationDefined,
// with the reason; nobody is blamed on a guess.
package policy

import (
	"net/netip"

	"k8s.io/apimachinery/pkg/types"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/controllers/plan"
)

// Verdict of the declared policies about a connection.
type Verdict string

const (
	// Allow: no policy isolates, or a rule admits in each direction.
	Allow Verdict = "Allow"
	// Deny: a policy isolates in one direction at least, and no rule admits.
	Deny Verdict = "Deny"
	// ImplementationDefined: the specification leaves it to the network plugin.
	ImplementationDefined Verdict = "ImplementationDefined"
)

// Direction of a policy, seen from the pod that it selects.
type Direction string

const (
	// Ingress is to the pods that a policy selects.
	Ingress Direction = "Ingress"
	// Egress is from them.
	Egress Direction = "Egress"
)

// Flow is one connection: what is dialled, after any Service was translated to
// one of its endpoints.
type Flow struct {
	// Source that dials, and Destination that is dialled.
	Source, Destination Peer
	// Protocol; empty for one that policies do not speak of, such as ICMP.
	Protocol v1alpha1.Protocol
	// Port of the Destination, 1 to 65535; 0 without Protocol.
	Port int32
	// Service is the address and port that the source dials where that is a
	// Service's, which translates it to the Destination; the zero AddrPort where
	// the Destination itself is dialled.
	Service netip.AddrPort
}

// Peer is one end of a connection.
type Peer struct {
	// Pod at this end; nil for a node and for what is outside of the cluster.
	Pod *plan.Pod
	// Node at this end, by name, where it is the node itself; empty otherwise.
	Node string
	// IP in use at this end. For a Pod, one of its addresses; where it is the
	// zero Addr, its first of the other end's family.
	IP netip.Addr
}

// Result is what the policies make of a Flow.
type Result struct {
	// Verdict over both directions: Deny if either denies, else
	// ImplementationDefined if either is, else Allow.
	Verdict Verdict
	// Egress from the source and Ingress to the destination.
	Egress, Ingress Decision
}

// Decision is the result in one direction.
type Decision struct {
	// Direction that it is about.
	Direction Direction
	// Verdict in this direction alone.
	Verdict Verdict
	// Isolating are the policies that select the pod for this direction, sorted;
	// without any, everything is allowed. Read-only.
	Isolating []types.NamespacedName
	// Admitting is the first rule that admits, in the order of Isolating; nil
	// unless the pod is isolated, the Verdict is Allow and there is no Exempt.
	// Read-only.
	Admitting *Rule
	// Nearest is the rule that missed by the least; nil unless the Verdict is
	// Deny, and then too where the isolating policies have no rules at all.
	Nearest *Miss
	// Why it is ImplementationDefined; empty otherwise.
	Why Why
	// Undecided is the first rule that admits with some network plugins and not
	// with others; nil unless the Verdict is ImplementationDefined, and then too
	// where it does not depend on a rule. Read-only.
	Undecided *Rule
	// Exempt says why an isolated pod is allowed whatever the rules are; empty
	// otherwise.
	Exempt Exempt
}

// Rule is one rule of a policy.
type Rule struct {
	// Policy that it is of.
	Policy types.NamespacedName
	// Index of the rule in spec.ingress or spec.egress.
	Index int
	// Peer is the index of the peer in from or to; -1 where the rule has none,
	// which means everybody.
	Peer int
}

// Miss is a rule that does not admit a Flow, and the clause that made it so.
type Miss struct {
	Rule
	// Clause that missed.
	Clause Clause
	// Wants is what the clause asks for and the Flow does not have, as one would
	// write it: "role=frontend", "TCP 8080 to 8090", "10.0.0.0/8 except
	// 10.1.0.0/16". Printable, at most MaxText bytes.
	Wants string
	// Got is what the Flow has in its place: "role=backend", "no label role",
	// "TCP 5432", "10.1.2.3". Of labels it has those alone that the clause asks
	// about. Printable, at most MaxText bytes.
	Got string
	// Also are the other clauses of the rule that missed.
	Also []Clause
}

// MaxText is how long the texts of a Miss are at most, in bytes.
const MaxText = 256

// Clause of a rule.
type Clause string

const (
	// ClausePodSelector: the other end's labels do not match.
	ClausePodSelector Clause = "podSelector"
	// ClauseNamespaceSelector: the labels of the other end's namespace do not
	// match, or it is in another namespace where the peer names none.
	ClauseNamespaceSelector Clause = "namespaceSelector"
	// ClauseCIDR: the other end's address is not in the block.
	ClauseCIDR Clause = "ipBlock.cidr"
	// ClauseExcept: it is in the block and in an exception.
	ClauseExcept Clause = "ipBlock.except"
	// ClausePort: no entry has the port; a named port that the destination does
	// not have, or has with another number, counts as such.
	ClausePort Clause = "port"
	// ClauseProtocol: an entry has the port for another protocol.
	ClauseProtocol Clause = "protocol"
)

// Why the specification leaves a case to the network plugin.
type Why string

const (
	// WhyHostNetwork: an end shares its node's network namespace; plugins may
	// or may not tell it from the node.
	WhyHostNetwork Why = "HostNetwork"
	// WhyIPBlock: only an ipBlock admits or rejects the address of a pod or a
	// node; plugins may compare before or after translation.
	WhyIPBlock Why = "IPBlock"
	// WhyProtocol: policies do not speak of the protocol.
	WhyProtocol Why = "Protocol"
	// WhyHairpin: the pod dials itself through a Service, and the policies do not
	// admit that.
	WhyHairpin Why = "Hairpin"
)

// Exempt says why no policy can deny a connection.
type Exempt string

const (
	// ExemptSelf: a pod cannot be kept from itself.
	ExemptSelf Exempt = "Self"
	// ExemptLocalNode: a pod cannot be kept from the node that it runs on, nor
	// the node from it.
	ExemptLocalNode Exempt = "LocalNode"
)
