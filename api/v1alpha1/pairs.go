// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	"net/netip"
	"strconv"
	"strings"
)

// Pair is one source and one target of a group.
//
// +kubebuilder:object:generate=false
type Pair struct {
	// Key is what PairStatus.Target says of this pair.
	Key string
	// Source is the pod that the probes start in; nil where ProbeGroup.From is
	// not Pods. It points into the assignment.
	Source *AssignedPod
	// SourceIP is the address of Source in the family of Addr; where the pair
	// has no Addr, its first one.
	SourceIP netip.Addr
	// Addr to dial. The port is 0 for ICMP, Tunnel and MTU; all of it is zero for
	// DNS at the source's own servers and for a hostname.
	Addr netip.AddrPort
	// Target is the row of spec.targets behind Addr; nil for mesh kinds, DNS
	// and a hostname. It points into the assignment.
	Target *AssignedTarget
	// NodeName of the target's node, where the target is on one.
	NodeName string
	// EchoUID that the target must answer with; mesh kinds only.
	EchoUID string
	// Member is the pair's position in ProbeGroup.Members.
	Member int
}

// IsMesh reports whether a probe of this kind aims at echo pods.
func (k ProbeKind) IsMesh() bool {
	return k == ProbeMeshTCP || k == ProbeMeshUDP || k == ProbeMeshICMP || k == ProbeWire
}

// aimsAtTargets reports whether a probe of this kind aims at rows of
// spec.targets.
func (k ProbeKind) aimsAtTargets() bool {
	switch k {
	case ProbeTCP, ProbeHTTP, ProbeTLS, ProbeGRPC, ProbeTCPHalfOpen, ProbeUDP, ProbeICMP, ProbeTunnel, ProbeMTU, ProbeIPIP, ProbeListener, ProbeHostControl:
		return true
	default:
		return false
	}
}

// AsksMembers reports whether the servers that are asked are members of the
// group, and not those of the source's resolv.conf.
func (t *DNSTarget) AsksMembers() bool { return t.Resolver != "" && t.Resolver != DNSPodDefault }

// Proves reports whether probes of this kind only prove what others say: a
// pair of it never makes a path Failing.
func (k ProbeKind) Proves() bool {
	return k == ProbeWire || k == ProbeListener || k == ProbeHostControl
}

// Pairs lists the pairs of a group of this assignment, in the order of its
// sources and of its members; the keys are unique. Rows that do not exist or
// cannot be dialled are left out. A kind or a place to start from that this
// version does not know is one pair whose key is the kind, so that it can be
// reported as Unsupported.
func (s *ProbeAssignmentSpec) Pairs(g *ProbeGroup) []Pair {
	var pairs []Pair
	switch {
	case g.From != SourceProber && g.From != SourcePods && g.From != SourceHost:
		return []Pair{{Key: string(g.Kind)}}
	case g.Kind.IsMesh():
		pairs = s.meshPairs(g)
	case g.Kind == ProbeDNS && g.DNS == nil:
	case g.Kind == ProbeDNS && !g.DNS.AsksMembers():
		pairs = []Pair{{Key: g.DNS.Name}}
	case g.Kind.aimsAtTargets() && g.Host != nil:
		if port, ok := validPort(g.Host.Port); ok && g.Host.Hostname != "" {
			pairs = []Pair{{Key: g.Host.Hostname + ":" + strconv.Itoa(int(port)) + protocolSuffix(g.Host.Protocol)}}
		}
	case g.Kind.aimsAtTargets(), g.Kind == ProbeDNS:
		pairs = s.targetPairs(g)
	default:
		return []Pair{{Key: string(g.Kind)}}
	}
	if g.From != SourcePods {
		return pairs
	}
	return s.fromPods(g, pairs)
}

// fromPods pairs each source with each target of its own IP families, but not
// with itself: nothing on the network is between the two.
func (s *ProbeAssignmentSpec) fromPods(g *ProbeGroup, targets []Pair) []Pair {
	pairs := make([]Pair, 0, len(g.Sources)*len(targets))
	seen := make(map[string]struct{}, cap(pairs))
	for _, row := range g.Sources {
		if row < 0 || int(row) >= len(s.Pods) || s.Pods[row].UID == "" {
			continue
		}
		pod := &s.Pods[row]
		for _, p := range targets {
			ip, ok := pod.address(p.Addr.Addr())
			if !ok || p.Target != nil && p.Target.UID == pod.UID {
				continue
			}
			p.Key, p.Source, p.SourceIP = pod.UID+">"+p.Key, pod, ip
			pairs = appendUnique(pairs, seen, p)
		}
	}
	return pairs
}

// address of a pod in the family of another; its first one if that is none.
func (p *AssignedPod) address(family netip.Addr) (netip.Addr, bool) {
	for _, text := range p.IPs {
		ip, ok := parseIP(text)
		if ok && (!family.IsValid() || ip.Is4() == family.Is4()) {
			return ip, true
		}
	}
	return netip.Addr{}, false
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
		t := &s.Targets[row]
		addr, ok := t.address(g.Kind)
		if !ok {
			continue
		}
		pairs = appendUnique(pairs, seen, Pair{
			Key: TargetPairKey(addr, t.Protocol), Addr: addr, Target: t, NodeName: t.Node, Member: m,
		})
	}
	return pairs
}

// address of a target. Only what is pinged needs no port.
func (t *AssignedTarget) address(k ProbeKind) (netip.AddrPort, bool) {
	ip, ok := parseIP(t.IP)
	if !ok {
		return netip.AddrPort{}, false
	}
	if t.Port == 0 && (k == ProbeICMP || k == ProbeTunnel || k == ProbeMTU || k == ProbeIPIP || k == ProbeHostControl) {
		return netip.AddrPortFrom(ip, 0), true
	}
	port, ok := validPort(t.Port)
	return netip.AddrPortFrom(ip, port), ok
}

// TargetPairKey is the key of a pair whose target is an address, without its
// source: "10.1.2.3:53", "10.1.2.3:53/UDP", or "10.1.2.3" where there is no port.
func TargetPairKey(addr netip.AddrPort, p Protocol) string {
	if addr.Port() == 0 {
		return addr.Addr().String()
	}
	return addr.String() + protocolSuffix(p)
}

func protocolSuffix(p Protocol) string {
	if p == ProtocolUDP {
		return "/UDP"
	}
	return ""
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

// IsBad reports whether a probe with this verdict speaks against a path that
// is to work. Those that say that nothing was measured do not; a verdict that
// is newer than this program does.
func (v Verdict) IsBad() bool {
	return v != VerdictConnected && !v.IsNeutral()
}

// IsNeutral reports whether a probe with this verdict says nothing about the
// path, neither for nor against it.
func (v Verdict) IsNeutral() bool {
	switch v {
	case VerdictUnmeasured, VerdictUnsupported, VerdictLocalError, VerdictIntercepted, VerdictInconclusive:
		return true
	default:
		return false
	}
}

// Denies reports whether a filter on the way can be what made this verdict.
// It does not say that one did.
func (v Verdict) Denies() bool {
	return v == VerdictDropped || v == VerdictRejected || v == VerdictRefused
}

// Opens reports whether this verdict means that the way to the target is open.
func (v Verdict) Opens() bool {
	switch v {
	case VerdictConnected, VerdictReset, VerdictWrongIdentity, VerdictProtocolError, VerdictTLSError:
		return true
	default:
		return false
	}
}
