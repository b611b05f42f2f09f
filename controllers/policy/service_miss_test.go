// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/netladder/netladder/api/v1alpha1"
)

func TestNearestMissThroughAService(t *testing.T) {
	for _, test := range []struct {
		name, policy, source, destination, service string
		want                                       Clause
		also                                       []Clause
	}{
		{
			name:   "the client's address may be another, so the port alone missed",
			policy: "x/p: {ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/8}}], ports: [{port: 81}]}]}",
			source: "192.0.2.1", destination: "x/a", service: "10.96.0.1:80", want: ClausePort,
		},
		{
			name:   "the Service's port is none of the destination's",
			policy: "x/p: {ingress: [{from: [{ipBlock: {cidr: 192.0.2.0/24}}], ports: [{port: 8080}]}]}",
			source: "x/b", destination: "x/a", service: "10.96.0.1:8080", want: ClauseCIDR, also: []Clause{ClausePort},
		},
		{
			name:   "the Service's address is in the block, its port is not there",
			policy: "x/p: {policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: 10.96.0.0/16}}], ports: [{port: 81}]}]}",
			source: "x/a", destination: "w/a", service: "10.96.0.1:8080", want: ClausePort,
		},
		{
			name: "the block has the Service's address, the ports that of the destination",
			policy: "x/p: {policyTypes: [Egress], egress: [{ports: [{port: 80}], " +
				"to: [{ipBlock: {cidr: 0.0.0.0/0, except: [10.0.0.0/16]}}]}]}",
			source: "x/a", destination: "x/b", service: "10.96.0.1:8080", want: ClausePort,
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newTown(t, test.policy)
			f := w.flow(test.source, test.destination, 80)
			f.Service = netip.MustParseAddrPort(test.service)
			r := w.Evaluate(f)
			d := r.Ingress
			if r.Egress.Verdict == Deny {
				d = r.Egress
			}
			if d.Nearest == nil || d.Nearest.Clause != test.want || !slices.Equal(d.Nearest.Also, test.also) {
				t.Errorf("got %+v, nearest %+v, want %s and %v", d, d.Nearest, test.want, test.also)
			}
		})
	}
}

func TestANameOfTheOtherProtocolMissesByTheProtocol(t *testing.T) {
	for _, test := range []struct {
		policy, protocol string
		want             Clause
	}{
		{"x/p: {ingress: [{ports: [{port: serve-81, protocol: UDP}]}]}", "TCP", ClauseProtocol},
		{"x/p: {ingress: [{ports: [{port: serve-81}]}]}", "UDP", ClauseProtocol},
		{"x/p: {ingress: [{ports: [{port: serve-80, protocol: UDP}]}]}", "TCP", ClausePort},
	} {
		w := newTown(t, test.policy)
		f := w.flow("x/b", "x/a", 81)
		f.Protocol = v1alpha1.Protocol(test.protocol)
		if got := w.Evaluate(f).Ingress.Nearest; got == nil || got.Clause != test.want {
			t.Errorf("%s over %s: got %+v, want %s", test.policy, test.protocol, got, test.want)
		}
	}
}
