// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import "fmt"

// meshRoundTrips are the durations of the probes between echo pods.
const meshRoundTrips = `kind=~"Mesh.+",phase="exchange",node=~"$node"`

func mesh() board {
	return board{
		name: "mesh", title: "Netladder: node to node",
		question:  "Which nodes do not reach which, is there a node that they have in common, and how long does it take?",
		variables: append(pathVariables(), nodeVariable()),
		rows: []row{
			{"Who does not reach whom", meshPairs()},
			{"Nodes", meshNodes()},
			{"How long it takes", meshLatency()},
		},
	}
}

func meshPairs() []panel {
	end := func(label string) string {
		return fmt.Sprintf("topk(15, count by (%s) (\n  max by (source_node, target) (\n  %s\n  )\n))", label, failingPairs(""))
	}
	return []panel{
		{
			title: "Failing pairs", empty: "no pair fails", unit: "none", width: 12, height: 11, view: matrix{row: "source_node", column: "target"},
			question: "From which nodes (rows) does what (columns) fail, and for how many paths? A full column is a target that is broken, a full row a source. " +
				"At most 100 pairs, the worst 10 of each path; a cell that is empty says nothing.",
			queries: []query{{fmt.Sprintf("count by (source_node, target) (\n  %s\n)", failingPairs("")), ""}},
			steps:   []step{{colour: none}, {1, yellow}, {2, orange}, {4, red}}, runbook: "NetladderNodeIsolated",
		},
		{
			title: "Targets not reached", empty: "no pair fails", unit: "none", width: 6, height: 11, view: bars{},
			question: "Which 15 targets are not reached from most sources?", queries: []query{{end("target"), "{{target}}"}}, steps: []step{{colour: red}},
		},
		{
			title: "Sources that reach least", empty: "no pair fails", unit: "none", width: 6, height: 11, view: bars{},
			question: "Which 15 nodes do not reach most targets?", queries: []query{{end("source_node"), "{{source_node}}"}}, steps: []step{{colour: red}},
		},
		{
			title: "Failing pairs one by one", empty: "no pair fails", unit: "none", width: 24, height: 7,
			question: "What do the probes between them see, and for which path?",
			queries:  []query{{failingPairs(""), ""}},
			view: list{columns: append(pathColumns(),
				column{label: "source_node", title: "From", link: toNode("source_node")}, column{label: "target", title: "To", link: toNode("target")},
				column{label: "verdict", title: "Verdict"}, column{label: "Value", title: "Pairs", width: 60})},
		},
	}
}

func meshNodes() []panel {
	return []panel{
		{
			title: "Nodes by state", unit: "none", width: 8, height: 8, view: lines{stacked: true},
			colours:  map[string]string{"reporting": green, "silent": red, "missing": orange, "masked": grey},
			question: "How many nodes report, are silent, have no prober, or are excused because they are away?",
			queries:  []query{{"max by (state) (netladder_nodes)", "{{state}}"}},
		},
		{
			title: "Nodes not heard", empty: "every node reports or is excused", unit: "none", width: 8, height: 8,
			question: "From which nodes does nothing come? At most 100.", runbook: "NetladderProberMissing",
			queries: []query{{`max by (node, state) (netladder_node_not_reporting{node=~"$node"})`, ""}},
			view: list{columns: []column{
				{label: "node", title: "Node", link: toNode("node")}, {label: "state", title: "State"}, {label: "Value", title: "Nodes", width: 60},
			}},
		},
		{
			title: "Nodes with bad probes", empty: "no probe between nodes was bad in the last five minutes", unit: "cps", width: 8, height: 8, view: bars{},
			question: "From which 15 nodes do most probes of the paths " + below + " go wrong, also those that are not failing yet?",
			queries: []query{{fmt.Sprintf(`topk(15, sum by (node) (rate(netladder_probes_total{%s,path=~"%s",node=~"$node",%s}[5m])) > 0)`,
				chosen, below, bad), "{{node}}"}},
			steps: []step{{colour: orange}},
		},
	}
}

func meshLatency() []panel {
	return []panel{
		{
			title: "Round trips", unit: "s", width: 12, height: 9, view: heat{}, empty: "no probe of a mesh succeeds",
			question: "How are the round trips between echo pods distributed, over all chosen nodes?",
			queries:  []query{{fmt.Sprintf("sum by (le) (rate(netladder_probe_duration_seconds_bucket{%s}[$__rate_interval]))", meshRoundTrips), "{{le}}"}}, points: 120,
		},
		{
			title: "p50, p90 and p99", unit: "s", width: 12, height: 9, view: lines{}, empty: "no probe of a mesh succeeds",
			question: "How long do round trips between echo pods take, over all chosen nodes?", queries: quantiles(meshRoundTrips), points: 120,
		},
		{
			title: "Slowest nodes now", unit: "s", width: 8, height: 10, view: bars{}, empty: "no probe of a mesh succeeds",
			question: "From which 15 nodes is the p99 of the last five minutes the highest?", queries: []query{{slowest(15, meshRoundTrips), "{{node}}"}},
		},
		{
			title: "Slowest nodes over time", unit: "s", width: 16, height: 10, view: lines{}, empty: "no probe of a mesh succeeds",
			question: "Since when are the ten nodes slow that are the slowest at the end of this time?",
			queries:  []query{{slowestOverTime(10, meshRoundTrips), "{{node}}"}}, points: 60,
		},
	}
}
