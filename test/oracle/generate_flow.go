// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package oracle

import (
	"net/netip"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// Flow of a cluster: one end at least is a pod.
func (g *Generator) Flow(c Cluster) Flow {
	var f Flow
	for six := g.chance(45); !f.Source.IP.IsValid() || !f.Destination.IP.IsValid(); six = !six {
		f.Source, f.Destination = g.podEnd(c, six), g.podEnd(c, six)
		switch kind := g.rand.IntN(100); {
		case g.names && kind < 40: // between pods
		case kind < 15, g.blocks && kind < 45:
			f.Source = g.outsideEnd(six)
		case kind < 30, g.blocks && kind < 85:
			f.Destination = g.outsideEnd(six)
		case kind < 34, g.blocks && kind < 88:
			f.Source = nodeEnd(1+g.rand.IntN(nodes), six)
		case kind < 36, g.blocks && kind < 90:
			f.Destination = nodeEnd(1+g.rand.IntN(nodes), six)
		}
	}
	f.Protocol, f.Port = g.dialled(c, f)
	if f.Protocol != "" && f.Destination.Node == "" && g.chance(12) {
		f.Service = g.service(f)
	}
	switch kind := g.rand.IntN(10); {
	case kind < 2:
		f.Source.Untold = f.Source.Pod != nil
	case kind < 4:
		f.Destination.Untold = f.Destination.Pod != nil
	}
	return f
}

// service in front of the destination: at a ClusterIP or at the address of a
// load balancer, with a port of its own.
func (g *Generator) service(f Flow) netip.AddrPort {
	ip, port := netip.MustParseAddr(one(g, []string{"10.96.0.10", "192.0.2.250"})), f.Port
	if f.Destination.IP.Is6() {
		ip = netip.MustParseAddr(one(g, []string{"fd00:96::10", "2001:db8::99"}))
	}
	if g.chance(60) {
		port = one(g, portNumbers())
	}
	return netip.AddrPortFrom(ip, uint16(port))
}

// dialled is a protocol and port: most often at the edge of what a policy of
// either end names, or what the pod names.
func (g *Generator) dialled(c Cluster, f Flow) (corev1.Protocol, int32) {
	protocol, port := corev1.ProtocolTCP, one(g, portNumbers())
	if g.chance(30) {
		protocol = corev1.ProtocolUDP
	}
	switch kind := g.rand.IntN(100); {
	case kind < 2:
		return "", 0
	case kind < 60:
		entries := entriesFor(c, f)
		if len(entries) == 0 {
			break
		}
		entry := one(g, entries)
		if entry.Protocol == nil {
			protocol = corev1.ProtocolTCP
		} else if *entry.Protocol != corev1.ProtocolSCTP && g.chance(80) {
			protocol = *entry.Protocol
		}
		if number := g.edge(entry, f.Destination.Pod); number > 0 {
			port = number
		}
	case kind < 75:
		if named := slices.Concat(portsOf(f.Destination.Pod, false), portsOf(f.Destination.Pod, true)); len(named) > 0 {
			pick := one(g, named)
			protocol, port = pick.Protocol, pick.ContainerPort
		}
	}
	return protocol, port
}

// entriesFor are the port entries of all rules that may be about a connection.
func entriesFor(c Cluster, f Flow) []portSpec {
	var out []portSpec
	for _, p := range c.Policies {
		if to := f.Destination.Pod; to != nil && to.Namespace == p.Namespace {
			for _, r := range p.Spec.Ingress {
				out = append(out, r.Ports...)
			}
		}
		if from := f.Source.Pod; from != nil && from.Namespace == p.Namespace {
			for _, r := range p.Spec.Egress {
				out = append(out, r.Ports...)
			}
		}
	}
	return out
}

// edge of a port entry: one that it has, or one next to it; 0 if there is none.
func (g *Generator) edge(p portSpec, to *corev1.Pod) int32 {
	switch {
	case p.Port == nil:
		return 0
	case p.Port.Type == intstr.String:
		ports := portsOf(to, true)
		if len(ports) == 0 || g.chance(30) {
			ports = portsOf(to, false)
		}
		ports = slices.DeleteFunc(ports, func(c corev1.ContainerPort) bool { return c.Name != p.Port.StrVal })
		if len(ports) == 0 {
			return 0
		}
		return one(g, ports).ContainerPort
	}
	numbers := []int32{p.Port.IntVal, p.Port.IntVal, p.Port.IntVal + 1, p.Port.IntVal - 1}
	if p.EndPort != nil {
		numbers = append(numbers, *p.EndPort, *p.EndPort, *p.EndPort+1, *p.EndPort-1, (p.Port.IntVal+*p.EndPort)/2)
	}
	return min(one(g, numbers), 65535)
}

// portsOf a pod: those of its containers or of its init containers.
func portsOf(pod *corev1.Pod, initial bool) []corev1.ContainerPort {
	if pod == nil {
		return nil
	}
	containers := pod.Spec.Containers
	if initial {
		containers = pod.Spec.InitContainers
	}
	var out []corev1.ContainerPort
	for _, c := range containers {
		out = append(out, c.Ports...)
	}
	return out
}

// podEnd is a pod with an address of the family; without an address if it has
// none of it.
func (g *Generator) podEnd(c Cluster, six bool) End {
	pod := one(g, c.Pods)
	for _, p := range pod.Status.PodIPs {
		if ip := netip.MustParseAddr(p.IP); ip.Is6() == six {
			return End{Pod: pod, IP: ip}
		}
	}
	return End{Pod: pod}
}

func (g *Generator) outsideEnd(six bool) End {
	if six {
		return End{IP: netip.MustParseAddr(one(g, outside6()))}
	}
	return End{IP: netip.MustParseAddr(one(g, outside4()))}
}

func nodeEnd(number int, six bool) End {
	return End{Node: nodeName(number), IP: netip.MustParseAddr(nodeAddress(number, six))}
}
