// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

// Package ladder says which rung of the network is broken under a pair that
// fails. It is pure. Its rules are a table in the order of causes before
// symptoms, one file each.
//
// A rule says something only for what was seen, never for what was not: a row of
// evidence that is lacking makes an answer Undetermined and no other one. So
// rules of different rungs must not both hold of one pair, or else ask for what
// no row can take away.
package ladder

import (
	"net/netip"

	"github.com/netladder/netladder/api/v1alpha1"
)

// Fact is what is known of something that either works or does not.
type Fact uint8

const (
	// Unknown is all that was not seen.
	Unknown Fact = iota
	// Works and Fails are what was.
	Works
	Fails
)

// Seen is what a probe saw.
type Seen struct {
	Fact
	// Verdict and Text of a probe that was bad. The Text may be shown.
	Verdict v1alpha1.Verdict
	Text    string
	// Cause that a prober found on its own node, one of the Cause constants;
	// empty where it found none.
	Cause string
}

// Node is one end's node.
type Node struct {
	// Name as it may be shown, such as "node2" or "the target's node", and Real as
	// the cluster has it, which is no part of any sentence.
	Name, Real string
	// Gone and NotReady are what is known of the node; Since when, in words.
	Gone, NotReady bool
	Since          string
}

// Way is what is known of the way from the source's node to another, or to its
// own pods.
type Way struct {
	// Node at the far end.
	Node Node
	// Same is true if that is the source's own, Host if what is there is the node
	// itself and no pod with an address of its own.
	Same, Host bool
	// Pods: from the prober to the echo pod there. Nodes: from node to node.
	// Tunnel: through the overlay. Large: packets as large as they may be.
	Pods, Nodes, Tunnel, Large Seen
	// Tunnels is true if the network plugin announces some between the two; for a
	// pair of kind IPIP, if it announces such by IP in IP.
	Tunnels bool
	// Back is what the prober at the far end sees of the tunnel from there.
	Back Seen
	// Here and There: whether pods on the source's node, and on the other, reach
	// each other there.
	Here, There Fact
	// Pings is true if other nodes are known to answer pings, so that silence is
	// none of a firewall that drops them all.
	Pings bool
	// Silent is true if the prober at the far end is not heard any more either.
	Silent bool
	// OtherWay is how the prober there sees the echo pod of the source's node.
	OtherWay Fact
}

// Near is what the node of a pod says of it: its prober is told to look when
// others do not reach the pod.
type Near struct {
	// Listener: Works if the pod listens and answers its own node. Fails with the
	// verdict NotListening if it does not listen, with another one if it does and
	// does not answer.
	Listener Seen
	// Route: Fails if the node's kernel has no route to it as it has to others.
	Route Seen
}

// Endpoint is one address behind a Service, or one server of the cluster's DNS.
type Endpoint struct {
	// At is its address, which is not shown.
	At netip.AddrPort
	// Name as it may be shown.
	Name string
	// Seen from the pair's source, by its own address.
	Seen Seen
	// ByNode is true if the Verdict is by the endpoint's own node, and Near what
	// else that says.
	ByNode bool
	Near   Near
	// Way to its node; nil where that is not known. Outside is true if it is known
	// to be on none of the cluster.
	Way     *Way
	Outside bool
}

// Service that the pair's target is an address of, or by which names are looked
// up.
type Service struct {
	// Name as it may be shown.
	Name string
	// Address is what is seen of its own address where the pair is not about it.
	Address Seen
	// Endpoints that were to be tried.
	Endpoints []Endpoint
	// Ready is how many there are in all; -1 where that is not known.
	Ready int
	// Through is true for a nodePort of another node: what leads to the endpoints is
	// there, and what this node sees of them proves nothing about it.
	Through bool
	// Balancer is true where the address is that of its load balancer.
	Balancer bool
	// Empty says why there are none.
	Empty Empty
	// Sticky is true for sessionAffinity ClientIP.
	Sticky bool
	// NoLocal is true if its internalTrafficPolicy is Local, and no endpoint is
	// on the source's node.
	NoLocal bool
	// Hairpin is true if the source is one of its endpoints.
	Hairpin bool
	// Others are the other Services that are tested from the source's node: how
	// many of them work, and how many began to fail in the same way when this did.
	OthersWork, OthersFail int
}

// Empty says why a Service has no endpoints.
type Empty struct {
	// Selector of the Service, in words; empty where it has none, or where it must
	// not be shown.
	Selector string
	// Matched is how many pods it matches; -1 where that is not known.
	Matched int
	// Meant asks whether another label was meant; empty where none is near.
	Meant string
	// NotReady names some of the pods that are not ready, of so many.
	NotReady []string
	Pods     int
}

// Pair that fails, and what is known around it. Names are as they may be shown.
type Pair struct {
	// Kind of probe, its Verdict and Text, and how often in a row it was bad.
	Kind    v1alpha1.ProbeKind
	Verdict v1alpha1.Verdict
	Text    string
	Streak  int
	// Cause that the prober found on its own node; empty where it found none.
	Cause string
	// Source and Target, as the path shows them.
	Source, Target string
	// From is where the probe starts.
	From v1alpha1.SourceKind
	// SourceNode is the node of the source.
	SourceNode Node
	// ByNode is true if the Verdict is by the target's own node, and Near what else
	// that says.
	ByNode bool
	Near   Near
	// Connected is true if a connection was made before nothing more came: then
	// small packets get there.
	Connected bool
	// Name that is looked up; empty where that is nobody's matter.
	Name string
	// Outside is true for a target that nothing of the cluster is known to be.
	Outside bool
	// Way to the target's node; nil where it is on none.
	Way *Way
	// Service that the target is an address of; nil where it is none.
	Service *Service
	// DNS of the cluster; nil where it does not matter or is not known. Only is
	// true if the pair asks no other server than the one that is an endpoint of it.
	DNS  *Service
	Only bool
	// Policy is what NetworkPolicies have to do with it, and Slow what they may;
	// nil where they have nothing to do with it.
	Policy, Slow *Finding
	// Admitted is true if they are known to admit it.
	Admitted bool
	// Elsewhere is true if the same fails from other sources too.
	Elsewhere bool
}

// Finding is what is wrong.
type Finding struct {
	Rung   v1alpha1.Rung
	Reason string
	// Object that is broken, in words: findings of one rung about one object are
	// one cause.
	Object string
	// On is the node that the Object is broken on, where that is less than the
	// node, as the cluster has it: what is broken of more objects there is the node.
	On string
	// Nodes that are broken, or between which something is, as the cluster has
	// them; none where it is something else.
	Nodes []string
	// Text is the sentence about this pair.
	Text string
	// Candidates where the rung is Undetermined.
	Candidates []v1alpha1.Rung
	// Rule that said it.
	Rule string
}

// Rule is one row of the table.
type Rule struct {
	// Name of the rule.
	Name string
	// Find says what is wrong; nil if this rule has nothing to say.
	Find func(*Pair) *Finding
}

// Rules in the order in which they are asked: the first that finds something is
// believed.
func Rules() []Rule {
	return []Rule{
		{"node", node},
		{"endpoints", endpoints},
		{"policy", func(p *Pair) *Finding { return p.Policy }},
		{"application", application},
		{"listener", listener},
		{"kernel", kernel},
		{"vtep", vtep},
		{"mtu", mtu},
		{"way", way},
		{"podroute", podRoute},
		{"dns", dns},
		{"service", service},
		{"slow", slow},
	}
}

// Diagnose says which rung is broken. It returns nil where there is nothing to
// say: nothing is known of the ladder to a target outside of the cluster.
func Diagnose(p *Pair) *Finding {
	for _, r := range Rules() {
		if f := r.Find(p); f != nil {
			f.Rule = r.Name
			return f
		}
	}
	return undetermined(p)
}

// silent is true for a verdict by which a network fails: nothing came, or
// something on the way said no.
func silent(v v1alpha1.Verdict) bool {
	switch v {
	case v1alpha1.VerdictDropped, v1alpha1.VerdictUnreachable, v1alpha1.VerdictRejected, v1alpha1.VerdictDNSTimeout,
		v1alpha1.VerdictTooBig, v1alpha1.VerdictLocalDenied, v1alpha1.VerdictProtocolUnreachable:
		return true
	}
	return false
}

// silent is true for a pair whose probe got nowhere.
func (p *Pair) silent() bool { return silent(p.Verdict) && !p.Connected }

// isDNS is true for a pair whose name could not be looked up.
func (p *Pair) isDNS() bool {
	return p.Kind == v1alpha1.ProbeDNS || isLookup(p.Verdict)
}

func isLookup(v v1alpha1.Verdict) bool {
	switch v {
	case v1alpha1.VerdictDNSTimeout, v1alpha1.VerdictDNSNameError, v1alpha1.VerdictDNSServerFailure, v1alpha1.VerdictDNSNoAnswer,
		v1alpha1.VerdictDNSWrongAnswer, v1alpha1.VerdictDNSTruncated:
		return true
	}
	return false
}
