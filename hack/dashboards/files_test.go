// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/grafana/grafana-foundation-sdk/go/bargauge"
	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/heatmap"
	"github.com/grafana/grafana-foundation-sdk/go/prometheus"
	"github.com/grafana/grafana-foundation-sdk/go/stat"
	"github.com/grafana/grafana-foundation-sdk/go/statetimeline"
	"github.com/grafana/grafana-foundation-sdk/go/table"
	"github.com/grafana/grafana-foundation-sdk/go/timeseries"
)

// root of the repository.
const root = "../.."

// file is a dashboard as it ships.
type file struct {
	name string
	text []byte
	dashboard.Dashboard
}

// files reads the dashboards that ship, as strictly as Grafana's types allow.
func files(t *testing.T) []file {
	t.Helper()
	runtime := cog.NewRuntime()
	runtime.RegisterPanelcfgVariant(bargauge.VariantConfig())
	runtime.RegisterPanelcfgVariant(heatmap.VariantConfig())
	runtime.RegisterPanelcfgVariant(stat.VariantConfig())
	runtime.RegisterPanelcfgVariant(statetimeline.VariantConfig())
	runtime.RegisterPanelcfgVariant(table.VariantConfig())
	runtime.RegisterPanelcfgVariant(timeseries.VariantConfig())
	runtime.RegisterDataqueryVariant(prometheus.VariantConfig())
	names, err := filepath.Glob(filepath.Join(root, "config/grafana/*.json"))
	if err != nil || len(names) == 0 {
		t.Fatalf("no dashboards: %v", err)
	}
	var all []file
	for _, name := range names {
		f := file{name: filepath.Base(name), text: read(t, name)}
		if err := f.UnmarshalJSONStrict(f.text); err != nil {
			t.Fatalf("%s: %v", f.name, err)
		}
		all = append(all, f)
	}
	return all
}

func read(t *testing.T, file string) []byte {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// panels of a dashboard, without its headings.
func (f *file) panels() []*dashboard.Panel {
	var all []*dashboard.Panel
	for _, p := range f.Panels {
		if p.Panel != nil {
			all = append(all, p.Panel)
		}
	}
	return all
}

// expressions of a panel.
func expressions(t *testing.T, p *dashboard.Panel) []string {
	t.Helper()
	var all []string
	for _, target := range p.Targets {
		q, ok := target.(*prometheus.Dataquery)
		if !ok {
			byValue, ok := target.(prometheus.Dataquery)
			if !ok {
				t.Fatalf("panel %q asks by a %T", *p.Title, target)
			}
			q = &byValue
		}
		all = append(all, q.Expr)
	}
	return all
}

// object is the JSON of something, as maps.
func object(t *testing.T, text []byte) any {
	t.Helper()
	var o any
	if err := json.Unmarshal(text, &o); err != nil {
		t.Fatal(err)
	}
	return o
}
