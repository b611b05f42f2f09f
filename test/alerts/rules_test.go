// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package alerts

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// severities are the words that an alert's label severity may be made of.
var severities = regexp.MustCompile(`critical|warning|info|\$labels\.severity \| toLower`)

// TestEveryAlertIsExplained, and there is no page about none.
func TestEveryAlertIsExplained(t *testing.T) {
	const runbooks = "https://github.com/netladder/netladder/blob/main/docs/runbooks/"
	file := rules(t)
	for _, r := range file.all() {
		if r.Alert == "" {
			continue
		}
		if r.For == "" || !severities.MatchString(r.Labels["severity"]) {
			t.Errorf("%s: for %q, severity %q", r.Alert, r.For, r.Labels["severity"])
		}
		if got, want := slices.Sorted(maps.Keys(r.Annotations)), []string{"dashboard", "description", "runbook_url", "summary"}; !slices.Equal(got, want) {
			t.Errorf("%s has the annotations %v, want %v", r.Alert, got, want)
		}
		if got, want := r.Annotations["runbook_url"], runbooks+r.Alert+".md"; got != want {
			t.Errorf("%s: runbook %s, want %s", r.Alert, got, want)
		}
		uid, _, _ := strings.Cut(strings.TrimPrefix(r.Annotations["dashboard"], "/d/"), "?")
		if !strings.HasPrefix(r.Annotations["dashboard"], "/d/") || !dashboard(t, uid) {
			t.Errorf("%s: no dashboard has the uid of %q", r.Alert, r.Annotations["dashboard"])
		}
	}
	for _, alert := range file.names() {
		page, err := os.ReadFile(path(t, "docs", "runbooks", alert+".md"))
		if err != nil {
			t.Error(err)
			continue
		}
		for _, part := range []string{"# " + alert + "\n", "\n## What it means\n", "\n## Confirm it\n", "\n## What to do\n", "\n## When it is a false alarm\n", "kubectl"} {
			if !strings.Contains(string(page), part) {
				t.Errorf("docs/runbooks/%s.md lacks %q", alert, part)
			}
		}
	}
	pages, err := filepath.Glob(filepath.Join(path(t, "docs", "runbooks"), "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, page := range pages {
		if name := strings.TrimSuffix(filepath.Base(page), ".md"); name != "README" && !slices.Contains(file.names(), name) {
			t.Errorf("docs/runbooks/%s.md is about no alert", name)
		}
	}
}

// dashboard says whether one of those of config/grafana has the uid.
func dashboard(t *testing.T, uid string) bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(path(t, "config", "grafana"), "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	return uid != "" && slices.ContainsFunc(files, func(file string) bool {
		source, err := os.ReadFile(file)
		return err == nil && regexp.MustCompile(`"uid":\s*"`+regexp.QuoteMeta(uid)+`"`).Match(source)
	})
}

var (
	documented = regexp.MustCompile("(?m)^\\| `(netladder_[a-z0-9_]+)` \\|([^|]*)\\|([^|]*)\\|")
	// used is a metric, and what stands in braces behind it.
	used    = regexp.MustCompile(`\b(netladder_[a-z0-9_]+)(?:\{([^}]*)\})?`)
	matcher = regexp.MustCompile(`([a-zA-Z_]+)\s*(?:=~|!~|!=|=)\s*"`)
	grouped = regexp.MustCompile(`\b(?:by|on|without|group_left)\s*\(([^()]*)\)`)
)

// TestMetricsExist: every metric that a rule or a text asks for is documented, with
// these labels. That what is documented is there is tested with the metrics.
func TestMetricsExist(t *testing.T) {
	metrics, everything := map[string][]string{}, []string{"node", "le", "job", "instance"}
	for _, m := range documented.FindAllStringSubmatch(text(t, "docs", "metrics.md"), -1) {
		labels := strings.FieldsFunc(m[3], func(r rune) bool { return strings.ContainsRune("`, ", r) })
		everything = append(everything, labels...)
		// The scrape adds the node; the controller's series that have one are about that.
		metrics[m[1]] = append(labels, "node")
		if strings.Contains(m[2], "histogram") {
			for _, suffix := range []string{"_bucket", "_count", "_sum"} {
				metrics[m[1]+suffix] = append(labels, "node", "le")
			}
		}
	}
	for _, r := range rules(t).all() {
		asked := r.Expr
		for _, text := range r.Annotations {
			asked += "\n" + text
		}
		for _, m := range used.FindAllStringSubmatch(asked, -1) {
			labels, ok := metrics[m[1]]
			if !ok {
				t.Errorf("%s%s: docs/metrics.md has no %s", r.Alert, r.Record, m[1])
				continue
			}
			for _, label := range matcher.FindAllStringSubmatch(m[2], -1) {
				if !slices.Contains(labels, label[1]) {
					t.Errorf("%s%s: %s has no label %s, it has %v", r.Alert, r.Record, m[1], label[1], labels)
				}
			}
		}
		for _, m := range grouped.FindAllStringSubmatch(r.Expr, -1) {
			for label := range strings.FieldsFuncSeq(m[1], func(r rune) bool { return r == ',' || r == ' ' }) {
				if !slices.Contains(everything, label) {
					t.Errorf("%s%s: no metric has the label %s", r.Alert, r.Record, label)
				}
			}
		}
	}
}

// TestRecorded: what a rule asks for is recorded, under that name.
func TestRecorded(t *testing.T) {
	recorded, all := map[string]bool{}, rules(t).all()
	for _, r := range all {
		recorded[r.Record] = true
	}
	name := regexp.MustCompile(`netladder:[a-z0-9_:]+`)
	for _, r := range all {
		for _, asked := range name.FindAllString(r.Expr+r.Annotations["description"], -1) {
			if !recorded[asked] {
				t.Errorf("%s%s asks for %s, which is recorded nowhere", r.Alert, r.Record, asked)
			}
		}
	}
}

// TestSameForTheOperator: the PrometheusRule and the chart's copy say the same.
func TestSameForTheOperator(t *testing.T) {
	plain := text(t, "config", "prometheus", "rules.yaml")
	object := parse[struct {
		APIVersion string         `json:"apiVersion"`
		Kind       string         `json:"kind"`
		Metadata   map[string]any `json:"metadata"`
		Spec       ruleFile       `json:"spec"`
	}](t, text(t, "config", "prometheus", "prometheusrule.yaml"))
	if d := cmp.Diff(*rules(t), object.Spec); d != "" {
		t.Errorf("run make generate (-rules +PrometheusRule):\n%s", d)
	}
	if text(t, "charts", "netladder", "files", "prometheus", "rules.yaml") != plain {
		t.Error("the chart has other rules: run make generate")
	}
}
