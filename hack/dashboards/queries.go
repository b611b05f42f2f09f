// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import "fmt"

// What the queries of several dashboards have in common. Everything about paths
// is "max by" over the pods of the controller, which change.
const (
	// chosen selects the paths that the variables name.
	chosen = `check_namespace=~"$namespace",check=~"$check",path=~"$path"`
	// byPath are the labels that tell paths apart.
	byPath = `check_namespace, check, path`
	// bad are verdicts that say that something did not work, of probes that must.
	bad = `verdict!~"Connected|Unmeasured|Unsupported|Inconclusive"`
	// below are the paths of the check cluster-network that concern the way
	// between nodes.
	below = `same-node|cross-node|underlay|overlay`
)

// state of paths, 1 for those that are in it.
func state(name, more string) string {
	return fmt.Sprintf("max by (%s) (%s)", byPath, judged(fmt.Sprintf(`netladder_path_state{%s,state="%s"%s}`, chosen, name, more)))
}

// code is the state of paths as one number, the worst where two controllers
// differ; stateNames reads it.
func code(more string) string {
	of := func(n int, name string) string {
		return fmt.Sprintf("%d * %s", n, judged(fmt.Sprintf(`netladder_path_state{%s,state="%s"%s}`, chosen, name, more)))
	}
	return fmt.Sprintf("max by (%s) (\n  %s\n  or %s\n  or %s\n  or %s\n  or %s\n)", byPath,
		of(4, "Failing"), of(3, "Degraded"), of(2, "Unknown"), of(1, "Pending"), of(0, "Passing"))
}

func stateNames() []name {
	return []name{
		{"0", "Passing", green}, {"1", "Pending", blue}, {"2", "Unknown", grey}, {"3", "Degraded", yellow}, {"4", "Failing", red},
	}
}

func stateColours() map[string]string {
	return map[string]string{"Passing": green, "Pending": blue, "Unknown": grey, "Degraded": yellow, "Failing": red}
}

// worst keeps the paths that failed for the longest part of the time shown.
func worst(expr string, n int, more string) string {
	return fmt.Sprintf("%s\nand on (%s) topk(%d, max by (%s) (avg_over_time(netladder_path_state{%s,state=\"Failing\"%s}[$__range] @ end())))",
		expr, byPath, n, byPath, chosen, more)
}

// broken are the paths that fail, with what is known about why; the value is
// for how long. topk by: while the lead changes hands, a path may have two
// severities, and Prometheus would refuse to answer.
func broken() string {
	return fmt.Sprintf(`bottomk(100,
  (
    max by (%[1]s, rung, reason, message) (%[4]s)
    or on (%[1]s)
    (%[3]s == 1)
  )
  * on (%[1]s) group_left (expect, severity)
    topk by (%[1]s) (1, max by (%[1]s, expect, severity) (%[5]s == 1))
  * on (%[1]s) group_left ()
    (time() - max by (%[1]s) (netladder_path_failing_since_timestamp_seconds{%[2]s}))
)`, byPath, chosen, state("Failing", ""), judged(fmt.Sprintf("netladder_path_diagnosis_info{%s}", chosen)),
		judged(fmt.Sprintf(`netladder_path_state{%s,state="Failing"}`, chosen)))
}

// diagnosed are the paths that fail for something on these rungs.
func diagnosed(rungs string) string {
	return fmt.Sprintf("topk(100, max by (%s, rung, reason, message) (%s))", byPath, judged(fmt.Sprintf(`netladder_path_diagnosis_info{%s,rung=~"%s"}`, chosen, rungs)))
}

// judged is a metric about paths as the leader has it, where that is scraped and
// has judged the path: what another controller repeats of the statuses may be older.
func judged(metric string) string {
	return fmt.Sprintf("(%[1]s and on (job, instance) netladder_plan_nodes or on (%[2]s) %[1]s)", metric, byPath)
}

// ofLeader is the same for a metric about causes, which the statuses may have in
// other words.
func ofLeader(metric string) string {
	return fmt.Sprintf("(%[1]s and on (job, instance) netladder_plan_nodes or %[1]s unless on () netladder_plan_nodes)", metric)
}

// causePaths are how many paths fail for each cause on these rungs.
func causePaths(rungs string) string {
	return fmt.Sprintf("max by (rung, reason, object) (%s)", ofLeader(fmt.Sprintf(`netladder_cause_paths{rung=~"%s"}`, rungs)))
}

// causes on these rungs, with their sentence; the value is how many paths fail.
func causes(rungs string) string {
	return fmt.Sprintf(`topk(50,
  %s
  * on (rung, reason, object) group_right ()
  max by (rung, reason, object, message) (%s)
)`, causePaths(rungs), ofLeader(fmt.Sprintf(`netladder_cause_info{rung=~"%s"}`, rungs)))
}

// failingPairs of which a chosen node is one end; more are matchers.
func failingPairs(more string) string {
	one := func(end string) string {
		return fmt.Sprintf(`netladder_failing_pair{%s,%s=~"$node"%s}`, chosen, end, more)
	}
	return fmt.Sprintf("max by (%s, source_node, target, verdict) (\n    %s\n    or %s\n  )", byPath, one("source_node"), one("target"))
}

// quantile of the durations of probes.
type quantile struct {
	// q of the quantile, between 0 and 1, as PromQL writes it.
	q string
	// matchers of kinds and phases.
	matchers string
	// by tells the results apart; "" makes one of all.
	by string
	// window of the rate, and what else follows it.
	window string
}

func (q quantile) String() string {
	labels := "le"
	if q.by != "" {
		labels = q.by + ", le"
	}
	return fmt.Sprintf("histogram_quantile(%s, sum by (%s) (rate(netladder_probe_duration_seconds_bucket{%s}%s)))", q.q, labels, q.matchers, q.window)
}

// quantiles of all nodes together, over time.
func quantiles(matchers string) []query {
	var of []query
	for _, q := range []struct{ q, legend string }{{"0.5", "p50"}, {"0.9", "p90"}, {"0.99", "p99"}} {
		of = append(of, query{quantile{q: q.q, matchers: matchers, window: "[$__rate_interval]"}.String(), q.legend})
	}
	return of
}

// slowest are the nodes of the longest durations, as they are now.
func slowest(n int, matchers string) string {
	return fmt.Sprintf("topk(%d, %s)", n, quantile{q: "0.99", matchers: matchers, by: "node", window: "[5m]"})
}

// slowestOverTime follows them through the time shown.
func slowestOverTime(n int, matchers string) string {
	return fmt.Sprintf("%s\nand on (node) topk(%d, %s)",
		quantile{q: "0.99", matchers: matchers, by: "node", window: "[$__rate_interval]"}, n,
		quantile{q: "0.99", matchers: matchers, by: "node", window: "[5m] @ end()"})
}

// role adds the label role to what a process says of itself.
func role(expr string) string {
	return expr + " * on (job, instance) group_left (role) max by (job, instance, role) (netladder_build_info)"
}
