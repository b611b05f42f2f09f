// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package api_test

import "strings"

const (
	tlsField  = "spec.paths[8].tls"
	grpcField = "spec.paths[9].grpc"
	pemBegin  = "-----BEGIN CERTIFICATE-----"
)

// tlsFieldCases covers a TLSLayer at its place.
func tlsFieldCases(at string) []testCase {
	name, bundle := at+".serverName", at+".caBundle"
	label := strings.Repeat("a", 63)
	out := []testCase{
		accept(at+" by default", at, empty()),
		accept(at+" without verification", at, map[string]any{"insecureSkipVerify": true, "serverName": "a"}),
		elsewhere(at+" with a bundle for nothing", at+".insecureSkipVerify", true, bundle, skipVerifyMessage),
		refuse(at+" insecureSkipVerify a word", at+".insecureSkipVerify", "yes", "must be of type boolean"),
		accept(bundle+" longest", bundle, pemBegin+strings.Repeat("a", 8192-len(pemBegin))),
		accept(bundle+" shortest", bundle, pemBegin),
		refuse(bundle+" too long", bundle, pemBegin+strings.Repeat("a", 8193-len(pemBegin)), "may not be more than 8192 bytes"),
		refuse(bundle+" empty", bundle, "", caBundleMessage),
		refuse(bundle+" a private key", bundle, "-----BEGIN PRIVATE KEY-----", caBundleMessage),
		refuse(bundle+" base64 of PEM", bundle, "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0t", caBundleMessage),
		refuse(bundle+" the name of a file", bundle, "/etc/ssl/ca.crt", caBundleMessage),
		accept(name+" shortest", name, "a"),
		accept(name+" longest", name, strings.Join([]string{label, label, label, strings.Repeat("a", 61)}, ".")),
		refuse(name+" too long", name, strings.Repeat("a.", 127), "may not be more than 253 bytes"),
		refuse(name+" empty", name, "", "should be at least 1 chars long"),
	}
	for what, value := range map[string]string{"an address": "192.0.2.1", "an IPv6 address": "2001:db8::1", "a Service": "shop.commerce.svc.cluster.local"} {
		out = append(out, accept(name+" "+what, name, value))
	}
	for what, value := range map[string]string{
		"with a port": "a.example.com:443", "URL": "https://a.example.com", "wildcard": "*.example.com", "trailing dot": "a.example.com.",
		"space": "a b", "newline": "a\n", "not ASCII": "é.example.com", "bracketed": "[2001:db8::1]", "leading hyphen": "-a", "long label": label + "aa",
	} {
		out = append(out, refuse(name+" "+what, name, value, serverNameMessage))
	}
	return out
}

func tlsCases() []testCase {
	return append(tlsFieldCases(tlsField), []testCase{
		elsewhere("tls by UDP", "spec.paths[8].to.host.protocol", "UDP", tlsField, tlsProtocolMessage),
		elsewhere("tls and Deny", "spec.paths[8].expect", "Deny", tlsField, tlsDenyMessage),
		refuse("tls to the API server", "spec.paths[3].tls", empty(), tlsTargetMessage),
		elsewhere("tls and http", "spec.paths[8].http", empty(), "spec.paths[8]", oneLayerMessage),
		elsewhere("tls and tcp", "spec.paths[8].tcp", map[string]any{"handshake": "Full"}, "spec.paths[8].tcp", tcpLayerMessage),
	}...)
}

func grpcCases() []testCase {
	const service = grpcField + ".service"
	out := concat(tlsFieldCases(grpcField+".tls"), atMost(service, 253), []testCase{
		accept("grpc without fields", grpcField, empty()),
		accept("grpc in the clear", grpcField+".tls", nil),
		accept("grpc of the whole server", service, nil),
		accept("grpc.service shortest", service, "a"),
		refuse("grpc of no service", service, "", "should be at least 1 chars long"),
		elsewhere("grpc by UDP", "spec.paths[9].to.pods.protocol", "UDP", grpcField, grpcProtocolMessage),
		elsewhere("grpc and Deny", "spec.paths[9].expect", "Deny", grpcField, grpcDenyMessage),
		elsewhere("grpc to dns", "spec.paths[2].grpc", empty(), "spec.paths[2].grpc", grpcTargetMessage),
		elsewhere("grpc and tls", "spec.paths[9].tls", empty(), "spec.paths[9]", oneLayerMessage),
	})
	for name, value := range map[string]string{"space": "a b", "newline": "a\n", "not ASCII": "é"} {
		out = append(out, refuse("grpc.service "+name, service, value, grpcServiceMessage))
	}
	return out
}
