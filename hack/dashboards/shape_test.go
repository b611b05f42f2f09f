// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"maps"
	"slices"
	"testing"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/promql/parser"
)

// most series that a panel may show.
const most = 100

// shape of the result of a query: which labels it has, and whether something
// bounds how many series it is.
type shape struct {
	labels  map[string]bool
	bounded bool
}

// few are the labels that have few values on a cluster of any size.
var few = []string{
	"state", "expect", "severity", "rung", "reason", "verdict", "kind", "phase", "le", "role", "version", "revision", "go_version", "direction",
	"result", "level", "protocol", "code", "alertname", "alertstate", "job",
	"object", // what is written; causes are bounded otherwise
}

func (s shape) metric() metric {
	m := metric{labels: slices.Sorted(maps.Keys(s.labels))}
	if s.bounded {
		m.most = most
	}
	return m
}

// grows is true if the result has more series on a larger cluster.
func (s shape) grows() bool {
	for label := range s.labels {
		if !s.bounded && !slices.Contains(few, label) {
			return true
		}
	}
	return false
}

func set(names []string) map[string]bool {
	s := map[string]bool{}
	for _, name := range names {
		s[name] = true
	}
	return s
}

// shape of an expression; fails the test for what is not in the catalogue.
func (c catalogue) shape(t *testing.T, e parser.Expr) shape {
	t.Helper()
	switch e := e.(type) {
	case *parser.VectorSelector:
		return c.selected(t, e)
	case *parser.MatrixSelector:
		return c.shape(t, e.VectorSelector)
	case *parser.SubqueryExpr:
		return c.shape(t, e.Expr)
	case *parser.ParenExpr:
		return c.shape(t, e.Expr)
	case *parser.UnaryExpr:
		return c.shape(t, e.Expr)
	case *parser.Call:
		return c.called(t, e)
	case *parser.AggregateExpr:
		return c.aggregated(t, e)
	case *parser.BinaryExpr:
		return c.combined(t, e)
	default: // numbers and strings
		return shape{labels: map[string]bool{}, bounded: true}
	}
}

func (c catalogue) selected(t *testing.T, e *parser.VectorSelector) shape {
	t.Helper()
	m, ok := c[e.Name]
	if !ok {
		t.Errorf("there is no metric %q", e.Name)
	}
	s := shape{labels: set(m.labels), bounded: m.most > 0 && m.most <= most}
	for _, matcher := range e.LabelMatchers {
		if matcher.Name != model.MetricNameLabel && !s.labels[matcher.Name] {
			t.Errorf("%s has no label %s", e.Name, matcher.Name)
		}
	}
	return s
}

func (c catalogue) called(t *testing.T, e *parser.Call) shape {
	t.Helper()
	s := shape{labels: map[string]bool{}, bounded: true}
	for _, arg := range e.Args {
		if arg.Type() == parser.ValueTypeVector || arg.Type() == parser.ValueTypeMatrix {
			of := c.shape(t, arg)
			s = shape{labels: maps.Clone(of.labels), bounded: of.bounded}
		}
	}
	switch e.Func.Name {
	case "scalar":
		return shape{labels: map[string]bool{}, bounded: true}
	case "histogram_quantile":
		delete(s.labels, "le")
	case "label_replace":
		s.labels[e.Args[1].(*parser.StringLiteral).Val] = true
	}
	return s
}

func (c catalogue) aggregated(t *testing.T, e *parser.AggregateExpr) shape {
	t.Helper()
	of := c.shape(t, e.Expr)
	for _, label := range e.Grouping {
		if !of.labels[label] {
			t.Errorf("%s groups by %s, which is not there: %v", e.Op, label, slices.Sorted(maps.Keys(of.labels)))
		}
	}
	if e.Op == parser.TOPK || e.Op == parser.BOTTOMK {
		n, ok := e.Param.(*parser.NumberLiteral)
		return shape{labels: of.labels, bounded: of.bounded || ok && n.Val <= most && len(e.Grouping) == 0}
	}
	if e.Without {
		left := maps.Clone(of.labels)
		for _, label := range e.Grouping {
			delete(left, label)
		}
		return shape{labels: left, bounded: of.bounded}
	}
	return shape{labels: set(e.Grouping), bounded: of.bounded}
}

func (c catalogue) combined(t *testing.T, e *parser.BinaryExpr) shape {
	t.Helper()
	left, right := c.shape(t, e.LHS), c.shape(t, e.RHS)
	if e.VectorMatching == nil { // with a number
		if e.LHS.Type() == parser.ValueTypeScalar {
			return right
		}
		return left
	}
	on := e.VectorMatching.MatchingLabels
	for _, label := range on {
		if e.VectorMatching.On && (!left.labels[label] || !right.labels[label]) {
			t.Errorf("%s is on %s, which one side does not have", e.Op, label)
		}
	}
	switch e.Op {
	case parser.LOR:
		both := maps.Clone(left.labels)
		maps.Copy(both, right.labels)
		return shape{labels: both, bounded: left.bounded && right.bounded}
	case parser.LAND:
		// Bounded by what it is kept for, if that leaves nothing else to grow.
		rest := shape{labels: maps.Clone(left.labels)}
		for _, label := range on {
			delete(rest.labels, label)
		}
		return shape{labels: left.labels, bounded: left.bounded || right.bounded && e.VectorMatching.On && !rest.grows()}
	case parser.LUNLESS:
		return left
	}
	one, many := right, left
	if e.VectorMatching.Card == parser.CardOneToMany {
		one, many = left, right
	}
	result := maps.Clone(many.labels)
	if e.VectorMatching.Card == parser.CardOneToOne && e.VectorMatching.On {
		result = set(on)
	}
	for _, label := range e.VectorMatching.Include {
		if !one.labels[label] {
			t.Errorf("%s takes over %s, which is not there", e.Op, label)
		}
		result[label] = true
	}
	return shape{labels: result, bounded: many.bounded || one.bounded && e.VectorMatching.Card == parser.CardOneToOne}
}
