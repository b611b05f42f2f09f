// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package prober

import (
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/prober/probe"
	"github.com/netladder/netladder/prober/schedule"
)

const (
	// maxVerdicts is how many verdicts one path has series of; the others
	// share one. With the three of its latency that makes eight series.
	maxVerdicts = 4
	// maxProofVerdicts is the same for all proofs together.
	maxProofVerdicts = 8
	otherVerdict     = "Other"
	// maxPhases bounds the pairs of kind and phase.
	maxPhases = 12

	// Native histograms have four buckets for each doubling: a quantile is less
	// than 19 % off. So many of them hold all that there is within a cluster, from 50 µs
	// to 5 s; where more are needed they become coarser, for an hour.
	nativeFactor  = 1.2
	nativeBuckets = 80
	nativeReset   = time.Hour
)

// metrics are all that the prober exports: at most 220 series, and for each
// path in its assignment 8, or 9 if it uses TLS or looks up a name.
type metrics struct {
	registry *prometheus.Registry
	// held returns how many network namespaces are open; set before it serves.
	held func() int

	probes       *prometheus.CounterVec
	phases       *prometheus.HistogramVec
	pathDuration *prometheus.HistogramVec
	notAfter     *prometheus.GaugeVec
	queries      *prometheus.GaugeVec
	reportErrors prometheus.Counter
	lastReport   prometheus.Gauge
	lag          prometheus.Histogram
	unmeasured   prometheus.Counter
	skipped      prometheus.Counter
	pairs        prometheus.Gauge
	level        *prometheus.GaugeVec
	proofs       *prometheus.CounterVec
	climbs       *prometheus.CounterVec

	mu        sync.Mutex
	paths     map[pathKey]*pathMetrics
	phaseKeys map[phaseKey]prometheus.Observer
	proven    verdictCounts
}

type pathKey struct{ namespace, check, path string }

type phaseKey struct {
	kind  probe.Kind
	phase string
}

func newMetrics() *metrics {
	path := []string{"check_namespace", "check", "path"}
	m := &metrics{
		registry:  prometheus.NewRegistry(),
		held:      func() int { return 0 },
		paths:     map[pathKey]*pathMetrics{},
		phaseKeys: map[phaseKey]prometheus.Observer{},
		probes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "netladder_probes_total",
			Help: "Probes of a path by verdict; Other stands for the verdicts beyond the first four.",
		}, append(slices.Clone(path), "verdict")),
		phases: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "netladder_probe_duration_seconds",
			Help:    "Duration of the phases of successful probes by kind.",
			Buckets: []float64{50e-6, 150e-6, 500e-6, 2e-3, 10e-3, 50e-3, 250e-3, 1, 5},

			NativeHistogramBucketFactor: nativeFactor, NativeHistogramMaxBucketNumber: nativeBuckets, NativeHistogramMinResetDuration: nativeReset,
		}, []string{"kind", "phase"}),
		pathDuration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "netladder_path_probe_duration_seconds",
			Help: "Duration of the successful probes of a path; a native histogram only.",

			NativeHistogramBucketFactor: nativeFactor, NativeHistogramMaxBucketNumber: nativeBuckets, NativeHistogramMinResetDuration: nativeReset,
		}, path),
		notAfter: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "netladder_tls_certificate_not_after_timestamp_seconds",
			Help: "When the first of the certificates that the targets of a path showed ends.",
		}, path),
		queries: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "netladder_dns_queries_per_lookup",
			Help: "How many names of the search list a lookup asks for until it has its answer, the most of all sources.",
		}, path),
		reportErrors: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "netladder_prober_report_errors_total", Help: "Reports that could not be written to the API server.",
		}),
		lastReport: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "netladder_prober_last_report_timestamp_seconds", Help: "When the last report was written.",
		}),
		lag: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "netladder_prober_schedule_lag_seconds", Help: "By how much probes started later than planned.",
			Buckets: []float64{1e-3, 5e-3, 25e-3, 100e-3, 500e-3, 2.5},

			NativeHistogramBucketFactor: nativeFactor, NativeHistogramMaxBucketNumber: nativeBuckets, NativeHistogramMinResetDuration: nativeReset,
		}),
		unmeasured: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "netladder_prober_unmeasured_total", Help: "Probes whose result says nothing, because the prober itself was late.",
		}),
		skipped: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "netladder_prober_skipped_total", Help: "Turns of pairs that passed without a probe.",
		}),
		pairs: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "netladder_prober_assigned_pairs", Help: "Pairs in the prober's assignment.",
		}),
		level: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "netladder_prober_level_info", Help: "1 for the level of the prober.",
		}, []string{"level"}),
		proofs: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "netladder_prober_proofs_total",
			Help: "Probes that prove what a blocked path means, by verdict; Other stands for the verdicts beyond the first eight.",
		}, []string{"verdict"}),
	}
	m.climbs = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "netladder_prober_climb_steps_total",
		Help: "Probes of the rungs below a path that fails, by rung and by whether they were good.",
	}, []string{"rung", "result"})
	held := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "netladder_prober_held_namespaces", Help: "Network namespaces that the prober keeps open.",
	}, func() float64 { return float64(m.held()) })
	m.registry.MustRegister(
		m.probes, m.phases, m.pathDuration, m.notAfter, m.queries, m.reportErrors, m.lastReport, m.lag, m.unmeasured, m.skipped, m.pairs,
		held, m.level, m.proofs, m.climbs,
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		collectors.NewGoCollector(collectors.WithGoCollectorMemStatsMetricsDisabled()),
		collectors.NewBuildInfoCollector(),
	)
	return m
}

// climbed counts a step of a climb.
func (m *metrics) climbed(rung v1alpha1.Rung, v probe.Verdict) {
	result := "bad"
	switch verdict := v1alpha1.Verdict(v); {
	case verdict == v1alpha1.VerdictConnected:
		result = "good"
	case verdict.IsNeutral():
		result = "unknown"
	}
	m.climbs.WithLabelValues(string(rung), result).Inc()
}

// Started implements schedule.Observer.
func (m *metrics) Started(lag time.Duration) { m.lag.Observe(lag.Seconds()) }

// Skipped implements schedule.Observer.
func (m *metrics) Skipped() { m.skipped.Inc() }

// Reported implements report.Observer.
func (m *metrics) Reported(at time.Time) { m.lastReport.Set(float64(at.Unix())) }

// ReportFailed implements report.Observer.
func (m *metrics) ReportFailed() { m.reportErrors.Inc() }

// setLevel says what level the prober has.
func (m *metrics) setLevel(l v1alpha1.Level) {
	if l == "" {
		l = v1alpha1.LevelRestricted
	}
	m.level.WithLabelValues(string(l)).Set(1)
}

// path returns the series of a path, which exist until setPaths leaves it out.
func (m *metrics) path(k pathKey) *pathMetrics {
	m.mu.Lock()
	defer m.mu.Unlock()
	p := m.paths[k]
	if p == nil {
		p = &pathMetrics{
			metrics: m, key: k, duration: m.pathDuration.WithLabelValues(k.namespace, k.check, k.path),
			certificates: perPair{gauge: m.notAfter, least: true}, lookups: perPair{gauge: m.queries},
		}
		m.paths[k] = p
	}
	return p
}

// keep deletes the series of all other paths.
func (m *metrics) keep(paths map[pathKey]struct{}) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for k, p := range m.paths {
		if _, stays := paths[k]; !stays {
			delete(m.paths, k)
			p.remove()
		}
	}
}

// phase returns the series of a phase of a kind, nil where there would be too
// many.
func (m *metrics) phase(k phaseKey) prometheus.Observer {
	m.mu.Lock()
	defer m.mu.Unlock()
	o := m.phaseKeys[k]
	if o == nil && len(m.phaseKeys) < maxPhases {
		o = m.phases.WithLabelValues(string(k.kind), k.phase)
		m.phaseKeys[k] = o
	}
	return o
}

// record counts one outcome, of a probe of a path or, without one, of a proof.
func (m *metrics) record(p *pathMetrics, kind probe.Kind, o *schedule.Outcome) {
	if o.Verdict == probe.Unmeasured {
		m.unmeasured.Inc()
	}
	if p == nil {
		m.prove(v1alpha1.Verdict(o.Verdict))
		return
	}
	p.count(v1alpha1.Verdict(o.Verdict))
	if !o.Timed {
		return
	}
	p.duration.Observe(o.Latency.Seconds())
	for i := range o.Phases {
		if h := m.phase(phaseKey{kind, o.Phases[i].Name}); h != nil {
			h.Observe(o.Phases[i].Duration.Seconds())
		}
	}
}

func (m *metrics) prove(v v1alpha1.Verdict) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.proven.count(v, maxProofVerdicts, func(label string) prometheus.Counter { return m.proofs.WithLabelValues(label) })
}

// pathMetrics are the series of one path.
type pathMetrics struct {
	metrics  *metrics
	key      pathKey
	duration prometheus.Observer

	mu      sync.Mutex
	removed bool
	counts  verdictCounts

	certificates, lookups perPair
}

func (p *pathMetrics) count(v v1alpha1.Verdict) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.removed {
		return
	}
	p.counts.count(v, maxVerdicts, func(label string) prometheus.Counter {
		return p.metrics.probes.WithLabelValues(p.key.namespace, p.key.check, p.key.path, label)
	})
}

func (p *pathMetrics) remove() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.removed = true
	m, k := p.metrics, p.key
	for _, c := range p.counts {
		m.probes.DeleteLabelValues(k.namespace, k.check, k.path, string(c.verdict))
	}
	m.pathDuration.DeleteLabelValues(k.namespace, k.check, k.path)
	p.certificates.remove(k)
	p.lookups.remove(k)
}

// verdictCounts are the series of the first few verdicts that came, and one
// for all others.
type verdictCounts []verdictCount

type verdictCount struct {
	verdict v1alpha1.Verdict
	counter prometheus.Counter
}

func (c *verdictCounts) count(v v1alpha1.Verdict, limit int, create func(label string) prometheus.Counter) {
	if known := c.find(v); known != nil {
		known.Inc()
		return
	}
	if len(*c) >= limit || !slices.Contains(v1alpha1.Verdicts(), v) {
		v = otherVerdict
		if known := c.find(v); known != nil {
			known.Inc()
			return
		}
	}
	counter := create(string(v))
	*c = append(*c, verdictCount{v, counter})
	counter.Inc()
}

func (c verdictCounts) find(v v1alpha1.Verdict) prometheus.Counter {
	for i := range c {
		if c[i].verdict == v {
			return c[i].counter
		}
	}
	return nil
}
