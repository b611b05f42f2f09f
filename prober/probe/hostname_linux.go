// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"context"
	"net/netip"
	"time"
)

// aim makes sure that there is an address to dial: the target's, or one that
// its host name has right now.
func (r *run) aim(ctx context.Context) (Result, bool) {
	if r.target.Host.Name == "" || r.target.Timeout <= 0 {
		return r.check()
	}
	addr, err := netip.ParseAddr(r.target.Host.Name)
	if err != nil {
		var d diagnosis
		addr, d = r.resolve(ctx)
		took := time.Since(r.began)
		r.phase("resolve", took)
		if !addr.IsValid() {
			return r.end(d), false
		}
		r.resolved = took
	}
	// What is dialled is what is judged: a name may have other addresses the
	// next moment.
	if why := forbidden(addr); why != "" {
		return r.end(diagnosis{verdict: LocalError, evidence: "not permitted: the host name has " + why + " address"}), false
	}
	r.target.Addr = netip.AddrPortFrom(addr, r.target.Host.Port)
	return r.check()
}

// forbidden says what is wrong with an address that a name of somebody's
// choice may not lead to; empty means nothing.
func forbidden(addr netip.Addr) string {
	switch addr = addr.Unmap(); {
	case addr.IsLoopback():
		return "a loopback"
	case addr.IsUnspecified():
		return "an unspecified"
	case addr.IsMulticast():
		return "a multicast"
	default:
		return ""
	}
}

// resolve finds the address to dial. It is the first one of the source's IP
// family, of IPv4 before IPv6 where that does not matter: never a choice by
// what answers.
func (r *run) resolve(ctx context.Context) (netip.Addr, diagnosis) {
	types := []string{"A", "AAAA"}
	switch source := r.target.Source.Unmap(); {
	case source.Is4():
		types = types[:1]
	case source.Is6():
		types = types[1:]
	}
	var d diagnosis
	for _, qtype := range types {
		t := r.target
		t.DNS.Name, t.DNS.Type, t.DNS.Transport = t.Host.Name, qtype, "UDP"
		l, err := newLookup(ctx, t, r.began)
		if err != nil {
			return netip.Addr{}, diagnosis{verdict: LocalError, evidence: err.Error()}
		}
		d = l.run(t.Host.Name)
		if d.verdict == Connected && len(l.found) > 0 {
			return l.found[0], d
		}
		if d.verdict == Connected {
			d = diagnosis{verdict: DNSNoAnswer, evidence: "the records of the host name hold no address"}
		}
		// Only a name that exists can have addresses of the other family.
		if d.verdict != DNSNoAnswer {
			break
		}
	}
	return netip.Addr{}, d
}
