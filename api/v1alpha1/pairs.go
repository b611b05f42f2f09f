// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	"net/netip"
	"strings"
)

// Pair is one source and one target of a group; the source is the prober that
// holds the assignment.
//
// +kubebuilder:object:generate=false
type Pair struct {
	// Key is what PairStatus.Target says of this pair.
	Key string
	// Addr to dial. The port is 0 for ICMP; all of it is zero for DNS.
	Addr netip.AddrPort
	// NodeName of the target's node; mesh kinds only.
	NodeName string
	// EchoUID that the target must answer with; mesh kinds only.
	EchoUID string
	// Member is the pair's position in ProbeGroup.Members.
	Member int
}

// IsMesh reports whether a probe of this kind aims at echo pods.
func (k ProbeKind) IsMesh() bool {
	return k == ProbeMeshTCP || k == ProbeMeshUDP || k == ProbeMeshICMP
}

// Pairs lists the pairs of a group of this assignment, in the order of its
// members; the keys are unique. Rows that do not exist or cannot be dialled
// are left out. A kind that this version does not know is one pair whose key
// is the kind, so that it can be reported as Unsupported.
func (s *ProbeAssignmentSpec) Pairs(g *ProbeGroup) []Pair {
	switch {
	case g.Kind.IsMesh():
		return s.meshPairs(g)
	case g.Kind == ProbeTCP || g.Kind == ProbeHTTP:
		return s.targetPairs(g)
	case g.Kind == ProbeDNS:
		if g.DNS == nil {
			return nil
		}
		return []Pair{{Key: g.DNS.Name}}
	default:
		return []Pair{{Key: string(g.Kind)}}
	}
}

func (s *ProbeAssignmentSpec) meshPairs(g *ProbeGroup) []Pair {
	port := uint16(0)
	if g.Kind != ProbeMeshICMP {
		p, ok := validPort(g.Port)
		if !ok {
			return nil
		}
		port = p
	}
	pairs := make([]Pair, 0, len(g.Members))
	seen := make(map[string]struct{}, len(g.Members))
	for m, row := range g.Members {
		if row < 0 || int(row) >= len(s.Nodes) {
			continue
		}
		node := &s.Nodes[row]
		for _, text := range node.EchoIPs {
			ip, ok := parseIP(text)
			if !ok {
				continue
			}
			pairs = appendUnique(pairs, seen, Pair{
				Key:  MeshPairKey(node.Name, ip),
				Addr: netip.AddrPortFrom(ip, port), NodeName: node.Name, EchoUID: node.EchoUID, Member: m,
			})
		}
	}
	return pairs
}

func (s *ProbeAssignmentSpec) targetPairs(g *ProbeGroup) []Pair {
	pairs := make([]Pair, 0, len(g.Members))
	seen := make(map[string]struct{}, len(g.Members))
	for m, row := range g.Members {
		if row < 0 || int(row) >= len(s.Targets) {
			continue
		}
		ip, ipOK := parseIP(s.Targets[row].IP)
		port, portOK := validPort(s.Targets[row].Port)
		if !ipOK || !portOK {
			continue
		}
		addr := netip.AddrPortFrom(ip, port)
		pairs = appendUnique(pairs, seen, Pair{Key: addr.String(), Addr: addr, Member: m})
	}
	return pairs
}

// MeshPairKey is the key of the pair whose target is this address of the echo
// pod on the named node, such as "node3/IPv4".
func MeshPairKey(node string, ip netip.Addr) string {
	if ip.Is4() {
		return node + "/IPv4"
	}
	return node + "/IPv6"
}

func appendUnique(pairs []Pair, seen map[string]struct{}, p Pair) []Pair {
	if _, dup := seen[p.Key]; dup {
		return pairs
	}
	seen[p.Key] = struct{}{}
	return append(pairs, p)
}

// parseIP returns an address without a zone; an IPv4 address that is mapped
// into IPv6 becomes plain IPv4.
func parseIP(text string) (netip.Addr, bool) {
	ip, err := netip.ParseAddr(text)
	if err != nil || ip.Zone() != "" {
		return netip.Addr{}, false
	}
	return ip.Unmap(), true
}

func validPort(p int32) (uint16, bool) {
	if p < 1 || p > 65535 {
		return 0, false
	}
	return uint16(p), true
}

// ContentHash is the part of a group's hash that covers what is tested, apart
// from the pairs: while it stays, the state of a pair that stays is kept.
func ContentHash(hash string) string {
	content, _, _ := strings.Cut(hash, "-")
	return content
}

// IsBad reports whether a probe with this verdict speaks against the path.
// Those that say that nothing was measured do not; a verdict that is newer
// than this program does.
func (v Verdict) IsBad() bool {
	return v != VerdictConnected && !v.IsNeutral()
}

// IsNeutral reports whether a probe with this verdict says nothing about the
// path, neither for nor against it.
func (v Verdict) IsNeutral() bool {
	return v == VerdictUnmeasured || v == VerdictUnsupported || v == VerdictLocalError
}
