// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import "fmt"

// ours selects the targets that are Netladder's, by what the scrape calls them.
const ours = `job=~".*netladder.*"`

func self() board {
	return board{
		name: "self", title: "Netladder: itself",
		question:  "Does Netladder itself work: does somebody lead, does every node report, is anything late or lost, and what does it cost?",
		variables: []variable{nodeVariable()},
		rows: []row{
			{"Who is there", selfPresence()},
			{"The controller", selfController()},
			{"The probers", selfProbers()},
			{"What it costs", selfCost()},
			{"What is not shown", selfLimits()},
		},
	}
}

func selfPresence() []panel {
	leader := tile("Leading", "Does exactly one controller lead?", "sum(netladder_controller_leader)", green)
	leader.steps, leader.runbook, leader.width = []step{{colour: red}, {1, green}, {2, red}}, "NetladderNoLeader", 4
	controllers := tile("Controllers", "How many controllers are up? Two are meant to be.", `count(netladder_build_info{role="controller"})`, green)
	controllers.steps, controllers.runbook, controllers.width = []step{{colour: red}, {1, orange}, {2, green}}, "NetladderControllerDown", 4
	down := tile("Targets down", "How many of Netladder's processes does Prometheus not reach?", fmt.Sprintf("count(up{%[1]s} == 0) or 0 * count(up{%[1]s})", ours), orange)
	down.width = 4
	stale := tile("Oldest report", "How long ago did the prober write that wrote longest ago? The heartbeat is a minute on up to 480 nodes, and doubles with the cluster.",
		"time() - min(netladder_prober_last_report_timestamp_seconds > 0)", orange)
	stale.unit, stale.steps, stale.width, stale.runbook = "s", []step{{colour: green}, {300, orange}}, 4, "NetladderResultsStale"
	return []panel{
		leader, controllers, down, stale,
		{
			title: "Nodes by state", unit: "none", width: 8, height: 8, view: lines{stacked: true},
			colours:  map[string]string{"reporting": green, "silent": red, "missing": orange, "masked": grey},
			question: "Does every node that should report do so?", queries: []query{{"max by (state) (netladder_nodes)", "{{state}}"}}, runbook: "NetladderProberMissing",
		},
		{
			title: "Versions", unit: "none", width: 16, height: 7,
			question: "Which versions run, and how many of each? During an upgrade there are two.",
			queries:  []query{{"count by (role, version, revision, go_version) (netladder_build_info)", ""}},
			view: list{sort: "Role", columns: []column{
				{label: "role", title: "Role", width: 110}, {label: "version", title: "Version"}, {label: "revision", title: "Revision"},
				{label: "go_version", title: "Go"}, {label: "Value", title: "Processes", width: 90},
			}},
		},
		{
			title: "Nodes not heard", empty: "every node reports or is excused", unit: "none", width: 8, height: 7,
			question: "From which nodes does nothing come? At most 100.", queries: []query{{`max by (node, state) (netladder_node_not_reporting{node=~"$node"})`, ""}},
			view: list{columns: []column{
				{label: "node", title: "Node", link: toNode("node")}, {label: "state", title: "State"}, {label: "Value", title: "Nodes", width: 60},
			}},
		},
	}
}

func selfController() []panel {
	return []panel{
		{
			title: "Writes to the API server", unit: "wps", width: 12, height: 8, view: lines{},
			question: "What does the controller write? Its budget is 8 assignments, 4 check statuses and 2 events a second: a line that stays there is a queue.",
			queries:  []query{{"sum by (object) (rate(netladder_api_writes_total[$__rate_interval]))", "{{object}}"}},
		},
		{
			title: "Planning", unit: "s", width: 6, height: 8, view: lines{},
			question: "How long does a step of planning take (p99)?",
			queries:  []query{{"histogram_quantile(0.99, sum by (le) (rate(netladder_plan_duration_seconds_bucket[$__rate_interval])))", "p99"}},
			empty:    "nothing changes, for then nothing is planned",
		},
		{
			title: "Events lost", unit: "none", width: 6, height: 8, view: lines{},
			question: "How many Kubernetes events were lost, for want of budget or because the API server did not take them?",
			queries:  []query{{"sum(increase(netladder_events_dropped_total[$__rate_interval]))", "lost"}},
		},
	}
}

func selfProbers() []panel {
	top := func(title, question, metric string) panel {
		return panel{
			title: title, question: question, unit: "cps", width: 8, height: 8, view: bars{}, steps: []step{{colour: orange}},
			queries: []query{{fmt.Sprintf(`topk(15, sum by (node) (rate(%s{node=~"$node"}[5m])) > 0)`, metric), "{{node}}"}},
		}
	}
	unmeasured := top("Nodes with unmeasured probes", "On which 15 nodes is the prober itself too late to say anything? It lacks CPU there.", "netladder_prober_unmeasured_total")
	unmeasured.empty, unmeasured.runbook = "no prober is late", "NetladderProbesUnmeasured"
	reports := top("Nodes whose reports fail", "On which 15 nodes can the prober not write to the API server?", "netladder_prober_report_errors_total")
	reports.empty, reports.runbook = "every report is written", "NetladderReportErrors"
	skipped := top("Nodes that skip turns", "On which 15 nodes do turns pass without a probe, because the last one was still under way, or too late?", "netladder_prober_skipped_total")
	skipped.empty = "no turn is skipped"
	return []panel{
		{
			title: "Probes", unit: "cps", width: 8, height: 8, view: lines{},
			question: "How many probes are made, for paths, as proofs of what silence means, and as steps of climbs?",
			queries: []query{
				{`sum(rate(netladder_probes_total{node=~"$node"}[$__rate_interval]))`, "paths"},
				{`sum(rate(netladder_prober_proofs_total{node=~"$node"}[$__rate_interval]))`, "proofs"},
				{`sum(rate(netladder_prober_climb_steps_total{node=~"$node"}[$__rate_interval]))`, "climbs"},
			}, points: 120,
		},
		{
			title: "How late probes start", unit: "s", width: 8, height: 8, view: lines{},
			question: "By how much do probes start later than planned (p50, p99)? The lowest step is a millisecond.",
			queries: []query{
				{`histogram_quantile(0.5, sum by (le) (rate(netladder_prober_schedule_lag_seconds_bucket{node=~"$node"}[$__rate_interval])))`, "p50"},
				{`histogram_quantile(0.99, sum by (le) (rate(netladder_prober_schedule_lag_seconds_bucket{node=~"$node"}[$__rate_interval])))`, "p99"},
			}, points: 120,
		},
		{
			title: "Late or lost", unit: "cps", width: 8, height: 8, view: lines{},
			question: "How many probes say nothing, turns are skipped and reports fail, over all chosen nodes?",
			queries: []query{
				{`sum(rate(netladder_prober_unmeasured_total{node=~"$node"}[$__rate_interval]))`, "unmeasured"},
				{`sum(rate(netladder_prober_skipped_total{node=~"$node"}[$__rate_interval]))`, "skipped"},
				{`sum(rate(netladder_prober_report_errors_total{node=~"$node"}[$__rate_interval]))`, "reports that failed"},
			}, points: 120,
		},
		unmeasured, skipped, reports,
		{
			title: "Oldest reports", unit: "s", width: 8, height: 8, view: bars{},
			question: "Which 15 nodes have not reported for the longest time?",
			queries:  []query{{`topk(15, time() - max by (node) (netladder_prober_last_report_timestamp_seconds{node=~"$node"} > 0))`, "{{node}}"}},
			steps:    []step{{colour: green}, {300, orange}},
		},
		{
			title: "Largest assignments", unit: "none", width: 8, height: 8, view: bars{},
			question: "On which 15 nodes are most pairs probed?",
			queries:  []query{{`topk(15, max by (node) (netladder_prober_assigned_pairs{node=~"$node"}))`, "{{node}}"}},
		},
		{
			title: "Echo pods", unit: "cps", width: 8, height: 8, view: lines{},
			question: "How many requests do the echo pods answer, and how many not, for which reason? Refusals for their rate mean that something else asks them.",
			queries: []query{
				{`sum by (protocol) (rate(netladder_echo_requests_total{node=~"$node"}[$__rate_interval]))`, "{{protocol}}"},
				{`sum by (reason) (rate(netladder_echo_dropped_total{node=~"$node"}[$__rate_interval]))`, "not answered: {{reason}}"},
			}, points: 120,
		},
	}
}

func selfCost() []panel {
	largest := func(expr string) string { return "max by (role) (" + role(expr) + ")" }
	median := func(expr string) string { return "quantile by (role) (0.5, " + role(expr) + ")" }
	const (
		memory = "process_resident_memory_bytes"
		cpu    = "rate(process_cpu_seconds_total[$__rate_interval])"
	)
	return []panel{
		{
			title: "Memory", unit: "bytes", width: 12, height: 8, view: lines{},
			question: "How much memory do the processes use, the median and the largest of each role?",
			queries:  []query{{largest(memory), "{{role}} largest"}, {median(memory), "{{role}} median"}}, points: 120,
		},
		{
			title: "CPU", unit: "percentunit", width: 12, height: 8, view: lines{},
			question: "How much of a core do the processes use, the median and the busiest of each role?",
			queries:  []query{{largest(cpu), "{{role}} busiest"}, {median(cpu), "{{role}} median"}}, points: 120,
		},
		{
			title: "Largest probers", unit: "bytes", width: 8, height: 8, view: bars{},
			question: "Which 15 nodes have the probers that use most memory?",
			queries:  []query{{`topk(15, max by (node) (process_resident_memory_bytes{node=~"$node"} and on (job, instance) netladder_build_info{role="prober"}))`, "{{node}}"}},
		},
		{
			title: "Open files and goroutines", unit: "none", width: 8, height: 8, view: lines{},
			question: "How many files and goroutines has the process of each role that has most? A line that only rises is a leak.",
			queries:  []query{{largest("process_open_fds"), "{{role}} files"}, {largest("go_goroutines"), "{{role}} goroutines"}}, points: 120,
		},
		{
			title: "Network namespaces held", unit: "none", width: 8, height: 8, view: lines{},
			question: "How many network namespaces of pods do probers keep open, in all and the most of one?",
			queries: []query{
				{`sum(netladder_prober_held_namespaces{node=~"$node"})`, "in all"}, {`max(netladder_prober_held_namespaces{node=~"$node"})`, "most of one"},
			},
		},
	}
}

func selfLimits() []panel {
	return []panel{
		{
			title: "Left out of metrics", unit: "none", width: 12, height: 7, view: lines{},
			question: "How much do the bounded metrics not show? kubectl shows more of it.",
			queries: []query{
				{"max(netladder_failing_pairs_dropped)", "failing pairs"}, {"max(netladder_causes_dropped)", "causes"},
				{"max(netladder_policy_findings_dropped)", "findings"},
			},
		},
		{
			title: "Samples of a scrape", unit: "none", width: 12, height: 7, view: lines{},
			question: "How many series does the largest target of each job have?",
			queries:  []query{{fmt.Sprintf("max by (job) (scrape_samples_scraped{%s})", ours), "{{job}}"}},
		},
	}
}
