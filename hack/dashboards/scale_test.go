// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
)

// Every panel shows something on a small and on a large cluster, and never more
// than a person can look at. Where nothing is broken, those show nothing that
// may: then the reason holds; where everything is, all show something.
func TestScale(t *testing.T) {
	large := 5000
	if testing.Short() {
		large = 200
	}
	for _, nodes := range []int{3, large} {
		for _, broken := range []bool{false, true} {
			t.Run(fmt.Sprintf("%d nodes, broken %v", nodes, broken), func(t *testing.T) {
				c := madeCluster(t, nodes, broken)
				for i := range boards() {
					showAll(t, c, &boards()[i], broken)
				}
			})
		}
	}
}

// showAll asks every panel of a board.
func showAll(t *testing.T, c *cluster, b *board, broken bool) {
	t.Helper()
	engine := promql.NewEngine(promql.EngineOpts{
		MaxSamples: 50_000_000, Timeout: 10 * time.Minute, EnableAtModifier: true, EnableNegativeOffset: true, Parser: parser.NewParser(parser.Options{}),
	})
	defer func() { _ = engine.Close() }()
	for _, r := range b.rows {
		for i := range r.panels {
			p := &r.panels[i]
			shown := 0
			for _, q := range p.queries {
				expr := q.expr
				if b.variables[0].one {
					expr = strings.NewReplacer("$namespace", "netladder-system", "$check", "cluster-network").Replace(expr)
				}
				shown += ask(t, engine, c, p, expr)
			}
			switch {
			case shown > most:
				t.Errorf("%s: panel %q shows %d series", b.name, p.title, shown)
			case shown == 0 && broken:
				t.Errorf("%s: panel %q shows nothing while everything is broken", b.name, p.title)
			case shown == 0 && p.empty == "":
				t.Errorf("%s: panel %q shows nothing while everything is well", b.name, p.title)
			}
		}
	}
}

// ask a query of a panel as Grafana would, and return how many series come.
func ask(t *testing.T, engine *promql.Engine, c *cluster, p *panel, expr string) int {
	t.Helper()
	expr = filled(expr)
	at := time.Unix(3_000_000, 0)
	var q promql.Query
	var err error
	if p.view.instant() {
		q, err = engine.NewInstantQuery(t.Context(), c, nil, expr, at)
	} else {
		q, err = engine.NewRangeQuery(t.Context(), c, nil, expr, at.Add(-10*time.Minute), at, 5*time.Minute)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	result := q.Exec(t.Context())
	if result.Err != nil {
		t.Errorf("panel %q: %v\n%s", p.title, result.Err, expr)
		return 0
	}
	switch v := result.Value.(type) {
	case promql.Vector:
		checkColumns(t, p, v)
		return len(v)
	case promql.Matrix:
		return len(v)
	case promql.Scalar:
		return 1
	default:
		t.Errorf("panel %q: a %s", p.title, result.Value.Type())
		return 0
	}
}

// checkColumns wants labels for every column of a list or matrix that shows
// something.
func checkColumns(t *testing.T, p *panel, v promql.Vector) {
	t.Helper()
	wanted := map[string]bool{}
	switch view := p.view.(type) {
	case list:
		for _, c := range view.columns {
			wanted[c.label] = c.label != "Value"
		}
	case matrix:
		wanted[view.row], wanted[view.column] = true, true
	}
	for label, isLabel := range wanted {
		if isLabel && len(v) > 0 && !slices.ContainsFunc(v, func(s promql.Sample) bool { return s.Metric.Has(label) }) {
			t.Errorf("panel %q has a column %s, and no such label comes", p.title, label)
		}
	}
}
