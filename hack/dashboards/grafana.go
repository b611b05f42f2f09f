// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/grafana/grafana-foundation-sdk/go/cog/variants"
	"github.com/grafana/grafana-foundation-sdk/go/common"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/prometheus"
)

// Grafana's names of colours.
const (
	green  = "green"
	blue   = "blue"
	grey   = "#8e8e8e"
	yellow = "yellow"
	orange = "orange"
	red    = "red"
	none   = "transparent"
)

const (
	// columns of the grid that panels stand in.
	columns = 24
	// source is what every panel asks: the one that the user chose.
	source = "${datasource}"
	docs   = "https://github.com/netladder/netladder/blob/main/docs/"
)

// grafana makes Grafana's description of a board; all are the boards that it
// links to.
func (b *board) grafana(all []board) dashboard.Dashboard {
	to := dashboard.NewDashboard()
	to.Uid, to.Title, to.Description = ptr(b.uid()), ptr(b.title), ptr(b.question)
	to.Tags = []string{"netladder"}
	to.Editable = ptr(true)
	to.Timezone = ptr("browser")
	to.GraphTooltip = ptr(dashboard.DashboardCursorSyncCrosshair)
	to.Time = &dashboard.DashboardDashboardTime{From: "now-1h", To: "now"}
	to.Refresh = ptr("30s")
	to.Links = b.links(all)
	to.Templating.List = []dashboard.VariableModel{dataSource()}
	for _, v := range b.variables {
		to.Templating.List = append(to.Templating.List, v.grafana())
	}
	g := grid{}
	for _, r := range b.rows {
		g.newLine()
		heading := dashboard.NewRowPanel()
		heading.Title, heading.Id, heading.GridPos = ptr(r.title), g.nextID(), ptr(g.place(columns, 1))
		to.Panels = append(to.Panels, dashboard.PanelOrRowPanel{RowPanel: heading})
		for i := range r.panels {
			p := r.panels[i].grafana()
			p.Id, p.GridPos = ptr(g.nextID()), ptr(g.place(r.panels[i].width, r.panels[i].height))
			to.Panels = append(to.Panels, dashboard.PanelOrRowPanel{Panel: p})
		}
	}
	return *to
}

// links lead to the other boards, with what was chosen, and to the docs.
func (b *board) links(all []board) []dashboard.DashboardLink {
	var links []dashboard.DashboardLink
	for i := range all {
		if all[i].name == b.name {
			continue
		}
		links = append(links, dashboard.DashboardLink{
			Title: strings.TrimPrefix(all[i].title, "Netladder: "), Type: dashboard.DashboardLinkTypeLink, Icon: "dashboard", Tooltip: all[i].question,
			Url: ptr("/d/" + all[i].uid()), Tags: []string{}, IncludeVars: true, KeepTime: true,
		})
	}
	return append(links, dashboard.DashboardLink{
		Title: "How to read this", Type: dashboard.DashboardLinkTypeLink, Icon: "doc", Tooltip: "What each panel answers",
		Url: ptr(docs + "dashboards.md#" + b.name), Tags: []string{}, TargetBlank: true,
	})
}

// dataSource is the variable that says which Prometheus to ask.
func dataSource() dashboard.VariableModel {
	v := dashboard.NewVariableModel()
	v.Type, v.Name, v.Label = dashboard.VariableTypeDatasource, "datasource", ptr("Prometheus")
	v.Query = &dashboard.StringOrMap{String: ptr("prometheus")}
	v.Refresh = ptr(dashboard.VariableRefreshOnDashboardLoad)
	v.Auto, v.AutoMin, v.AutoCount = nil, nil, nil
	return *v
}

func (v *variable) grafana() dashboard.VariableModel {
	to := dashboard.NewVariableModel()
	to.Type, to.Name, to.Label = dashboard.VariableTypeQuery, v.name, ptr(v.label)
	to.Datasource = prometheusRef()
	to.Query = &dashboard.StringOrMap{String: ptr(v.query)}
	to.Definition = ptr(v.query)
	to.Refresh = ptr(dashboard.VariableRefreshOnTimeRangeChanged)
	to.Sort = ptr(dashboard.VariableSortNaturalAsc)
	to.Auto, to.AutoMin, to.AutoCount = nil, nil, nil
	if !v.one {
		to.Multi, to.IncludeAll, to.AllValue = ptr(true), ptr(true), ptr(".*")
		all := func(s string) dashboard.StringOrArrayOfString {
			return dashboard.StringOrArrayOfString{ArrayOfString: []string{s}}
		}
		to.Current = &dashboard.VariableOption{Selected: ptr(true), Text: all("All"), Value: all("$__all")}
	}
	return *to
}

func prometheusRef() *common.DataSourceRef {
	return &common.DataSourceRef{Type: ptr("prometheus"), Uid: ptr(source)}
}

// grafana makes Grafana's description of a panel, without its place.
func (p *panel) grafana() *grafanaPanel {
	to := &grafanaPanel{Title: ptr(p.title), Description: ptr(p.description()), Datasource: prometheusRef()}
	to.FieldConfig = dashboard.NewFieldConfigSource()
	defaults := &to.FieldConfig.Defaults
	defaults.Unit = ptr(p.unit)
	defaults.Thresholds = thresholds(p.steps)
	defaults.Color = &dashboard.FieldColor{Mode: dashboard.FieldColorModeIdThresholds}
	defaults.Mappings = mappings(p.names)
	if p.empty != "" {
		defaults.NoValue = ptr("none")
	}
	if p.link != nil {
		defaults.Links = []dashboard.DashboardLink{{Title: p.link.title, Type: dashboard.DashboardLinkTypeLink, Url: ptr(p.link.url), Tags: []string{}}}
	}
	if p.runbook != "" {
		to.Links = []dashboard.DashboardLink{{
			Title: "What to do: " + p.runbook, Type: dashboard.DashboardLinkTypeLink, Url: ptr(runbook(p.runbook)), Tags: []string{}, TargetBlank: true,
		}}
	}
	if !p.view.instant() {
		to.MaxDataPoints = ptr(cmp.Or(p.points, 240))
	}
	p.view.apply(p, to)
	for _, name := range slices.Sorted(maps.Keys(p.colours)) {
		to.FieldConfig.Overrides = append(to.FieldConfig.Overrides, dashboard.DashboardFieldConfigSourceOverrides{
			Matcher:    dashboard.MatcherConfig{Id: "byName", Options: name},
			Properties: []dashboard.DynamicConfigValue{{Id: "color", Value: map[string]string{"mode": "fixed", "fixedColor": p.colours[name]}}},
		})
	}
	to.Targets = p.targets()
	return to
}

func (p *panel) description() string {
	if p.empty == "" {
		return p.question
	}
	return p.question + " Empty while " + p.empty + "."
}

func (p *panel) targets() []variants.Dataquery {
	var targets []variants.Dataquery
	for i, q := range p.queries {
		format := prometheus.PromQueryFormatTimeSeries
		switch p.view.(type) {
		case list, matrix:
			format = prometheus.PromQueryFormatTable
		case heat:
			format = prometheus.PromQueryFormatHeatmap
		}
		instant := p.view.instant()
		targets = append(targets, prometheus.Dataquery{
			Expr: q.expr, LegendFormat: ptr(cmp.Or(q.legend, "__auto")), RefId: ptr(string(rune('A' + i))), Format: &format,
			Instant: ptr(instant), Range: ptr(!instant), EditorMode: ptr(prometheus.QueryEditorModeCode), Datasource: prometheusRef(),
		})
	}
	return targets
}

func thresholds(steps []step) *dashboard.ThresholdsConfig {
	to := &dashboard.ThresholdsConfig{Mode: dashboard.ThresholdsModeAbsolute, Steps: []dashboard.Threshold{{Color: blue}}}
	for i, s := range steps {
		if i == 0 {
			to.Steps[0].Color = s.colour
			continue
		}
		to.Steps = append(to.Steps, dashboard.Threshold{Value: ptr(s.from), Color: s.colour})
	}
	return to
}

func mappings(names []name) []dashboard.ValueMapping {
	if len(names) == 0 {
		return nil
	}
	to := dashboard.NewValueMap()
	for i, n := range names {
		to.Options[n.value] = dashboard.ValueMappingResult{Text: ptr(n.text), Color: ptr(n.colour), Index: ptr(int32(i))}
	}
	return []dashboard.ValueMapping{{ValueMap: to}}
}

// runbook is the address of what to do about an alert.
func runbook(alert string) string { return fmt.Sprintf("%srunbooks/%s.md", docs, alert) }

// grid gives panels their places, line by line, and their ids.
type grid struct {
	x, y, height, id uint32
}

func (g *grid) nextID() uint32 {
	g.id++
	return g.id
}

func (g *grid) newLine() {
	g.x, g.y, g.height = 0, g.y+g.height, 0
}

func (g *grid) place(width, height uint32) dashboard.GridPos {
	if g.x+width > columns {
		g.newLine()
	}
	at := dashboard.GridPos{X: g.x, Y: g.y, W: width, H: height}
	g.x, g.height = g.x+width, max(g.height, height)
	return at
}
