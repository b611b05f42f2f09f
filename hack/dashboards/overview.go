// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"slices"
)

func overview() board {
	return board{
		name: "overview", title: "Netladder: overview",
		question:  "Is the network healthy? If not: what is broken, since when, on which rung, and for which cause?",
		variables: pathVariables(),
		rows: []row{
			{"Now", overviewNow()},
			{"What is broken", overviewBroken()},
			{"How it came", overviewHistory()},
			{"NetworkPolicies", overviewPolicies()},
		},
	}
}

// tile counts something that should be none.
func tile(title, question, expr string, colour string) panel {
	return panel{
		title: title, question: question, unit: "none", width: 3, height: 4, view: number{},
		queries: []query{{expr, ""}}, steps: []step{{colour: green}, {1, colour}},
	}
}

func overviewNow() []panel {
	passing := tile("Passing", "How many paths are as their checks declare?", "sum("+state("Passing", "")+")", green)
	passing.steps = []step{{colour: none}, {1, green}}
	leader := tile("Leading", "Does exactly one controller judge the checks? While none does, nothing on this page is new.",
		"sum(netladder_controller_leader)", green)
	leader.steps = []step{{colour: red}, {1, green}, {2, red}}
	leader.runbook = "NetladderNoLeader"
	open := tile("Open, and must not be", "How many paths that must be blocked are open? Each is a breach of segmentation.",
		"sum("+state("Failing", `,expect="Deny"`)+")", red)
	open.empty, open.runbook = "no check expects Deny", "NetladderSegmentationBreach"
	unseen := tile("Nodes not seen", "From how many nodes does nothing come, though they should have a prober that reports?",
		`sum(max by (state) (netladder_nodes{state=~"silent|missing"}))`, orange)
	unseen.runbook = "NetladderResultsStale"
	return []panel{
		tile("Failing", "How many paths are not as their checks declare?", "sum("+state("Failing", "")+")", red),
		open,
		tile("Degraded", "How many paths work, but slowly or not always?", "sum("+state("Degraded", "")+")", yellow),
		tile("Unknown", "Of how many paths can nothing be said?", "sum("+state("Unknown", "")+")", orange),
		passing,
		tile("Causes known", "For how many causes do paths fail? One broken node fails many paths, for one cause.",
			"count("+causePaths(".+")+") or max(netladder_causes_dropped)", red),
		unseen,
		leader,
	}
}

func brokenPaths(height uint32) panel {
	return panel{
		title: "Broken paths", empty: "no path fails", unit: "none", width: 24, height: height,
		question: "Which paths fail, since when, on which rung, and why? The newest come first; a click on a path leads to its details.",
		queries:  []query{{broken(), ""}},
		view: list{sort: "Since", columns: append([]column{
			{label: "Value", title: "Since", width: 110, unit: "dtdurations"}, {label: "severity", title: "Severity", width: 80},
		}, append(pathColumns(),
			column{label: "expect", title: "Expected", width: 80}, column{label: "rung", title: "Rung", width: 110},
			column{label: "reason", title: "Reason", width: 180}, column{label: "message", title: "What is known"})...)},
		runbook: "NetladderPathFailing",
	}
}

func causesTable(title, question, rungs string, height uint32) panel {
	return panel{
		title: title, question: question, empty: "nothing fails there", unit: "none", width: 24, height: height,
		queries: []query{{causes(rungs), ""}},
		view: list{sort: "Paths", desc: true, columns: []column{
			{label: "Value", title: "Paths", width: 70}, {label: "rung", title: "Rung", width: 110}, {label: "reason", title: "Reason", width: 180},
			{label: "object", title: "What is broken", width: 260}, {label: "message", title: "What is known"},
		}},
	}
}

func overviewBroken() []panel {
	all := causesTable("Causes", "For what do paths fail, and how many for each? Begin with the first. Causes are of all checks, whatever is chosen above.", ".+", 7)
	all.empty = "no path fails"
	return []panel{
		all,
		brokenPaths(9),
		{
			title: "Alerts that fire", empty: "no alert fires", unit: "none", width: 10, height: 7,
			question: "Which of Netladder's alerts fire? A click leads to what to do. Prometheus itself must evaluate the rules for this.",
			queries:  []query{{`count by (alertname, severity) (ALERTS{alertname=~"Netladder.+",alertstate="firing"})`, ""}},
			view: list{sort: "Severity", columns: []column{
				{label: "alertname", title: "Alert", link: &link{"What to do", runbook("${__data.fields.alertname}")}},
				{label: "severity", title: "Severity", width: 100}, {label: "Value", title: "Times", width: 70},
			}},
		},
		{
			title: "Paths of which nothing can be said", empty: "something is known about every path", unit: "none", width: 14, height: 7,
			question: "Which paths are Unknown? They neither pass nor fail: kubectl describe says why. A path that stays Unknown tests nothing.",
			queries:  []query{{"topk(50, " + state("Unknown", "") + " == 1)", ""}},
			view:     list{columns: append(slices.Clone(pathColumns()), column{label: "Value", title: "Paths", width: 70})},
			runbook:  "NetladderProbesUnmeasured",
		},
	}
}

func overviewHistory() []panel {
	byState := fmt.Sprintf("sum by (state) (max by (%s, state) (%s))", byPath, judged(fmt.Sprintf("netladder_path_state{%s}", chosen)))
	return []panel{
		{
			title: "The worst paths", unit: "none", width: 24, height: 9, view: timeline{}, names: stateNames(),
			question: "When was which path in which state? Shown are the 20 that failed longest in this time; if none did, any 20.",
			queries:  []query{{worst(code(""), 20, ""), "{{check_namespace}}/{{check}} {{path}}"}},
		},
		{
			title: "Paths by state", unit: "none", width: 12, height: 8, view: lines{stacked: true}, colours: stateColours(),
			question: "How many paths were in which state?", queries: []query{{byState, "{{state}}"}},
		},
		{
			title: "Failing paths by rung", unit: "none", width: 12, height: 8, view: lines{stacked: true}, empty: "no path fails for a cause that is known",
			question: "On which rung is what fails broken? A path counts once for each of its causes.",
			queries:  []query{{"sum by (rung) (" + causePaths(".+") + ")", "{{rung}}"}},
		},
	}
}

func overviewPolicies() []panel {
	return []panel{
		{
			title: "Nodes by enforcement", unit: "none", width: 8, height: 7, view: lines{stacked: true}, empty: "there are no canary pods",
			question: "On how many nodes do the canary pods show that NetworkPolicies are enforced?",
			queries: []query{{"sum by (direction, state) (max by (check_namespace, check, path, direction, state) (netladder_policy_enforcement_nodes))",
				"{{direction}} {{state}}"}},
		},
		{
			title: "Nodes that do not enforce", unit: "none", width: 6, height: 7, empty: "every node enforces",
			question: "On which nodes do policies not hold?", queries: []query{{"max by (node, direction) (netladder_policy_not_enforced)", ""}},
			view: list{columns: []column{
				{label: "node", title: "Node", link: toNode("node")}, {label: "direction", title: "Direction"}, {label: "Value", title: "Nodes", width: 70},
			}},
			runbook: "NetladderPolicyNotEnforced",
		},
		{
			title: "Findings about policies", unit: "none", width: 10, height: 7, empty: "no policy looks mistaken",
			question: "Whose NetworkPolicies are probably mistaken? See docs/findings.md for the codes.",
			queries:  []query{{`topk(50, max by (namespace, code) (netladder_policy_findings{namespace=~"$namespace"}))`, ""}},
			view: list{sort: "Findings", desc: true, columns: []column{
				{label: "namespace", title: "Namespace"}, {label: "code", title: "Code"}, {label: "Value", title: "Findings", width: 90},
			}},
		},
	}
}
