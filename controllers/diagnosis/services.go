// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package diagnosis

import (
	"net/netip"
	"slices"
	"time"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/controllers/diagnosis/ladder"
)

// dialledService is what a prober says of one Service by its own address.
type dialledService struct {
	passing, failing int32
	// badSince is when the last of the pairs that fail began to be bad, by the
	// prober's clock: what was seen before is no evidence. began is the same, also
	// as an earlier prober saw it, give or take within.
	badSince, began time.Time
	within          time.Duration
}

// within is how much later than its cause a pair may begin to fail that is probed
// so often: two that have one cause are no more than both of it apart.
func within(interval time.Duration) time.Duration { return interval + reportSlack/2 }

// otherServices counts the Services, besides one, that a node's prober dials by
// their own addresses: those that work, and those that began to fail when the
// pair at hand did, though what is behind them answers. What fails for longer
// has a reason of its own. Other ports of the same Service are no other Service:
// the rules of all of them are made, and lost, together.
func (c *climb) otherServices(but *v1alpha1.AssignedService, facts *ServiceFacts) (work, fail int) {
	if !c.src.trusted() {
		return 0, 0
	}
	a, d := c.src.report.Assignment, &c.w.dialled
	own := serviceIPs(&a.Spec, but)
	if facts != nil {
		own = append(own, facts.ClusterIPs...)
	}
	var others []otherService
	for i := range a.Spec.Services {
		s := &a.Spec.Services[i]
		if s == but || ofOne(&a.Spec, s, own, facts) {
			continue
		}
		said := pairsTo(a, s)
		together := !said.began.IsZero() && !d.began.IsZero() && said.began.Sub(d.began).Abs() <= said.within+within(d.group.Interval.Duration)
		switch {
		case said.failing > 0 && together && c.rows.answerBehind(s, said.badSince):
			others = mergeService(others, otherService{own: serviceIPs(&a.Spec, s), behind: targetIPs(s.Endpoints), fails: true})
		case said.passing > 0 && said.failing == 0:
			others = mergeService(others, otherService{own: serviceIPs(&a.Spec, s), behind: targetIPs(s.Endpoints)})
		}
	}
	for i := range others {
		if others[i].fails {
			fail++
		} else {
			work++
		}
	}
	return work, fail
}

// otherService is what is known of another Service by the rows that are about it:
// its own addresses, those of what is behind it, and whether one of its ports
// fails.
type otherService struct {
	own, behind []netip.Addr
	fails       bool
}

// mergeService adds what one more row says to the Service that it is about. Rows
// are of one Service that have an address of it in common; of a nodePort, which
// has none, that the same is behind it tells.
func mergeService(list []otherService, s otherService) []otherService {
	common := func(a, b []netip.Addr) bool {
		return slices.ContainsFunc(a, func(ip netip.Addr) bool { return slices.Contains(b, ip) })
	}
	out := list[:0]
	for _, o := range list {
		if common(o.own, s.own) || (len(o.own) == 0 || len(s.own) == 0) && common(o.behind, s.behind) {
			s.own, s.behind, s.fails = append(s.own, o.own...), append(s.behind, o.behind...), s.fails || o.fails
			continue
		}
		out = append(out, o)
	}
	return append(out, s)
}

func targetIPs(targets []v1alpha1.AssignedTarget) []netip.Addr {
	texts := make([]string, len(targets))
	for i := range targets {
		texts[i] = targets[i].IP
	}
	return addrs(texts)
}

// serviceIPs are the addresses by which a Service is dialled, without those of
// nodes, which are any Service's.
func serviceIPs(spec *v1alpha1.ProbeAssignmentSpec, s *v1alpha1.AssignedService) []netip.Addr {
	var texts []string
	for i := range s.Addresses {
		texts = append(texts, s.Addresses[i].IP)
	}
	for _, row := range s.Targets {
		if row >= 0 && int(row) < len(spec.Targets) && spec.Targets[row].Node == "" {
			texts = append(texts, spec.Targets[row].IP)
		}
	}
	return addrs(texts)
}

// ofOne is true for a row that is about the Service which has those addresses, or
// of which that is known.
func ofOne(spec *v1alpha1.ProbeAssignmentSpec, s *v1alpha1.AssignedService, own []netip.Addr, facts *ServiceFacts) bool {
	if slices.ContainsFunc(serviceIPs(spec, s), func(ip netip.Addr) bool { return slices.Contains(own, ip) }) {
		return true
	}
	return facts != nil && slices.ContainsFunc(s.Targets, func(row int32) bool {
		return row >= 0 && int(row) < len(spec.Targets) && spec.Targets[row].Node != "" && servicePort(facts, &spec.Targets[row]) != nil
	})
}

// answerBehind is true if all endpoints of a Service that were tried since a time
// answer by their own addresses; of the cluster's DNS, if its own address does not.
func (r rungs) answerBehind(s *v1alpha1.AssignedService, since time.Time) bool {
	rung := v1alpha1.RungEndpoints
	if s.DNS {
		rung = v1alpha1.RungDNS
		works, fails := r.seenOf(rung, s.Addresses, since)
		if works > 0 || fails == 0 {
			return false
		}
	}
	works, fails := r.seenOf(rung, s.Endpoints, since)
	return works > 0 && fails == 0
}

// seenOf counts what was seen of some targets, from whatever source.
func (r rungs) seenOf(rung v1alpha1.Rung, targets []v1alpha1.AssignedTarget, since time.Time) (works, fails int) {
	keys := map[string]bool{}
	for i := range targets {
		if at, ok := addrPort(&targets[i]); ok {
			keys[v1alpha1.TargetPairKey(at, v1alpha1.ProtocolTCP)], keys[v1alpha1.TargetPairKey(at, v1alpha1.ProtocolUDP)] = true, true
		}
	}
	for k := range r {
		if k.rung != rung || !keys[k.target] {
			continue
		}
		switch r.since(k, since).Fact {
		case ladder.Works:
			works++
		case ladder.Fails:
			fails++
		}
	}
	return works, fails
}

// pairsTo counts the pairs of the groups that aim at a Service and nothing else;
// at the cluster's DNS those that look up names.
func pairsTo(a *v1alpha1.ProbeAssignment, s *v1alpha1.AssignedService) (out dialledService) {
	rows := map[int32]bool{}
	for _, row := range s.Targets {
		rows[row] = true
	}
	for i := range a.Spec.Groups {
		g := &a.Spec.Groups[i]
		if g.Kind.IsMesh() || g.Kind.Proves() || g.Expect == v1alpha1.ExpectDeny {
			continue
		}
		only := len(g.Members) > 0 && !slices.ContainsFunc(g.Members, func(m int32) bool { return !rows[m] })
		if s.DNS {
			only = g.Kind == v1alpha1.ProbeDNS && (g.DNS == nil || g.DNS.Resolver != v1alpha1.DNSEachReplica)
		}
		said := findSaid(a.Status.Groups, g.Key, i)
		if !only || said == nil || said.Hash != g.Hash {
			continue
		}
		out.passing, out.failing = out.passing+said.Pairs.Passing, out.failing+said.Pairs.Failing
		for j := range a.Status.NotPassing[:min(len(a.Status.NotPassing), maxListed)] {
			p := &a.Status.NotPassing[j]
			if p.Group != g.Key || p.State != v1alpha1.StateFailing {
				continue
			}
			out.within = max(out.within, within(g.Interval.Duration))
			if p.BadSince != nil && p.BadSince.After(out.badSince) {
				out.badSince = p.BadSince.Time
			}
			if at := beganAt(p); at.After(out.began) {
				out.began = at
			}
		}
	}
	return out
}
