// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import "fmt"

func check() board {
	return board{
		name: "check", title: "Netladder: check",
		question:  "What is the matter with this check, or this path: since when, between whom, and why? How fast is it, and how often has it worked?",
		variables: []variable{one(namespaceVariable()), one(checkVariable()), pathVariable()},
		rows: []row{
			{"State", checkState()},
			{"Probes", checkProbes()},
			{"How often it works", checkAvailability()},
		},
	}
}

func checkState() []panel {
	pairs := fmt.Sprintf("sum by (state) (max by (%s, state) (%s))", byPath, judged(fmt.Sprintf("netladder_path_pairs{%s}", chosen)))
	return []panel{
		{
			title: "State of each path", unit: "none", width: 24, height: 4, view: number{names: true}, names: stateNames(),
			question: "In which state is each path of this check?", queries: []query{{"topk(64, " + code("") + ")", "{{path}}"}},
		},
		brokenPaths(6),
		{
			title: "Failing pairs", empty: "no pair fails", unit: "none", width: 14, height: 8,
			question: "Between which nodes does it fail, and what do probes see? The source is a node, the target a node or what was dialled; the worst 10 pairs of a path.",
			queries:  []query{{fmt.Sprintf("max by (path, source_node, target, verdict) (netladder_failing_pair{%s})", chosen), ""}},
			view: list{columns: []column{
				{label: "path", title: "Path"}, {label: "source_node", title: "From", link: toNode("source_node")}, {label: "target", title: "To", link: toNode("target")},
				{label: "verdict", title: "Verdict"}, {label: "Value", title: "Pairs", width: 60},
			}},
		},
		{
			title: "Pairs by state", unit: "none", width: 10, height: 8, view: lines{stacked: true}, colours: stateColours(),
			question: "How many pairs of source and target were in which state?", queries: []query{{pairs, "{{state}}"}},
		},
		{
			title: "Paths over time", unit: "none", width: 24, height: 8, view: timeline{}, names: stateNames(),
			question: "When was each path in which state?", queries: []query{{worst(code(""), 64, ""), "{{path}}"}},
		},
	}
}

func checkProbes() []panel {
	duration := func(suffix string) string {
		return fmt.Sprintf("sum by (%s) (rate(netladder_path_probe_duration_seconds%s{%s}[$__rate_interval]))", byPath, suffix, chosen)
	}
	mean := fmt.Sprintf("%s / %s\nor histogram_sum(%[3]s) / histogram_count(%[3]s)", duration("_sum"), duration("_count"), duration(""))
	native := func(q string) string { return fmt.Sprintf("histogram_quantile(%s, %s)", q, duration("")) }
	return []panel{
		{
			title: "Probes by verdict", unit: "cps", width: 8, height: 8, view: lines{stacked: true},
			question: "What do the probes see, how many a second? On a path that must be blocked Connected is bad and anything else good.",
			queries:  []query{{fmt.Sprintf("sum by (verdict) (rate(netladder_probes_total{%s}[$__rate_interval]))", chosen), "{{verdict}}"}}, points: 120,
		},
		{
			title: "Mean duration", unit: "s", width: 8, height: 8, view: lines{}, empty: "no probe succeeds",
			question: "How long do the successful probes of each path take on average?", queries: []query{{mean, "{{path}}"}}, points: 120,
		},
		{
			title: "p50 and p99", unit: "s", width: 8, height: 8, view: lines{}, empty: "no probe succeeds, and where Prometheus does not scrape native histograms",
			question: "How long do the successful probes of each path take?",
			queries:  []query{{native("0.5"), "{{path}} p50"}, {native("0.99"), "{{path}} p99"}}, points: 120,
		},
		{
			title: "Nodes with other verdicts than Connected", unit: "cps", width: 12, height: 8, view: bars{}, empty: "all probes of the last five minutes were Connected",
			question: "From which 15 nodes do most probes see something else? Of a path that must be blocked these are all of its nodes.",
			queries:  []query{{fmt.Sprintf(`topk(15, sum by (node) (rate(netladder_probes_total{%s,verdict!="Connected"}[5m])) > 0)`, chosen), "{{node}}"}},
		},
		{
			title: "Certificates", unit: "dtdurations", width: 12, height: 8, view: number{names: true}, empty: "no path of this check uses TLS",
			question: "How long are the certificates of the targets still valid?",
			queries: []query{{fmt.Sprintf("bottomk(12, min by (%s) (netladder_tls_certificate_not_after_timestamp_seconds{%s}) - time())", byPath, chosen),
				"{{path}}"}},
			steps: []step{{colour: red}, {7 * 86400, yellow}, {21 * 86400, green}}, runbook: "NetladderCertificateExpiring",
		},
	}
}

// recorded is when panels about recording rules are empty.
const recorded = "the rules of config/prometheus are not loaded, and (30 days) for the first hour"

func checkAvailability() []panel {
	ratio := func(window string) string {
		return fmt.Sprintf("bottomk(64, netladder:path_availability:ratio_%s{%s})", window, chosen)
	}
	steps := []step{{colour: red}, {0.99, yellow}, {0.999, green}}
	return []panel{
		{
			title: "Last hour", unit: "percentunit", width: 8, height: 6, view: number{names: true}, empty: recorded, steps: steps,
			question: "Which share of the pairs of each path was as declared in the last hour?", queries: []query{{ratio("1h"), "{{path}}"}},
		},
		{
			title: "Last 30 days", unit: "percentunit", width: 8, height: 6, view: number{names: true}, empty: recorded, steps: steps,
			question: "The same, of 30 days, or as long as there are records.", queries: []query{{ratio("30d"), "{{path}}"}},
		},
		{
			title: "Error budget left", unit: "percentunit", width: 8, height: 6, view: number{names: true}, empty: recorded,
			question: "How much of what the objective allows to fail in 30 days is left? Below zero the objective is missed.",
			queries: []query{{fmt.Sprintf("bottomk(64, 1 - (1 - netladder:path_availability:ratio_30d{%s}) / (1 - scalar(netladder:path_availability:objective)))", chosen),
				"{{path}}"}},
			steps: []step{{colour: red}, {0, orange}, {0.25, green}}, runbook: "NetladderErrorBudgetBurn",
		},
		{
			title: "Availability", unit: "percentunit", width: 24, height: 8, view: lines{}, empty: recorded,
			question: "Which share of the pairs of each path was as declared, over five minutes?",
			queries:  []query{{ratio("5m"), "{{path}}"}},
		},
	}
}
