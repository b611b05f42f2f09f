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
	if s.ExternalName != "" {
		return v.pairExternalName(c, p, s)
	}
	port, ok := findPort(s, c)
	if !ok {
		return &idle{reason: v1alpha1.ReasonPortNotFound, message: portNotFound(s, c, v.discloses(key.Namespace, c))}
	}
	way := v.pairClusterIP
	switch {
	case c.service.via == v1alpha1.ViaEndpoints, c.service.via == "" && s.Headless:
		return v.pairEndpoints(c, p, s, port)
	case c.service.via == v1alpha1.ViaNodePort:
		way = v.pairNodePort
	case c.service.via == v1alpha1.ViaLoadBalancer:
		way = v.pairLoadBalancer
	}
	if why := way(c, p, s, port); why != nil {
		return why
	}
	p.port = port
	if c.deny == nil && p.host == nil {
		p.service = &serviceRef{key: key, port: port.Name, number: port.Port, protocol: port.Protocol}
	}
	// Of a name nobody knows where it leads, so that only a control proves it.
	if c.deny != nil && !c.service.apiServer && p.host == nil {
		v.lookBehind(p, key.Namespace, port.Endpoints)
	}
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

func findPort(s *Service, c *compiledPath) (*ServicePort, bool) {
	want := c.service.port
	for i := range s.Ports {
		p := &s.Ports[i]
		if p.Protocol != c.protocol {
			continue
		}
		if want.Type == intstr.Int && p.Port == want.IntVal || want.Type == intstr.String && p.Name != "" && p.Name == want.StrVal {
			return p, true
		}
	}
	return nil, false
}

// maxListedPorts bounds a message.
const maxListedPorts = 10

func portNotFound(s *Service, c *compiledPath, disclosed bool) string {
	protocol := orTCP(c.protocol)
	message := fmt.Sprintf("Service %s has no %s port %s", s.Key, protocol, cut(c.service.port.String()))
	if !disclosed {
		return message + "; correct to.service.port"
	}
	ports := slices.DeleteFunc(slices.Clone(s.Ports), func(p ServicePort) bool { return p.Protocol != c.protocol })
	if len(ports) == 0 {
		return fmt.Sprintf("%s, nor any other %s port; add one to the Service, or aim at another", message, protocol)
	}
	slices.SortFunc(ports, func(a, b ServicePort) int { return int(a.Port - b.Port) })
	var names []string
	for _, p := range ports[:min(len(ports), maxListedPorts)] {
		names = append(names, portName(p))
	}
	if len(ports) > maxListedPorts {
		names = append(names, "…")
	}
	return fmt.Sprintf("%s; its %s ports are %s", message, protocol, strings.Join(names, ", "))
}

func portName(p ServicePort) string {
	if p.Name == "" {
		return strconv.Itoa(int(p.Port))
	}
	return fmt.Sprintf("%d (%s)", p.Port, p.Name)
}

func withPort(ips []netip.Addr, port int32) []target {
	out := make([]target, 0, len(ips))
	for _, ip := range ips {
		out = append(out, target{addr: netip.AddrPortFrom(ip, uint16(port))})
	}
	return out
}
