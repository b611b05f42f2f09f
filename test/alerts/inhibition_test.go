// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package alerts

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// configuration writes what docs/alerting.md tells to write: routes, and behind
// them the inhibitions.
func configuration(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "alertmanager.yml")
	whole := text(t, "config", "prometheus", "alertmanager.yaml") + text(t, "config", "prometheus", "inhibition.yaml")
	whole = strings.NewReplacer("http://pager.example.com", "http://127.0.0.1:9", "http://channel.example.com", "http://127.0.0.1:9").Replace(whole)
	if err := os.WriteFile(file, []byte(whole), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// TestConfiguration: Alertmanager takes it, and it is about alerts that exist.
func TestConfiguration(t *testing.T) {
	if out, err := exec.CommandContext(t.Context(), tool(t, "amtool"), "check-config", configuration(t)).CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
	names := rules(t).names()
	file := parse[struct {
		Rules []struct {
			Source []string `json:"source_matchers"`
			Target []string `json:"target_matchers"`
			Equal  []string `json:"equal"`
		} `json:"inhibit_rules"`
	}](t, text(t, "config", "prometheus", "inhibition.yaml"))
	alertname := regexp.MustCompile(`^alertname=~?"(.*)"$`)
	for _, r := range file.Rules {
		for _, m := range slices.Concat(r.Source, r.Target) {
			found := alertname.FindStringSubmatch(m)
			if found == nil || found[1] == "Netladder.+" {
				continue
			}
			for name := range strings.SplitSeq(found[1], "|") {
				if !slices.Contains(names, name) {
					t.Errorf("%s: there is no alert %s", m, name)
				}
			}
		}
		if !slices.Contains(r.Equal, "cluster") {
			t.Errorf("%v inhibits in other clusters too", r.Source)
		}
	}
}

type labels map[string]string

func alert(name string, pairs ...string) labels {
	out := labels{"alertname": "Netladder" + name, "severity": "critical"}
	for i := 0; i+1 < len(pairs); i += 2 {
		out[pairs[i]] = pairs[i+1]
	}
	return out
}

// TestInhibition: of what a real Alertmanager is told, what it keeps to itself.
func TestInhibition(t *testing.T) {
	failing := alert("PathFailing", "check_namespace", "shop", "check", "orders", "path", "db", "rung", "Overlay")
	burning := alert("ErrorBudgetBurn", "check_namespace", "shop", "check", "orders", "path", "db", "burn", "fast")
	with := func(l labels, pairs ...string) labels {
		l = maps.Clone(l)
		for i := 0; i+1 < len(pairs); i += 2 {
			l[pairs[i]] = pairs[i+1]
		}
		return l
	}
	breach := with(failing, "alertname", "NetladderSegmentationBreach")
	overlay := alert("OverlayBroken", "rung", "Overlay", "object", "node2", "node", "node2")
	isolated := alert("NodeIsolated", "node", "node2")
	ways := alert("UnderlayBroken", "rung", "Underlay", "object", "pairs of nodes")
	cases := map[string]struct {
		source, target labels
		told           bool
	}{
		"the overlay, and a path":                   {overlay, failing, false},
		"of lower severity than the path":           {with(overlay, "severity", "warning"), failing, false},
		"the overlay, and a path on another rung":   {overlay, with(failing, "rung", "Policy"), true},
		"the overlay, and a path not explained":     {overlay, with(failing, "rung", ""), true},
		"MTU, and a path":                           {alert("MTUBlackHole", "rung", "MTU", "object", "node2"), with(failing, "rung", "MTU"), false},
		"DNS, and a path":                           {alert("DNSFailing", "rung", "DNS"), with(failing, "rung", "DNS"), false},
		"DNS, and a slow one":                       {alert("DNSFailing", "rung", "DNS"), alert("DNSSlow", "severity", "warning"), false},
		"a node, and a path by its way":             {isolated, with(failing, "rung", "Underlay"), false},
		"a node, and a path by itself":              {isolated, with(failing, "rung", "Node"), false},
		"a node, and a path by another cause":       {isolated, with(failing, "rung", "Application"), true},
		"ways between nodes, and a path":            {ways, with(failing, "rung", "Underlay"), false},
		"ways between nodes, and a path by a node":  {ways, with(failing, "rung", "Node"), true},
		"a node, and ways between others":           {isolated, ways, true},
		"a node, and its overlay":                   {isolated, overlay, false},
		"a node, and the overlay of another":        {isolated, with(overlay, "node", "node3"), true},
		"a node, and its silence":                   {isolated, alert("ResultsStale", "node", "node2"), false},
		"a node, and its prober":                    {isolated, alert("ProberMissing", "node", "node2"), false},
		"a node, and the prober of another":         {isolated, alert("ProberMissing", "node", "node3"), true},
		"no prober, and its silence":                {alert("ProberMissing", "node", "node2"), alert("ResultsStale", "node", "node2"), false},
		"a path, and its budget":                    {failing, burning, false},
		"an open path, and its budget":              {breach, burning, false},
		"a path, and the budget of another":         {failing, with(burning, "path", "web"), true},
		"fast, and slow":                            {burning, with(burning, "burn", "slow", "severity", "warning"), false},
		"critical, and the same as warning":         {alert("CertificateExpiring", "path", "db"), alert("CertificateExpiring", "path", "db", "severity", "warning"), false},
		"critical, and a warning about another":     {alert("CertificateExpiring", "path", "db"), alert("CertificateExpiring", "path", "web", "severity", "warning"), true},
		"no controller, and no leader":              {alert("ControllerDown"), alert("NoLeader"), false},
		"no prober at all, and one of them":         {alert("NothingMeasured"), alert("ResultsStale", "node", "node2", "severity", "warning"), false},
		"no prober at all, and one that is missing": {alert("NothingMeasured"), alert("ProberMissing", "node", "node2", "severity", "warning"), false},
		"no prober at all, and that none can write": {alert("NothingMeasured"), alert("ReportErrors", "severity", "warning"), true},
		"no leader, and no prober at all":           {alert("NoLeader"), alert("NothingMeasured"), false},
		"no controller, and no prober at all":       {alert("ControllerDown"), alert("NothingMeasured"), false},
		"no leader, and silence":                    {alert("NoLeader"), alert("ResultsStale", "node", "node2", "severity", "warning"), false},
		"a leader that is not scraped, and silence": {alert("NoLeader", "severity", "warning"), alert("ResultsStale", "node", "node2", "severity", "warning"), false},
		"a leader that is not scraped, and a path":  {alert("NoLeader", "severity", "warning"), failing, true},
		"a breach beside a broken overlay":          {overlay, breach, true},
		"a breach beside a path":                    {failing, breach, true},
		"a breach beside a node without policies":   {alert("PolicyNotEnforced", "node", "node2", "rung", "Policy"), with(breach, "rung", "Policy"), true},
		"a breach beside a node that is cut off":    {isolated, breach, true},
		"a path beside a node without policies":     {alert("PolicyNotEnforced", "node", "node2", "rung", "Policy"), with(failing, "rung", "Policy"), true},
		"somebody else's alerts are left alone":     {overlay, labels{"alertname": "Watchdog", "severity": "warning", "rung": "Overlay"}, true},
		"somebody else's alert inhibits none of it": {labels{"alertname": "Other", "severity": "critical"}, alert("DNSSlow", "severity", "warning"), true},
	}
	url := startAlertmanager(t)
	var all []map[string]labels
	for name, c := range cases {
		all = append(all, map[string]labels{"labels": with(c.source, "cluster", name)}, map[string]labels{"labels": with(c.target, "cluster", name)})
	}
	// In another cluster nothing is inhibited; without such a label all is one.
	all = append(all, map[string]labels{"labels": with(alert("DNSFailing", "rung", "DNS"), "cluster", "left")}, map[string]labels{"labels": with(alert("DNSSlow"), "cluster", "right")},
		map[string]labels{"labels": with(isolated, "node", "alone")}, map[string]labels{"labels": alert("ProberMissing", "node", "alone")})
	post(t, url, all)
	deadline := time.Now().Add(30 * time.Second)
	for {
		wrong := judge(t, url, func(l labels) (want, known bool) {
			c, ok := cases[l["cluster"]]
			switch {
			case ok && same(l, with(c.target, "cluster", l["cluster"])):
				return !c.told, true
			case l["alertname"] == "NetladderProberMissing" && l["cluster"] == "":
				return true, true
			}
			return false, true // sources, and those that stand alone
		}, len(all))
		if wrong == "" {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(wrong)
		}
		select {
		case <-t.Context().Done():
			t.Fatal(wrong)
		case <-time.After(50 * time.Millisecond): // what it is told it takes in by itself
		}
	}
}

// same compares labels; one that is empty is none.
func same(a, b labels) bool {
	empty := func(_, v string) bool { return v == "" }
	a, b = maps.Clone(a), maps.Clone(b)
	maps.DeleteFunc(a, empty)
	maps.DeleteFunc(b, empty)
	return maps.Equal(a, b)
}

// judge returns what is not as wanted among all the alerts; empty if nothing.
func judge(t *testing.T, url string, want func(labels) (inhibited, known bool), n int) string {
	t.Helper()
	resp, err := http.Get(url + "/api/v2/alerts") //nolint:noctx // the server ends with the test
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }() // it was only read
	var got []struct {
		Labels labels `json:"labels"`
		Status struct {
			InhibitedBy []string `json:"inhibitedBy"`
		} `json:"status"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&got); err != nil {
		t.Fatal(err)
	}
	if len(got) != n {
		return fmt.Sprintf("%d alerts, want %d", len(got), n)
	}
	var wrong []string
	for _, a := range got {
		inhibited, known := want(a.Labels)
		if is := len(a.Status.InhibitedBy) > 0; known && is != inhibited {
			wrong = append(wrong, fmt.Sprintf("%s: %v is inhibited: %v, want %v", a.Labels["cluster"], a.Labels, is, inhibited))
		}
	}
	slices.Sort(wrong)
	return strings.Join(wrong, "\n")
}

func post(t *testing.T, url string, alerts any) {
	t.Helper()
	body, err := json.Marshal(alerts)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.Post(url+"/api/v2/alerts", "application/json", bytes.NewReader(body)) //nolint:noctx // the server ends with the test
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }() // it was only read
	if resp.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(resp.Body)
		t.Fatalf("%s: %s", resp.Status, text)
	}
}

// startAlertmanager returns the URL of one that ends with the test and tells nobody.
func startAlertmanager(t *testing.T) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), tool(t, "prometheus-alertmanager"), "--config.file="+configuration(t), "--storage.path="+t.TempDir(),
		"--web.listen-address=127.0.0.1:0", "--cluster.listen-address=")
	log, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	address := make(chan string, 1)
	done := make(chan struct{})
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-done
		_ = cmd.Wait()
	})
	go func() {
		defer close(done)
		listening := regexp.MustCompile(`address=(127\.0\.0\.1:[0-9]+)`)
		lines, last := bufio.NewScanner(log), ""
		for lines.Scan() {
			last = lines.Text()
			if m := listening.FindStringSubmatch(last); m != nil {
				select {
				case address <- "http://" + m[1]:
				default:
				}
			}
		}
		select {
		case address <- "ended: " + last:
		default:
		}
	}()
	select {
	case url := <-address:
		if !strings.HasPrefix(url, "http://") {
			t.Fatal("Alertmanager ", url)
		}
		return url
	case <-time.After(time.Minute):
		t.Fatal("Alertmanager does not listen")
		return ""
	}
}
