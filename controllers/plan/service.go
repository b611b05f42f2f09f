// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/netladder/netladder/api/v1alpha1"
)

func (v *view) pairService(c *compiledPath, p *pairing) *idle {
	key := c.service.key
	s, ok := v.cluster.Services[key]
	if !ok {
		return &idle{reason: v1alpha1.ReasonServiceNotFound, message: fmt.Sprintf(
			"Service %s does not exist; create it, or correct the name and namespace in to.service", key)}
	}
	if s.ExternalName {
		return &idle{reason: v1alpha1.ReasonUnsupportedService, message: fmt.Sprintf(
			"Service %s has type ExternalName, which has no addresses of its own; aim at the Service behind it", key)}
	}
	port, ok := findPort(s, c.service)
	if !ok {
		return &idle{reason: v1alpha1.ReasonPortNotFound, message: portNotFound(s, c.service, v.discloses(key.Namespace, c))}
	}
	if !s.Headless {
		if len(s.ClusterIPs) == 0 {
			return &idle{reason: v1alpha1.ReasonNoTargets, message: fmt.Sprintf(
				"Service %s has no cluster IP yet; it is probed as soon as it has one", key)}
		}
		p.spread = fixed(withPort(s, port.Port))
		if c.deny != nil && !c.service.apiServer {
			v.lookBehind(p, key.Namespace, port.Endpoints)
		}
		return nil
	}
	if len(port.Endpoints) == 0 {
		return &idle{accepted: true, reason: v1alpha1.ReasonNoEndpoints, message: fmt.Sprintf(
			"headless Service %s has no endpoints on port %s; see whether its pods run and are ready", key, portName(*port))}
	}
	targets := make([]target, len(port.Endpoints))
	for i, at := range port.Endpoints {
		targets[i] = target{addr: at}
		if c.deny != nil {
			targets[i] = v.identify(p, at)
		}
	}
	p.spread = newSpread(targets, p.epochLength(c), v.now)
	return nil
}

// identify says which pod really has an address, whatever claims to know.
func (v *view) identify(p *pairing, at netip.AddrPort) target {
	p.ips = append(p.ips, at.Addr())
	if pod := v.podAt(at.Addr()); pod != nil {
		return target{addr: at, node: pod.Node, uid: pod.UID}
	}
	return target{addr: at}
}

// maxBehind is how many of a Service's endpoints prove a Deny.
const maxBehind = 5

// lookBehind finds pods behind a Service that prove something: an entry of an
// EndpointSlice may be forged, so that only what is a pod, and of the Service's
// namespace, counts.
func (v *view) lookBehind(p *pairing, namespace string, endpoints []netip.AddrPort) {
	sorted := slices.Clone(endpoints)
	slices.SortFunc(sorted, func(a, b netip.AddrPort) int {
		return cmp.Or(cmp.Compare(hashAddr(a), hashAddr(b)), a.Compare(b))
	})
	for _, at := range sorted {
		t := v.identify(p, at)
		if t.uid != "" && v.cluster.Pods[t.uid].Key.Namespace == namespace && len(p.behind) < maxBehind {
			p.behind = append(p.behind, t)
		}
	}
}

func findPort(s *Service, want *compiledService) (*ServicePort, bool) {
	for i := range s.Ports {
		p := &s.Ports[i]
		if want.port.Type == intstr.Int && p.Port == want.port.IntVal ||
			want.port.Type == intstr.String && p.Name != "" && p.Name == want.port.StrVal {
			return p, true
		}
	}
	return nil, false
}

// maxListedPorts bounds a message.
const maxListedPorts = 10

func portNotFound(s *Service, want *compiledService, disclosed bool) string {
	message := fmt.Sprintf("Service %s has no TCP port %s", want.key, cut(want.port.String()))
	if !disclosed {
		return message + "; correct to.service.port"
	}
	if len(s.Ports) == 0 {
		return message + ", nor any other TCP port; add one to the Service, or aim at another"
	}
	ports := slices.Clone(s.Ports)
	slices.SortFunc(ports, func(a, b ServicePort) int { return int(a.Port - b.Port) })
	var names []string
	for _, p := range ports[:min(len(ports), maxListedPorts)] {
		names = append(names, portName(p))
	}
	if len(ports) > maxListedPorts {
		names = append(names, "…")
	}
	return message + "; its TCP ports are " + strings.Join(names, ", ")
}

func portName(p ServicePort) string {
	if p.Name == "" {
		return strconv.Itoa(int(p.Port))
	}
	return fmt.Sprintf("%d (%s)", p.Port, p.Name)
}

func withPort(s *Service, port int32) []target {
	out := make([]target, 0, len(s.ClusterIPs))
	for _, ip := range s.ClusterIPs {
		out = append(out, target{addr: netip.AddrPortFrom(ip, uint16(port))})
	}
	return out
}

// samePlan says whether every path reads the same from both, either of which
// may be nil, apart from those that look behind the cluster IPs.
func samePlan(a, b *Service) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Headless == b.Headless && a.ExternalName == b.ExternalName &&
		slices.Equal(a.ClusterIPs, b.ClusterIPs) &&
		slices.EqualFunc(a.Ports, b.Ports, func(x, y ServicePort) bool {
			return x.Name == y.Name && x.Port == y.Port && (!a.Headless || slices.Equal(x.Endpoints, y.Endpoints))
		})
}

// sameEndpoints compares Services that have the same ports.
func sameEndpoints(a, b *Service) bool {
	return slices.EqualFunc(a.Ports, b.Ports, func(x, y ServicePort) bool { return slices.Equal(x.Endpoints, y.Endpoints) })
}
