// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package api_test

import "strings"

const (
	podsField  = "spec.paths[4].to.pods"
	nodesField = "spec.paths[5].to.nodes"
	hostField  = "spec.paths[6].to.host"
)

// notPorts are refused as the port of a Service or of a pod.
func notPorts() map[string]any {
	return map[string]any{
		"zero": 0, "negative": -1, "too high": 65536, "beyond int32": 1 << 40, "empty": "", "number in quotes": "8080",
		"upper case": "HTTP", "underscore": "my_port", "slash": "80/TCP", "newline": "http\n", "leading hyphen": "-http",
	}
}

// ports covers a port by number or by name.
func ports(port, message string) []testCase {
	var out []testCase
	for name, value := range notPorts() {
		out = append(out, refuse(port+" "+name, port, value, message))
	}
	return append(out,
		accept(port+" lowest", port, 1),
		accept(port+" highest", port, 65535),
		accept(port+" by name", port, "http"),
		accept(port+" by name with digits", port, "8080-tcp"),
		accept(port+" by longest name", port, strings.Repeat("a", 63)),
		refuse(port+" by too long a name", port, strings.Repeat("a", 64), "may not be more than 63 bytes"),
		refuse(port+" not whole", port, 80.5, "must be of type integer,string"),
		required(port),
	)
}

func podsCases() []testCase {
	const from = "spec.paths[4].from.pods"
	return concat(ports(podsField+".port", podsPortMessage), oneOf("spec.paths[4].to.pods.protocol", "TCP", "UDP")[:1], []testCase{
		required(podsField + ".podSelector"),
		accept("to.pods of the check's namespace", podsField+".namespaceSelector", nil),
		accept("to.pods of all namespaces", podsField+".namespaceSelector", empty()),
		accept("to.pods all of them", podsField+".podSelector", empty()),
		accept("to.pods without a protocol", podsField+".protocol", nil),
		{name: "to.pods by UDP", mutate: both(set("spec.paths[4].tcp", nil), set(podsField+".protocol", "UDP"))},
		refuse("to.pods by SCTP", podsField+".protocol", "SCTP", `supported values: "TCP", "UDP"`),
		refuse("podSelector a list", podsField+".podSelector", []any{}, "must be of type object"),
		accept("from.pods all of them", from, empty()),
		accept("from.pods of all namespaces", from+".namespaceSelector", empty()),
		accept("from.pods by label alone", from+".namespaceSelector", nil),
		refuse("from.pods a list", from, []any{}, "must be of type object"),
	})
}

func nodesCases() []testCase {
	const port, protocol = nodesField + ".port", nodesField + ".protocol"
	return concat(between(port, 1, 65535), oneOf(protocol, "TCP", "UDP"), []testCase{
		accept("to.nodes by ICMP", nodesField, empty()),
		accept("to.nodes without a protocol", protocol, nil),
		elsewhere("to.nodes with a protocol and no port", port, nil, nodesField, nodesPortMessage),
		accept("from.nodes all of them", "spec.paths[5].from.nodes", empty()),
	})
}

// hostCases covers a HostTarget at its place; the base there has an IP.
func hostCases(host string) []testCase {
	ip, hostname := host+".ip", host+".hostname"
	named := func(name string) func(map[string]any) { return both(set(ip, nil), set(hostname, name)) }
	out := concat(between(host+".port", 1, 65535), oneOf(host+".protocol", "TCP", "UDP"), []testCase{
		required(host + ".port"),
		elsewhere(host+" with neither", ip, nil, host, hostMessage),
		elsewhere(host+" with both", hostname, "db.example.com", host, hostMessage),
		refuse(ip+" too short", ip, "::", "should be at least 3 chars long"),
		refuse(ip+" too long", ip, strings.Repeat("0", 46), "may not be more than 45 bytes"),
	})
	for name, value := range map[string]string{
		"IPv4": "10.0.0.1", "cloud metadata": "169.254.169.254", "IPv6": "fd00::1", "IPv6 metadata": "fd00:ec2::254", "shortest": "1::",
		"longest": "2001:0db8:1111:2222:3333:4444:192.168.100.200", "link-local": "fe80::1", "below multicast": "223.255.255.255", "above multicast": "240.0.0.1",
	} {
		out = append(out, accept(ip+" "+name, ip, value))
	}
	for name, value := range map[string]string{
		"word": "localhost", "name": "db.example.com", "loopback": "127.0.0.1", "other loopback": "127.255.0.9", "IPv6 loopback": "::1",
		"unspecified": "0.0.0.0", "IPv6 unspecified": "::0", "multicast": "224.0.0.1", "middle multicast": "232.1.1.1", "highest multicast": "239.255.255.255",
		"IPv6 multicast": "ff02::1", "IPv6 multicast in upper case": "FF0E::1", "IPv6 site multicast": "ff05::2",
		"mapped loopback": "::ffff:127.0.0.1", "mapped unspecified": "::ffff:0.0.0.0", "mapped multicast": "::ffff:224.0.0.1", "mapped in hex": "::ffff:7f00:1",
		"zone": "fe80::1%eth0", "port": "10.0.0.1:80", "CIDR": "10.0.0.0/8", "octal": "010.0.0.1", "short": "10.1", "space": " 10.0.0.1", "newline": "10.0.0.1\n",
	} {
		out = append(out, refuse(ip+" "+name, ip, value, hostIPMessage))
	}
	return concat(out, hostnameCases(hostname, named))
}

func hostnameCases(hostname string, named func(string) func(map[string]any)) []testCase {
	label := strings.Repeat("a", 63)
	var out []testCase
	ok := func(name, value string) {
		out = append(out, testCase{name: hostname + " " + name, mutate: named(value)})
	}
	no := func(name, value, message string) {
		out = append(out, testCase{name: hostname + " " + name, mutate: named(value), wantField: hostname, wantError: message})
	}
	ok("shortest", "a")
	ok("with a trailing dot", "db.example.com.")
	ok("with a digit first", "1password.example.com")
	ok("longest", strings.Join([]string{label, label, label, strings.Repeat("a", 61)}, "."))
	no("empty", "", "should be at least 1 chars long")
	no("too long", strings.Repeat("a.", 127), "may not be more than 253 bytes")
	for name, value := range map[string]string{
		"dot": ".", "two dots": "a..b", "URL": "http://a", "port": "a:80", "space": "a b", "newline": "a\n", "not ASCII": "é.example.com",
		"IPv4 address": "10.0.0.1", "number": "2130706433", "IPv6 address": "fd00::1", "leading hyphen": "-a", "wildcard": "*.example.com",
	} {
		no(name, value, hostnameMessage)
	}
	return out
}

// layerCases has one case for each rule about what goes together; of all
// combinations there is TestWhatGoesTogether.
func layerCases() []testCase {
	const service, api, pods = "spec.paths[1]", "spec.paths[3]", "spec.paths[4]"
	mesh, dns := map[string]any{"mesh": empty()}, map[string]any{"dns": map[string]any{"name": "a"}}
	full := map[string]any{"handshake": "Full"}
	return concat(oneOf(pods+".tcp.handshake", "HalfOpen", "Full"), []testCase{
		required(pods + ".tcp.handshake"),
		{name: "http to pods", mutate: both(set(pods+".tcp", nil), set(pods+".expect", "Allow"), set(pods+".http", empty()))},
		{
			name: "http to pods by UDP", wantField: pods + ".http", wantError: httpProtocolMessage,
			mutate: both(set(pods+".tcp", nil), set(pods+".expect", "Allow"), set(pods+".http", empty()), set(pods+".to.pods.protocol", "UDP")),
		},
		accept("http to a host", "spec.paths[7].http", empty()),
		elsewhere("http and Deny", service+".expect", "Deny", service+".http", httpDenyMessage),
		{name: "http and tcp", mutate: both(set(pods+".expect", "Allow"), set(pods+".http", empty())), wantField: pods + ".tcp", wantError: tcpLayerMessage},
		refuse("tcp to the API server", api+".tcp", full, tcpTargetMessage),
		elsewhere("tcp to pods by UDP", pods+".to.pods.protocol", "UDP", pods+".tcp", tcpTargetMessage),
		refuse("Deny to a mesh", "spec.paths[0].expect", "Deny", denyTargetMessage),
		elsewhere("Deny from nodes to nodes", "spec.paths[5].expect", "Deny", "spec.paths[5].from", denySourceMessage),
		{name: "Deny from nodes to pods", mutate: set(pods+".from", map[string]any{"nodes": empty()})},
		refuse("Deny to dns", "spec.paths[2].expect", "Deny", denyTargetMessage),
		{name: "pods to a mesh", mutate: set("spec.paths[7].to", mesh), wantField: "spec.paths[7].from", wantError: meshSourceMessage},
		{name: "nodes to dns", mutate: both(set("spec.paths[5].to", dns), set("spec.paths[5].expect", "Allow")), wantField: "spec.paths[5].from", wantError: dnsSourceMessage},
		{name: "pods to dns", mutate: set("spec.paths[7].to", dns)},
	})
}

func canaryCases() []testCase {
	const path, direction = "spec.paths[0]", "spec.paths[0].to.canary.direction"
	to := func(value any) func(map[string]any) {
		return both(set(path+".to", map[string]any{"canary": map[string]any{"direction": value}}), set(path+".expect", "Deny"))
	}
	return []testCase{
		{name: "canary ingress", mutate: to("Ingress")},
		{name: "canary egress", mutate: to("Egress")},
		{name: "canary both ways", mutate: to("Both"), wantField: direction, wantError: `supported values: "Ingress", "Egress"`},
		{name: "canary without a direction", mutate: both(to("x"), set(direction, nil)), wantField: direction, wantError: "Required value"},
		{name: "canary from pods", mutate: both(to("Ingress"), set(path+".from", map[string]any{"pods": empty()})), wantField: path + ".from", wantError: canarySourceMessage},
		{name: "canary that may be reached", mutate: both(to("Ingress"), set(path+".expect", "Allow")), wantField: path + ".expect", wantError: canaryExpectMessage},
		{name: "canary by default", mutate: both(to("Ingress"), set(path+".expect", nil)), wantField: path + ".expect", wantError: canaryExpectMessage},
	}
}

func overlayCases() []testCase {
	const path, encapsulation = "spec.paths[0]", "spec.paths[0].to.overlay.encapsulation"
	to := func(value any) func(map[string]any) {
		return both(set(path+".to", map[string]any{"overlay": map[string]any{"encapsulation": value}}), set(path+".from", map[string]any{"nodes": empty()}))
	}
	return []testCase{
		{name: "overlay as announced", mutate: to("Auto")},
		{name: "overlay by VXLAN", mutate: to("VXLAN")},
		{name: "overlay by IPIP", mutate: to("IPIP")},
		{name: "overlay by default", mutate: both(to("x"), set(encapsulation, nil))},
		{name: "overlay by Geneve", mutate: to("Geneve"), wantField: encapsulation, wantError: `supported values: "Auto", "VXLAN", "IPIP"`},
		{name: "overlay from probers", mutate: both(to("Auto"), set(path+".from", map[string]any{"probers": empty()})), wantField: path + ".from", wantError: overlaySourceMessage},
		{name: "overlay to be blocked", mutate: both(to("Auto"), set(path+".expect", "Deny")), wantField: path + ".expect", wantError: denyTargetMessage},
	}
}
