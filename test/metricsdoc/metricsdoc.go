// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

// Package metricsdoc lets a test hold docs/metrics.md against the metrics that
// a role really has.
package metricsdoc

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

var (
	row  = regexp.MustCompile("^\\| `(netladder_[a-z_]+)` \\|[^|]*\\|([^|]*)\\|")
	desc = regexp.MustCompile(`fqName: "(netladder_[a-z_]+)".*variableLabels: \{([^}]*)\}`)
)

// Check fails the test unless the collectors have exactly the metrics, with
// exactly the labels, that a section of the page lists.
func Check(t *testing.T, section string, collectors ...prometheus.Collector) {
	t.Helper()
	documented, exported := parse(t, section), describe(collectors)
	for _, name := range slices.Sorted(maps.Keys(documented)) {
		switch labels, ok := exported[name]; {
		case !ok:
			t.Errorf("docs/metrics.md, %s: %s is not in the code", section, name)
		case labels != documented[name]:
			t.Errorf("docs/metrics.md, %s: %s has labels %q, in the code %q", section, name, documented[name], labels)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(exported)) {
		if _, ok := documented[name]; !ok {
			t.Errorf("docs/metrics.md, %s: %s is missing", section, name)
		}
	}
}

// parse returns the labels of each metric of a section, sorted and joined.
func parse(t *testing.T, section string) map[string]string {
	t.Helper()
	_, here, _, _ := runtime.Caller(0)
	text, err := os.ReadFile(filepath.Join(filepath.Dir(here), "../../docs/metrics.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(text), "\n## "+section+"\n")
	if !found {
		t.Fatalf("docs/metrics.md has no section %q", section)
	}
	rest, _, _ = strings.Cut(rest, "\n## ")
	metrics := map[string]string{}
	for line := range strings.Lines(rest) {
		if m := row.FindStringSubmatch(line); m != nil {
			metrics[m[1]] = join(strings.ReplaceAll(m[2], "`", ""))
		}
	}
	return metrics
}

// describe returns the same of Netladder's own metrics among the collectors'.
func describe(collectors []prometheus.Collector) map[string]string {
	descs := make(chan *prometheus.Desc)
	go func() {
		defer close(descs)
		for _, c := range collectors {
			c.Describe(descs)
		}
	}()
	metrics := map[string]string{}
	for d := range descs {
		if m := desc.FindStringSubmatch(d.String()); m != nil {
			metrics[m[1]] = join(m[2])
		}
	}
	return metrics
}

func join(labels string) string {
	names := strings.FieldsFunc(labels, func(r rune) bool { return r == ',' || r == ' ' })
	slices.Sort(names)
	return strings.Join(names, ",")
}
