// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

// Package climb tries the rungs of the network's ladder while a probe fails:
// from the same source and at the same moment, so that what is seen there
// explains what was seen above. It says what it saw and blames nobody.
package climb

import (
	"cmp"
	"net/netip"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/prober/probe"
)

// Step is one probe of a climb. Pairs whose climbs have a step with the same
// Key share it.
type Step struct {
	Key
	// Pod whose sockets are looked at, by its UID; of kind Listener only.
	Pod string
	// Target of the probe, without the place where it starts and the timeout.
	To probe.Target
}

// Key identifies a step: the fields of the API's RungStatus.
type Key struct {
	// Source is empty for the prober pod, Host for the node's own network, else
	// the UID of a pod.
	Source string
	// Rung that the step is on.
	Rung v1alpha1.Rung
	// Probe that is made.
	Probe v1alpha1.ProbeKind
	// Target as RungStatus.Target says.
	Target string
}

// compare orders steps as they are reported.
func (k Key) compare(other Key) int {
	return cmp.Or(cmp.Compare(k.Rung, other.Rung), cmp.Compare(k.Target, other.Target), cmp.Compare(k.Source, other.Source), cmp.Compare(k.Probe, other.Probe))
}

// SourceHost is the Source of steps that start in the node's own network.
const SourceHost = string(v1alpha1.SourceHost)

// Here is what a climb needs to know of the prober that makes it.
type Here struct {
	// Node that it is on.
	Node string
	// Host is true if it can start probes in the node's own network, HalfOpen
	// if it can make half-open ones.
	Host, HalfOpen bool
	// ResolvConf is the path of the prober's own.
	ResolvConf string
}

// Steps lists the rungs below a pair of an assignment. It is empty where there
// is none to try: a target outside of the cluster has no ladder.
func (h Here) Steps(ground *Ground, g *v1alpha1.ProbeGroup, p *v1alpha1.Pair) []Step {
	ground.survey()
	c := &climb{here: h, ground: ground, group: g, family: p.Addr.Addr(), seen: map[Key]struct{}{}}
	if p.Source != nil {
		c.source, c.sourceIP = p.Source.UID, p.SourceIP
	} else if g.From == v1alpha1.SourceHost {
		c.source = SourceHost
	}
	switch {
	case g.Kind == v1alpha1.ProbeDNS || g.Host != nil && g.Host.Hostname != "":
		c.names()
	case p.Target != nil:
		c.service(p)
	}
	c.between(p.NodeName)
	return c.steps
}

// climb is the list of one pair's steps while it is made.
type climb struct {
	here     Here
	ground   *Ground
	group    *v1alpha1.ProbeGroup
	source   string
	sourceIP netip.Addr
	// family of the pair's target; no address where that is a name.
	family netip.Addr
	seen   map[Key]struct{}
	steps  []Step
}

func (c *climb) add(k Key, to probe.Target) {
	if _, known := c.seen[k]; known {
		return
	}
	c.seen[k] = struct{}{}
	c.steps = append(c.steps, Step{Key: k, To: to})
}

// names asks each server of the cluster's DNS, by its Service's address and by
// its own, over each transport.
func (c *climb) names() {
	question := probe.DNSQuestion{ResolvConf: c.here.ResolvConf, Type: string(v1alpha1.DNSTypeA)}
	switch {
	case c.group.DNS != nil:
		question.Answers = c.group.DNS.Answers
		question.Name, question.Type = c.group.DNS.Name, cmp.Or(string(c.group.DNS.Type), question.Type)
	default:
		question.Name = c.group.Host.Hostname
	}
	for _, service := range c.ground.dns {
		for _, servers := range [][]v1alpha1.AssignedTarget{service.Addresses, service.Endpoints} {
			each(servers, func(t *v1alpha1.AssignedTarget, addr netip.AddrPort) {
				question.Server = addr
				for transport, protocol := range map[v1alpha1.DNSTransport]v1alpha1.Protocol{
					v1alpha1.DNSOverUDP: v1alpha1.ProtocolUDP, v1alpha1.DNSOverTCP: v1alpha1.ProtocolTCP,
				} {
					question.Transport = string(transport)
					c.add(Key{c.source, v1alpha1.RungDNS, v1alpha1.ProbeDNS, v1alpha1.TargetPairKey(addr, protocol)},
						probe.Target{Source: c.sourceIP, DNS: question})
				}
				c.between(t.Node)
			})
		}
	}
}

// service tries what is behind the Service that the pair's target is an
// address of.
func (c *climb) service(p *v1alpha1.Pair) {
	for _, service := range c.ground.services[p.Target] {
		// What the application makes of it is the application's rung.
		kind := v1alpha1.ProbeTCP
		switch {
		case c.group.Kind == v1alpha1.ProbeUDP:
			kind = v1alpha1.ProbeUDP
		case c.here.HalfOpen:
			kind = v1alpha1.ProbeTCPHalfOpen
		}
		each(service.Endpoints, func(t *v1alpha1.AssignedTarget, addr netip.AddrPort) {
			if addr.Addr().Is4() != c.family.Is4() {
				return
			}
			c.add(Key{c.source, v1alpha1.RungEndpoints, kind, v1alpha1.TargetPairKey(addr, t.Protocol)},
				probe.Target{Source: c.sourceIP, Addr: addr})
			c.between(t.Node)
		})
	}
}

// each calls f for the targets that can be dialled.
func each(targets []v1alpha1.AssignedTarget, f func(*v1alpha1.AssignedTarget, netip.AddrPort)) {
	for i := range targets {
		t := &targets[i]
		ip, err := netip.ParseAddr(t.IP)
		if err != nil || ip.Zone() != "" || t.Port < 1 || t.Port > 65535 {
			continue
		}
		f(t, netip.AddrPortFrom(ip.Unmap(), uint16(t.Port)))
	}
}

// between tries what connects this node with another, or with its own pods,
// whoever the pair's source and target are.
func (c *climb) between(node string) {
	n := c.ground.nodes[node]
	if n == nil {
		return
	}
	for _, ip := range c.addresses(n.EchoIPs) {
		c.add(Key{"", v1alpha1.RungPodNetwork, v1alpha1.ProbeMeshTCP, v1alpha1.MeshPairKey(node, ip)},
			probe.Target{Addr: netip.AddrPortFrom(ip, v1alpha1.EchoPort), EchoUID: n.EchoUID})
	}
	if node == c.here.Node {
		return
	}
	source := ""
	if c.here.Host {
		source = SourceHost
	}
	for _, ip := range c.addresses(n.IPs) {
		c.add(Key{source, v1alpha1.RungUnderlay, v1alpha1.ProbeICMP, v1alpha1.MeshPairKey(node, ip)},
			probe.Target{Addr: netip.AddrPortFrom(ip, 0)})
	}
	c.large(n)
	c.tunnels(n)
}

// large tries whether large packets reach the pods of a node where small ones do.
func (c *climb) large(n *v1alpha1.AssignedNode) {
	for _, ip := range c.addresses(n.EchoIPs) {
		c.add(Key{"", v1alpha1.RungMTU, v1alpha1.ProbeMTU, v1alpha1.MeshPairKey(n.Name, ip)},
			probe.Target{Addr: netip.AddrPortFrom(ip, 0)})
	}
}

// tunnels tries the tunnels to a node, from the own end.
func (c *climb) tunnels(n *v1alpha1.AssignedNode) {
	if !c.here.Host {
		return
	}
	if len(n.Tunnels) == 0 { // whoever makes the step looks what devices there are
		for _, ip := range c.addresses(n.IPs) {
			c.add(Key{SourceHost, v1alpha1.RungOverlay, v1alpha1.ProbeTunnel, v1alpha1.MeshPairKey(n.Name, ip)},
				probe.Target{Addr: netip.AddrPortFrom(ip, 0)})
		}
	}
	for i := range n.Tunnels {
		for _, ip := range c.addresses([]string{n.Tunnels[i].IP}) {
			c.add(Key{SourceHost, v1alpha1.RungOverlay, v1alpha1.ProbeTunnel, v1alpha1.MeshPairKey(n.Name, ip)},
				probe.Target{Addr: netip.AddrPortFrom(ip, 0)})
			if c.talks() { // a hop between the nodes says to the node's kernel what it takes
				c.add(Key{SourceHost, v1alpha1.RungMTU, v1alpha1.ProbeMTU, v1alpha1.MeshPairKey(n.Name, ip)},
					probe.Target{Addr: netip.AddrPortFrom(ip, 0)})
			}
		}
	}
}

// talks is true for probes that send more than small packets.
func (c *climb) talks() bool {
	k := c.group.Kind
	return k == v1alpha1.ProbeHTTP || k == v1alpha1.ProbeTLS || k == v1alpha1.ProbeGRPC
}

// addresses are those of the family of the pair's target, where that has one.
func (c *climb) addresses(texts []string) []netip.Addr {
	var out []netip.Addr
	for _, text := range texts {
		ip, err := netip.ParseAddr(text)
		if err != nil || ip.Zone() != "" {
			continue
		}
		if ip = ip.Unmap(); !c.family.IsValid() || c.family.Is4() == ip.Is4() {
			out = append(out, ip)
		}
	}
	return out
}
