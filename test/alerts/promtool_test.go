// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package alerts

import (
	"maps"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/common/model"
)

// TestPromtool runs the tests of config/prometheus/tests.
func TestPromtool(t *testing.T) {
	promtool, folder := tool(t, "promtool"), path(t, "config", "prometheus", "tests")
	for _, name := range slices.Sorted(maps.Keys(tests(t))) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cmd := exec.CommandContext(t.Context(), promtool, "test", "rules", name)
			cmd.Dir = folder
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%v: %s", err, out)
			}
		})
	}
}

// TestEveryAlertIsTested: it fires, it does not fire, it is resolved.
func TestEveryAlertIsTested(t *testing.T) {
	files := tests(t)
	for _, alert := range rules(t).names() {
		cases, fires, quiet, resolved := 0, 0, 0, 0
		for _, name := range slices.Sorted(maps.Keys(files)) {
			for i := range files[name].Tests {
				switch is := seen(t, &files[name].Tests[i], alert); {
				case is == "":
					continue
				case strings.Contains(is, "+-"):
					resolved++
					fallthrough
				case strings.Contains(is, "+"):
					fires++
				default:
					quiet++
				}
				cases++
			}
		}
		if cases < 3 || fires == 0 || quiet == 0 || resolved == 0 {
			t.Errorf("%s has %d cases: fires in %d, is resolved in %d, does not fire in %d; each is wanted, and three in all", alert, cases, fires, resolved, quiet)
		}
	}
}

// seen is what a case expects of an alert over time: + while it fires, - while it
// does not.
func seen(t *testing.T, c *testCase, alert string) string {
	t.Helper()
	at := map[model.Duration]string{}
	for i := range c.Alerts {
		a := &c.Alerts[i]
		if a.Name != alert {
			continue
		}
		d, err := model.ParseDuration(a.Time)
		if err != nil {
			t.Fatal(err)
		}
		at[d] = "-"
		if len(a.Want) > 0 {
			at[d] = "+"
		}
	}
	var out strings.Builder
	for _, d := range slices.Sorted(maps.Keys(at)) {
		out.WriteString(at[d])
	}
	return out.String()
}

// TestSentence: the text of an alert about a path or a cause is the diagnosis,
// and something useful where there is none.
func TestSentence(t *testing.T) {
	files := tests(t)
	for _, alert := range []string{
		"NetladderPathFailing", "NetladderSegmentationBreach", "NetladderNodeIsolated", "NetladderUnderlayBroken", "NetladderOverlayBroken",
		"NetladderMTUBlackHole", "NetladderDNSFailing",
	} {
		carried, fallback := false, false
		for i := range files[alert+".yaml"].Tests {
			c := &files[alert+".yaml"].Tests[i]
			message := ""
			for _, s := range c.Series {
				if _, rest, found := strings.Cut(s.Series, `message="`); found {
					message, _, _ = strings.Cut(rest, `"`)
				}
			}
			for j := range c.Alerts {
				for _, want := range c.Alerts[j].Want {
					description := want.Annotations["description"]
					carried = carried || message != "" && strings.Contains(description, message)
					fallback = fallback || message == "" && strings.Contains(description, "kubectl ")
				}
			}
		}
		if !carried || !fallback {
			t.Errorf("%s: a case with the sentence of the diagnosis %v, one without that says what to do %v", alert, carried, fallback)
		}
	}
}

// TestOrder: within a test, rules that are computed from others come after them.
func TestOrder(t *testing.T) {
	var names []string
	file := rules(t)
	for i := range file.Groups {
		names = append(names, file.Groups[i].Name)
	}
	for name, file := range tests(t) {
		if !slices.Equal(file.Order, names) {
			t.Errorf("%s: group_eval_order %v, want that of rules.yaml, %v", name, file.Order, names)
		}
	}
}
