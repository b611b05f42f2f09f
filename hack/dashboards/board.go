// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package main

// board describes one dashboard.
type board struct {
	// name of its file; its uid is "netladder-" and the name.
	name string
	// title as Grafana lists it.
	title string
	// question that it answers, in one sentence.
	question string
	// variables that its panels use, in the order in which they are shown.
	variables []variable
	rows      []row
}

func (b *board) uid() string { return "netladder-" + b.name }

// row of panels under a heading.
type row struct {
	title  string
	panels []panel
}

// panel describes what one panel answers, and how it is drawn. Panels of a row
// stand side by side as far as the 24 columns of the grid go.
type panel struct {
	title string
	// question that it answers, in a sentence or two: the panel's description.
	question string
	// empty says when the panel rightly shows nothing, to follow "Empty while ";
	// "" if it always shows something.
	empty string
	// unit of the values, as Grafana names it.
	unit          string
	width, height uint32
	queries       []query
	view          view
	// steps of value from which on another colour is used.
	steps []step
	// names that values have.
	names []name
	// colours of series by the name in their legend.
	colours map[string]string
	// link of what is shown.
	link *link
	// runbook of the alert that goes with the panel.
	runbook string
	// points in time at most that a query asks for; 0 for 240. Those over all
	// probers take a number of their own: they read much at each.
	points float64
}

// query in PromQL, and how its series are called in the legend.
type query struct{ expr, legend string }

// step is a colour for values from one on; the first of a list has no from.
type step struct {
	from   float64
	colour string
}

// name of a value.
type name struct {
	value, text, colour string
}

// link to somewhere else; the URL may use Grafana's variables.
type link struct{ title, url string }

// view is a way to draw a panel; see views.go.
type view interface {
	// instant is true if only the last value counts.
	instant() bool
	apply(p *panel, to *grafanaPanel)
}

// variable that the user of a dashboard chooses.
type variable struct {
	name, label string
	// query for its values; "" for the data source.
	query string
	// one is true if exactly one value is chosen, and not any number of them.
	one bool
}
