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

// pairClusterIP aims at each cluster IP.
func (v *view) pairClusterIP(_ *compiledPath, p *pairing, s *Service, port *ServicePort) *idle {
	if s.Headless {
		return unsupportedVia(s, "is headless, so it has no cluster IP; set to.service.via to Endpoints, or remove it")
	}
	if len(s.ClusterIPs) == 0 {
		return &idle{reason: v1alpha1.ReasonNoTargets, message: fmt.Sprintf(
			"Service %s has no cluster IP yet; it is probed as soon as it has one", s.Key)}
	}
	p.spread = fixed(withPort(s.ClusterIPs, port.Port))
	return nil
}

// pairEndpoints aims at the endpoints one by one. Which pod an endpoint really
// is matters to half-open probes and to proofs.
func (v *view) pairEndpoints(c *compiledPath, p *pairing, s *Service, port *ServicePort) *idle {
	if len(port.Endpoints) == 0 {
		what := "Service"
		if s.Headless {
			what = "headless Service"
		}
		return &idle{accepted: true, reason: v1alpha1.ReasonNoEndpoints, message: fmt.Sprintf(
			"%s %s has no endpoints on port %s; see whether its pods run and are ready", what, s.Key, portName(*port))}
	}
	targets := make([]target, len(port.Endpoints))
	for i, at := range port.Endpoints {
		targets[i] = target{addr: at}
		if c.deny != nil || c.service.via == v1alpha1.ViaEndpoints {
			targets[i] = v.identify(p, at)
		}
		// For people: what proves a Deny is known of the pod itself.
		if c.deny == nil && targets[i].uid == "" && i < len(port.On) {
			targets[i].node = port.On[i]
		}
	}
	p.spread = newSpread(targets, p.epochLength(c), v.now)
	return nil
}

// pairNodePort aims at the nodePort on the nodes' own addresses. Each source
// always holds those of its own node, where the way is another one.
func (v *view) pairNodePort(c *compiledPath, p *pairing, s *Service, port *ServicePort) *idle {
	if port.NodePort < 1 || port.NodePort > 65535 {
		return &idle{reason: v1alpha1.ReasonPortNotFound, message: fmt.Sprintf(
			"port %s of Service %s has no nodePort; set the type of the Service to NodePort or LoadBalancer, or change to.service.via", portName(*port), s.Key)}
	}
	nodes := v.nodes(everyNode(), asHost)
	if s.LocalOnly {
		if len(port.Nodes) == 0 {
			return &idle{accepted: true, reason: v1alpha1.ReasonNoEndpoints, message: fmt.Sprintf(
				"Service %s has externalTrafficPolicy Local and no endpoint on port %s, so every node drops what comes to its nodePort; see whether its pods run and are ready",
				s.Key, portName(*port))}
		}
		nodes = nodes.subset(func(name string) bool { _, ok := slices.BinarySearch(port.Nodes, name); return ok })
	}
	own := map[string][]target{}
	var targets []target
	for _, name := range nodes.names {
		for _, ip := range v.cluster.Nodes[name].IPs {
			if slices.ContainsFunc(s.ClusterIPs, func(c netip.Addr) bool { return c.Is4() == ip.Is4() }) {
				own[name] = append(own[name], target{addr: netip.AddrPortFrom(ip, uint16(port.NodePort)), node: name})
			}
		}
		targets = append(targets, own[name]...)
	}
	if len(targets) == 0 {
		which := "no node"
		if s.LocalOnly {
			which = "no node with an endpoint, which alone count with externalTrafficPolicy Local,"
		}
		return &idle{reason: v1alpha1.ReasonNoTargets, message: fmt.Sprintf(
			"%s has an InternalIP of an IP family of Service %s; see kubectl get nodes -o wide", which, s.Key)}
	}
	p.spread = newSpread(sortTargets(targets), p.epochLength(c), v.now)
	p.spread.own = own
	return nil
}

// pairLoadBalancer aims at what the load balancer is reached by from outside.
func (v *view) pairLoadBalancer(c *compiledPath, p *pairing, s *Service, port *ServicePort) *idle {
	switch {
	case !s.LoadBalancer:
		return unsupportedVia(s, "is not of type LoadBalancer; set its type, or change to.service.via")
	case len(s.Ingress)+len(s.IngressNames) == 0:
		return &idle{reason: v1alpha1.ReasonNoTargets, message: fmt.Sprintf(
			"the external IP of Service %s is <pending>: its status has no load balancer yet; see whether a controller makes load balancers in this cluster", s.Key)}
	}
	ips := slices.DeleteFunc(slices.Clone(s.Ingress), func(ip netip.Addr) bool { return !dialable(ip) })
	names := slices.DeleteFunc(slices.Clone(s.IngressNames), func(name string) bool { return !isHostname(name) })
	switch {
	case len(ips) > 0:
		if c.deny != nil {
			p.ips = append(p.ips, ips...)
		}
		p.spread = newSpread(sortTargets(withPort(ips, port.Port)), p.epochLength(c), v.now)
	case len(names) > 0:
		p.host = &v1alpha1.HostTarget{Hostname: slices.Min(names), Port: port.Port, Protocol: c.protocol}
	default:
		return &idle{reason: v1alpha1.ReasonHostNotPermitted, message: fmt.Sprintf(
			"the load balancer in the status of Service %s has no address that may be probed, but loopback, unspecified or multicast ones", s.Key)}
	}
	return nil
}

// pairExternalName aims at the name that a Service stands for.
func (v *view) pairExternalName(c *compiledPath, p *pairing, s *Service) *idle {
	number := c.service.port.IntVal
	port, ok := findPort(s, c)
	switch {
	case c.service.via != "":
		return unsupportedVia(s, "has type ExternalName, which is a name and nothing else; remove to.service.via")
	case ok:
		number = port.Port
	case c.service.port.Type == intstr.String:
		return &idle{reason: v1alpha1.ReasonPortNotFound, message: portNotFound(s, c, v.discloses(s.Key.Namespace, c))}
	}
	if !isHostname(s.ExternalName) {
		return unsupportedVia(s, "has an externalName that no DNS can resolve; set a domain name there")
	}
	p.host = &v1alpha1.HostTarget{Hostname: s.ExternalName, Port: number, Protocol: c.protocol}
	return nil
}

func unsupportedVia(s *Service, what string) *idle {
	return &idle{reason: v1alpha1.ReasonUnsupportedService, message: fmt.Sprintf("Service %s %s", s.Key, what)}
}

// dialable says whether probes may be aimed at an address.
func dialable(ip netip.Addr) bool {
	return ip.IsValid() && ip.Zone() == "" && !ip.IsLoopback() && !ip.IsUnspecified() && !ip.IsMulticast()
}

// isHostname says whether a ProbeAssignment can hold a name from the status or
// the spec of a Service, for which the API server has other rules: one that it
// refused would keep the node's whole assignment from being written.
func isHostname(name string) bool {
	if len(name) > 253 || strings.Trim(name, "0123456789.") == "" {
		return false
	}
	for label := range strings.SplitSeq(strings.TrimSuffix(name, "."), ".") {
		if len(label) < 1 || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for _, c := range []byte(label) {
			if c != '-' && c != '_' && (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') {
				return false
			}
		}
	}
	return true
}

// serviceChange says what of a Service changed, by who reads it.
type serviceChange uint8

const (
	// changedService: every path that aims at it.
	changedService serviceChange = 1 << iota
	// changedEndpoints: paths that look at the endpoints of one that has a
	// cluster IP.
	changedEndpoints
	// changedNodePorts: nodePorts, and on which nodes they lead to endpoints.
	changedNodePorts
	// changedIngress: what is known of the load balancer.
	changedIngress
)

// changeOf a Service; each of both may be nil.
func changeOf(a, b *Service) (out serviceChange) {
	if a == nil || b == nil {
		if a != b {
			out = changedService
		}
		return out
	}
	note := func(same bool, change serviceChange) {
		if !same {
			out |= change
		}
	}
	ports := func(same func(x, y ServicePort) bool) bool { return slices.EqualFunc(a.Ports, b.Ports, same) }
	note(a.Headless == b.Headless && a.ExternalName == b.ExternalName && slices.Equal(a.ClusterIPs, b.ClusterIPs), changedService)
	note(ports(func(x, y ServicePort) bool { return x.Name == y.Name && x.Port == y.Port && x.Protocol == y.Protocol }), changedService)
	endpoints := ports(func(x, y ServicePort) bool { return slices.Equal(x.Endpoints, y.Endpoints) && slices.Equal(x.On, y.On) })
	note(endpoints, changedEndpoints)
	note(endpoints || !a.Headless, changedService)
	note(a.LocalOnly == b.LocalOnly, changedNodePorts)
	note(ports(func(x, y ServicePort) bool { return x.NodePort == y.NodePort && slices.Equal(x.Nodes, y.Nodes) }), changedNodePorts)
	note(a.LoadBalancer == b.LoadBalancer && slices.Equal(a.Ingress, b.Ingress) && slices.Equal(a.IngressNames, b.IngressNames), changedIngress)
	return out
}

// reads says which changes of its Service a path reads.
func (c *compiledPath) reads() serviceChange {
	out := changedService
	if c.deny != nil {
		out |= changedEndpoints
	}
	switch c.service.via {
	case v1alpha1.ViaEndpoints:
		out |= changedEndpoints
	case v1alpha1.ViaNodePort:
		out |= changedNodePorts
	case v1alpha1.ViaLoadBalancer:
		out |= changedIngress
	}
	return out
}
