// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import "fmt"

// wayRungs are the rungs between a pod and one on another node.
const wayRungs = "Node|Underlay|Overlay|MTU|PodNetwork"

func overlay() board {
	return board{
		name: "overlay", title: "Netladder: overlay",
		question:  "Do the tunnels between the nodes work (VXLAN, IP in IP), do large packets pass, and is it the overlay or what is below it?",
		variables: append(pathVariables(), nodeVariable()),
		rows: []row{
			{"Which rung", overlayState()},
			{"What probes see", overlayProbes()},
			{"How long it takes", overlayLatency()},
		},
	}
}

func overlayState() []panel {
	more := fmt.Sprintf(`,path=~"%s"`, below)
	why := causesTable("Why", "Which node or which two are broken, on which rung, and how many paths fail for it?", wayRungs, 6)
	why.empty, why.runbook = "no path fails on these rungs", "NetladderOverlayBroken"
	return []panel{
		{
			title: "Rung by rung", unit: "none", width: 24, height: 6, view: timeline{}, names: stateNames(),
			question: "The paths " + below + " of the check cluster-network, one below the other. If underlay fails too, the nodes do not reach each other; " +
				"if overlay fails and underlay does not, the tunnel is broken; if only cross-node fails, what is on top of it. overlay and underlay need level Full.",
			queries: []query{{worst(code(more), 12, more), "{{check}} {{path}}"}},
		},
		why,
		{
			title: "Failing paths", empty: "no path fails on these rungs", unit: "none", width: 24, height: 7,
			question: "Which paths fail for it, and what is known?", queries: []query{{diagnosed(wayRungs), ""}}, runbook: "NetladderMTUBlackHole",
			view: list{columns: append(pathColumns(), column{label: "rung", title: "Rung", width: 90}, column{label: "reason", title: "Reason", width: 180},
				column{label: "message", title: "What is known"}, column{label: "Value", title: "Paths", width: 60})},
		},
	}
}

func overlayProbes() []panel {
	pairs := failingPairs(fmt.Sprintf(`,path=~"%s"`, below))
	return []panel{
		{
			title: "Between which nodes", empty: "no pair fails", unit: "none", width: 12, height: 10, view: matrix{row: "source_node", column: "target"},
			question: "From which nodes (rows) to which (columns) do the paths " + below + " fail, and how many of them? At most 100 pairs, the worst 10 of each path.",
			queries:  []query{{fmt.Sprintf("count by (source_node, target) (\n  %s\n)", pairs), ""}},
			steps:    []step{{colour: none}, {1, yellow}, {2, orange}, {3, red}},
		},
		{
			title: "Tunnels by verdict", unit: "cps", width: 12, height: 10, view: lines{stacked: true}, empty: "there is no path overlay (level Restricted, or no tunnels)",
			question: "What do the probes through the tunnels see? TooBig is a hop that says that a large packet does not fit; Dropped is silence.",
			queries:  []query{{fmt.Sprintf(`sum by (verdict) (rate(netladder_probes_total{%s,path="overlay",node=~"$node"}[$__rate_interval]))`, chosen), "{{verdict}}"}},
		},
		{
			title: "Nodes with bad tunnels", empty: "no probe through a tunnel was bad in the last five minutes", unit: "cps", width: 12, height: 8, view: bars{},
			question: "From which 15 nodes do most probes through tunnels go wrong?",
			queries: []query{{fmt.Sprintf(`topk(15, sum by (node) (rate(netladder_probes_total{%s,path="overlay",node=~"$node",%s}[5m])) > 0)`, chosen, bad),
				"{{node}}"}}, steps: []step{{colour: orange}},
		},
		{
			title: "What the climbs saw", empty: "nothing fails, for nobody climbs", unit: "cps", width: 12, height: 8, view: lines{stacked: true},
			question: "Which rungs did probers try below what fails, and were they good? The first rung that is bad is where to look.",
			queries:  []query{{`sum by (rung, result) (rate(netladder_prober_climb_steps_total{node=~"$node"}[$__rate_interval])) > 0`, "{{rung}} {{result}}"}},
		},
	}
}

func overlayLatency() []panel {
	const tunnels = `kind=~"Tunnel|IPIP",phase="exchange",node=~"$node"`
	kinds := `kind=~"Tunnel|IPIP|MTU|ICMP|MeshICMP",phase="exchange",node=~"$node"`
	return []panel{
		{
			title: "By what is sent (p50)", unit: "s", width: 12, height: 9, view: lines{}, empty: "nothing succeeds",
			question: "How long does a ping take through the tunnel, a large packet, a ping between nodes (ICMP), and one between echo pods (MeshICMP)?",
			queries:  []query{{quantile{q: "0.5", matchers: kinds, by: "kind", window: "[$__rate_interval]"}.String(), "{{kind}}"}}, points: 120,
		},
		{
			title: "By what is sent (p99)", unit: "s", width: 12, height: 9, view: lines{}, empty: "nothing succeeds",
			question: "The same, for the slowest of a hundred.",
			queries:  []query{{quantile{q: "0.99", matchers: kinds, by: "kind", window: "[$__rate_interval]"}.String(), "{{kind}}"}}, points: 120,
		},
		{
			title: "Slowest tunnels now", unit: "s", width: 8, height: 10, view: bars{}, empty: "there is no path overlay (level Restricted, or no tunnels)",
			question: "From which 15 nodes is the p99 through tunnels of the last five minutes the highest?", queries: []query{{slowest(15, tunnels), "{{node}}"}},
		},
		{
			title: "Slowest tunnels over time", unit: "s", width: 16, height: 10, view: lines{}, empty: "there is no path overlay (level Restricted, or no tunnels)",
			question: "Since when are the ten nodes slow whose tunnels are the slowest at the end of this time?",
			queries:  []query{{slowestOverTime(10, tunnels), "{{node}}"}}, points: 60,
		},
	}
}
