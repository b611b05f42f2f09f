// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package api_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// kindOfTarget is one row of the table of what goes together.
type kindOfTarget struct {
	name string
	to   map[string]any
	// from are the sources that may aim at it.
	from []string
	// deny, http and tcp say whether it takes expect Deny and these layers; tls
	// and grpc go where http goes.
	deny, http, tcp bool
	// udp is true where it would take http but for its protocol.
	udp bool
	// onlyDeny is true where it takes nothing but expect Deny.
	onlyDeny bool
}

func kindsOfTargets() []kindOfTarget {
	everybody := []string{"pods", "probers", "nodes"}
	pods := func(protocol string) map[string]any {
		return map[string]any{"pods": map[string]any{"podSelector": empty(), "port": 80, "protocol": protocol}}
	}
	host := func(key, value, protocol string) map[string]any {
		return map[string]any{"host": map[string]any{key: value, "port": 80, "protocol": protocol}}
	}
	least := targets()
	one := func(name string) map[string]any { return map[string]any{name: least[name]} }
	service := func(via, protocol string) map[string]any {
		return map[string]any{"service": map[string]any{"name": "a", "port": 80, "via": via, "protocol": protocol}}
	}
	return []kindOfTarget{
		{name: "pods", to: one("pods"), from: everybody, deny: true, http: true, tcp: true},
		{name: "pods by TCP", to: pods("TCP"), from: everybody, deny: true, http: true, tcp: true},
		{name: "pods by UDP", to: pods("UDP"), from: everybody, deny: true, udp: true},
		{name: "service", to: one("service"), from: everybody, deny: true, http: true},
		{name: "service by UDP", to: service("ClusterIP", "UDP"), from: everybody, deny: true, udp: true},
		{name: "service by its node ports", to: service("NodePort", "TCP"), from: everybody, deny: true, http: true},
		{name: "service by its load balancer", to: service("LoadBalancer", "TCP"), from: everybody, deny: true, http: true},
		{name: "service by its endpoints", to: service("Endpoints", "TCP"), from: everybody, deny: true, http: true, tcp: true},
		{name: "endpoints by UDP", to: service("Endpoints", "UDP"), from: everybody, deny: true, udp: true},
		{name: "host", to: one("host"), from: everybody, deny: true, http: true},
		{name: "host by UDP", to: host("ip", "192.0.2.1", "UDP"), from: everybody, deny: true, udp: true},
		{name: "hostname", to: host("hostname", "a.example.com", "TCP"), from: everybody, deny: true, http: true},
		{name: "nodes by ICMP", to: one("nodes"), from: everybody, deny: true},
		{name: "nodes by TCP", to: map[string]any{"nodes": map[string]any{"port": 22}}, from: everybody, deny: true},
		{name: "apiServer", to: one("apiServer"), from: everybody, deny: true},
		{name: "mesh", to: one("mesh"), from: []string{"probers"}},
		{name: "dns", to: one("dns"), from: []string{"pods", "probers"}},
		{name: "overlay", to: one("overlay"), from: []string{"nodes"}},
		{name: "canary", to: one("canary"), from: []string{"probers"}, deny: true, onlyDeny: true},
	}
}

// refusals are what the API server must say to a path, in the order of its
// fields; none means that it must accept it.
func (k kindOfTarget) refusals(from, expect, layer string) []string {
	var out []string
	say := func(when bool, field, message string) {
		if when {
			out = append(out, "spec.paths[0]."+field+": "+message)
		}
	}
	names := strings.Split(layer, "+")
	tcp, upper := slices.Contains(names, "tcp"), 0
	_, mesh := k.to["mesh"]
	_, pods := k.to["pods"]
	_, canary := k.to["canary"]
	_, overlay := k.to["overlay"]
	allowed := slices.Contains(k.from, from)
	say(expect == "Deny" && !k.deny, "expect", denyTargetMessage)
	say(expect == "Deny" && k.deny && from == "nodes" && !pods && !canary, "from", denySourceMessage)
	say(expect != "Deny" && k.onlyDeny, "expect", canaryExpectMessage)
	say(!allowed && mesh, "from", meshSourceMessage)
	say(!allowed && canary, "from", canarySourceMessage)
	say(!allowed && overlay, "from", overlaySourceMessage)
	say(!allowed && !mesh && !canary && !overlay, "from", dnsSourceMessage)
	for name, messages := range map[string][3]string{
		"http": {httpDenyMessage, httpProtocolMessage, httpTargetMessage},
		"tls":  {tlsDenyMessage, tlsProtocolMessage, tlsTargetMessage},
		"grpc": {grpcDenyMessage, grpcProtocolMessage, grpcTargetMessage},
	} {
		if !slices.Contains(names, name) {
			continue
		}
		upper++
		say(expect == "Deny", name, messages[0])
		say(k.udp, name, messages[1])
		say(!k.http && !k.udp, name, messages[2])
	}
	if upper > 1 {
		out = append(out, "spec.paths[0]: "+oneLayerMessage)
	}
	say(upper > 0 && tcp, "tcp", tcpLayerMessage)
	say(tcp && !k.tcp, "tcp", tcpTargetMessage)
	slices.Sort(out)
	return out
}

// TestWhatGoesTogether tries every source with every target, expectation and
// layer. Whoever is refused is told everything that does not go together.
func TestWhatGoesTogether(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	layers := map[string]map[string]any{
		"": empty(), "http": {"http": empty()}, "tcp": {"tcp": map[string]any{"handshake": "Full"}},
		"http+tcp": {"http": empty(), "tcp": map[string]any{"handshake": "HalfOpen"}},
		"tls":      {"tls": empty()}, "grpc": {"grpc": empty()}, "http+tls+grpc": {"http": empty(), "tls": empty(), "grpc": empty()},
		"tls+tcp": {"tls": empty(), "tcp": map[string]any{"handshake": "Full"}}, "grpc+tcp": {"grpc": empty(), "tcp": map[string]any{"handshake": "Full"}},
	}
	accepted, refused := 0, 0
	for _, target := range kindsOfTargets() {
		for _, from := range []string{"pods", "probers", "nodes"} {
			for _, expect := range []string{"Allow", "Deny"} {
				for layer, fields := range layers {
					path := map[string]any{"name": "a", "from": map[string]any{from: empty()}, "to": target.to, "expect": expect}
					for name, value := range fields {
						path[name] = value
					}
					o := parse(t, least)
					set("spec.paths", []any{path})(o.Object)
					var got []string
					err := c.Create(t.Context(), o, client.DryRunAll)
					for _, cause := range causes(err) {
						got = append(got, cause.Field+": "+strings.TrimPrefix(cause.Message, "Invalid value: "))
					}
					slices.Sort(got)
					want := target.refusals(from, expect, layer)
					what := fmt.Sprintf("from.%s to %s, expect %s, layer %q", from, target.name, expect, layer)
					if err != nil && len(got) == 0 {
						t.Errorf("%s: %v", what, err)
					} else if diff := cmp.Diff(want, got); diff != "" {
						t.Errorf("%s (-want +got):\n%s", what, diff)
					}
					if err == nil {
						accepted++
					} else {
						refused++
					}
				}
			}
		}
	}
	if accepted < 60 || refused < 60 {
		t.Errorf("%d accepted and %d refused: the table says too little", accepted, refused)
	}
}
