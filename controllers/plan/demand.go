// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/netladder/netladder/api/v1alpha1"
)

// The API server and the cluster's DNS are there for every pod of a cluster,
// and must be told about a single node: their budget is that of a hundred
// targets for each endpoint. How many there are of DNS is not known.
const (
	infraShare   = 100
	dnsEndpoints = 10
)

// account is what has one budget of probes: an address, or a name.
type account struct {
	addr     netip.AddrPort
	name     string
	protocol v1alpha1.Protocol
}

// demand is what one path asks of its targets. A group of a path may aim at
// fewer of them; what is counted is what each of them gets on average over the
// rotation, so that nothing depends on who holds what at the moment.
type demand struct {
	check types.NamespacedName
	path  int
	// rate of each of the accounts.
	rate rate
	// times is how many targets' budget each of them has.
	times int64
	// one is the only account, where it is not one for each target of spread.
	one      account
	spread   *spread
	protocol v1alpha1.Protocol
	// at is how the owner of the check knows the target.
	at string

	// stretch that the budgets ask for; the ledger sets it.
	stretch int
}

// each calls yield with each account.
func (d *demand) each(yield func(a account)) {
	if d.spread == nil {
		yield(d.one)
		return
	}
	for _, b := range d.spread.bins {
		for _, t := range b {
			// Such an address is another host on each node.
			if !t.addr.Addr().IsLinkLocalUnicast() {
				yield(account{addr: t.addr, protocol: d.protocol})
			}
		}
	}
}

// same says whether two demands ask the same of the same.
func (d *demand) same(b *demand) bool {
	if d == nil || b == nil {
		return d == b
	}
	return d.rate == b.rate && d.times == b.times && d.one == b.one && d.protocol == b.protocol &&
		(d.spread == nil) == (b.spread == nil) && (d.spread == nil || d.spread == b.spread || d.spread.sameAddrs(b.spread))
}

// sameAddrs says whether both have the same addresses.
func (t *spread) sameAddrs(b *spread) bool {
	if len(t.bins) != len(b.bins) {
		return false
	}
	for i := range t.bins {
		if len(t.bins[i]) != len(b.bins[i]) {
			return false
		}
		for j := range t.bins[i] {
			if t.bins[i][j].addr != b.bins[i][j].addr {
				return false
			}
		}
	}
	return true
}

// demandOf a path; nil where its targets have no budget: a mesh's echo pods
// and what else is Netladder's own.
func (v *view) demandOf(c *compiledPath, p *pairing, out *ResolvedPath) *demand {
	if len(out.Groups) == 0 || c.mesh != nil || c.canary != "" || c.overlay != "" {
		return nil
	}
	interval := c.probes[0].group.Interval.Duration
	d := &demand{times: 1, protocol: c.protocol, at: c.targetText()}
	sources := p.startsOf()
	host := c.probes[0].group.Host
	if p.host != nil {
		host = p.host
	}
	switch {
	case host != nil:
		d.one = account{name: fmt.Sprintf("%s:%d", strings.ToLower(host.Hostname), host.Port), protocol: c.protocol}
		d.rate = rateOf(sources / interval.Seconds())
	case c.dns != "":
		d.one, d.times = account{name: "DNS"}, infraShare*dnsEndpoints
		d.rate = rateOf(sources * p.spread.perTarget(c.perRound) * float64(p.spread.len()) / interval.Seconds())
	case p.spread == nil: // DNS by resolv.conf
		d.one, d.times = account{name: "DNS"}, infraShare*dnsEndpoints
		d.rate = rateOf(sources / interval.Seconds())
	case p.port != nil:
		if c.service.own {
			return nil
		}
		d.one, d.times = serviceAccount(c.service.key, p.port)
		d.rate = rateOf(sources * p.spread.perTarget(c.perRound) * float64(d.targets(p.spread)) / interval.Seconds())
	default:
		d.spread = p.spread
		d.rate = rateOf(sources * p.spread.perTarget(c.perRound) / interval.Seconds())
	}
	for _, g := range out.Proofs {
		d.rate += proofRate(g, d)
	}
	return d
}

// serviceAccount is what a port of a Service has, and how many targets' budget
// that is: one for each endpoint, in powers of two so that it seldom changes.
func serviceAccount(key types.NamespacedName, p *ServicePort) (account, int64) {
	times := upToPower(len(p.Endpoints))
	if key == apiServer().key {
		times *= infraShare
	}
	return account{name: fmt.Sprintf("Service %s:%d", key, p.Port), protocol: p.Protocol}, times
}

// proofRate is what a proof adds for each target.
func proofRate(g *Group, d *demand) rate {
	interval := g.probe.group.Interval.Duration.Seconds()
	switch {
	case g.Kind == v1alpha1.ProbeListener && d.protocol != v1alpha1.ProtocolUDP:
		return 0 // half a handshake from its own node: the application sees nothing
	case g.Kind == v1alpha1.ProbeHostControl && g.spread == nil:
		return rateOf(float64(g.sources.len()) / interval)
	case g.Kind == v1alpha1.ProbeHostControl:
		return rateOf(float64(g.sources.len()) * g.spread.perTarget(g.perRound) * float64(d.targets(g.spread)) / interval)
	case g.Kind == v1alpha1.ProbeListener && d.spread != nil:
		return rateOf(1 / interval)
	case g.Kind == v1alpha1.ProbeListener: // behind a Service
		return rateOf(float64(maxBehind) / interval)
	}
	return 0
}

// targets of a demand that have one account together.
func (d *demand) targets(s *spread) int {
	if d.spread != nil {
		return 1
	}
	return s.len()
}

// startsOf is how many pods, or else nodes, probes start in at a time.
func (p *pairing) startsOf() float64 {
	if p.pods == nil {
		return float64(p.sources.len())
	}
	n := 0
	for _, node := range p.pods.byNode {
		n += min(p.pods.perNode, len(node.sources))
	}
	return float64(n)
}

// perTarget is how often one source tests each target in one round, on average
// over the rotation.
func (t *spread) perTarget(perRound int) float64 {
	n, bins := float64(t.len()), float64(len(t.bins))
	return min(float64(perRound)*bins, n) / (n * bins)
}

// targetText names the target as the spec of the check does.
func (c *compiledPath) targetText() string {
	switch {
	case c.service != nil && c.service.apiServer:
		return "the API server"
	case c.service != nil:
		return fmt.Sprintf("Service %s port %s", c.service.key, cut(c.service.port.String()))
	case c.pods != nil:
		return "each target pod"
	case c.nodes != nil:
		return "each target node"
	case c.host != nil && c.probes[0].group.Host != nil:
		return fmt.Sprintf("%s port %d", c.probes[0].group.Host.Hostname, c.probes[0].group.Host.Port)
	case c.host != nil:
		return c.host.addr.String()
	default:
		return "the cluster's DNS"
	}
}

// Stretched says that a path is tested less often than its check asks for.
type Stretched struct {
	// Interval at which it is tested.
	Interval time.Duration
	// Why that is, in words for the owner of the check; nothing about others.
	Why string
}

// stretchedBy is a check whose paths are tested less often where the demands
// say so; the check itself, where none does.
func (r *Resolved) stretchedBy(demands []*demand, budget rate) *Resolved {
	var out *Resolved
	for _, d := range demands {
		if d == nil || d.stretch == 0 {
			continue
		}
		if out == nil {
			c := *r
			c.Paths, c.groups = append([]ResolvedPath(nil), r.Paths...), append([]*Group(nil), r.groups...)
			out = &c
		}
		out.stretchPath(&out.Paths[d.path], d, budget)
	}
	if out == nil {
		return r
	}
	return out
}

func (r *Resolved) stretchPath(p *ResolvedPath, d *demand, budget rate) {
	asked := p.Groups[0].probe.group.Interval.Duration
	s := &Stretched{Interval: stretched(asked, d.stretch)}
	if s.Interval == asked {
		return
	}
	s.Why = fmt.Sprintf("%s may get %s from all checks together", d.at, perSec(budget*rate(d.times), "probe"))
	p.Coverage = p.Groups[0].stretchedCoverage(p.Coverage, d.stretch)
	p.Stretched = s
	copied := func(groups []*Group) []*Group {
		out := make([]*Group, len(groups))
		for i, g := range groups {
			c := *g
			c.stretch = d.stretch
			out[i] = &c
			for at := range r.groups {
				if r.groups[at] == g {
					r.groups[at] = &c
				}
			}
		}
		return out
	}
	p.Groups, p.Proofs = copied(p.Groups), copied(p.Proofs)
}

// stretchedCoverage says when all pairs were tested if rounds come later. An
// epoch that is too short for that promises nothing.
func (g *Group) stretchedCoverage(c *v1alpha1.Coverage, by int) *v1alpha1.Coverage {
	if c == nil || c.FullAfter == nil {
		return c
	}
	out := c.DeepCopy()
	interval := stretched(g.probe.group.Interval.Duration, by)
	moves := false
	for _, s := range g.schedules() {
		if s.count > 1 {
			moves = true
			if s.length < minEpoch(g.perRound, interval) {
				out.FullAfter = nil
				return out
			}
		}
	}
	if !moves {
		rounds := c.FullAfter.Duration / g.probe.group.Interval.Duration
		out.FullAfter = &metav1.Duration{Duration: rounds * interval}
	}
	return out
}
