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

func TestProbeAssignment(t *testing.T) {
	c := newClient(t)
	s := suite{
		base: object(t, "assignment.yaml"),
		write: func(t *testing.T, o *unstructured.Unstructured) error {
			return c.Create(t.Context(), o, client.DryRunAll)
		},
		typed: func() client.Object { return &v1alpha1.ProbeAssignment{} },
		rewrite: func(t *testing.T, o client.Object) error {
			o.SetUID("")
			return c.Create(t.Context(), o, client.DryRunAll)
		},
		seen: newEvidence(),
	}
	s.run(t, concat(tableCases(), groupCases(), groupParameterCases()))
	t.Run("coverage", func(t *testing.T) {
		s.seen.complete(t, crd(t, "probeassignments").Spec.Versions[0].Schema.OpenAPIV3Schema, "spec")
	})
}

func tableCases() []testCase {
	const node, pod, service, tunnel = "spec.nodes[0]", "spec.pods[0]", "spec.services[0]", "spec.nodes[0].tunnels[0]"
	return concat(
		storedDurationCases("spec.heartbeat"),
		atMost(node+".name", 253), atMost(node+".echoUID", 64), atMost(node+".echoIPs[0]", 45), targetCases("spec.targets"),
		atMost(pod+".uid", 64), atMost(pod+".namespace", 63), atMost(pod+".name", 253), atMost(pod+".ips[0]", 45),
		itemsAtMost(node+".echoIPs", 2, func(int) any { return "10.0.0.1" }),
		atMost(node+".ips[0]", 45), itemsAtMost(node+".ips", 2, func(int) any { return "10.0.0.1" }),
		atMost(tunnel+".ip", 45), atMost(tunnel+".endpoint", 45), atMost(tunnel+".mac", 17),
		between(tunnel+".vni", 0, 1<<24-1), oneOf(tunnel+".encapsulation", "Auto", "VXLAN", "IPIP"), atMost(tunnel+".podCIDR", 49),
		itemsAtMost(node+".tunnels", 2, func(int) any { return map[string]any{"encapsulation": "VXLAN", "ip": "10.0.0.1"} }),
		between(service+".targets[0]", 0, 2047), between("spec.doubts[0]", 0, 2047), itemsAtMost("spec.doubts", 16, func(i int) any { return i }),
		itemsAtMost(service+".targets", 64, func(i int) any { return i }),
		targetCases(service+".addresses"), itemsAtMost(service+".addresses", 4, someTarget),
		targetCases(service+".endpoints"), itemsAtMost(service+".endpoints", 8, someTarget),
		itemsAtMost("spec.services", 256, func(int) any { return map[string]any{} }),
		itemsAtMost(pod+".ips", 2, func(int) any { return "10.0.0.1" }),
		itemsAtMost("spec.pods", 512, func(int) any {
			return map[string]any{"uid": "a", "namespace": "b", "name": "c", "ips": []any{"10.0.0.1"}}
		}),
		itemsAtMost("spec.nodes", 1024, func(int) any { return map[string]any{"name": "a", "echoUID": "b"} }),
		itemsAtMost("spec.targets", 2048, someTarget),
		itemsAtMost("spec.groups", 2048, group),
		itemsAtMost("spec.caBundles", 256, func(int) any { return "a" }), atMost("spec.caBundles[0]", 8192),
		[]testCase{
			accept("spec empty", "spec", map[string]any{}), accept("spec absent", "spec", nil),
			required(node + ".name"), required(tunnel + ".encapsulation"), required(tunnel + ".ip"),
			required(pod + ".uid"), required(pod + ".namespace"), required(pod + ".name"), required(pod + ".ips"),
			accept("a node without an echo pod", node, map[string]any{"name": "a", "ips": []any{"10.0.0.1"}}),
		},
	)
}

func someTarget(int) any { return map[string]any{"ip": "10.0.0.1", "port": 80} }

// targetCases are those of a list of targets.
func targetCases(list string) []testCase {
	target := list + "[0]"
	return concat(
		atMost(target+".ip", 45), atMost(target+".node", 253), atMost(target+".uid", 64), oneOf(target+".protocol", "TCP", "UDP"),
		between(target+".port", 0, 65535),
		[]testCase{required(target + ".ip"), accept("to ping: "+target, target+".port", nil)},
	)
}

func group(i int) any {
	return map[string]any{
		"key": fmt.Sprint("ns/check/path/", i), "hash": "a-b", "kind": "TCP", "interval": "10s", "timeout": "1s",
		"failureThreshold": 2, "successThreshold": 1,
	}
}

func groupCases() []testCase {
	const g = "spec.groups[0]"
	out := concat(
		storedDurationCases(g+".interval"), storedDurationCases(g+".timeout"), storedDurationCases(g+".maxLatency"),
		atMost(g+".key", 512), atMost(g+".hash", 64), atMost(g+".kind", 32),
		between(g+".window", 0, 256), between(g+".perRound", 0, 256), between(g+".members[0]", 0, 2047), between(g+".port", 1, 65535),
		between("spec.groups[1].caBundle", 0, 255),
		atMost(g+".from", 32), between("spec.groups[3].sources[0]", 0, 511), oneOf("spec.groups[3].expect", "Allow", "Deny"),
		itemsAtMost(g+".sources", 64, func(i int) any { return i }),
		between(g+".failureThreshold", 1, 100), between(g+".successThreshold", 1, 100),
		itemsAtMost(g+".members", 256, func(i int) any { return i }),
		[]testCase{
			accept("a kind of a later version", g+".kind", "Teleport"),
			accept("a place to start from of a later version", g+".from", "Moon"),
			accept("a group without members", g, group(0)),
		},
	)
	for _, field := range []string{"key", "hash", "kind", "interval", "timeout", "failureThreshold", "successThreshold"} {
		out = append(out, required(g+"."+field))
	}
	return out
}

// groupParameterCases repeats the cases of the types that ConnectivityCheck
// and ProbeAssignment share, at their place in the latter.
func groupParameterCases() []testCase {
	moves := strings.NewReplacer("spec.paths[1].http", "spec.groups[1].http", "spec.paths[2].to.dns", "spec.groups[2].dns",
		tlsField, "spec.groups[4].tls", grpcField, "spec.groups[5].grpc")
	out := hostCases("spec.groups[3].host")
	for _, c := range concat(httpCases(), dnsCases(), texts(), tlsFieldCases(tlsField), grpcCases()) {
		path := moves.Replace(c.path)
		if path == c.path || c.wantError == httpTargetMessage {
			continue
		}
		c.name = "group " + c.name
		c.mutate, c.wantField = set(path, c.value), moves.Replace(c.wantField)
		out = append(out, c)
	}
	return out
}

func TestProbeAssignmentStatus(t *testing.T) {
	s := statusSuite(t, "assignment.yaml", func() client.Object { return &v1alpha1.ProbeAssignment{} })
	const g, pair, rung = "status.groups[0]", "status.notPassing[0]", "status.rungs[0]"
	out := concat(
		timeCases("status.heartbeat"), timeCases(pair+".since"), microTimeCases(pair+".badSince"), microTimeCases(rung+".at"), countCases(g+".pairs"),
		between(g+".p50Microseconds", 0, 3_600_000_000), between(g+".p99Microseconds", 0, 3_600_000_000), between(g+".queries", 0, 64),
		between("status.cut", 0, 100_000_000), streakCases(pair+".streak"),
		atMost("status.podUID", 64), atMost(g+".key", 512), atMost(g+".hash", 64),
		atMost(pair+".group", 512), atMost(pair+".target", 320), atMost(pair+".verdict", 32), atMost(pair+".reason", 64), atMost(pair+".evidence", 256),
		oneOf(pair+".state", states...),
		atMost(rung+".source", 64), atMost(rung+".rung", 32), atMost(rung+".probe", 32), atMost(rung+".target", 320),
		atMost(rung+".verdict", 32), atMost(rung+".evidence", 160),
		itemsAtMost("status.rungs", 128, func(i int) any {
			return map[string]any{"rung": "DNS", "probe": "DNS", "target": fmt.Sprint(i), "verdict": "Dropped"}
		}),
		itemsAtMost("status.groups", 2048, func(i int) any {
			return map[string]any{"key": fmt.Sprint(i), "hash": "a", "pairs": map[string]any{}}
		}),
		itemsAtMost("status.notPassing", 50, func(i int) any {
			return map[string]any{"group": "a", "target": fmt.Sprint(i), "state": "Failing"}
		}),
		[]testCase{
			accept("status empty", "status", map[string]any{}),
			refuse("status a list", "status", []any{}, "must be of type object"),
			refuse("groups a map", "status.groups", map[string]any{}, "must be of type array"),
			refuse("group null", g, null{}, "must be of type object"),
			refuse("pairs null", g+".pairs", null{}, "Required value"),
			refuse("key a number", g+".key", 1, "must be of type string"),
			refuse("count a string", g+".pairs.passing", "1", "must be of type integer"),
			refuse("latency huge", g+".p50Microseconds", 1e300, "must be of type int64"),
			accept("a verdict of a later version", pair+".verdict", "Teleported"),
			accept("control characters in evidence", pair+".evidence", "a\x00\x1b[31m\u202e\uffff"),
		},
	)
	for _, field := range []string{
		g + ".key", g + ".hash", g + ".pairs", pair + ".group", pair + ".target", pair + ".state",
		rung + ".rung", rung + ".probe", rung + ".target", rung + ".verdict",
	} {
		out = append(out, required(field))
	}
	s.run(t, out)
	t.Run("coverage", func(t *testing.T) {
		s.seen.complete(t, crd(t, "probeassignments").Spec.Versions[0].Schema.OpenAPIV3Schema, "status")
	})
}

func streakCases(path string) []testCase {
	const highest = 1<<31 - 1
	return []testCase{
		accept(path+" lowest", path, 0),
		accept(path+" highest", path, highest),
		refuse(path+" negative", path, -1, "should be greater than or equal to 0"),
		refuse(path+" beyond int32", path, highest+1, "should be less than or equal to 2147483647"),
	}
}
