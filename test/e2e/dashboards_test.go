// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	promv1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/model"
	"sigs.k8s.io/yaml"
)

const dashboards = "../../config/grafana"

// board is what this test reads of a dashboard.
type board struct {
	UID        string
	Templating struct {
		List []variable
	}
	Panels []panel
}

// variable is a dashboard's. Where it may be All, that is AllValue.
type variable struct {
	Name, Type string
	Query      variableQuery
	IncludeAll bool
	AllValue   string
}

// variableQuery is a text, or an object with the text.
type variableQuery string

func (q *variableQuery) UnmarshalJSON(content []byte) error {
	var text string
	if json.Unmarshal(content, &text) == nil {
		*q = variableQuery(text)
		return nil
	}
	var object struct{ Query string }
	if err := json.Unmarshal(content, &object); err != nil {
		return err
	}
	*q = variableQuery(object.Query)
	return nil
}

type panel struct {
	Type, Title string
	Targets     []target
	Panels      []panel // of a row that is folded
}

type target struct {
	RefID, Expr string
	Instant     bool
}

// TestFullDashboards asks a real Prometheus every query of every panel, while
// all is well and while the overlay is broken. Each is to have data at one of
// these times, or stands in no-data.yaml with the reason.
func TestFullDashboards(t *testing.T) {
	boards := readBoards(t)
	openSegments(t)
	openCertificates(t)
	m := startMonitoring(t)
	calm(t)
	// The recording rules and rates need some scrapes.
	pause(t, 2*time.Minute+3*scraped)
	answered := map[string]bool{}
	m.askAll(t, boards, "all is well", answered)
	heal := breakNetwork(t, "vxlan", faultNode)
	eventually(t, 2*notifyBound, "an alert fires", func(ctx context.Context) error {
		alerts, err := m.vector(ctx, `ALERTS{alertstate="firing"}`)
		if err == nil && len(alerts) == 0 {
			err = errors.New("none")
		}
		return err
	})
	m.askAll(t, boards, "the overlay is broken", answered)
	heal()
	judgeBoards(t, boards, answered)
}

// judgeBoards holds what had data against the list of what need not.
func judgeBoards(t *testing.T, boards []board, answered map[string]bool) {
	t.Helper()
	reasons := readReasons(t)
	queries, without := 0, 0
	for _, b := range boards {
		for _, p := range b.all() {
			at := b.UID + "/" + p.Title
			reason, listed := reasons[at]
			delete(reasons, at)
			for _, q := range p.Targets {
				queries++
				switch key := at + "/" + q.RefID; {
				case answered[key]:
				case listed:
					without++
					t.Logf("%s has no data: %s", key, reason)
				default:
					t.Errorf("%s has no data, and no-data.yaml gives no reason: %s", key, q.Expr)
				}
			}
		}
	}
	for at, reason := range reasons {
		t.Errorf("no-data.yaml has a panel that is in no dashboard: %s (%s)", at, reason)
	}
	row("%d queries of %d dashboards: %d had data, %d have a reason", queries, len(boards), queries-without, without)
}

func readBoards(t *testing.T) []board {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dashboards, "*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no dashboards in %s: %v", dashboards, err)
	}
	var boards []board
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var b board
		if err := json.Unmarshal(content, &b); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		boards = append(boards, b)
	}
	return boards
}

// readReasons reads why panels have no data, by dashboard/panel.
func readReasons(t *testing.T) map[string]string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(dashboards, "no-data.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var entries []struct{ Dashboard, Panel, Reason string }
	if err := yaml.UnmarshalStrict(content, &entries); err != nil {
		t.Fatal(err)
	}
	reasons := map[string]string{}
	for _, e := range entries {
		if e.Reason == "" {
			t.Errorf("no-data.yaml gives no reason for %s/%s", e.Dashboard, e.Panel)
		}
		reasons[e.Dashboard+"/"+e.Panel] = e.Reason
	}
	return reasons
}

// all are the panels, those in rows too.
func (b board) all() []panel {
	var out []panel
	for queue := slices.Clone(b.Panels); len(queue) > 0; queue = queue[1:] {
		out = append(out, queue[0])
		queue = append(queue, queue[0].Panels...)
	}
	return out
}

// askAll asks all queries and notes which have data. None may be refused.
func (m *monitoring) askAll(t *testing.T, boards []board, when string, answered map[string]bool) {
	t.Helper()
	for _, b := range boards {
		sets := m.settings(t, b)
		for _, p := range b.all() {
			for _, q := range p.Targets {
				key := b.UID + "/" + p.Title + "/" + q.RefID
				for _, values := range sets {
					data, err := m.ask(t.Context(), q, values)
					if err != nil {
						t.Errorf("%s, while %s: %v", key, when, err)
					}
					answered[key] = answered[key] || data
				}
			}
		}
	}
}

// settings are the values that a dashboard's variables are tried with: All
// where that may be, and each value where not, so that a panel about
// certificates meets a check that has them.
func (m *monitoring) settings(t *testing.T, b board) []map[string]string {
	t.Helper()
	sets := []map[string]string{{}}
	for _, v := range b.Templating.List {
		if v.Type == "datasource" {
			continue
		}
		if v.Type != "query" {
			t.Errorf("%s: variable %s is a %s, which this test does not know", b.UID, v.Name, v.Type)
			continue
		}
		var next []map[string]string
		for _, set := range sets {
			values := m.labelValues(t, b, v, set)
			if v.IncludeAll && v.AllValue != "" {
				values = []string{v.AllValue}
			} else if v.IncludeAll {
				values = []string{"(" + strings.Join(values, "|") + ")"}
			}
			for _, value := range values {
				more := map[string]string{v.Name: value}
				for name, other := range set {
					more[name] = other
				}
				next = append(next, more)
			}
		}
		sets = next
	}
	return sets
}

var labelValuesQuery = regexp.MustCompile(`^label_values\((?:(.*),\s*)?([a-zA-Z_]\w*)\)$`)

// labelValues are those that Grafana would offer for a variable.
func (m *monitoring) labelValues(t *testing.T, b board, v variable, set map[string]string) []string {
	t.Helper()
	match := labelValuesQuery.FindStringSubmatch(strings.TrimSpace(string(v.Query)))
	if match == nil {
		t.Errorf("%s: variable %s asks for %q, which this test does not know", b.UID, v.Name, v.Query)
		return nil
	}
	var selectors []string
	if match[1] != "" {
		selectors = []string{substitute(match[1], set)}
	}
	now := time.Now()
	found, _, err := m.prometheus.LabelValues(t.Context(), match[2], selectors, now.Add(-5*time.Minute), now)
	if err != nil {
		t.Errorf("%s: variable %s: %v", b.UID, v.Name, err)
	}
	if len(found) == 0 {
		t.Errorf("%s: variable %s has no value, with %v", b.UID, v.Name, set)
	}
	values := make([]string, 0, len(found))
	for _, value := range found {
		values = append(values, string(value))
	}
	return values
}

// substitute does what Grafana does to a query before it asks, with the
// intervals for a scrape every quarter of a minute.
func substitute(expr string, values map[string]string) string {
	all := map[string]string{"__rate_interval": (4 * scraped).String(), "__interval": scraped.String(), "__range": "15m"}
	for name, value := range values {
		all[name] = value
	}
	return variablePattern.ReplaceAllStringFunc(expr, func(text string) string {
		name := variablePattern.FindStringSubmatch(text)[1]
		if value, known := all[name]; known {
			return value
		}
		return text
	})
}

var variablePattern = regexp.MustCompile(`\$\{?(\w+)(?::\w+)?\}?`)

// ask tells whether a query has data, as Grafana would ask it.
func (m *monitoring) ask(ctx context.Context, q target, values map[string]string) (bool, error) {
	expr := substitute(q.Expr, values)
	now := time.Now()
	if q.Instant {
		value, _, err := m.prometheus.Query(ctx, expr, now)
		if err != nil {
			return false, fmt.Errorf("%s: %w", expr, err)
		}
		return hasData(value), nil
	}
	value, _, err := m.prometheus.QueryRange(ctx, expr, promv1.Range{Start: now.Add(-5 * time.Minute), End: now, Step: scraped})
	if err != nil {
		return false, fmt.Errorf("%s: %w", expr, err)
	}
	return hasData(value), nil
}

// hasData tells whether there is a number to show.
func hasData(value model.Value) bool {
	switch v := value.(type) {
	case model.Vector:
		return slices.ContainsFunc(v, func(s *model.Sample) bool { return s.Histogram != nil || !math.IsNaN(float64(s.Value)) })
	case model.Matrix:
		return slices.ContainsFunc(v, func(s *model.SampleStream) bool {
			return len(s.Histograms) > 0 || slices.ContainsFunc(s.Values, func(p model.SamplePair) bool { return !math.IsNaN(float64(p.Value)) })
		})
	case *model.Scalar:
		return !math.IsNaN(float64(v.Value))
	}
	return false
}
