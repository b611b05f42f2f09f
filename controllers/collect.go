// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/netladder/netladder/api/v1alpha1"
)

// maxFailingPairs bounds netladder_failing_pair over all checks.
const maxFailingPairs = 100

// maxFindingSeries bounds netladder_policy_findings over all namespaces.
const maxFindingSeries = 500

// collector exports what the leader's world is at the moment of the scrape, or
// of a controller that does not lead what statuses say. Series need no
// bookkeeping: what is not there any more is not exported.
type collector struct {
	world   atomic.Pointer[world]
	standby atomic.Pointer[persisted]

	state, pairs, diagnosis, failing, dropped, nodes *prometheus.Desc
	enforcement, notEnforced                         *prometheus.Desc
	findings, findingsDropped                        *prometheus.Desc
	causes, causesDropped                            *prometheus.Desc
	nodeStates, notReporting                         *prometheus.Desc
	diagnosisInfo, causeInfo                         *prometheus.Desc
	since, alive                                     *prometheus.Desc
}

// gauges sends one series.
type gauges func(desc *prometheus.Desc, value float64, labels ...string)

func newCollector() *collector {
	path := []string{"check_namespace", "check", "path"}
	with := func(more ...string) []string { return append(slices.Clone(path), more...) }
	return &collector{
		state: prometheus.NewDesc("netladder_path_state",
			"1 for the state that a path is in, 0 for the others.", with("expect", "severity", "state"), nil),
		pairs: prometheus.NewDesc("netladder_path_pairs",
			"How many pairs of source and target of a path are in each state.", with("state"), nil),
		diagnosis: prometheus.NewDesc("netladder_path_diagnosis",
			"1 for the rung of the network on which a failing path is broken, and why.", with("rung", "reason"), nil),
		since: prometheus.NewDesc("netladder_path_failing_since_timestamp_seconds",
			"Since when a failing path fails.", path, nil),
		failing: prometheus.NewDesc("netladder_failing_pair",
			"1 for a pair that fails; at most 100 in all.", with("source_node", "target", "verdict"), nil),
		dropped: prometheus.NewDesc("netladder_failing_pairs_dropped",
			"Failing pairs that netladder_failing_pair does not show.", nil, nil),
		findings: prometheus.NewDesc("netladder_policy_findings",
			"Findings about the NetworkPolicies of a namespace, of those that have any; at most 500 series.", []string{"namespace", "code"}, nil),
		findingsDropped: prometheus.NewDesc("netladder_policy_findings_dropped",
			"Findings that netladder_policy_findings does not show.", nil, nil),
		causes: prometheus.NewDesc("netladder_cause_paths",
			"How many failing paths of all checks have one cause in common; at most 50 series.", []string{"rung", "reason", "object"}, nil),
		causesDropped: prometheus.NewDesc("netladder_causes_dropped",
			"Causes that netladder_cause_paths does not show.", nil, nil),
		nodeStates: prometheus.NewDesc("netladder_nodes",
			"How many nodes that should have a prober are in each state: reporting, silent, missing, masked.", []string{"state"}, nil),
		notReporting: prometheus.NewDesc("netladder_node_not_reporting",
			"1 for a node that should have a prober and whose prober is silent or missing; at most 100.", []string{"node", "state"}, nil),
		diagnosisInfo: prometheus.NewDesc("netladder_path_diagnosis_info",
			"1 for what the diagnosis of a failing path says; at most 100 in all.", with("rung", "reason", "message"), nil),
		causeInfo: prometheus.NewDesc("netladder_cause_info",
			"1 for what the diagnosis says of a cause that failing paths have in common; at most 50.", []string{"rung", "reason", "object", "message"}, nil),
		alive: prometheus.NewDesc("netladder_controller_leader_alive",
			"Of a controller that does not lead: 1 if it sees that another one renews the Lease, 0 if not.", nil, nil),
		nodes: prometheus.NewDesc("netladder_plan_nodes", "Nodes with a prober.", nil, nil),
		enforcement: prometheus.NewDesc("netladder_policy_enforcement_nodes",
			"How many nodes enforce NetworkPolicies, by what their canary pods show.", with("direction", "state"), nil),
		notEnforced: prometheus.NewDesc("netladder_policy_not_enforced",
			"1 for a node that does not enforce NetworkPolicies; at most 100 in all.", with("direction", "node"), nil),
	}
}

// Describe implements prometheus.Collector.
func (c *collector) Describe(ch chan<- *prometheus.Desc) {
	for _, desc := range []*prometheus.Desc{
		c.state, c.pairs, c.since, c.diagnosis, c.failing, c.dropped, c.nodes, c.enforcement, c.notEnforced, c.findings, c.findingsDropped, c.causes, c.causesDropped,
		c.nodeStates, c.notReporting, c.diagnosisInfo, c.causeInfo, c.alive,
	} {
		ch <- desc
	}
}

// Collect implements prometheus.Collector. Only the leader has a world. Who does
// not lead repeats what alerts about paths need, for a Prometheus that may not
// reach the leader.
func (c *collector) Collect(ch chan<- prometheus.Metric) {
	gauge := func(desc *prometheus.Desc, value float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value, labels...)
	}
	if w := c.world.Load(); w != nil {
		c.collectWorld(w, gauge)
	} else if p := c.standby.Load(); p != nil {
		c.collectPersisted(p, gauge)
	}
}

func (c *collector) collectWorld(w *world, gauge gauges) {
	judged, probers := w.forMetrics()
	c.collectJudged(judged, gauge)
	c.collectPairs(judged, gauge)
	c.collectEnforcement(judged, gauge)
	gauge(c.nodes, float64(probers))
	c.collectFindings(w, gauge)
	c.collectNodes(w, gauge)
}

// collectJudged exports what alerts about paths and causes need.
func (c *collector) collectJudged(judged []check, gauge gauges) {
	eachPath(judged, func(check *check, path *v1alpha1.PathStatus, expect, severity string) {
		labels := []string{check.object.Namespace, check.object.Name, path.Name}
		with := func(more ...string) []string { return append(slices.Clone(labels), more...) }
		for _, state := range states() {
			gauge(c.state, oneIf(state == path.State), with(expect, severity, string(state))...)
			gauge(c.pairs, float64(count(path.Pairs, state)), with(string(state))...)
		}
		if path.State == v1alpha1.StateFailing && !path.LastTransitionTime.IsZero() {
			gauge(c.since, float64(path.LastTransitionTime.Unix()), labels...)
		}
		if d := path.Diagnosis; d != nil {
			gauge(c.diagnosis, 1, with(string(d.Rung), valid(d.Reason))...)
		}
	})
	c.collectCauses(judged, gauge)
	c.collectSentences(judged, gauge)
}

// collectPairs exports the pairs that fail.
func (c *collector) collectPairs(judged []check, gauge gauges) {
	failing, shown := 0, 0
	eachPath(judged, func(check *check, path *v1alpha1.PathStatus, _, _ string) {
		failing += int(path.Pairs.Failing)
		for _, pair := range failingPairs(path) {
			if shown < maxFailingPairs {
				shown++
				gauge(c.failing, 1, check.object.Namespace, check.object.Name, path.Name,
					valid(cmp.Or(pair.SourceNode, pair.Source)), valid(cmp.Or(pair.TargetNode, pair.Target)), valid(string(pair.Verdict)))
			}
		}
	})
	gauge(c.dropped, float64(max(failing-shown, 0)))
}

// eachPath calls f with the paths of checks that they still declare.
func eachPath(judged []check, f func(check *check, path *v1alpha1.PathStatus, expect, severity string)) {
	for i := range judged {
		for k := range judged[i].status.Paths {
			path := &judged[i].status.Paths[k]
			if expect, severity, ok := declared(judged[i].object, path.Name); ok {
				f(&judged[i], path, expect, severity)
			}
		}
	}
}

// collectFindings exports what the audits of policies found.
func (c *collector) collectFindings(w *world, gauge gauges) {
	found := w.findingsForMetrics()
	shown, left := 0, 0
	for _, namespace := range slices.Sorted(maps.Keys(found)) {
		for _, n := range found[namespace] {
			if shown == maxFindingSeries {
				left += n.Findings
				continue
			}
			shown++
			gauge(c.findings, float64(n.Findings), namespace, string(n.Code))
		}
	}
	gauge(c.findingsDropped, float64(left))
}

// maxNotEnforced bounds netladder_policy_not_enforced over all checks.
const maxNotEnforced = 100

// collectEnforcement exports what the canary pods show.
func (c *collector) collectEnforcement(judged []check, gauge gauges) {
	shown := 0
	for i := range judged {
		for _, e := range judged[i].enforcement {
			path := []string{judged[i].object.Namespace, judged[i].object.Name, e.Path, string(e.Direction)}
			with := func(more string) []string { return append(slices.Clone(path), more) }
			gauge(c.enforcement, float64(e.Enforced), with("enforced")...)
			gauge(c.enforcement, float64(e.NotEnforced), with("not_enforced")...)
			gauge(c.enforcement, float64(e.Inconclusive), with("inconclusive")...)
			gauge(c.enforcement, float64(e.Pending), with("pending")...)
			for _, name := range e.Nodes[:min(len(e.Nodes), maxNotEnforced-shown)] {
				gauge(c.notEnforced, 1, with(name)...)
				shown++
			}
		}
	}
}

// failingPairs are those of a path's worst pairs that fail, one of each series:
// pods that come and go are no labels, their nodes are.
func failingPairs(path *v1alpha1.PathStatus) []v1alpha1.WorstPair {
	type series struct {
		source, target string
		verdict        v1alpha1.Verdict
	}
	seen := map[series]bool{}
	return slices.DeleteFunc(slices.Clone(path.WorstPairs), func(p v1alpha1.WorstPair) bool {
		s := series{cmp.Or(p.SourceNode, p.Source), cmp.Or(p.TargetNode, p.Target), p.Verdict}
		drop := p.State != v1alpha1.StateFailing || seen[s]
		seen[s] = seen[s] || !drop
		return drop
	})
}

// forMetrics returns the checks that were judged, sorted, and how many nodes
// have a prober.
func (w *world) forMetrics() (judged []check, probers int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, known := range w.checks {
		if known.status != nil {
			judged = append(judged, *known)
		}
	}
	for _, n := range w.nodes {
		if n.planned != nil && n.planned.Prober {
			probers++
		}
	}
	sortChecks(judged)
	return judged, probers
}

func sortChecks(list []check) {
	slices.SortFunc(list, func(a, b check) int {
		return strings.Compare(sortKey(a.object), sortKey(b.object))
	})
}

func sortKey(c *v1alpha1.ConnectivityCheck) string {
	return client.ObjectKeyFromObject(c).String()
}

// declared is what a check says about a path that a status names; false if it
// has no such path any more.
func declared(c *v1alpha1.ConnectivityCheck, name string) (expect, severity string, ok bool) {
	path := specOf(c, name)
	if path == nil {
		return "", "", false
	}
	return string(path.Expect), string(ptr.Deref(path.Severity, c.Spec.Severity)), true
}

func states() []v1alpha1.State {
	return []v1alpha1.State{
		v1alpha1.StatePending, v1alpha1.StatePassing, v1alpha1.StateDegraded, v1alpha1.StateFailing, v1alpha1.StateUnknown,
	}
}

func count(pairs v1alpha1.PairCounts, state v1alpha1.State) int32 {
	switch state {
	case v1alpha1.StatePending:
		return pairs.Pending
	case v1alpha1.StatePassing:
		return pairs.Passing
	case v1alpha1.StateDegraded:
		return pairs.Degraded
	case v1alpha1.StateFailing:
		return pairs.Failing
	default:
		return pairs.Unknown
	}
}

func oneIf(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// valid is a string that may be a label's value: what probers report may be
// anything.
func valid(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }
