// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/netladder/netladder/api/v1alpha1"
)

// pairPods aims at a port of pods.
func (v *view) pairPods(c *compiledPath, p *pairing) *idle {
	set := v.pods(c.pods.sel)
	if len(set.members) == 0 {
		return &idle{reason: v1alpha1.ReasonNoTargets, message: fmt.Sprintf("no running pod %s; correct to.pods, or label a pod", c.pods.sel)}
	}
	var targets []target
	var host, nameless tellOne
	for _, pod := range set.members {
		port := portOf(pod, c.pods.port, orTCP(c.protocol))
		switch {
		case c.deny != nil && pod.HostNetwork:
			host.add(pod)
			continue
		case port == 0:
			nameless.n++
			if v.discloses(pod.Key.Namespace, c) {
				nameless.add(pod)
				nameless.n--
			}
			continue
		}
		for _, ip := range pod.IPs {
			targets = append(targets, target{addr: netip.AddrPortFrom(ip, port), node: pod.Node, uid: pod.UID})
		}
	}
	switch {
	case len(targets) > 0:
		p.notOwn = c.deny != nil && c.kind == v1alpha1.SourceHost // no policy applies there
		p.spread = newSpread(p.reachable(sortTargets(targets)), p.epochLength(c), v.now)
		return nil
	case nameless.n > 0:
		return &idle{reason: v1alpha1.ReasonPortNotFound, message: noSuchPort(c, &nameless)}
	default:
		what := ""
		if v.discloses(host.first.Key.Namespace, c) {
			what = ", such as " + host.first.Key.String()
		}
		return &idle{reason: v1alpha1.ReasonNotProvable, message: fmt.Sprintf(
			"all %d pods %s are in the network of their node%s, where no socket is theirs alone; use to.nodes, or set expect to Allow",
			host.n, c.pods.sel, what)}
	}
}

// reachable are the targets that some source may aim at; all of them where that
// would be none, which is told later.
func (p *pairing) reachable(targets []target) []target {
	if !p.notOwn || p.sources.len() > 1 {
		return targets
	}
	others := slices.DeleteFunc(slices.Clone(targets), func(t target) bool { return t.node == p.sources.names[0] })
	if len(others) == 0 {
		return targets[:1]
	}
	return others
}

func orTCP(p v1alpha1.Protocol) v1alpha1.Protocol {
	if p == "" {
		return v1alpha1.ProtocolTCP
	}
	return p
}

// portOf a pod by number or by name; 0 without one.
func portOf(pod *Pod, port intstr.IntOrString, protocol v1alpha1.Protocol) uint16 {
	number := port.IntVal
	if port.Type == intstr.String {
		number = 0
		for _, p := range pod.Ports {
			if p.Name == port.StrVal && p.Protocol == protocol {
				number = p.Port
				break
			}
		}
	}
	if number < 1 || number > 65535 {
		return 0
	}
	return uint16(number)
}

// noSuchPort names the ports of one pod, of those that may be shown.
func noSuchPort(c *compiledPath, pods *tellOne) string {
	message := fmt.Sprintf("none of the pods %s has a %s container port named %s", c.pods.sel, orTCP(c.protocol), cut(c.pods.port.String()))
	if pods.first == nil || len(pods.first.Ports) == 0 {
		return message + "; name a port of the pods so, or set to.pods.port by number"
	}
	var names []string
	for _, p := range pods.first.Ports[:min(len(pods.first.Ports), maxListedPorts)] {
		names = append(names, fmt.Sprintf("%s (%s %d)", p.Name, p.Protocol, p.Port))
	}
	if len(pods.first.Ports) > maxListedPorts {
		names = append(names, "…")
	}
	return fmt.Sprintf("%s; %s has %s", message, pods.first.Key, strings.Join(names, ", "))
}

// pairNodes aims at the nodes' own addresses.
func (v *view) pairNodes(c *compiledPath, p *pairing) *idle {
	nodes := v.nodes(c.nodes.sel, asHost)
	if nodes.len() == 0 {
		message := "no node has an InternalIP; see kubectl get nodes -o wide"
		if c.nodes.sel.key != "" {
			message = "no node with an InternalIP matches the label selector " + cut(c.nodes.sel.key) + "; correct to.nodes.nodeSelector, or label a node"
		}
		return &idle{reason: v1alpha1.ReasonNoTargets, message: message}
	}
	var targets []target
	for _, name := range nodes.names {
		for _, ip := range v.cluster.Nodes[name].IPs {
			targets = append(targets, target{addr: netip.AddrPortFrom(ip, uint16(c.nodes.port)), node: name})
		}
	}
	slices.SortFunc(targets, func(a, b target) int { return strings.Compare(a.node, b.node) })
	p.notOwn = c.kind == v1alpha1.SourceHost
	p.spread = newSpread(p.reachable(sortTargets(targets)), p.epochLength(c), v.now)
	return nil
}

// pairHost aims at one address; for a hostname the probe says it all.
func (v *view) pairHost(c *compiledPath, p *pairing) {
	if !c.host.addr.IsValid() {
		return
	}
	t := target{addr: c.host.addr}
	if c.deny != nil {
		t = v.identify(p, c.host.addr)
	}
	p.spread = fixed([]target{t})
}
