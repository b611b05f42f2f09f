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
	"testing"

	"sigs.k8s.io/yaml"
)

// equivalent are the ways to break a rule that change nothing, and why.
var equivalent = map[string]string{
	`8 NetladderDNSFailing: without matcher 0, rung="DNS", `: "no other rung has these reasons",
}

// TestEveryBreakIsSeen breaks each rule in each of some ways, and wants a test of
// promtool's to fail for it. It takes long, so it has to be asked for: make
// alert-proof.
func TestEveryBreakIsSeen(t *testing.T) {
	if os.Getenv("NETLADDER_ALERT_PROOF") == "" {
		t.Skip("takes minutes; make alert-proof runs it")
	}
	promtool, files, whole := tool(t, "promtool"), tests(t), text(t, "config", "prometheus", "rules.yaml")
	folder := t.TempDir()
	if err := os.CopyFS(filepath.Join(folder, "tests"), os.DirFS(path(t, "config", "prometheus", "tests"))); err != nil {
		t.Fatal(err)
	}
	all, seen := rules(t).all(), 0
	write := func(file *ruleFile) {
		source, err := yaml.Marshal(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(folder, "rules.yaml"), source, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(rules(t))
	if red := firstRed(t, promtool, folder, slices.Sorted(maps.Keys(files))); red != "" {
		t.Fatalf("%s fails without any break", red)
	}
	for i := range all {
		broken := breaks(&all[i])
		for _, how := range slices.Sorted(maps.Keys(broken)) {
			name := fmt.Sprintf("%d %s%s: %s", i, all[i].Alert, all[i].Record, how)
			if reason := equivalent[name]; reason != "" || !strings.Contains(name, os.Getenv("NETLADDER_ALERT_PROOF_OF")) {
				continue
			}
			file := parse[ruleFile](t, whole)
			replace(file, i, broken[how])
			write(file)
			if red := firstRed(t, promtool, folder, order(files, all[i].Alert)); red == "" {
				t.Errorf("nothing fails: %s", name)
			} else {
				seen++
				t.Logf("%s: seen by %s", name, red)
			}
		}
	}
	t.Logf("%d breaks are seen", seen)
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

// order has the files that are about the alert first; for a recording rule all.
func order(files map[string]*testFile, alert string) []string {
	var own, others []string
	for _, name := range slices.Sorted(maps.Keys(files)) {
		switch about := strings.HasPrefix(name, "Netladder"); {
		case about && alert != "" && (name == alert+".yaml" || name == alert+"-long.yaml"):
			own = append(own, name)
		case !about || alert == "":
			others = append(others, name)
		}
	}
	return append(own, others...)
}

// firstRed is the first file whose tests fail.
func firstRed(t *testing.T, promtool, folder string, files []string) string {
	t.Helper()
	for _, name := range files {
		cmd := exec.CommandContext(t.Context(), promtool, "test", "rules", name)
		cmd.Dir = filepath.Join(folder, "tests")
		if cmd.Run() != nil {
			return name
		}
	}
	return ""
}

var (
	// matched is one matcher with the comma that parts it from the next or the last.
	matched  = regexp.MustCompile(`, ?[a-z_]+(?:=~|!~|!=|=)"[^"]*"|[a-z_]+(?:=~|!~|!=|=)"[^"]*"(?:, ?)?`)
	compared = regexp.MustCompile(` (<|>|==) `)
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
	with("at once", func(c *rule) { c.For = "0s" })
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
