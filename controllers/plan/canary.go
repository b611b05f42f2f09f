// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"net/netip"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/types"

	"github.com/netladder/netladder/api/v1alpha1"
)

// Canary is a canary pod: one that a NetworkPolicy isolates both ways.
type Canary struct {
	// UID of the pod.
	UID types.UID
	// Key is namespace and name.
	Key types.NamespacedName
	// IPs of the pod, one of each family, in the order of its status.
	IPs []netip.Addr
}

// Equal says whether both are the same pod; each may be nil.
func (c *Canary) Equal(b *Canary) bool {
	if c == nil || b == nil {
		return c == b
	}
	return c.UID == b.UID && c.Key == b.Key && slices.Equal(c.IPs, b.IPs)
}

// ownPairs are what one node tests of its own: the targets, and the pod that
// probes start in; nil for the prober.
type ownPairs struct {
	targets []target
	source  *Pod
}

func (o *ownPairs) equal(b *ownPairs) bool {
	switch {
	case o == nil || b == nil:
		return o == b
	case (o.source == nil) != (b.source == nil):
		return false
	case o.source != nil && !sameRows([]*Pod{o.source}, []*Pod{b.source}):
		return false
	}
	return slices.Equal(o.targets, b.targets)
}

// pairs of targets and the source, of the same family.
func (o *ownPairs) pairs() (n int64) {
	for _, t := range o.targets {
		if o.source == nil || slices.ContainsFunc(o.source.IPs, func(ip netip.Addr) bool { return ip.Is4() == t.addr.Addr().Is4() }) {
			n++
		}
	}
	return n
}

// pairCanary pairs each node with itself: its prober with its canary pod, or
// its canary pod with its echo pod. Nodes that lack one of them are left out.
func (v *view) pairCanary(c *compiledPath, p *pairing) *idle {
	canaries := v.nodes(everyNode(), asCanary)
	p.own = make(map[string]*ownPairs, p.sources.len())
	all := p.sources
	p.sources = all.subset(func(name string) bool {
		if !canaries.has(name) {
			return false
		}
		own := ownCanary(c.canary, v.cluster.Nodes[name])
		if own.pairs() == 0 {
			return false
		}
		p.own[name] = own
		return true
	})
	for _, name := range all.names {
		if p.own[name] == nil {
			p.lacking = append(p.lacking, name)
		}
	}
	if p.sources.len() > 0 {
		return nil
	}
	return &idle{accepted: true, reason: v1alpha1.ReasonCanaryNotReady, message: "no node with a prober has a canary pod" +
		echoToo(c.canary) + "; see whether the DaemonSet " + v1alpha1.CanaryName + " runs there"}
}

func echoToo(direction v1alpha1.PolicyDirection) string {
	if direction == v1alpha1.PolicyEgress {
		return " and an echo pod"
	}
	return ""
}

// ownCanary is what a node with a canary pod tests of it.
func ownCanary(direction v1alpha1.PolicyDirection, n *Node) *ownPairs {
	aim := func(uid types.UID, ips []netip.Addr) []target {
		out := make([]target, 0, len(ips))
		for _, ip := range ips {
			out = append(out, target{addr: netip.AddrPortFrom(ip, EchoPort), node: n.Name, uid: uid})
		}
		return out
	}
	switch {
	case direction == v1alpha1.PolicyIngress:
		return &ownPairs{targets: aim(n.Canary.UID, n.Canary.IPs)}
	case !asTarget.plays(n):
		return &ownPairs{}
	}
	return &ownPairs{
		targets: aim(n.Echo.UID, n.Echo.IPs),
		source:  &Pod{UID: n.Canary.UID, Key: n.Canary.Key, Node: n.Name, IPs: n.Canary.IPs},
	}
}

// proveCanary adds what shows that a node's network works: its prober reaches
// its echo pod, which differs from the canary pod in nothing but the policy.
// That the canary pod lives is known from its kubelet.
func (v *view) proveCanary(c *compiledPath, p *pairing, out *ResolvedPath) {
	g := p.group(c, &c.deny.wire, p.sources)
	g.own, g.wire = nil, &wire{main: out.Groups[0]}
	out.Proofs, out.Lacking = append(out.Proofs, g), p.lacking
}

// refuseCanary says why a path to the canary pods is not probed. check is in
// Netladder's own namespace if own.
func refuseCanary(p *v1alpha1.Path, own bool, s Settings) *idle {
	c := p.To.Canary
	switch {
	case c == nil:
		return nil
	case !own:
		return &idle{reason: v1alpha1.ReasonSourceNotPermitted, message: "to.canary may be used only in Netladder's own namespace; see the check policy-enforcement in namespace " + s.Namespace}
	case s.NoCanary:
		return &idle{reason: v1alpha1.ReasonCanaryDisabled, message: "there are no canary pods, because the controller was started with --canary=false; start it with --canary=true, or delete this path"}
	case c.Direction == v1alpha1.PolicyEgress && s.Level != v1alpha1.LevelFull:
		return unsupported("to.canary with direction Egress needs probers of level Full; install them by kubectl apply -k config/full, or remove it")
	}
	return nil
}

// malformedCanary refuses what the schema of this version refuses as well.
func malformedCanary(p *v1alpha1.Path) *idle {
	c := p.To.Canary
	switch {
	case c == nil:
		return nil
	case p.From.Probers == nil || p.Expect != v1alpha1.ExpectDeny || hasLayer(p):
		return unsupported("to.canary goes with from.probers and expect Deny, without http, tls and grpc; correct the path")
	case !slices.Contains(canaryDirections(), c.Direction):
		return unsupported("this version of Netladder knows only to.canary.direction %s; set one of them, or upgrade", joined(canaryDirections()))
	}
	return nil
}

func canaryDirections() []v1alpha1.PolicyDirection {
	return []v1alpha1.PolicyDirection{v1alpha1.PolicyIngress, v1alpha1.PolicyEgress}
}

func joined(directions []v1alpha1.PolicyDirection) string {
	texts := make([]string, len(directions))
	for i, d := range directions {
		texts[i] = string(d)
	}
	return strings.Join(texts, " and ")
}
