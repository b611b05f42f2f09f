// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package alerts

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"sigs.k8s.io/yaml"
)

// equivalent are the ways to break a rule that change nothing, and why.
var equivalent = map[string]string{
	`5 netladder:rung_severity:rank: without matcher 1, severity="Warning"`: "critical paths are on the left of or with the same labels",
	`18 NetladderDNSFailing: without matcher 0, rung="DNS", `:               "no other rung has these reasons",
}

// TestEveryBreakIsSeen breaks each rule in each of some ways, and wants a test of
// promtool's to fail for it. It takes long, so it has to be asked for: make
// alert-proof.
func TestEveryBreakIsSeen(t *testing.T) {
	if os.Getenv("NETLADDER_ALERT_PROOF") == "" {
		t.Skip("takes minutes; make alert-proof runs it")
	}
	of, all, seen := os.Getenv("NETLADDER_ALERT_PROOF_OF"), rules(t).all(), atomic.Int32{}
	t.Run("whole", func(t *testing.T) {
		if red := firstRed(t, rules(t), slices.Sorted(maps.Keys(tests(t)))); red != "" {
			t.Fatalf("%s fails without any break", red)
		}
	})
	t.Run("broken", func(t *testing.T) {
		for _, b := range everyBreak(all) {
			if equivalent[b.name] != "" || !strings.Contains(b.name, of) {
				continue
			}
			t.Run(b.name, func(t *testing.T) {
				t.Parallel()
				file := rules(t)
				replace(file, b.at, b.rule)
				red := firstRed(t, file, watching(t, all, b.at))
				if red == "" {
					t.Fatalf("nothing fails: %s", b.name)
				}
				seen.Add(1)
				t.Logf("%s: seen by %s", b.name, red)
			})
		}
	})
	t.Logf("%d breaks are seen", seen.Load())
}

// TestEquivalent: what is left out is a break that there is.
func TestEquivalent(t *testing.T) {
	every := everyBreak(rules(t).all())
	for name := range equivalent {
		if !slices.ContainsFunc(every, func(b broken) bool { return b.name == name }) {
			t.Errorf("%s is no break", name)
		}
	}
}

// broken is a rule that was broken, and its place among all.
type broken struct {
	name string
	at   int
	rule *rule
}

// everyBreak of each rule.
func everyBreak(all []rule) []broken {
	var out []broken
	for i := range all {
		ways := breaks(&all[i])
		for _, how := range slices.Sorted(maps.Keys(ways)) {
			out = append(out, broken{name: fmt.Sprintf("%d %s%s: %s", i, all[i].Alert, all[i].Record, how), at: i, rule: ways[how]})
		}
	}
	return out
}

// replace the i-th rule of all groups.
func replace(file *ruleFile, i int, by *rule) {
	for g := range file.Groups {
		if n := len(file.Groups[g].Rules); i >= n {
			i -= n
			continue
		}
		file.Groups[g].Rules[i] = *by
		return
	}
}

// watching are the files that can see a break of the i-th rule: those that name it
// or what is computed from it, and those that are about all alerts. Those that are
// about itself come first.
func watching(t *testing.T, all []rule, i int) []string {
	t.Helper()
	self := map[string]bool{all[i].Alert + all[i].Record: true}
	about := maps.Clone(self)
	for grown := true; grown; {
		grown = false
		for j := range all {
			name := all[j].Alert + all[j].Record
			if !about[name] && mentions(fmt.Sprintln(all[j].Expr, all[j].Annotations), about) {
				about[name], grown = true, true
			}
		}
	}
	var own, others []string
	for _, name := range slices.Sorted(maps.Keys(tests(t))) {
		alert, _, _ := strings.Cut(strings.TrimSuffix(name, ".yaml"), "-")
		switch source := text(t, "config", "prometheus", "tests", name); {
		case alert == all[i].Alert, all[i].Record != "" && mentions(source, self):
			own = append([]string{name}, own...) // The quick one first.
		case mentions(source, about), strings.Contains(source, "ALERTS{alertstate"):
			others = append(others, name)
		}
	}
	return append(own, others...)
}

// mentions says whether one of the names is in the text, as a whole.
func mentions(text string, names map[string]bool) bool {
	return slices.ContainsFunc(named.FindAllString(text, -1), func(name string) bool { return names[name] })
}

// firstRed is the first file whose tests fail with these rules.
func firstRed(t *testing.T, file *ruleFile, names []string) string {
	t.Helper()
	source, err := yaml.Marshal(file)
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "rules.yaml"), source, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(filepath.Join(folder, "tests"), os.DirFS(path(t, "config", "prometheus", "tests"))); err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		cmd := exec.CommandContext(t.Context(), tool(t, "promtool"), "test", "rules", name)
		cmd.Dir = filepath.Join(folder, "tests")
		if cmd.Run() != nil {
			return name
		}
	}
	return ""
}

var (
	// named is the name of an alert or a record.
	named = regexp.MustCompile(`netladder:[a-z0-9_:]+|Netladder[A-Za-z]+`)
	// matched is one matcher with the comma that parts it from the next or the last.
	matched  = regexp.MustCompile(`, ?[a-z_]+(?:=~|!~|!=|=)"[^"]*"|[a-z_]+(?:=~|!~|!=|=)"[^"]*"(?:, ?)?`)
	compared = regexp.MustCompile(`\s(<|>|==) `)
	flipped  = map[string]string{"<": ">=", ">": "<=", "==": "!="}
)

// breaks are ways to break a rule.
func breaks(r *rule) map[string]*rule {
	out := map[string]*rule{}
	with := func(how string, change func(*rule)) {
		c := *r
		c.Labels, c.Annotations = maps.Clone(r.Labels), maps.Clone(r.Annotations)
		change(&c)
		out[how] = &c
	}
	for n, at := range matched.FindAllStringIndex(r.Expr, -1) {
		with(fmt.Sprintf("without matcher %d, %s", n, r.Expr[at[0]:at[1]]), func(c *rule) { c.Expr = r.Expr[:at[0]] + r.Expr[at[1]:] })
	}
	for n, at := range compared.FindAllStringSubmatchIndex(r.Expr, -1) {
		is := r.Expr[at[2]:at[3]]
		with(fmt.Sprintf("comparison %d, %s is %s", n, is, flipped[is]), func(c *rule) { c.Expr = r.Expr[:at[2]] + flipped[is] + r.Expr[at[3]:] })
	}
	with("never", func(c *rule) { c.Expr = "(" + r.Expr + ") and on () (vector(0) == 1)" })
	if r.Alert == "" {
		return out
	}
	if r.For != "0s" {
		with("at once", func(c *rule) { c.For = "0s" })
	}
	with("an hour later", func(c *rule) { c.For = "2h" })
	if r.KeepFiringFor != "" {
		with("resolved at once", func(c *rule) { c.KeepFiringFor = "" })
	}
	with("severity", func(c *rule) { c.Labels["severity"] = "none" })
	if d := r.Annotations["description"]; strings.Contains(d, "message") {
		with("without the sentence", func(c *rule) {
			c.Annotations["description"] = strings.ReplaceAll(d, `label "message"`, `label "reason"`)
		})
	}
	return out
}
