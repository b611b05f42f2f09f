// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import "fmt"

const (
	// lookups are the durations of what paths to.dns ask.
	lookups = `kind="DNS",phase="resolve",node=~"$node"`
	// ofLookups keeps what is about paths to.dns that were answered before.
	ofLookups = "and on (" + byPath + ") max by (" + byPath + ") (netladder_dns_queries_per_lookup{" + chosen + "})"
)

func dns() board {
	return board{
		name: "dns", title: "Netladder: DNS",
		question:  "Are names looked up, from every node and by every server, how fast, and at what cost?",
		variables: append(pathVariables(), nodeVariable()),
		rows: []row{
			{"State", dnsState()},
			{"How lookups go", dnsLookups()},
			{"Objective and cost", dnsCost()},
		},
	}
}

func dnsState() []panel {
	why := causesTable("Why", "What is broken about the DNS, and how many paths fail for it?", "DNS", 5)
	why.empty, why.runbook = "no path fails for the DNS", "NetladderDNSFailing"
	return []panel{
		{
			title: "Paths that look up names", unit: "none", width: 24, height: 4, view: number{names: true}, names: stateNames(),
			empty: "no path to.dns was ever answered", question: "In which state are the paths to.dns? At most 24, the worst first.",
			queries: []query{{"topk(24, " + code("") + "\n" + ofLookups + ")", "{{check}} {{path}}"}},
		},
		why,
		{
			title: "Failing lookups", empty: "no path fails for the DNS", unit: "none", width: 24, height: 6,
			question: "Which paths fail for the DNS, and what is known?", runbook: "NetladderDNSFailing",
			queries: []query{{diagnosed("DNS"), ""}},
			view: list{columns: append(pathColumns(), column{label: "rung", title: "Rung", width: 90}, column{label: "reason", title: "Reason", width: 180},
				column{label: "message", title: "What is known"}, column{label: "Value", title: "Paths", width: 60})},
		},
	}
}

func dnsLookups() []panel {
	rate := fmt.Sprintf(`sum by (%%s) (rate(netladder_probes_total{%s,node=~"$node",verdict=~"%%s"}[%%s]))`, chosen)
	answered := fmt.Sprintf("sum(\n  %s\n  %s\n)", fmt.Sprintf(rate, byPath, "Connected", "$__rate_interval"), ofLookups)
	return []panel{
		{
			title: "Lookups", unit: "cps", width: 12, height: 8, view: lines{stacked: true}, colours: map[string]string{"answered": green},
			question: "How many lookups are answered a second, and what happens to the others?",
			queries:  []query{{answered, "answered"}, {fmt.Sprintf(rate, "verdict", "DNS.+", "$__rate_interval"), "{{verdict}}"}}, points: 120,
		},
		{
			title: "Nodes with bad lookups", empty: "every lookup of the last five minutes was answered", unit: "cps", width: 12, height: 8, view: bars{},
			question: "From which 15 nodes do most lookups go wrong?",
			queries:  []query{{"topk(15, " + fmt.Sprintf(rate, "node", "DNS.+", "5m") + " > 0)", "{{node}}"}}, steps: []step{{colour: orange}},
		},
		{
			title: "Durations", unit: "s", width: 12, height: 9, view: heat{}, empty: "no lookup is answered",
			question: "How are the durations of answered lookups distributed?",
			queries:  []query{{fmt.Sprintf("sum by (le) (rate(netladder_probe_duration_seconds_bucket{%s}[$__rate_interval]))", lookups), "{{le}}"}}, points: 120,
		},
		{
			title: "p50, p90 and p99", unit: "s", width: 12, height: 9, view: lines{}, empty: "no lookup is answered", runbook: "NetladderDNSSlow",
			question: "How long do answered lookups take?", queries: quantiles(lookups), points: 120,
		},
		{
			title: "Slowest nodes now", unit: "s", width: 8, height: 10, view: bars{}, empty: "no lookup is answered",
			question: "From which 15 nodes is the p99 of the last five minutes the highest?", queries: []query{{slowest(15, lookups), "{{node}}"}},
		},
		{
			title: "Slowest nodes over time", unit: "s", width: 16, height: 10, view: lines{}, empty: "no lookup is answered",
			question: "Since when are the ten nodes slow that are the slowest at the end of this time?",
			queries:  []query{{slowestOverTime(10, lookups), "{{node}}"}}, points: 60,
		},
	}
}

func dnsCost() []panel {
	const recorded = "no lookup is answered, the rules of config/prometheus are not loaded, or (30 days) for the first hour"
	return []panel{
		{
			title: "Answered within 50 ms", unit: "percentunit", width: 24, height: 7, view: lines{}, empty: recorded, runbook: "NetladderDNSSlow",
			question: "Which share of the lookups was answered within 50 ms, of all nodes: in five minutes, an hour, 30 days?",
			queries: []query{
				{"netladder:dns_latency:ratio_5m", "5 minutes"}, {"netladder:dns_latency:ratio_1h", "an hour"}, {"netladder:dns_latency:ratio_30d", "30 days"},
			},
		},
		{
			title: "Queries for each lookup", unit: "none", width: 12, height: 8, empty: "no path to.dns was ever answered",
			question: "How many names of the search list are asked for until there is an answer? More than one is traffic that a dot at the end of the name saves.",
			queries:  []query{{fmt.Sprintf("topk(50, max by (%s) (netladder_dns_queries_per_lookup{%s}))", byPath, chosen), ""}},
			view:     list{sort: "Queries", desc: true, columns: append(pathColumns(), column{label: "Value", title: "Queries", width: 80})},
		},
		{
			title: "Lookups before other probes", unit: "s", width: 12, height: 8, view: lines{}, empty: "no path has a target that is a name",
			question: "Of paths to a name, how long does its lookup take (p99)?",
			queries: []query{{quantile{q: "0.99", matchers: `kind!="DNS",phase="resolve",node=~"$node"`, by: "kind", window: "[$__rate_interval]"}.String(),
				"{{kind}}"}}, points: 120,
		},
	}
}
