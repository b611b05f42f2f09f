// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package prober

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/common/expfmt"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/prober/probe"
	"github.com/netladder/netladder/prober/schedule"
)

// series returns all lines of the exposition that are samples.
func series(t *testing.T, m *metrics) []string {
	t.Helper()
	families, err := m.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	for _, f := range families {
		if _, err := expfmt.MetricFamilyToText(&text, f); err != nil {
			t.Fatal(err)
		}
	}
	var lines []string
	for line := range strings.Lines(text.String()) {
		if !strings.HasPrefix(line, "#") {
			lines = append(lines, line)
		}
	}
	return lines
}

// Whatever is probed and seen, there are at most 220 series, and for each path
// 8 and one of its certificates.
func TestSeriesAreBounded(t *testing.T) {
	m := newMetrics()
	m.setLevel(v1alpha1.LevelFull)
	kinds := slices.Sorted(maps.Keys(probe.Kinds()))
	kinds = append(kinds, "Smoke")
	const paths = 30
	keep := map[pathKey]struct{}{}
	for i := range paths {
		key := pathKey{"ns", "check", fmt.Sprint(i)}
		keep[key] = struct{}{}
		for _, kind := range kinds {
			for _, v := range append(v1alpha1.Verdicts(), "FromTheFuture") {
				o := &schedule.Outcome{Result: probe.Result{Verdict: probe.Verdict(v), Latency: time.Duration(i+1) * time.Millisecond}}
				o.Timed = v == v1alpha1.VerdictConnected
				o.NotAfter = time.Unix(1, 0)
				for _, phase := range []string{"resolve", "connect", "tls", "exchange", "first_byte", "surprise"} {
					o.Phases = append(o.Phases, probe.Phase{Name: phase, Duration: time.Millisecond})
				}
				m.record(m.path(key), kind, o)
				m.path(key).expect("a", v1alpha1.ProbeTLS, []v1alpha1.Pair{{Key: "b"}})
				m.path(key).sawCertificate("b", o.NotAfter)
				m.path(key).sawLookup("b", 3) // it makes none
				m.record(nil, kind, o)
			}
		}
	}
	for _, rung := range climbedRungs() {
		for _, v := range v1alpha1.Verdicts() {
			m.climbed(rung, probe.Verdict(v))
		}
	}
	all := series(t, m)
	perPath := slices.DeleteFunc(slices.Clone(all), func(s string) bool { return !strings.Contains(s, "check_namespace=") })
	if len(perPath) != 9*paths {
		t.Errorf("%d series for %d paths", len(perPath), paths)
	}
	rest := len(all) - len(perPath)
	if rest > 220 {
		t.Errorf("%d series apart from the paths:\n%s", rest, strings.Join(all, ""))
	}
	t.Logf("%d series apart from the paths", rest)

	// Paths that leave take their series with them, also if a probe of theirs
	// still runs.
	late := m.path(pathKey{"ns", "check", "3"})
	m.keep(nil)
	late.sawCertificate("b", time.Unix(2, 0))
	m.record(late, probe.TCP, &schedule.Outcome{Result: probe.Result{Verdict: probe.Dropped}})
	for _, s := range series(t, m) {
		if strings.Contains(s, "check_namespace=") {
			t.Errorf("left behind: %s", s)
		}
	}
}

func TestNamesAndLabels(t *testing.T) {
	m := newMetrics()
	m.record(m.path(pathKey{"ns", "check", "path"}), probe.TCP, &schedule.Outcome{
		Result: probe.Result{Verdict: probe.Connected, Phases: []probe.Phase{{Name: "connect"}}}, Timed: true,
	})
	m.path(pathKey{"ns", "check", "path"}).expect("a", v1alpha1.ProbeTLS, []v1alpha1.Pair{{Key: "b"}})
	m.path(pathKey{"ns", "check", "path"}).sawCertificate("b", time.Unix(1, 0))
	m.path(pathKey{"ns", "check", "names"}).expect("a", v1alpha1.ProbeDNS, []v1alpha1.Pair{{Key: "b"}})
	m.path(pathKey{"ns", "check", "names"}).sawLookup("b", 4)
	m.record(nil, "Wire", &schedule.Outcome{Result: probe.Result{Verdict: probe.Connected}})
	m.setLevel("")
	families, err := m.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, f := range families {
		if !strings.HasPrefix(f.GetName(), "netladder_") {
			continue
		}
		var labels []string
		for _, l := range f.GetMetric()[0].GetLabel() {
			labels = append(labels, l.GetName())
		}
		got[f.GetName()] = strings.Join(labels, ",")
	}
	want := map[string]string{
		"netladder_probes_total":                         "check,check_namespace,path,verdict",
		"netladder_dns_queries_per_lookup":               "check,check_namespace,path",
		"netladder_probe_duration_seconds":               "kind,phase",
		"netladder_path_probe_duration_seconds":          "check,check_namespace,path",
		"netladder_prober_report_errors_total":           "",
		"netladder_prober_last_report_timestamp_seconds": "",
		"netladder_prober_schedule_lag_seconds":          "",
		"netladder_prober_unmeasured_total":              "",
		"netladder_prober_skipped_total":                 "",
		"netladder_prober_assigned_pairs":                "",
		"netladder_prober_held_namespaces":               "",
		"netladder_prober_level_info":                    "level",
		"netladder_prober_proofs_total":                  "verdict",

		"netladder_tls_certificate_not_after_timestamp_seconds": "check,check_namespace,path",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("metrics (-want +got):\n%s", diff)
	}
}

func TestReadinessFailsWhenRoundsStall(t *testing.T) {
	a := newAgent(Options{NodeName: "node0", PodUID: "uid", Log: logr.Discard()}, nil)
	clk := clocktesting.NewFakePassiveClock(a.scheduler.LastTick())
	a.clock = clk
	if err := a.ready(); err != nil {
		t.Error(err)
	}
	clk.SetTime(clk.Now().Add(stalledAfter + time.Second))
	if err := a.ready(); err == nil {
		t.Error("ready though rounds have stalled")
	}
}

func TestGroupsAreBounded(t *testing.T) {
	a := newAgent(Options{NodeName: "node0", PodUID: "uid", Log: logr.Discard()}, nil)
	spec := tcpSpec("a-1", "10.0.0.1", "10.0.0.1", "not an address")
	g := &spec.Groups[0]
	g.Interval.Duration, g.Timeout.Duration, g.Window, g.PerRound = 0, time.Hour, 1000, -1
	spec.Groups = append(spec.Groups, *g, v1alpha1.ProbeGroup{Key: "nonsense", Kind: v1alpha1.ProbeDNS})
	a.tracker.Update(&spec, nil, time.Now())
	groups, paths, settle := a.groups(&spec)
	if len(paths) != 2 || len(settle) != 2 || settle[groups[0].Key] != 2*time.Second {
		t.Errorf("%d paths, settle %v", len(paths), settle)
	}
	got := groups[0]
	if got.Interval != minInterval || got.Timeout != minInterval || got.Window != 3 || len(got.Pairs) != 1 {
		t.Errorf("group %+v", got)
	}
	// None of it may upset the scheduler.
	a.scheduler.Update(groups)
}

// Quantiles of what a cluster has, from 50 µs to 5 s, are fine, and there are
// classic buckets too where series are few.
func TestNativeHistogramsSpanACluster(t *testing.T) {
	m := newMetrics()
	p := m.path(pathKey{"ns", "check", "path"})
	for d := 50 * time.Microsecond; d <= 5*time.Second; d += d / 50 {
		m.record(p, probe.TCP, &schedule.Outcome{
			Result: probe.Result{Verdict: probe.Connected, Latency: d, Phases: []probe.Phase{{Name: "connect", Duration: d}}}, Timed: true,
		})
		m.Started(d)
	}
	families, err := m.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	classic := map[string]int{
		"netladder_probe_duration_seconds": 9, "netladder_path_probe_duration_seconds": 0, "netladder_prober_schedule_lag_seconds": 6,
	}
	for _, f := range families {
		buckets, ok := classic[f.GetName()]
		if !ok {
			continue
		}
		delete(classic, f.GetName())
		h := f.GetMetric()[0].GetHistogram()
		filled := 0
		for _, s := range h.GetPositiveSpan() {
			filled += int(s.GetLength())
		}
		// Schema 2 has four buckets for each doubling.
		if h.GetSchema() != 2 || filled < 4*16 || len(h.GetBucket()) != buckets {
			t.Errorf("%s: schema %d with %d buckets, and %d classic ones", f.GetName(), h.GetSchema(), filled, len(h.GetBucket()))
		}
	}
	if len(classic) > 0 {
		t.Errorf("not there: %v", classic)
	}
}
