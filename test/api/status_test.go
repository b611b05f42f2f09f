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

const conditionTimeMessage = "lastTransitionTime must be a time from 1900 to 2199, for example 2026-01-31T12:00:00Z"

// statusSuite stores the base object of a file and tries statuses on it. All
// writes are dry runs, so that the cases do not disturb each other.
func statusSuite(t *testing.T, file string, typed func() client.Object) suite {
	t.Helper()
	c := newClient(t)
	base := object(t, file)
	status := base.Object["status"]
	base.SetName(uniqueName(t, "status"))
	if err := c.Create(t.Context(), base); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { remove(t, c, base) })
	base.Object["status"] = status
	return suite{
		base: base,
		write: func(t *testing.T, o *unstructured.Unstructured) error {
			return c.Status().Update(t.Context(), o, client.DryRunAll)
		},
		typed: typed,
		rewrite: func(t *testing.T, o client.Object) error {
			return c.Status().Update(t.Context(), o, client.DryRunAll)
		},
		seen: newEvidence(),
	}
}

func TestConnectivityCheckStatus(t *testing.T) {
	s := statusSuite(t, "check.yaml", func() client.Object { return &v1alpha1.ConnectivityCheck{} })
	const path, pair = "status.paths[0]", "status.paths[0].worstPairs[0]"
	const diagnosis, policy = "status.paths[0].diagnosis", "status.paths[0].diagnosis.policies[0]"
	s.run(t, concat(
		timeCases(path+".lastTransitionTime"), timeCases(pair+".since"), conditionCases(),
		storedDurationCases(path+".coverage.fullAfter"), storedDurationCases(path+".latency.p50"), storedDurationCases(path+".latency.p99"),
		atLeastZero("status.observedGeneration"), atLeastZero(path+".coverage.assignedPairs"), atLeastZero(path+".coverage.possiblePairs"),
		countCases(path+".pairs"),
		atMost("status.summary.passing", 16), atMost("status.summary.broken", 64),
		oneOf("status.summary.rung", rungs...), oneOf(diagnosis+".rung", rungs...), oneOf(diagnosis+".candidates[0]", rungs[:len(rungs)-1]...), oneOf(policy+".direction", "Ingress", "Egress"),
		atMost(diagnosis+".reason", 64), atMost(diagnosis+".message", 1024),
		itemsAtMost(diagnosis+".candidates", 8, func(int) any { return "DNS" }),
		atMost(policy+".namespace", 63), atMost(policy+".name", 253), atMost(policy+".managedBy", 256),
		itemsAtMost(diagnosis+".policies", 8, func(int) any { return map[string]any{"namespace": "a", "name": "b", "direction": "Ingress"} }),
		atMost(path+".name", 63), atMost(path+".reason", 64), atMost(path+".message", 1024),
		atMost(pair+".source", 320), atMost(pair+".sourceNode", 253), atMost(pair+".target", 320), atMost(pair+".targetNode", 253), atMost(pair+".verdict", 32), atMost(pair+".reason", 64), atMost(pair+".evidence", 256),
		oneOf(path+".state", states...), oneOf(pair+".state", states...),
		itemsAtMost("status.paths", 64, func(i int) any { return map[string]any{"name": fmt.Sprint("p", i), "state": "Passing"} }),
		itemsAtMost(path+".worstPairs", 10, func(int) any { return map[string]any{"source": "a", "target": "b", "state": "Failing"} }),
		[]testCase{
			required(path + ".name"), required(path + ".state"),
			required(path + ".coverage.assignedPairs"), required(path + ".coverage.possiblePairs"),
			required(path + ".latency.p50"), required(path + ".latency.p99"),
			required(diagnosis + ".rung"), required(diagnosis + ".reason"), refuse("no reason", diagnosis+".reason", "", "should be at least 1 chars long"), accept("a short reason", diagnosis+".reason", "A"),
			required(policy + ".namespace"), required(policy + ".direction"),
			required(pair + ".source"), required(pair + ".target"), required(pair + ".state"),
			accept("status empty", "status", map[string]any{}),
			refuse("status a list", "status", []any{}, "must be of type object"),
			{name: "two paths of one name", mutate: set("status.paths", []any{
				map[string]any{"name": "a", "state": "Passing"}, map[string]any{"name": "a", "state": "Failing"},
			}), wantField: "status.paths[1]", wantError: `Duplicate value: {"name":"a"}`},
		},
	))
	t.Run("coverage", func(t *testing.T) {
		s.seen.complete(t, crd(t, "connectivitychecks").Spec.Versions[0].Schema.OpenAPIV3Schema, "status")
	})
}

var rungs = []string{
	"DNS", "Endpoints", "Service", "Policy", "Listener", "Application", "PodNetwork", "Overlay", "MTU", "Underlay", "Node", "Undetermined",
}

var states = []string{"Pending", "Passing", "Degraded", "Failing", "Unknown"}

// notTimes are what Go's time package or arithmetic on it cannot take. The
// format date-time alone accepts many of them.
var notTimes = map[string]string{
	"lower case t": "2026-01-31t12:00:00Z", "lower case z": "2026-01-31T12:00:00z", "space": "2026-01-31 12:00:00Z",
	"any decimal point": "2026-01-31T12:00:00x1Z", "decimal comma": "2026-01-31T12:00:00,5Z", "fraction": "2026-01-31T12:00:00.5Z",
	"impossible zone": "2026-01-31T12:00:00+99:99", "zone": "2026-01-31T12:00:00+01:00", "no zone": "2026-01-31T12:00:00",
	"leap second": "2026-06-30T23:59:60Z", "hour 24": "2026-01-31T24:00:00Z", "minute 60": "2026-01-31T12:60:00Z",
	"month 99": "0001-99-99T00:00:00Z", "month 13": "2026-13-01T00:00:00Z", "month 0": "2026-00-01T00:00:00Z", "day 0": "2026-01-00T00:00:00Z",
	"year 0": "0000-01-01T00:00:00Z", "zero time": "0001-01-01T00:00:00Z", "before 1900": "1899-12-31T23:59:59Z",
	"after 2199": "2200-01-01T00:00:00Z", "far future": "9999-12-31T23:59:59Z", "five digits": "10000-01-01T00:00:00Z",
	"empty": "", "date": "2026-01-31", "word": "now", "newline": "2026-01-31T12:00:00Z\n", "other digits": "２026-01-31T12:00:00Z",
	"huge": strings.Repeat("2", 1<<16),
}

// timeCases covers a time that a program writes.
func timeCases(path string) []testCase {
	out := []testCase{
		accept(path+" earliest", path, "1900-01-01T00:00:00Z"),
		accept(path+" latest", path, "2199-12-31T23:59:59Z"),
		accept(path+" leap day", path, "2028-02-29T00:00:00Z"),
		accept(path+" absent", path, nil),
		refuse(path+" no such leap day", path, "2027-02-29T00:00:00Z", "must be of type date-time"),
		refuse(path+" no such day", path, "2026-04-31T00:00:00Z", "must be of type date-time"),
		refuse(path+" number", path, 1769860800, "must be of type date-time"),
	}
	for name, value := range notTimes {
		out = append(out, refuse(path+" "+name, path, value, "should match"))
	}
	return out
}

// microTimeCases: Go decodes a metav1.MicroTime with six digits of fraction only.
func microTimeCases(path string) []testCase {
	out := []testCase{
		accept(path+" earliest", path, "1900-01-01T00:00:00.000000Z"),
		accept(path+" latest", path, "2199-12-31T23:59:59.999999Z"),
		accept(path+" absent", path, nil),
		refuse(path+" without fraction", path, "2026-01-31T12:00:00Z", "should match"),
		refuse(path+" of milliseconds", path, "2026-01-31T12:00:00.000Z", "should match"),
		refuse(path+" of nanoseconds", path, "2026-01-31T12:00:00.000000000Z", "should match"),
		refuse(path+" no such leap day", path, "2027-02-29T00:00:00.000000Z", "must be of type date-time"),
		refuse(path+" number", path, 1769860800, "must be of type date-time"),
	}
	for name, value := range notTimes {
		out = append(out, refuse(path+" "+name, path, strings.Replace(value, "Z", ".000000Z", 1), "should match"))
	}
	return out
}

// conditionCases: metav1.Condition brings its own schema, which lets through
// what Go cannot decode; a rule on the list stands in its way.
func conditionCases() []testCase {
	const list, path = "status.conditions", "status.conditions[0].lastTransitionTime"
	out := []testCase{
		accept(path+" with fraction", path, "2026-01-31T12:00:00.000000Z"),
		accept(path+" with zone", path, "2026-01-31T12:00:00-11:30"),
		accept(path+" earliest", path, "1900-01-01T00:00:00Z"),
		accept(path+" latest", path, "2199-12-31T23:59:59Z"),
	}
	for _, name := range []string{"lower case t", "lower case z", "any decimal point", "impossible zone", "year 0", "zero time", "before 1900", "after 2199", "far future"} {
		out = append(out, testCase{name: path + " " + name, mutate: set(path, notTimes[name]), wantField: list, wantError: conditionTimeMessage})
	}
	for _, name := range []string{"no zone", "leap second", "hour 24", "minute 60", "month 99", "empty", "date", "word", "newline", "five digits"} {
		out = append(out, refuse(path+" "+name, path, notTimes[name], "must be of type date-time"))
	}
	condition := func(i int) any {
		return map[string]any{"type": fmt.Sprint("T", i), "status": "True", "reason": "R", "message": "", "lastTransitionTime": "2026-01-31T12:00:00Z"}
	}
	return concat(out, itemsAtMost(list, 8, condition), []testCase{
		{name: "two conditions of one type", mutate: set(list, []any{condition(0), condition(0)}), wantField: list + "[1]", wantError: `Duplicate value: {"type":"T0"}`},
	})
}

// storedDurationCases covers a duration that a program writes: every form of
// Go's Duration.String that is not negative.
func storedDurationCases(path string) []testCase {
	out := []testCase{
		refuse(path+" empty", path, "", "should be at least 2 chars long"),
		refuse(path+" too long", path, "000000h00m000.000000000000ms", "may not be more than 25 bytes"),
		refuse(path+" number", path, 10, "must be of type string"),
	}
	for _, value := range []string{"0s", "1s", "1ns", "1µs", "350.5µs", "1us", "500.000001ms", "1.5s", "1m0s", "1h0m0s", "999999h59m59.999999999s", "999999h59m999.999999999ms"} {
		out = append(out, accept(path+" "+value, path, value))
	}
	for _, value := range []string{"-1s", "banana", "10", "1d", "1e3s", "9999999h", "99999h99999h", "1s\n", "1 s", "1.s", ".5s", "1s1s", "1h1h", "NaNs", "Infs", "1μs"} {
		out = append(out, refuse(path+" "+value, path, value, "should match"))
	}
	return out
}

func atLeastZero(path string) []testCase {
	return []testCase{
		accept(path+" lowest", path, int64(0)),
		accept(path+" highest", path, int64(1<<63-1)),
		refuse(path+" negative", path, int64(-1), "should be greater than or equal to 0"),
		refuse(path+" beyond int64", path, 1e30, "must be of type int64"),
		refuse(path+" not whole", path, 0.5, "must be of type int64"),
	}
}

// countCases covers PairCounts: five of the highest still fit an int32.
func countCases(path string) []testCase {
	const highest = 100_000_000
	all := map[string]any{}
	var out []testCase
	for _, state := range states {
		field := strings.ToLower(state)
		all[field] = int64(highest)
		out = append(out, between(path+"."+field, 0, highest)...)
	}
	return append(out, accept(path+" all highest", path, all), accept(path+" empty", path, map[string]any{}))
}
