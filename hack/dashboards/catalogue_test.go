// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	client "github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/prometheus/promql/parser"
	"go.yaml.in/yaml/v3"
)

// metric is what may be asked for.
type metric struct {
	labels []string
	// most is how many series there are at most, by its documentation; 0 for no
	// such bound.
	most int
}

// catalogue of all metrics by name: what docs/metrics.md lists, what the rules
// record, what every process exports, and what Prometheus itself adds.
type catalogue map[string]metric

var (
	// scraped are the labels that docs/metrics.md asks of the scrape.
	scraped    = []string{"job", "instance", "node", "pod"}
	documented = regexp.MustCompile("^\\| `(netladder_[a-z_]+)` \\| ([^|]*)\\|([^|]*)\\|(.*)\\|$")
	atMost     = regexp.MustCompile(`at most (\d+)`)
)

func newCatalogue(t *testing.T) catalogue {
	t.Helper()
	all := catalogue{}
	for line := range strings.Lines(string(read(t, filepath.Join(root, "docs/metrics.md")))) {
		if m := documented.FindStringSubmatch(strings.TrimSpace(line)); m != nil {
			all.document(m[1], m[2], strings.FieldsFunc(strings.ReplaceAll(m[3], "`", ""), func(r rune) bool { return r == ',' || r == ' ' }), m[4])
		}
	}
	all.processes(t)
	for _, name := range []string{"up", "scrape_samples_scraped"} {
		all[name] = metric{labels: scraped}
	}
	all["ALERTS"] = metric{labels: []string{"alertname", "alertstate", "severity", "check_namespace", "check", "path", "rung", "node"}}
	all.record(t)
	return all
}

// document adds a row of docs/metrics.md.
func (c catalogue) document(name, kind string, labels []string, meaning string) {
	m := metric{labels: append(labels, scraped...)}
	if found := atMost.FindAllStringSubmatch(meaning, -1); found != nil {
		m.most, _ = strconv.Atoi(found[len(found)-1][1])
	}
	if !strings.Contains(kind, "histogram") {
		c[name] = m
		return
	}
	if strings.Contains(kind, "native") {
		c[name] = m
	}
	c[name+"_sum"], c[name+"_count"] = m, m
	if strings.HasPrefix(kind, "histogram") {
		c[name+"_bucket"] = metric{labels: append(slices.Clone(m.labels), "le")}
	}
}

// processes adds what every role exports of its process.
func (c catalogue) processes(t *testing.T) {
	t.Helper()
	registry := client.NewRegistry()
	registry.MustRegister(
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		collectors.NewGoCollector(collectors.WithGoCollectorMemStatsMetricsDisabled()),
	)
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		c[family.GetName()] = metric{labels: scraped}
	}
}

// record adds what the rules record, each after those that it asks for.
func (c catalogue) record(t *testing.T) {
	t.Helper()
	waiting := slices.DeleteFunc(rules(t), func(r rule) bool { return r.Record == "" })
	first := func(r rule) parser.Expr { return without(parse(t, r.Expr), r.Record) }
	for len(waiting) > 0 {
		at := max(slices.IndexFunc(waiting, func(r rule) bool { return c.knows(first(r)) }), 0)
		r := waiting[at]
		c[r.Record] = c.shape(t, first(r)).metric()
		c[r.Record] = c.shape(t, parse(t, r.Expr)).metric()
		waiting = slices.Delete(waiting, at, at+1)
	}
}

// without is what an expression is before there is a series of that name: a rule
// may ask for what it recorded itself. Nil where nothing is left.
func without(e parser.Expr, name string) parser.Expr {
	if !asks(e, name) {
		return e
	}
	switch e := e.(type) {
	case *parser.ParenExpr:
		return without(e.Expr, name)
	case *parser.BinaryExpr:
		left := *e
		left.LHS, left.RHS = without(e.LHS, name), without(e.RHS, name)
		switch {
		case e.Op == parser.LOR && left.LHS == nil:
			return left.RHS
		case e.Op == parser.LOR && left.RHS == nil:
			return left.LHS
		case left.LHS != nil && left.RHS != nil:
			return &left
		}
	}
	return nil
}

// asks is true if an expression asks for a metric.
func asks(e parser.Expr, name string) bool {
	found := false
	parser.Inspect(e, func(n parser.Node, _ []parser.Node) error {
		s, ok := n.(*parser.VectorSelector)
		found = found || ok && s.Name == name
		return nil
	})
	return found
}

// knows all metrics that an expression asks for.
func (c catalogue) knows(e parser.Expr) bool {
	known := true
	parser.Inspect(e, func(n parser.Node, _ []parser.Node) error {
		if s, ok := n.(*parser.VectorSelector); ok {
			_, there := c[s.Name]
			known = known && there
		}
		return nil
	})
	return known
}

type rule struct {
	Record, Alert, Expr string
	Annotations         map[string]string
}

// rules are those of config/prometheus.
func rules(t *testing.T) []rule {
	t.Helper()
	var groups struct {
		Groups []struct{ Rules []rule }
	}
	if err := yaml.Unmarshal(read(t, filepath.Join(root, "config/prometheus/rules.yaml")), &groups); err != nil {
		t.Fatal(err)
	}
	var all []rule
	for _, g := range groups.Groups {
		all = append(all, g.Rules...)
	}
	return all
}

func alertNames(t *testing.T) []string {
	t.Helper()
	var names []string
	for _, r := range rules(t) {
		if r.Alert != "" && !slices.Contains(names, r.Alert) {
			names = append(names, r.Alert)
		}
	}
	return names
}

// parse replaces Grafana's variables, and reads PromQL.
func parse(t *testing.T, expr string) parser.Expr {
	t.Helper()
	e, err := parser.NewParser(parser.Options{}).ParseExpr(filled(expr))
	if err != nil {
		t.Fatalf("%v\n%s", err, expr)
	}
	return e
}

// filled is a query as Grafana sends it when everything is chosen.
func filled(expr string) string {
	return strings.NewReplacer("$__rate_interval", "2m", "$__range", "10m",
		"$namespace", ".*", "$check", ".*", "$path", ".*", "$node", ".*").Replace(expr)
}
