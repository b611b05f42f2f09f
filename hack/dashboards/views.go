// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"github.com/grafana/grafana-foundation-sdk/go/bargauge"
	"github.com/grafana/grafana-foundation-sdk/go/common"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/heatmap"
	"github.com/grafana/grafana-foundation-sdk/go/stat"
	"github.com/grafana/grafana-foundation-sdk/go/statetimeline"
	"github.com/grafana/grafana-foundation-sdk/go/table"
	"github.com/grafana/grafana-foundation-sdk/go/timeseries"
)

// grafanaPanel is Grafana's own description of a panel.
type grafanaPanel = dashboard.Panel

// number shows the last value of each series, large.
type number struct {
	// names is true where what the series is called matters too.
	names bool
}

func (number) instant() bool { return true }

func (v number) apply(_ *panel, to *grafanaPanel) {
	options := stat.NewOptions()
	options.GraphMode = common.BigValueGraphModeNone
	options.ColorMode = common.BigValueColorModeBackground
	options.ReduceOptions.Calcs = []string{"lastNotNull"}
	options.Orientation = common.VizOrientationAuto
	if v.names {
		options.TextMode = common.BigValueTextModeValueAndName
	}
	to.Type, to.Options = "stat", options
}

// bars compare the last values of some series, the largest first.
type bars struct{}

func (bars) instant() bool { return true }

func (bars) apply(_ *panel, to *grafanaPanel) {
	options := bargauge.NewOptions()
	options.Orientation = common.VizOrientationHorizontal
	options.DisplayMode = common.BarGaugeDisplayModeBasic
	options.ReduceOptions.Calcs = []string{"lastNotNull"}
	to.Type, to.Options = "bargauge", options
	to.FieldConfig.Defaults.Min = new(float64)
}

// lines are values over time; stacked where they are parts of a whole.
type lines struct{ stacked bool }

func (lines) instant() bool { return false }

func (v lines) apply(_ *panel, to *grafanaPanel) {
	options := timeseries.NewOptions()
	options.Legend.ShowLegend = true
	options.Tooltip.Mode = common.TooltipDisplayModeMulti
	options.Tooltip.Sort = common.SortOrderDescending
	to.Type, to.Options = "timeseries", options
	custom := timeseries.NewFieldConfig()
	custom.ShowPoints = ptr(common.VisibilityModeNever)
	custom.FillOpacity = ptr(10.0)
	custom.AxisSoftMin = ptr(0.0)
	if v.stacked {
		custom.FillOpacity = ptr(40.0)
		custom.Stacking = &common.StackingConfig{Mode: ptr(common.StackingModeNormal), Group: ptr("A")}
	}
	to.FieldConfig.Defaults.Custom = custom
	to.FieldConfig.Defaults.Color = &dashboard.FieldColor{Mode: dashboard.FieldColorModeIdPaletteClassicByName}
}

// timeline shows which of its named values each series had when.
type timeline struct{}

func (timeline) instant() bool { return false }

func (timeline) apply(_ *panel, to *grafanaPanel) {
	options := statetimeline.NewOptions()
	options.ShowValue = common.VisibilityModeNever
	options.Legend.ShowLegend = true
	options.Legend.DisplayMode = common.LegendDisplayModeList
	options.Legend.Placement = common.LegendPlacementBottom
	to.Type, to.Options = "state-timeline", options
	to.FieldConfig.Defaults.Custom = statetimeline.NewFieldConfig()
}

// heat is a histogram over time; its queries give buckets.
type heat struct{}

func (heat) instant() bool { return false }

func (heat) apply(p *panel, to *grafanaPanel) {
	options := heatmap.NewOptions()
	options.YAxis.Unit = ptr(p.unit)
	options.YAxis.AxisPlacement = ptr(common.AxisPlacementLeft)
	options.Color.Mode = ptr(heatmap.HeatmapColorModeScheme)
	options.CellValues = &heatmap.CellValues{Unit: ptr("cps")}
	to.Type, to.Options = "heatmap", options
	to.FieldConfig.Defaults.Custom = heatmap.NewFieldConfig()
}

// list is a table with a row for each series.
type list struct {
	columns []column
	// sort by the title of this column; descending where desc is true.
	sort string
	desc bool
}

// tableOptions are without a footer: what is nothing must not be there.
func tableOptions() *table.Options {
	options := table.NewOptions()
	options.Footer = nil
	return options
}

// column of a list: a label, or "Value".
type column struct {
	label, title string
	// width in pixels; 0 shares what the others leave.
	width float64
	// unit of the column's values, where it is another than the panel's.
	unit string
	link *link
}

func (list) instant() bool { return true }

func (v list) apply(_ *panel, to *grafanaPanel) {
	options := tableOptions()
	if v.sort != "" {
		options.SortBy = []common.TableSortByFieldState{{DisplayName: v.sort, Desc: ptr(v.desc)}}
	}
	to.Type, to.Options = "table", options
	to.FieldConfig.Defaults.Custom = table.NewFieldConfig()
	order := map[string]int{}
	for i, c := range v.columns {
		order[c.label] = i
		to.FieldConfig.Overrides = append(to.FieldConfig.Overrides, dashboard.DashboardFieldConfigSourceOverrides{
			Matcher: dashboard.MatcherConfig{Id: "byName", Options: c.label}, Properties: c.properties(),
		})
	}
	to.Transformations = []dashboard.DataTransformerConfig{{Id: "organize", Options: map[string]any{
		"excludeByName": map[string]bool{"Time": true}, "indexByName": order, "renameByName": map[string]string{},
	}}}
}

func (c *column) properties() []dashboard.DynamicConfigValue {
	properties := []dashboard.DynamicConfigValue{{Id: "displayName", Value: c.title}}
	if c.unit != "" {
		properties = append(properties, dashboard.DynamicConfigValue{Id: "unit", Value: c.unit})
	}
	if c.width > 0 {
		properties = append(properties, dashboard.DynamicConfigValue{Id: "custom.width", Value: c.width})
	}
	if c.link != nil {
		properties = append(properties, dashboard.DynamicConfigValue{Id: "links", Value: []map[string]string{{"title": c.link.title, "url": c.link.url}}})
	}
	return properties
}

// matrix is a table of one label against another; its cells are coloured.
type matrix struct{ row, column string }

func (matrix) instant() bool { return true }

func (v matrix) apply(_ *panel, to *grafanaPanel) {
	to.Type, to.Options = "table", tableOptions()
	custom := table.NewFieldConfig()
	custom.CellOptions = &common.TableCellOptions{TableColoredBackgroundCellOptions: &common.TableColoredBackgroundCellOptions{
		Type: common.TableCellDisplayModeColorBackground, Mode: ptr(common.TableCellBackgroundDisplayModeBasic),
	}}
	to.FieldConfig.Defaults.Custom = custom
	to.Transformations = []dashboard.DataTransformerConfig{{Id: "groupingToMatrix", Options: map[string]string{
		"rowField": v.row, "columnField": v.column, "valueField": "Value",
	}}}
}

func ptr[T any](v T) *T { return &v }
