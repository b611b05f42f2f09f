// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/util/intstr"
)

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

func portNotFound(s *Service, want *compiledService) string {
	message := fmt.Sprintf("Service %s has no TCP port %s", want.key, cut(want.port.String()))
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

func withPort(s *Service, port int32) []netip.AddrPort {
	out := make([]netip.AddrPort, 0, len(s.ClusterIPs))
	for _, ip := range s.ClusterIPs {
		out = append(out, netip.AddrPortFrom(ip, uint16(port)))
	}
	return out
}

// samePlan says whether the plan reads the same from both, either of which
// may be nil: endpoints matter only where the Service is headless.
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
