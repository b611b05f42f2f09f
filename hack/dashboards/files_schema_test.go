// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"go.yaml.in/yaml/v3"
)

// What ships is what this program writes.
func TestFilesAreCurrent(t *testing.T) {
	all := boards()
	for i := range all {
		want, err := all[i].json(all)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(want, read(t, filepath.Join(root, "config/grafana", all[i].name+".json"))) {
			t.Errorf("config/grafana/%s.json is stale: make generate", all[i].name)
		}
	}
	if !bytes.Equal(noData(all), read(t, filepath.Join(root, "config/grafana/no-data.yaml"))) {
		t.Error("config/grafana/no-data.yaml is stale: make generate")
	}
	if len(files(t)) != len(all) {
		t.Errorf("%d dashboards ship, of %d", len(files(t)), len(all))
	}
}

// Grafana's types know every field, find every value valid, and lose nothing.
func TestFilesFollowTheSchema(t *testing.T) {
	for _, f := range files(t) {
		if err := f.Validate(); err != nil {
			t.Errorf("%s: %v", f.name, err)
		}
		again, err := json.Marshal(f.Dashboard)
		if err != nil {
			t.Fatal(err)
		}
		// Grafana's types make no difference between an empty list and none.
		text := bytes.ReplaceAll(f.text, []byte(`"panels": []`), []byte(`"panels": null`))
		if !reflect.DeepEqual(object(t, again), object(t, text)) {
			t.Errorf("%s is another one after Grafana's types read it", f.name)
		}
	}
}

func TestStrictnessOfTheSchema(t *testing.T) {
	for _, f := range files(t) {
		for _, change := range [][2]string{
			{`"graphTooltip"`, `"graphToolTip"`}, {`"gridPos"`, `"gridpos"`}, {`"expr"`, `"expression"`}, {`"showHeader"`, `"showHeaders"`},
		} {
			broken := bytes.Replace(f.text, []byte(change[0]), []byte(change[1]), 1)
			if bytes.Equal(broken, f.text) {
				continue
			}
			if err := new(dashboard.Dashboard).UnmarshalJSONStrict(broken); err == nil {
				t.Errorf("%s: with %s it is still taken", f.name, change[1])
			}
		}
	}
}

func TestIdentity(t *testing.T) {
	uids := map[string]string{}
	for _, f := range files(t) {
		if want := "netladder-" + strings.TrimSuffix(f.name, ".json"); *f.Uid != want {
			t.Errorf("%s has the uid %s", f.name, *f.Uid)
		}
		if other, taken := uids[*f.Uid]; taken {
			t.Errorf("%s and %s have one uid", f.name, other)
		}
		uids[*f.Uid] = f.name
		if n := len(*f.Uid); n > 40 {
			t.Errorf("%s: a uid has 40 characters at most, not %d", f.name, n)
		}
		if f.Id != nil {
			t.Errorf("%s has an id, which belongs to one Grafana", f.name)
		}
		ids, titles := map[uint32]bool{}, map[string]bool{}
		for _, p := range f.Panels {
			id, title := identity(p)
			if id == 0 || ids[id] {
				t.Errorf("%s: panel %q has the id %d of another", f.name, title, id)
			}
			if titles[title] {
				t.Errorf("%s: two panels are called %q", f.name, title)
			}
			ids[id], titles[title] = true, true
		}
	}
}

// identity of a panel or a heading.
func identity(p dashboard.PanelOrRowPanel) (id uint32, title string) {
	if p.Panel != nil {
		return *p.Panel.Id, *p.Panel.Title
	}
	return p.RowPanel.Id, *p.RowPanel.Title
}

// Every panel says what it answers and has a unit, a data source that the user
// chose, and a place of its own.
func TestPanels(t *testing.T) {
	for _, f := range files(t) {
		taken := map[[2]uint32]string{}
		place := func(title string, at *dashboard.GridPos) {
			if at.W == 0 || at.H == 0 || at.X+at.W > columns {
				t.Errorf("%s: panel %q is at %+v", f.name, title, *at)
			}
			for x := at.X; x < at.X+at.W; x++ {
				for y := at.Y; y < at.Y+at.H; y++ {
					if other, there := taken[[2]uint32{x, y}]; there {
						t.Fatalf("%s: panels %q and %q overlap", f.name, title, other)
					}
					taken[[2]uint32{x, y}] = title
				}
			}
		}
		for _, p := range f.Panels {
			if p.RowPanel != nil {
				place(*p.RowPanel.Title, p.RowPanel.GridPos)
				continue
			}
			title := *p.Panel.Title
			place(title, p.Panel.GridPos)
			if d := *p.Panel.Description; !strings.HasSuffix(d, ".") && !strings.HasSuffix(d, "?") {
				t.Errorf("%s: panel %q says %q", f.name, title, d)
			}
			if unit := *p.Panel.FieldConfig.Defaults.Unit; !slices.Contains(units(), unit) {
				t.Errorf("%s: panel %q has the unit %q", f.name, title, unit)
			}
			if len(p.Panel.Targets) == 0 {
				t.Errorf("%s: panel %q asks for nothing", f.name, title)
			}
			if *p.Panel.Datasource.Uid != source || *p.Panel.Datasource.Type != "prometheus" {
				t.Errorf("%s: panel %q asks %v", f.name, title, *p.Panel.Datasource)
			}
		}
	}
}

// units that panels use: the ids of Grafana's own list.
func units() []string {
	return []string{"none", "s", "bytes", "percentunit", "cps", "wps", "dtdurations"}
}

var (
	// variablePattern finds $name and ${name…}.
	variablePattern = regexp.MustCompile(`\$\{?([a-zA-Z_]+)`)
	// builtIn are Grafana's own variables, as far as they are used here.
	builtIn = []string{"__all", "__rate_interval", "__range", "__data", "__url_time_range"}
)

// Every variable that is used is defined or Grafana's own, and all that are
// defined are used.
func TestVariables(t *testing.T) {
	for _, f := range files(t) {
		defined, used := map[string]bool{}, map[string]bool{}
		for _, v := range f.Templating.List {
			defined[v.Name] = true
			if v.Name != "datasource" && *v.Datasource.Uid != source {
				t.Errorf("%s: variable %s asks %s", f.name, v.Name, *v.Datasource.Uid)
			}
		}
		for _, found := range variablePattern.FindAllSubmatch(f.text, -1) {
			name := string(found[1])
			used[name] = true
			if !defined[name] && !slices.Contains(builtIn, name) {
				t.Errorf("%s: variable %s is not defined", f.name, name)
			}
		}
		for name := range defined {
			if !used[name] {
				t.Errorf("%s: variable %s is not used", f.name, name)
			}
		}
	}
}

var linkPattern = regexp.MustCompile(`"url": "([^"]*)"`)

// Every link leads to a dashboard that ships and takes what it is given, or to
// a page that exists.
func TestLinks(t *testing.T) {
	alerts, all := alertNames(t), files(t)
	for _, f := range all {
		for _, found := range linkPattern.FindAllSubmatch(f.text, -1) {
			url := string(found[1])
			if page, isPage := strings.CutPrefix(url, docs); isPage {
				checkPage(t, f.name, page, alerts)
				continue
			}
			checkDashboard(t, all, f.name, url)
		}
	}
}

// The alerts lead to dashboards that know what they are given.
func TestAlertsLeadToDashboards(t *testing.T) {
	all := files(t)
	for _, r := range rules(t) {
		if r.Alert != "" {
			checkDashboard(t, all, r.Alert, r.Annotations["dashboard"])
		}
	}
}

// checkDashboard wants the dashboard of a link to exist, with its variables.
func checkDashboard(t *testing.T, all []file, from, url string) {
	t.Helper()
	uid, query, _ := strings.Cut(strings.TrimPrefix(url, "/d/"), "?")
	at := slices.IndexFunc(all, func(f file) bool { return *f.Uid == uid })
	if at < 0 || !strings.HasPrefix(url, "/d/") {
		t.Errorf("%s: a link leads to %q", from, url)
		return
	}
	for _, parameter := range strings.Split(query, "&") {
		name, isVariable := strings.CutPrefix(strings.SplitN(parameter, "=", 2)[0], "var-")
		if isVariable && !slices.ContainsFunc(all[at].Templating.List, func(v dashboard.VariableModel) bool { return v.Name == name }) {
			t.Errorf("%s: a link gives %s a variable %s", from, uid, name)
		}
	}
}

// checkPage wants a page of docs to exist, of alerts where it is to be chosen.
func checkPage(t *testing.T, file, page string, alerts []string) {
	t.Helper()
	pages := []string{page}
	if strings.Contains(page, "$") {
		pages = nil
		for _, alert := range alerts {
			pages = append(pages, "runbooks/"+alert+".md")
		}
	}
	for _, page := range pages {
		name, anchor, _ := strings.Cut(page, "#")
		text, err := os.ReadFile(filepath.Join(root, "docs", name))
		if err != nil {
			t.Errorf("%s: a link leads to a page that is not there: %v", file, err)
		}
		if anchor != "" && !bytes.Contains(text, []byte("\n## "+anchor+"\n")) {
			t.Errorf("%s: %s has no section %s", file, name, anchor)
		}
	}
}

// Every panel that is said to show nothing rightly exists.
func TestNoData(t *testing.T) {
	var listed []struct{ Dashboard, Panel, Reason string }
	if err := yaml.Unmarshal(read(t, filepath.Join(root, "config/grafana/no-data.yaml")), &listed); err != nil {
		t.Fatal(err)
	}
	for _, f := range files(t) {
		for _, p := range f.panels() {
			at := slices.IndexFunc(listed, func(l struct{ Dashboard, Panel, Reason string }) bool {
				return l.Dashboard == *f.Uid && l.Panel == *p.Title
			})
			_, because, empty := strings.Cut(*p.Description, " Empty while ")
			switch {
			case empty != (at >= 0):
				t.Errorf("%s: panel %q: no-data.yaml and its description do not agree", f.name, *p.Title)
			case empty && listed[at].Reason+"." != because:
				t.Errorf("%s: panel %q: %q and %q", f.name, *p.Title, listed[at].Reason, because)
			}
			if at >= 0 {
				listed = slices.Delete(listed, at, at+1)
			}
		}
	}
	if len(listed) > 0 {
		t.Errorf("no-data.yaml has panels that do not exist: %v", listed)
	}
}
