// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/prometheus/prometheus/tsdb/chunks"
	"github.com/prometheus/prometheus/util/annotations"
)

// scrapeEvery is the time between two samples, in milliseconds.
const scrapeEvery = 30_000

// cluster is what Prometheus would have of a cluster: series by the name of
// their metric, whose samples are made when they are asked for.
type cluster struct {
	t         *testing.T
	catalogue catalogue
	series    map[string][]madeUp
}

// madeUp is a series: a gauge, or a counter of the same rate.
type madeUp struct {
	labels  labels.Labels
	value   float64
	counts  bool
	buckets bool // a native histogram
}

// gauge adds a series; labels are name and value in turn. It must be one that
// the catalogue has, with just its labels.
func (c *cluster) gauge(name string, value float64, of ...string) {
	c.add(name, madeUp{value: value}, of)
}

// counter adds one that grows by so much a second.
func (c *cluster) counter(name string, rate float64, of ...string) {
	c.add(name, madeUp{value: rate, counts: true}, of)
}

func (c *cluster) add(name string, s madeUp, of []string) {
	b := labels.NewBuilder(labels.FromStrings(append(slices.Clone(of), model.MetricNameLabel, name)...))
	s.labels = b.Labels()
	known, ok := c.catalogue[name]
	s.labels.Range(func(l labels.Label) {
		if l.Name != model.MetricNameLabel && !slices.Contains(known.labels, l.Name) {
			ok = false
		}
	})
	for _, label := range known.labels {
		if !slices.Contains(scraped, label) && !s.labels.Has(label) && name != "ALERTS" {
			ok = false
		}
	}
	if !ok {
		c.t.Fatalf("docs/metrics.md and the rules have no %s; known of that name: %v", s.labels, known)
	}
	c.series[name] = append(c.series[name], s)
}

// Querier implements storage.Queryable.
func (c *cluster) Querier(from, to int64) (storage.Querier, error) {
	return querier{c, from, to}, nil
}

type querier struct {
	cluster  *cluster
	from, to int64
}

// Select implements storage.Querier.
func (q querier) Select(_ context.Context, sorted bool, hints *storage.SelectHints, matchers ...*labels.Matcher) storage.SeriesSet {
	from, to := q.from, q.to
	if hints != nil {
		from, to = hints.Start, hints.End
	}
	name := ""
	for _, m := range matchers {
		if m.Name == model.MetricNameLabel && m.Type == labels.MatchEqual {
			name = m.Value
		}
	}
	var found []storage.Series
	for i := range q.cluster.series[name] {
		s := &q.cluster.series[name][i]
		if slices.ContainsFunc(matchers, func(m *labels.Matcher) bool { return !m.Matches(s.labels.Get(m.Name)) }) {
			continue
		}
		found = append(found, &storage.SeriesEntry{Lset: s.labels, SampleIteratorFn: func(chunkenc.Iterator) chunkenc.Iterator {
			return storage.NewListSeriesIterator(samples{s, from/scrapeEvery + 1, to / scrapeEvery})
		}})
	}
	if sorted {
		slices.SortFunc(found, func(a, b storage.Series) int { return labels.Compare(a.Labels(), b.Labels()) })
	}
	return &seriesSet{series: found}
}

func (querier) LabelValues(context.Context, string, *storage.LabelHints, ...*labels.Matcher) ([]string, annotations.Annotations, error) {
	return nil, nil, nil
}

func (querier) LabelNames(context.Context, *storage.LabelHints, ...*labels.Matcher) ([]string, annotations.Annotations, error) {
	return nil, nil, nil
}

func (querier) Close() error { return nil }

type seriesSet struct {
	series []storage.Series
	next   int
}

func (s *seriesSet) Next() bool {
	s.next++
	return s.next <= len(s.series)
}

func (s *seriesSet) At() storage.Series                { return s.series[s.next-1] }
func (s *seriesSet) Err() error                        { return nil }
func (s *seriesSet) Warnings() annotations.Annotations { return nil }

// samples of a series, from one scrape to another.
type samples struct {
	of       *madeUp
	from, to int64
}

func (s samples) Len() int                { return int(max(s.to-s.from+1, 0)) }
func (s samples) Get(i int) chunks.Sample { return sample{s.of, (s.from + int64(i)) * scrapeEvery} }

type sample struct {
	of *madeUp
	t  int64
}

func (s sample) T() int64  { return s.t }
func (s sample) ST() int64 { return 0 }
func (s sample) F() float64 {
	if s.of.counts {
		return s.of.value * float64(s.t) / 1000
	}
	return s.of.value
}

func (s sample) FH() *histogram.FloatHistogram {
	n := s.F()
	return &histogram.FloatHistogram{Schema: 2, Count: n, Sum: n / 1000, PositiveSpans: []histogram.Span{{Offset: -40, Length: 1}}, PositiveBuckets: []float64{n}}
}

func (s sample) H() *histogram.Histogram { return nil }
func (s sample) Copy() chunks.Sample     { return s }

func (s sample) Type() chunkenc.ValueType {
	if s.of.buckets {
		return chunkenc.ValFloatHistogram
	}
	return chunkenc.ValFloat
}

// path of a check, as most of the metrics name it.
type path struct{ namespace, check, path, expect string }

func (p path) labels(more ...string) []string {
	return append([]string{"check_namespace", p.namespace, "check", p.check, "path", p.path}, more...)
}

func on(node string) []string {
	return []string{"job", "netladder-prober", "instance", node + ":8443", "pod", "netladder-prober-" + node, "node", node}
}

// madeCluster has so many nodes and a fifth of that many checks of tenants;
// everything works, or everything that can be broken is.
func madeCluster(t *testing.T, nodes int, broken bool) *cluster {
	t.Helper()
	c := &cluster{t: t, catalogue: newCatalogue(t), series: map[string][]madeUp{}}
	var paths []path
	for _, name := range strings.Split("same-node cross-node underlay overlay cluster-ip api-server dns-udp dns-tcp dns-replicas", " ") {
		paths = append(paths, path{"netladder-system", "cluster-network", name, "Allow"})
	}
	paths = append(paths, path{"netladder-system", "policy-enforcement", "ingress", "Deny"})
	fleet := slices.Clone(paths)
	for i := range max(nodes/5, 1) {
		for _, name := range []string{"web", "db"} {
			paths = append(paths, path{"team-" + strconv.Itoa(i), "shop", name, "Allow"})
		}
	}
	c.addController(paths, nodes, broken)
	if broken {
		c.addController(paths, nodes, broken, "second") // the lead just changed hands
		c.addBroken(paths, nodes)
	}
	for i := range nodes {
		c.addProber(fleet, fmt.Sprintf("node%d", i+1), broken)
	}
	return c
}

// addController adds what a controller exports that leads.
func (c *cluster) addController(paths []path, nodes int, broken bool, more ...string) {
	pod := strings.Join(append([]string{"controller"}, more...), "-")
	at := []string{"job", "netladder-controller", "instance", pod + ":8443", "pod", pod}
	c.addProcess(at, "controller")
	severity := "Critical"
	if len(more) > 0 {
		severity = "Warning" // the check was changed meanwhile
	}
	for i, p := range paths {
		for _, state := range []string{"Pending", "Passing", "Degraded", "Failing", "Unknown"} {
			is := 0.0
			if failing := broken && i%2 == 0; failing && state == "Failing" || !failing && state == "Passing" {
				is = 1
			}
			c.gauge("netladder_path_state", is, append(p.labels("expect", p.expect, "severity", severity, "state", state), at...)...)
			c.gauge("netladder_path_pairs", 3*is, append(p.labels("state", state), at...)...)
		}
		for _, window := range []string{"5m", "1h", "30d"} {
			if len(more) == 0 {
				c.gauge("netladder:path_availability:ratio_"+window, 0.999, p.labels()...)
			}
		}
	}
	for _, state := range []string{"enforced", "not_enforced", "inconclusive", "pending"} {
		c.gauge("netladder_policy_enforcement_nodes", float64(nodes), append([]string{
			"check_namespace", "netladder-system", "check", "policy-enforcement", "path", "ingress", "direction", "Ingress", "state", state,
		}, at...)...)
	}
	for _, state := range []string{"reporting", "silent", "missing", "masked"} {
		c.gauge("netladder_nodes", float64(nodes), append([]string{"state", state}, at...)...)
	}
	for _, name := range []string{"netladder_controller_leader", "netladder_causes_dropped", "netladder_failing_pairs_dropped", "netladder_policy_findings_dropped"} {
		c.gauge(name, 1, at...)
	}
	c.counter("netladder_events_dropped_total", 0, at...)
	for _, object := range []string{"assignment", "check_status", "event"} {
		c.counter("netladder_api_writes_total", 1, append([]string{"object", object}, at...)...)
	}
	c.histogram("netladder_plan_duration_seconds", at)
}

func (c *cluster) addProcess(at []string, role string) {
	c.gauge("netladder_build_info", 1, append([]string{"role", role, "version", "v0.1", "revision", "abc", "go_version", "go1.26"}, at...)...)
	for _, name := range []string{"up", "scrape_samples_scraped", "process_resident_memory_bytes", "process_open_fds", "go_goroutines"} {
		c.gauge(name, 1, at...)
	}
	c.counter("process_cpu_seconds_total", 0.01, at...)
}

func (c *cluster) histogram(name string, of []string) {
	for _, le := range []string{"0.001", "0.05", "+Inf"} {
		c.counter(name+"_bucket", 1, append([]string{"le", le}, of...)...)
	}
}

// addProber adds what the prober and the echo pod of a node export.
func (c *cluster) addProber(paths []path, node string, broken bool) {
	at := on(node)
	c.addProcess(at, "prober")
	for _, p := range paths {
		c.counter("netladder_probes_total", 1, append(p.labels("verdict", "Connected"), at...)...)
		c.counter("netladder_path_probe_duration_seconds_sum", 0.001, append(p.labels(), at...)...)
		c.counter("netladder_path_probe_duration_seconds_count", 1, append(p.labels(), at...)...)
		if strings.HasPrefix(p.path, "dns") {
			c.gauge("netladder_dns_queries_per_lookup", 1, append(p.labels(), at...)...)
		}
		if !broken {
			continue
		}
		c.counter("netladder_probes_total", 1, append(p.labels("verdict", "Dropped"), at...)...)
		c.counter("netladder_probes_total", 1, append(p.labels("verdict", "DNSTimeout"), at...)...)
		c.gauge("netladder_tls_certificate_not_after_timestamp_seconds", 1e9, append(p.labels(), at...)...)
		c.add("netladder_path_probe_duration_seconds", madeUp{value: 1, counts: true, buckets: true}, append(p.labels(), at...))
	}
	for kind, phase := range map[string]string{"MeshTCP": "exchange", "MeshICMP": "exchange", "ICMP": "exchange", "Tunnel": "exchange", "MTU": "exchange", "DNS": "resolve"} {
		c.histogram("netladder_probe_duration_seconds", append([]string{"kind", kind, "phase", phase}, at...))
	}
	c.histogram("netladder_prober_schedule_lag_seconds", at)
	late := 0.0
	if broken {
		late = 1
		c.histogram("netladder_probe_duration_seconds", append([]string{"kind", "HTTP", "phase", "resolve"}, at...))
		c.counter("netladder_prober_climb_steps_total", 1, append([]string{"rung", "Overlay", "result", "bad"}, at...)...)
	}
	for _, name := range []string{"netladder_prober_unmeasured_total", "netladder_prober_skipped_total", "netladder_prober_report_errors_total"} {
		c.counter(name, late, at...)
	}
	c.counter("netladder_prober_proofs_total", 1, append([]string{"verdict", "Connected"}, at...)...)
	c.gauge("netladder_prober_last_report_timestamp_seconds", 1, at...)
	c.gauge("netladder_prober_assigned_pairs", 30, at...)
	c.gauge("netladder_prober_held_namespaces", 30, at...)
	c.counter("netladder_echo_requests_total", 1, append([]string{"protocol", "tcp"}, at...)...)
	c.counter("netladder_echo_dropped_total", late, append([]string{"reason", "malformed"}, at...)...)
	if node == "node1" {
		for _, name := range []string{"ratio_5m", "ratio_1h", "ratio_30d"} {
			c.gauge("netladder:dns_latency:"+name, 1)
		}
		c.gauge("netladder:path_availability:objective", 0.999)
	}
}

// addBroken adds what is only there while something is broken, as much of it
// as there may be.
func (c *cluster) addBroken(paths []path, nodes int) {
	rungs := []string{"Overlay", "DNS", "MTU"}
	for n, pod := range []string{"controller", "controller-second"} {
		at := []string{"job", "netladder-controller", "instance", pod + ":8443", "pod", pod}
		for i := 0; i < min(len(paths), 200); i += 2 {
			why := paths[i].labels("rung", rungs[i/2%len(rungs)], "reason", "Broken")
			if i >= 2 { // of the first nothing is known
				c.gauge("netladder_path_diagnosis_info", 1, append(append(slices.Clone(why), "message", fmt.Sprintf("broken, says %d", n)), at...)...)
			}
		}
		for i := 0; i < len(paths); i += 2 {
			c.gauge("netladder_path_failing_since_timestamp_seconds", 1e6, append(paths[i].labels(), at...)...)
		}
		for i := range min(nodes, 100) {
			node := fmt.Sprintf("node%d", i+1)
			c.gauge("netladder_failing_pair", 1, append(paths[i%4].labels("source_node", node, "target", "node1", "verdict", "Dropped"), at...)...)
			c.gauge("netladder_node_not_reporting", 1, append([]string{"node", node, "state", "silent"}, at[:2]...)...)
			c.gauge("netladder_policy_not_enforced", 1, append(paths[9].labels("direction", "Ingress", "node", node), at[:4]...)...)
		}
		for i := range 50 {
			cause := []string{"rung", rungs[i%len(rungs)], "reason", "Broken", "object", fmt.Sprintf("object%d", i)}
			c.gauge("netladder_cause_paths", 3, append(slices.Clone(cause), at...)...)
			c.gauge("netladder_cause_info", 1, append(append(slices.Clone(cause), "message", fmt.Sprintf("broken, says %d", n)), at...)...)
		}
		for i := range 500 {
			c.gauge("netladder_policy_findings", 1, append([]string{"namespace", fmt.Sprintf("team-%d", i), "code", "SelectsNothing"}, at...)...)
		}
	}
	c.gauge("netladder_path_state", 1, paths[1].labels("expect", "Allow", "severity", "None", "state", "Unknown")...)
	c.gauge("ALERTS", 1, "alertname", "NetladderOverlayBroken", "alertstate", "firing", "severity", "critical")
}
