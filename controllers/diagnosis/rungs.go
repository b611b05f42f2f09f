// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package diagnosis

import (
	"net/netip"
	"regexp"
	"slices"
	"time"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/controllers/diagnosis/ladder"
)

// Bounds of what a report may say of its climbs.
const (
	maxRungs        = 128
	maxRungEvidence = 160
)

// rungKey identifies a step of a climb.
type rungKey struct {
	source string
	rung   v1alpha1.Rung
	target string
}

// rungs of one node: what its prober saw below the pairs that fail, as far as it
// was told of what it says it saw.
type rungs map[rungKey]rung

// rung is what was seen, and when that began; zero where it is not said.
type rung struct {
	ladder.Seen
	at time.Time
}

// since is what was seen of a step after a pair began to be bad, by the same
// prober's clock: what is older is no evidence.
func (r rungs) since(k rungKey, bad time.Time) ladder.Seen {
	s := r[k]
	if !s.at.IsZero() && s.at.Before(bad) {
		return ladder.Seen{}
	}
	return s.Seen
}

// rungsOf reads the climbs of a node's prober. They are believed of its present
// one alone, while it is heard, and of nothing that its assignment does not
// name. What is said twice and differently is not believed at all.
func (j *judge) rungsOf(src *source) rungs {
	out := rungs{}
	if !src.trusted() || len(src.report.Assignment.Status.Rungs) > maxRungs {
		return out
	}
	a := src.report.Assignment
	sources, targets := climbedFrom(&a.Spec), climbedTo(&a.Spec)
	twice := map[rungKey]bool{}
	for i := range a.Status.Rungs {
		r := &a.Status.Rungs[i]
		k := rungKey{r.Source, r.Rung, r.Target}
		if !sources[r.Source] || !targets[rungKey{rung: r.Rung, target: r.Target}] || !goesWith(r.Rung, r.Probe) {
			continue
		}
		s := rung{Seen: j.seen(r.Rung, verdictOf(r.Verdict), r.Evidence)}
		if r.At != nil {
			s.at = r.At.Time
		}
		if old, ok := out[k]; ok && old != s {
			twice[k] = true
		}
		out[k] = s
	}
	for k := range twice {
		delete(out, k)
	}
	return out
}

// goesWith says whether a step on a rung is by that kind of probe.
func goesWith(r v1alpha1.Rung, k v1alpha1.ProbeKind) bool {
	switch r {
	case v1alpha1.RungDNS:
		return k == v1alpha1.ProbeDNS
	case v1alpha1.RungEndpoints:
		return k == v1alpha1.ProbeTCP || k == v1alpha1.ProbeTCPHalfOpen || k == v1alpha1.ProbeUDP
	case v1alpha1.RungPodNetwork:
		return k == v1alpha1.ProbeMeshTCP || k == v1alpha1.ProbePodRoute
	case v1alpha1.RungListener:
		return k == v1alpha1.ProbeListener
	case v1alpha1.RungUnderlay:
		return k == v1alpha1.ProbeICMP
	case v1alpha1.RungOverlay:
		return k == v1alpha1.ProbeTunnel
	case v1alpha1.RungMTU:
		return k == v1alpha1.ProbeMTU
	}
	return false
}

func climbedFrom(spec *v1alpha1.ProbeAssignmentSpec) map[string]bool {
	out := map[string]bool{"": true, string(v1alpha1.SourceHost): true}
	for i := range spec.Pods {
		out[spec.Pods[i].UID] = true
	}
	return out
}

// climbedTo are the targets that a climb has by an assignment.
func climbedTo(spec *v1alpha1.ProbeAssignmentSpec) map[rungKey]bool {
	out := map[rungKey]bool{}
	add := func(r v1alpha1.Rung, target string) { out[rungKey{rung: r, target: target}] = true }
	for i := range spec.Nodes {
		n := &spec.Nodes[i]
		for _, ip := range addrs(n.EchoIPs) {
			add(v1alpha1.RungPodNetwork, v1alpha1.MeshPairKey(n.Name, ip))
			add(v1alpha1.RungMTU, v1alpha1.MeshPairKey(n.Name, ip))
		}
		for _, ip := range addrs(n.IPs) {
			add(v1alpha1.RungUnderlay, v1alpha1.MeshPairKey(n.Name, ip))
			add(v1alpha1.RungMTU, v1alpha1.MeshPairKey(n.Name, ip))
		}
		if len(n.Tunnels) == 0 {
			for _, ip := range addrs(n.IPs) {
				add(v1alpha1.RungOverlay, v1alpha1.MeshPairKey(n.Name, ip))
			}
		}
		for _, ip := range tunnelAddrs(n) {
			add(v1alpha1.RungOverlay, v1alpha1.MeshPairKey(n.Name, ip))
			add(v1alpha1.RungMTU, v1alpha1.MeshPairKey(n.Name, ip))
		}
	}
	for _, row := range spec.Doubts {
		if row < 0 || int(row) >= len(spec.Targets) {
			continue
		}
		if at, ok := addrPort(&spec.Targets[row]); ok {
			add(v1alpha1.RungListener, v1alpha1.TargetPairKey(at, v1alpha1.ProtocolTCP))
			add(v1alpha1.RungPodNetwork, v1alpha1.TargetPairKey(at, v1alpha1.ProtocolTCP))
		}
	}
	for i := range spec.Services {
		s := &spec.Services[i]
		rung := v1alpha1.RungEndpoints
		if s.DNS {
			rung = v1alpha1.RungDNS
		}
		for _, t := range slices.Concat(s.Addresses, s.Endpoints) {
			if at, ok := addrPort(&t); ok {
				add(rung, v1alpha1.TargetPairKey(at, v1alpha1.ProtocolTCP))
				add(rung, v1alpha1.TargetPairKey(at, v1alpha1.ProtocolUDP))
			}
		}
	}
	return out
}

func addrs(texts []string) []netip.Addr {
	var out []netip.Addr
	for _, text := range texts {
		if ip, err := netip.ParseAddr(text); err == nil && ip.Zone() == "" {
			out = append(out, ip.Unmap())
		}
	}
	return out
}

func tunnelAddrs(n *v1alpha1.AssignedNode) []netip.Addr {
	var texts []string
	for i := range n.Tunnels {
		texts = append(texts, n.Tunnels[i].IP)
	}
	return addrs(texts)
}

func addrPort(t *v1alpha1.AssignedTarget) (netip.AddrPort, bool) {
	ip, err := netip.ParseAddr(t.IP)
	if err != nil || ip.Zone() != "" || t.Port < 1 || t.Port > 65535 {
		return netip.AddrPort{}, false
	}
	return netip.AddrPortFrom(ip.Unmap(), uint16(t.Port)), true
}

// seen is what a verdict on a rung means. A server that answers works, whatever
// it answers: another name may have been asked for. Of a verdict that is not
// known nothing is made.
func (j *judge) seen(r v1alpha1.Rung, v v1alpha1.Verdict, evidence string) ladder.Seen {
	s := ladder.Seen{Verdict: v}
	switch {
	case r == v1alpha1.RungOverlay && v == v1alpha1.VerdictUnsupported: // what devices there are
		s.Text = printable(evidence, maxRungEvidence)
		return s
	case !slices.Contains(v1alpha1.Verdicts(), v), v.IsNeutral():
		return s
	case v == v1alpha1.VerdictConnected:
		s.Fact = ladder.Works
		return s
	case r == v1alpha1.RungDNS && isLookup(v) && v != v1alpha1.VerdictDNSTimeout:
		s.Fact = ladder.Works
		return s
	}
	s.Fact, s.Text = ladder.Fails, printable(evidence, maxRungEvidence)
	return s
}

// offender finds who said so in what a prober saw, such as "ICMP 3/1 (host
// unreachable) from 10.0.0.2 after 3061.0 ms".
var offender = regexp.MustCompile(` from ([0-9A-Fa-f:.]{2,45})(?:,| after )`)

func offenderOf(evidence string) netip.Addr {
	found := offender.FindStringSubmatch(evidence)
	if found == nil {
		return netip.Addr{}
	}
	ip, err := netip.ParseAddr(found[1])
	if err != nil {
		return netip.Addr{}
	}
	return ip.Unmap()
}
