// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"

	"k8s.io/apimachinery/pkg/types"

	"github.com/netladder/netladder/api/v1alpha1"
)

const (
	// maxClimbed is how many endpoints of a Service a climb tries.
	maxClimbed = 3
	// maxResolvers is how many pods of the cluster's DNS a climb asks.
	maxResolvers = 5
)

// serviceRef names a port of a Service that a group aims at.
type serviceRef struct {
	key      types.NamespacedName
	port     string
	number   int32
	protocol v1alpha1.Protocol
}

func (r serviceRef) compare(b serviceRef) int {
	return cmp.Or(compareKeys(r.key, b.key), cmp.Compare(r.number, b.number), cmp.Compare(r.port, b.port), cmp.Compare(r.protocol, b.protocol))
}

// services tell a climb what is behind the Services of an assignment, as far as
// there is room: nothing that is probed makes way for them. Which endpoints
// those are is looked up when an assignment is made, and their coming and going
// is no reason to make one: it is made again when a pair goes bad.
func (a *assigner) services(out *rendered, drafts []draft) {
	add := func(row v1alpha1.AssignedService) {
		size := len(mustJSON(&row)) + 1
		if len(out.spec.Services) == 0 {
			size += servicesRow
		}
		if out.size+size <= a.limit && len(out.spec.Services) < maxServices {
			out.spec.Services = append(out.spec.Services, row)
			out.size += size
		}
	}
	rows, names := dialledServices(drafts, out.tables)
	if row := a.resolvers(); names && row != nil {
		add(*row)
	}
	for _, ref := range slices.SortedFunc(maps.Keys(rows), serviceRef.compare) {
		if endpoints := a.behind(ref, maxClimbed); len(endpoints) > 0 {
			targets := slices.Sorted(maps.Keys(rows[ref]))
			add(v1alpha1.AssignedService{Targets: targets[:min(len(targets), maxServiceTargets)], Endpoints: endpoints})
		}
	}
}

// dialledServices are the rows of the targets that belong to each Service, and
// whether a group depends on names.
func dialledServices(drafts []draft, t *tables) (rows map[serviceRef]map[int32]struct{}, names bool) {
	rows = map[serviceRef]map[int32]struct{}{}
	for i := range drafts {
		d := &drafts[i]
		names = names || !d.group.Kind.Proves() && (d.group.Kind == v1alpha1.ProbeDNS || d.group.probe.group.Host != nil)
		if d.group.service == nil {
			continue
		}
		of := rows[*d.group.service]
		if of == nil {
			of = map[int32]struct{}{}
			rows[*d.group.service] = of
		}
		for _, target := range d.targets {
			of[t.targets[rowKey{target, d.group.protocol}]] = struct{}{}
		}
	}
	return rows, names
}

// resolvers are the servers of the cluster's DNS; nil where they are not known.
func (a *assigner) resolvers() *v1alpha1.AssignedService {
	s, port := a.cluster.findDNS(func(*ServicePort) bool { return true })
	if s == nil {
		return nil
	}
	row := &v1alpha1.AssignedService{DNS: true}
	for _, ip := range s.ClusterIPs {
		row.Addresses = append(row.Addresses, v1alpha1.AssignedTarget{IP: ip.String(), Port: dnsPort})
	}
	row.Endpoints = pick(port, maxResolvers)
	return row
}

// behind are at most n endpoints of a Service's port.
func (a *assigner) behind(ref serviceRef, n int) []v1alpha1.AssignedTarget {
	s := a.cluster.Services[ref.key]
	if s == nil {
		return nil
	}
	for i := range s.Ports {
		if p := &s.Ports[i]; p.Name == ref.port && p.Port == ref.number && p.Protocol == ref.protocol {
			return pick(p, n)
		}
	}
	return nil
}

// pick takes n of a port's endpoints, whichever come and go the same for as
// long as they stay; in the order of addresses.
func pick(p *ServicePort, n int) []v1alpha1.AssignedTarget {
	type endpoint struct {
		addr netip.AddrPort
		node string
	}
	var all []endpoint
	for i, at := range p.Endpoints {
		if !dialable(at.Addr()) {
			continue
		}
		e := endpoint{addr: at}
		if i < len(p.On) {
			e.node = p.On[i]
		}
		all = append(all, e)
	}
	slices.SortFunc(all, func(a, b endpoint) int {
		return cmp.Or(cmp.Compare(hashAddr(a.addr), hashAddr(b.addr)), a.addr.Compare(b.addr))
	})
	all = all[:min(n, len(all))]
	slices.SortFunc(all, func(a, b endpoint) int { return a.addr.Compare(b.addr) })
	var out []v1alpha1.AssignedTarget
	for _, e := range all {
		out = append(out, v1alpha1.AssignedTarget{
			IP: e.addr.Addr().String(), Port: int32(e.addr.Port()), Protocol: p.Protocol, Node: e.node,
		})
	}
	return out
}
