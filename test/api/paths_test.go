// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package api_test

import (
	"fmt"
	"strings"
)

func empty() map[string]any { return map[string]any{} }

// targets are the least that each kind of target takes.
func targets() map[string]any {
	return map[string]any{
		"pods":    map[string]any{"podSelector": empty(), "port": 80},
		"service": map[string]any{"name": "a", "port": 80},
		"mesh":    empty(), "nodes": empty(), "apiServer": empty(),
		"host": map[string]any{"ip": "192.0.2.1", "port": 80},
		"dns":  map[string]any{"name": "a"}, "canary": map[string]any{"direction": "Ingress"}, "overlay": empty(),
	}
}

// unionCases: each source and each target alone is accepted, and no two are.
func unionCases() []testCase {
	const from, to = "spec.paths[0].from", "spec.paths[0].to"
	out := []testCase{
		refuse("no source", from, empty(), sourceMessage),
		refuse("no target", to, empty(), targetMessage),
		refuse("all targets", to, targets(), targetMessage),
	}
	sources := []string{"pods", "probers", "nodes"}
	for i, a := range sources {
		// The base aims this path at a mesh, which only probers may.
		out = append(out, testCase{name: "only from." + a, mutate: both(set(to, map[string]any{"apiServer": empty()}), set(from, map[string]any{a: empty()}))})
		for _, b := range sources[:i] {
			out = append(out, refuse("from."+a+" and from."+b, from, map[string]any{a: empty(), b: empty()}, sourceMessage))
		}
	}
	for a, av := range targets() {
		expect, source := "Allow", "probers"
		if a == "canary" {
			expect = "Deny"
		}
		if a == "overlay" {
			source = "nodes"
		}
		out = append(out, testCase{name: "only to." + a, mutate: both(set(to, map[string]any{a: av}), set(from, map[string]any{source: empty()}), set("spec.paths[0].expect", expect))})
		for b, bv := range targets() {
			if a < b {
				out = append(out, refuse("to."+a+" and to."+b, to, map[string]any{a: av, b: bv}, targetMessage))
			}
		}
	}
	return out
}

func httpCases() []testCase {
	const path, host, statuses = "spec.paths[1].http.path", "spec.paths[1].http.host", "spec.paths[1].http.expectedStatuses"
	var out []testCase
	for i, target := range []string{"mesh", "", "dns", "api"} {
		if target == "" {
			continue
		}
		field := "spec.paths[" + string(rune('0'+i)) + "].http"
		out = append(out, refuse("http to "+target, field, empty(), httpTargetMessage))
	}
	for name, value := range map[string]string{"relative": "healthz", "empty": "", "URL": "http://a/", "space": "/a b", "newline": "/a\r\nX: y", "not ASCII": "/é"} {
		out = append(out, refuse("http.path "+name, path, value, httpPathMessage))
	}
	for name, value := range map[string]string{"empty": "", "URL": "http://a", "newline": "a\r\nX: y", "space": "a b", "path": "a/b", "leading dot": ".a"} {
		out = append(out, refuse("http.host "+name, host, value, httpHostMessage))
	}
	var many []any
	for i := range 17 {
		many = append(many, 200+i)
	}
	return concat(out, oneOf("spec.paths[1].http.method", "GET", "HEAD"), oneOf("spec.paths[1].http.scheme", "HTTPS")[:1],
		tlsFieldCases("spec.paths[1].http.tls"), atMost(host, 253),
		between("spec.paths[1].http.expectedStatuses[0]", 100, 599),
		[]testCase{
			accept("http without fields", "spec.paths[1].http", empty()),
			accept("http by plain HTTP", "spec.paths[1].http", map[string]any{"scheme": "HTTP"}),
			accept("https by default", "spec.paths[1].http.tls", nil),
			elsewhere("http.tls without https", "spec.paths[1].http.scheme", "HTTP", "spec.paths[1].http.tls", httpTLSMessage),
			elsewhere("http.tls without a scheme", "spec.paths[1].http.scheme", nil, "spec.paths[1].http.tls", httpTLSMessage),
			refuse("a scheme of neither", "spec.paths[1].http.scheme", "QUIC", `supported values: "HTTP", "HTTPS"`),
			accept("http.path with a query", path, "/a%20b?c=d&e#f"),
			accept("http.path longest", path, "/"+strings.Repeat("a", 1023)),
			refuse("http.path too long", path, "/"+strings.Repeat("a", 1024), "may not be more than 1024 bytes"),
			accept("http.host with a port", host, "shop.example.com:8443"),
			accept("most statuses", statuses, many[:16]),
			refuse("too many statuses", statuses, many, "must have at most 16 items"),
			elsewhere("a status twice", statuses, []any{200, 200}, statuses+"[1]", "Duplicate value"),
			elsewhere("POST", "spec.paths[1].http.method", "POST", "spec.paths[1].http.method", `supported values: "GET", "HEAD"`),
		})
}

func serviceCases() []testCase {
	const service, port = "spec.paths[1].to.service", "spec.paths[1].to.service.port"
	return concat(ports(port, portMessage), oneOf(service+".via", "ClusterIP", "NodePort", "LoadBalancer", "Endpoints"),
		oneOf(service+".protocol", "TCP", "UDP")[:1], labels(service+".name", serviceNameMessage), labels(service+".namespace", serviceNamespaceMessage),
		[]testCase{
			required(service + ".name"),
			accept("service of the check's namespace", service+".namespace", nil),
			accept("service by its first way in", service+".via", nil),
			accept("service without a protocol", service+".protocol", nil),
			refuse("service by SCTP", service+".protocol", "SCTP", `supported values: "TCP", "UDP"`),
			{name: "service by UDP", mutate: both(set("spec.paths[1].http", nil), set(service+".protocol", "UDP"))},
			elsewhere("http to a service by UDP", service+".protocol", "UDP", "spec.paths[1].http", httpProtocolMessage),
			elsewhere("tcp to a cluster IP", "spec.paths[1].tcp", map[string]any{"handshake": "Full"}, "spec.paths[1].tcp", tcpTargetMessage),
			{name: "tcp to endpoints", mutate: both(set("spec.paths[1].http", nil), set(service+".via", "Endpoints"), set("spec.paths[1].tcp", map[string]any{"handshake": "Full"}))},
			refuse("service name with its namespace", service+".name", "inventory.commerce", serviceNameMessage),
		})
}

func dnsCases() []testCase {
	const dns, name = "spec.paths[2].to.dns", "spec.paths[2].to.dns.name"
	label := strings.Repeat("a", 63)
	long := strings.Join([]string{label, label, label, strings.Repeat("a", 61)}, ".")
	out := concat(oneOf(dns+".type", "A", "AAAA", "CNAME", "SRV", "PTR", "TXT", "NS", "MX"), oneOf(dns+".transport", "UDP", "TCP"),
		oneOf(dns+".resolver", "PodDefault", "ClusterDNS", "EachReplica"))
	for reason, value := range map[string]string{
		"dot": ".", "two dots": "a..b", "leading dot": ".a", "space": "a b", "URL": "http://a", "long label": label + "a",
		"leading hyphen": "-a", "trailing hyphen": "a-.b", "not ASCII": "é.example.com", "newline": "a\n", "wildcard": "*.example.com",
	} {
		out = append(out, refuse("dns.name "+reason, name, value, dnsNameMessage))
	}
	return append(out,
		accept("dns.name shortest", name, "a"),
		accept("dns.name without a trailing dot", name, "kubernetes.default"),
		accept("dns.name of a service record", name, "_https._tcp.example.com."),
		accept("dns.name longest", name, long),
		refuse("dns.name too long", name, long+".", "may not be more than 253 bytes"),
		refuse("dns.name empty", name, "", "should be at least 1 chars long"),
		refuse("dns.name empty, explained", name, "", dnsNameMessage),
		required(name),
	)
}

// texts are answers that are not looked into.
func texts() []testCase {
	const dns, answers = "spec.paths[2].to.dns", "spec.paths[2].to.dns.answers"
	out := concat(itemsAtMost(answers, 16, func(i int) any { return fmt.Sprintf("192.0.2.%d", i) }), []testCase{
		accept("the longest and the shortest answer", answers, []any{strings.Repeat("a", 255), "a"}),
		refuse("no answers", answers, []any{}, "should have at least 1 items"),
		elsewhere("an empty answer", answers, []any{""}, answers+"[0]", "should be at least 1 chars long"),
		elsewhere("a long answer", answers, []any{strings.Repeat("a", 256)}, answers+"[0]", "may not be more than 255 bytes"),
		elsewhere("an answer twice", answers, []any{"192.0.2.1", "192.0.2.1"}, answers+"[1]", "Duplicate value"),
	})
	for i := range out {
		out[i].mutate = both(set(dns+".type", "TXT"), out[i].mutate)
	}
	return out
}

// answerCases are about what only a check is refused for: the answers that its
// paths expect.
func answerCases() []testCase {
	const dns, name, answers = "spec.paths[2].to.dns", "spec.paths[2].to.dns.name", "spec.paths[2].to.dns.answers"
	expecting := func(qtype string, list ...any) func(map[string]any) {
		return both(set(dns+".type", qtype), set(answers, list))
	}
	out := []testCase{
		{name: "address to look up", mutate: both(set(name, "10.96.0.1"), set(dns+".type", "PTR"))},
		{name: "IPv6 address to look up", mutate: both(set(name, "fd00::1"), set(dns+".type", "PTR"))},
		elsewhere("address of an address", name, "10.96.0.1", dns, dnsAddressMessage),
		elsewhere("IPv6 address of an address", name, "fd00::1", dns, dnsAddressMessage),
	}
	for _, c := range []struct {
		types, good, bad []string
		message          string
	}{
		{[]string{"A"}, []string{"10.96.0.1"}, []string{"fd00::1", "a.example.com", "10.96.0.1:80", "10.96.0.1 "}, dnsAnswersAMessage},
		{[]string{"AAAA"}, []string{"fd00::1", "FD00::0001"}, []string{"10.96.0.1", "::ffff:10.96.0.1", "[fd00::1]"}, dnsAnswersAAAAMessage},
		{[]string{"CNAME", "PTR", "NS", "MX"}, []string{"db.example.com", "Db.example.com.", "a"}, []string{"10 mail.example.com", "a..b", "fd00::1", "a\n"}, dnsAnswersNameMessage},
		{[]string{"SRV"}, []string{"web-0.web.shop.svc:8080", "a.:1", "a:65535"}, []string{"a", "0 100 8080 a", "a:0", "a:100000", ":80"}, dnsAnswersSRVMessage},
	} {
		for _, qtype := range c.types {
			for _, good := range c.good {
				out = append(out, testCase{name: qtype + " answer " + good, mutate: expecting(qtype, good)})
			}
			for _, bad := range c.bad {
				out = append(out, testCase{name: qtype + " answer " + bad, mutate: expecting(qtype, c.good[0], bad), wantField: dns, wantError: c.message})
			}
		}
	}
	return out
}

func meshCases() []testCase {
	const protocols = "spec.paths[0].to.mesh.protocols"
	return concat(oneOf("spec.paths[0].to.mesh.scope", "SameNode", "CrossNode", "Any"),
		oneOf(protocols+"[0]", "TCP")[0:1], []testCase{
			accept("one protocol", protocols, []any{"ICMP"}),
			accept("protocols in another order", protocols, []any{"UDP", "TCP"}),
			refuse("no protocol", protocols, []any{}, "should have at least 1 items"),
			refuse("four protocols", protocols, []any{"TCP", "UDP", "ICMP", "TCP"}, "must have at most 3 items"),
			elsewhere("a protocol twice", protocols, []any{"TCP", "TCP"}, protocols+"[1]", "Duplicate value"),
			refuse("unknown protocol", protocols+"[0]", "SCTP", `supported values: "TCP", "UDP", "ICMP"`),
		})
}
