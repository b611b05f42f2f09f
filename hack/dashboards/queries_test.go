// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"regexp"
	"testing"
)

// Every query asks only for metrics and labels that exist, and none draws a
// series for each node, pair or path of a cluster that grows.
func TestQueries(t *testing.T) {
	all := newCatalogue(t)
	for _, f := range files(t) {
		for _, p := range f.panels() {
			t.Run(f.name+"/"+*p.Title, func(t *testing.T) {
				for _, expr := range expressions(t, p) {
					s := all.shape(t, parse(t, expr))
					// On the dashboard of one check, paths are at most 64.
					if *f.Uid == "netladder-check" {
						delete(s.labels, "check_namespace")
						delete(s.labels, "check")
						delete(s.labels, "path")
					}
					if s.grows() {
						t.Errorf("nothing bounds %s", expr)
					}
				}
			})
		}
	}
}

func TestBounds(t *testing.T) {
	all := newCatalogue(t)
	for expr, grows := range map[string]bool{
		`up`:                           true,
		`sum(up)`:                      false,
		`sum by (node) (up)`:           true,
		`topk(10, sum by (node) (up))`: false,
		`topk(1000, up)`:               true,
		`topk by (node) (10, up)`:      true,
		`netladder_failing_pair`:       false,
		`netladder_policy_findings`:    true,
		`up and on (node) topk(5, up)`: true,
		`max by (node) (up) and on (node) topk(5, up)`: false,
		`max by (node) (up) or topk(5, up)`:            true,
		`time() - netladder_prober_assigned_pairs`:     true,
	} {
		if got := all.shape(t, parse(t, expr)).grows(); got != grows {
			t.Errorf("%s: grows is %v", expr, got)
		}
	}
}

var labelValues = regexp.MustCompile(`^label_values\((.+), ([a-z_]+)\)$`)

// Variables take their values from labels that exist.
func TestVariableQueries(t *testing.T) {
	all := newCatalogue(t)
	for _, f := range files(t) {
		for _, v := range f.Templating.List {
			if v.Name == "datasource" {
				continue
			}
			m := labelValues.FindStringSubmatch(*v.Query.String)
			if m == nil {
				t.Errorf("%s: variable %s asks %s", f.name, v.Name, *v.Query.String)
				continue
			}
			if !all.shape(t, parse(t, m[1])).labels[m[2]] {
				t.Errorf("%s: variable %s: %s has no label %s", f.name, v.Name, m[1], m[2])
			}
		}
	}
}
