// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package api_test

import (
	"fmt"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/netladder/netladder/api/v1alpha1"
)

// What a person reads who writes something wrong.
const (
	intervalMessage   = "interval must be a duration from 1s to 1h, a number with the unit ms, s, m or h, for example 10s"
	timeoutMessage    = "timeout must be a duration from 10ms to 30s, a number with the unit ms, s, m or h, for example 1s"
	maxLatencyMessage = "maxLatency must be a duration from 1ms to 30s, a number with the unit ms, s, m or h, for example 250ms"

	timeoutBelowInterval    = "timeout must be below interval: lower timeout or raise interval"
	maxLatencyBelowTimeout  = "maxLatency of every path must be below timeout, or it could never be exceeded: lower maxLatency or raise timeout"
	maxLatencyBelowDefault  = "maxLatency of every path must be below the timeout, which without spec.timeout is the lesser of 1s and half the interval: lower maxLatency or set timeout"
	checkNameMessage        = "the name of a ConnectivityCheck must be a DNS label of at most 63 characters, for example order-validator: it becomes a metric label"
	pathNameMessage         = "name must consist of lower case letters, digits and '-', and begin and end with a letter or digit, for example frontend-to-api"
	sourceMessage           = "set exactly one of from.pods, from.probers and from.nodes ({} means all of them); a second source is a second path"
	targetMessage           = "set exactly one of to.pods, to.service, to.mesh, to.nodes, to.host, to.dns, to.apiServer, to.canary and to.overlay; a second target is a second path"
	httpTargetMessage       = "http needs to.service, to.pods or to.host: remove http, or aim this path at one of them"
	httpDenyMessage         = "http cannot be combined with expect Deny, which is about the connection itself: remove http"
	httpProtocolMessage     = "http needs protocol TCP: remove http, or set protocol to TCP"
	denyTargetMessage       = "expect Deny needs to.pods, to.service, to.host, to.nodes or to.apiServer: aim this path at one of them, or set expect to Allow"
	denySourceMessage       = "expect Deny from.nodes needs to.pods, because for any other target the control would start where the probe does: use from.pods or from.probers"
	meshSourceMessage       = "to.mesh needs from.probers, because it is about the pod network of the nodes: set from.probers, or aim at to.pods"
	overlaySourceMessage    = "to.overlay needs from.nodes, because tunnels begin in the nodes' host network: set from.nodes"
	canarySourceMessage     = "to.canary needs from.probers, because each node tests its own canary pod: set from.probers"
	canaryExpectMessage     = "to.canary needs expect Deny, because a policy isolates the canary pods: set expect to Deny"
	dnsSourceMessage        = "to.dns needs from.probers or from.pods, which have the resolv.conf of a pod: set one of them"
	tcpTargetMessage        = "tcp needs to.pods, or to.service with via Endpoints, and protocol TCP, the only targets with a choice of handshake: remove tcp"
	tcpLayerMessage         = "http, tls and grpc need a full handshake: remove tcp"
	tlsTargetMessage        = "tls needs to.service, to.pods or to.host: remove tls, or aim this path at one of them"
	tlsDenyMessage          = "tls cannot be combined with expect Deny, which is about the connection itself: remove tls"
	tlsProtocolMessage      = "tls needs protocol TCP: remove tls, or set protocol to TCP"
	grpcTargetMessage       = "grpc needs to.service, to.pods or to.host: remove grpc, or aim this path at one of them"
	grpcDenyMessage         = "grpc cannot be combined with expect Deny, which is about the connection itself: remove grpc"
	grpcProtocolMessage     = "grpc needs protocol TCP: remove grpc, or set protocol to TCP"
	oneLayerMessage         = "set at most one of http, tls and grpc; a second layer is a second path. For HTTP over TLS set http.scheme to HTTPS"
	httpTLSMessage          = "http.tls needs scheme HTTPS: set http.scheme to HTTPS, or remove http.tls"
	skipVerifyMessage       = "caBundle has no effect with insecureSkipVerify, which trusts every certificate: remove one of them"
	serverNameMessage       = "serverName must be a domain name or an IP address that the certificate is for, without a port, for example shop.example.com"
	caBundleMessage         = "caBundle must be certificates in PEM and begin with -----BEGIN CERTIFICATE-----"
	grpcServiceMessage      = "grpc.service must hold no spaces or control characters, for example shop.v1.Inventory"
	podsPortMessage         = "pods.port must be a port number from 1 to 65535, for example 5432 without quotes, or the name of a container port, for example postgres"
	nodesPortMessage        = "protocol needs a port: set port, or remove protocol to ping the nodes by ICMP"
	hostMessage             = "set exactly one of host.ip and host.hostname"
	hostIPMessage           = "host.ip must be an IPv4 or IPv6 address that is neither loopback nor unspecified nor multicast, for example 169.254.169.254"
	hostnameMessage         = "host.hostname must be a domain name, for example db.example.com; an address goes to host.ip"
	serviceNameMessage      = "service.name must be the name of a Service alone, for example inventory-service; its namespace goes to service.namespace"
	serviceNamespaceMessage = "service.namespace must be the name of a namespace, for example commerce"
	portMessage             = "service.port must be a port number from 1 to 65535, for example 8080 without quotes, or the name of a port of the Service, for example http"
	dnsNameMessage          = "dns.name must be a domain name, for example kubernetes.default.svc.cluster.local."
	dnsAddressMessage       = "dns.name can be an address only with type PTR: set type to PTR, or name to a domain name"
	dnsAnswersAMessage      = "dns.answers of type A must be IPv4 addresses, for example 10.96.0.1"
	dnsAnswersAAAAMessage   = "dns.answers of type AAAA must be IPv6 addresses, for example fd00::1"
	dnsAnswersNameMessage   = "dns.answers of types CNAME, PTR, NS and MX must be domain names, for example db.example.com"
	dnsAnswersSRVMessage    = "dns.answers of type SRV must be the target and its port, for example web-0.web.shop.svc.cluster.local:8080"
	httpPathMessage         = "http.path must begin with '/' and hold no spaces or control characters, for example /healthz"
	httpHostMessage         = "http.host must be a host name with an optional port, for example shop.example.com"
)

func TestConnectivityCheck(t *testing.T) {
	c := newClient(t)
	s := suite{
		base: object(t, "check.yaml"),
		write: func(t *testing.T, o *unstructured.Unstructured) error {
			return c.Create(t.Context(), o, client.DryRunAll)
		},
		typed: func() client.Object { return &v1alpha1.ConnectivityCheck{} },
		rewrite: func(t *testing.T, o client.Object) error {
			o.SetUID("")
			return c.Create(t.Context(), o, client.DryRunAll)
		},
		seen: newEvidence(),
	}
	s.run(t, concat(
		durationCases(), specCases(), nameCases(), unionCases(), httpCases(), serviceCases(), dnsCases(), texts(), answerCases(), meshCases(),
		podsCases(), nodesCases(), hostCases(hostField), layerCases(), canaryCases(), overlayCases(), tlsCases(), grpcCases(),
	))
	t.Run("coverage", func(t *testing.T) {
		s.seen.complete(t, crd(t, "connectivitychecks").Spec.Versions[0].Schema.OpenAPIV3Schema, "spec")
	})
}

// notDurations are refused wherever a person writes a duration.
var notDurations = map[string]string{
	"word": "banana", "negative": "-1s", "signed": "+5s", "no unit": "10", "empty": "", "days": "1d", "overflow": "99999h99999h",
	"below": "1us", "micro sign": "1µs", "no digits": "s", "no whole part": ".5s", "no fraction": "1.s", "space": "1 s",
	"newline": "1s\n", "upper case": "1S", "exponent": "1e3s", "zero": "0s", "many digits": "1000000ms",
}

func durationCases() []testCase {
	const interval, timeout, latency = "spec.interval", "spec.timeout", "spec.paths[0].maxLatency"
	var out []testCase
	for field, message := range map[string]string{interval: intervalMessage, timeout: timeoutMessage, latency: maxLatencyMessage} {
		for name, value := range notDurations {
			out = append(out, refuse(field+" "+name, field, value, message))
		}
		out = append(out,
			refuse(field+" number", field, 10, "must be of type string"),
			refuse(field+" huge", field, strings.Repeat("9", 1000)+"h", "may not be more than 20 bytes"),
		)
	}
	slow := set(interval, "1h")
	return append(out,
		accept("interval lowest", interval, "1001ms"), // above the timeout of the base
		testCase{name: "interval of 1s", mutate: both(set(interval, "1s"), set(timeout, "500ms"))},
		accept("interval highest", interval, "1h"),
		accept("interval compound", interval, "59m59.999999999s"),
		accept("interval decimal", interval, "1.5s"),
		accept("interval longest", interval, "0h0m00010.000000000s"),
		accept("interval null is the default", interval, null{}),
		refuse("interval too low", interval, "999ms", intervalMessage),
		refuse("interval too high", interval, "1h0m0.000000001s", intervalMessage),
		testCase{name: "timeout lowest", mutate: both(set(timeout, "10ms"), set(latency, nil))},
		testCase{name: "timeout highest", mutate: both(slow, set(timeout, "30s"))},
		testCase{name: "timeout longest", mutate: both(slow, set(timeout, "0h0m00010.000000000s"))},
		testCase{name: "timeout too low", mutate: both(set(timeout, "9.999999ms"), set(latency, nil)), wantField: timeout, wantError: timeoutMessage},
		testCase{name: "timeout too high", mutate: both(slow, set(timeout, "30001ms")), wantField: timeout, wantError: timeoutMessage},
		refuse("timeout equals interval", timeout, "10s", timeoutBelowInterval),
		refuse("timeout above interval", timeout, "11s", timeoutBelowInterval),
		testCase{name: "timeout above default interval", mutate: both(set(interval, nil), set(timeout, "10s")), wantField: timeout, wantError: timeoutBelowInterval},
		accept("timeout just below interval", timeout, "9999.999999ms"),
		accept("maxLatency lowest", latency, "1ms"),
		accept("maxLatency longest", latency, "0h0m00000.250000000s"),
		refuse("maxLatency too low", latency, "0.999999ms", maxLatencyMessage),
		accept("maxLatency just below timeout", latency, "999.999999ms"),
		elsewhere("maxLatency equals timeout", latency, "1s", "spec.paths", maxLatencyBelowTimeout),
		testCase{name: "maxLatency below default timeout", mutate: both(set(timeout, nil), set(latency, "999ms"))},
		testCase{name: "maxLatency equals default timeout", mutate: both(set(timeout, nil), set(latency, "1s")), wantField: "spec.paths", wantError: maxLatencyBelowDefault},
		testCase{name: "maxLatency below half the interval", mutate: both(set(timeout, nil), set(interval, "1s"), set(latency, "499ms"))},
		testCase{name: "maxLatency equals half the interval", mutate: both(set(timeout, nil), set(interval, "1500ms"), set(latency, "750ms")), wantField: "spec.paths", wantError: maxLatencyBelowDefault},
	)
}

func specCases() []testCase {
	path := func(i int) any {
		return map[string]any{"name": fmt.Sprintf("p%d", i), "from": map[string]any{"probers": map[string]any{}}, "to": map[string]any{"apiServer": map[string]any{}}}
	}
	return concat(
		between("spec.failureThreshold", 1, 100),
		between("spec.successThreshold", 1, 100),
		oneOf("spec.severity", "Critical", "Warning", "None"),
		oneOf("spec.paths[0].severity", "Critical", "Warning", "None"),
		oneOf("spec.paths[3].expect", "Allow", "Deny"),
		between("spec.paths[0].sampling.targetsPerSource", 1, 20), between("spec.paths[0].sampling.sourcesPerNode", 1, 10),
		itemsAtMost("spec.paths", 64, path),
		[]testCase{
			required("spec"), required("spec.paths"), required("spec.paths[0].name"), required("spec.paths[0].from"), required("spec.paths[0].to"),
			accept("one path", "spec.paths", []any{path(0)}),
			refuse("no paths", "spec.paths", []any{}, "should have at least 1 items"),
			{name: "two paths of one name", mutate: set("spec.paths[1].name", "mesh"), wantField: "spec.paths[1]", wantError: `Duplicate value: {"name":"mesh"}`},
			accept("suspended", "spec.suspend", true),
			refuse("suspend is a word", "spec.suspend", "yes", "must be of type boolean"),
			accept("nothing but what is required", "spec", map[string]any{"paths": []any{path(0)}}),
		},
	)
}

var notLabels = map[string]string{
	"upper case": "Mesh", "underscore": "a_b", "dot": "a.b", "leading hyphen": "-a", "trailing hyphen": "a-", "space": "a b",
	"newline": "a\n", "slash": "a/b", "not ASCII": "é",
}

// labels covers a DNS label of at most 63 characters.
func labels(path, message string) []testCase {
	out := concat(atMost(path, 63), []testCase{
		accept(path+" shortest", path, "a"),
		accept(path+" digits and hyphens", path, "0-a-9"),
		refuse(path+" empty", path, "", "should be at least 1 chars long"),
		refuse(path+" empty, explained", path, "", message),
	})
	for name, value := range notLabels {
		out = append(out, refuse(path+" "+name, path, value, message))
	}
	return out
}

func nameCases() []testCase {
	return concat(labels("spec.paths[0].name", pathNameMessage), []testCase{
		accept("check name longest", "metadata.name", strings.Repeat("a", 63)),
		{name: "check name too long", mutate: set("metadata.name", strings.Repeat("a", 64)), wantField: "<nil>", wantError: checkNameMessage},
		elsewhere("check name with a dot", "metadata.name", "a.b", "<nil>", checkNameMessage),
		refuse("check name in upper case", "metadata.name", "Check", "a lowercase RFC 1123 subdomain must consist of"),
	})
}
