// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

// Package alerts holds the alerts of config/prometheus to what is promised about
// them, by promtool and Alertmanager themselves.
package alerts

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/netladder/netladder/test/envtest"
)

// ruleFile is what is read of a rule file.
type ruleFile struct {
	Groups []struct {
		Name     string `json:"name"`
		Interval string `json:"interval,omitempty"`
		Rules    []rule `json:"rules"`
	} `json:"groups"`
}

type rule struct {
	Record        string            `json:"record,omitempty"`
	Alert         string            `json:"alert,omitempty"`
	Expr          string            `json:"expr"`
	For           string            `json:"for,omitempty"`
	KeepFiringFor string            `json:"keep_firing_for,omitempty"`
	Labels        map[string]string `json:"labels,omitempty"`
	Annotations   map[string]string `json:"annotations,omitempty"`
}

// all rules in their order.
func (f *ruleFile) all() []rule {
	var out []rule
	for i := range f.Groups {
		out = append(out, f.Groups[i].Rules...)
	}
	return out
}

// names of the alerts, each once.
func (f *ruleFile) names() []string {
	var out []string
	for _, r := range f.all() {
		if r.Alert != "" && !slices.Contains(out, r.Alert) {
			out = append(out, r.Alert)
		}
	}
	return out
}

// testFile is what is read of a file of promtool's tests.
type testFile struct {
	RuleFiles  []string   `json:"rule_files"`
	Evaluation string     `json:"evaluation_interval"`
	Order      []string   `json:"group_eval_order"`
	Tests      []testCase `json:"tests"`
}

type testCase struct {
	Name     string `json:"name"`
	Interval string `json:"interval"`
	Series   []struct {
		Series string `json:"series"`
		Values string `json:"values"`
	} `json:"input_series"`
	Alerts []struct {
		Time string `json:"eval_time"`
		Name string `json:"alertname"`
		Want []struct {
			Labels      map[string]string `json:"exp_labels"`
			Annotations map[string]string `json:"exp_annotations"`
		} `json:"exp_alerts"`
	} `json:"alert_rule_test"`
	Queries []any `json:"promql_expr_test"`
}

// path of a file of the repository.
func path(t *testing.T, name ...string) string {
	t.Helper()
	p, err := envtest.Path(name...)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// text of such a file.
func text(t *testing.T, name ...string) string {
	t.Helper()
	b, err := os.ReadFile(path(t, name...))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// parse reads YAML, and fails for fields that are not known.
func parse[T any](t *testing.T, source string) *T {
	t.Helper()
	out := new(T)
	if err := yaml.UnmarshalStrict([]byte(source), out); err != nil {
		t.Fatal(err)
	}
	return out
}

func rules(t *testing.T) *ruleFile {
	t.Helper()
	return parse[ruleFile](t, text(t, "config", "prometheus", "rules.yaml"))
}

// tests are the files of promtool's tests by name.
func tests(t *testing.T) map[string]*testFile {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(path(t, "config", "prometheus", "tests"), "*.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no tests: %v", err)
	}
	out := map[string]*testFile{}
	for _, file := range files {
		name := filepath.Base(file)
		out[name] = parse[testFile](t, text(t, "config", "prometheus", "tests", name))
	}
	return out
}

// tool is a program of Debian's, without which nothing is tested.
func tool(t *testing.T, name string) string {
	t.Helper()
	program, err := exec.LookPath(name)
	if err != nil {
		t.Fatalf("%s is not installed: run hack/deps.sh (%v)", name, err)
	}
	return program
}
