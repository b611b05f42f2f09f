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

// emptyHere are panels, or queries of panels, that have no data in this story.
// Everything else is to have data at one time of it: that a reason is given in
// no-data.yaml does not mean that it is the reason here.
var emptyHere = []string{
	"netladder-check/Last 30 days/A",                          // averages over whole hours
	"netladder-check/Error budget left/A",                     // the same
	"netladder-dns/Answered within 50 ms/C",                   // averages over whole hours
	"netladder-dns/Lookups before other probes/A",             // no path of the story has a host name
	"netladder-mesh/Nodes not heard/A",                        // every prober reports
	"netladder-self/Nodes not heard/A",                        // the same
	"netladder-self/Nodes that skip turns/A",                  // no prober does, but where the machine is busy
	"netladder-self/Nodes with unmeasured probes/A",           // the same
	"netladder-self/Nodes whose reports fail/A",               // every report is written
	"netladder-self/Planning/A",                               // nothing changes
	"netladder-self/Echo pods/B",                              // nobody sends echo pods what they refuse
	"netladder-overview/Paths of which nothing can be said/A", // something is known of each
}

// TestFullDashboards asks a real Prometheus every query of every panel, while
// all is well and while a lot is not. Each is to have data at one of these
// times, or stands in no-data.yaml with the reason.
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
	undo(t, "policy", "drop", "all")
	lab(t, "policy", "off", "node3")
	// Between nodes without Prometheus: it has to reach the controller that leads.
	names, overlay := breakNetwork(t, "dns"), breakNetwork(t, "vxlan", "node2", "node3")
	for _, state := range []string{`netladder_cause_paths{rung="Overlay"}`, `netladder_cause_paths{rung="DNS"}`, "netladder_policy_not_enforced",
		`ALERTS{alertstate="firing"}`} {
		eventually(t, 2*notifyBound, state, func(ctx context.Context) error {
			found, err := m.vector(ctx, state)
			if err == nil && len(found) == 0 {
				err = errors.New("Prometheus has none")
			}
			return err
		})
	}
	m.askAll(t, boards, "names, the overlay and the enforcement are broken", answered)
	names()
	overlay()
	judgeBoards(t, boards, answered)
}

// judgeBoards holds what had data against the lists of what need not.
func judgeBoards(t *testing.T, boards []board, answered map[string]bool) {
	t.Helper()
	reasons := readReasons(t)
	panels, queries, without := map[string]bool{}, map[string]bool{}, 0
	for _, b := range boards {
		for _, p := range b.all() {
			at := b.UID + "/" + p.Title
			panels[at] = true
			for _, q := range p.Targets {
				key := at + "/" + q.RefID
				queries[key] = true
				switch {
				case answered[key]:
					continue
				case reasons[at] == "":
					t.Errorf("%s has no data, and no-data.yaml gives no reason: %s", key, q.Expr)
				case !slices.Contains(emptyHere, key):
					t.Errorf("%s has no data, and not because %s: %s", key, reasons[at], q.Expr)
				default:
					without++
					t.Logf("%s has no data: %s", key, reasons[at])
				}
			}
		}
	}
	for at, reason := range reasons {
		if !panels[at] {
			t.Errorf("no-data.yaml has a panel that is in no dashboard: %s (%s)", at, reason)
		}
	}
	for _, key := range emptyHere {
		if !queries[key] {
			t.Errorf("%s is in no dashboard", key)
		}
	}
	row("%d queries of %d dashboards: %d had data, %d a documented reason for none", len(queries), len(boards), len(queries)-without, without)
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
