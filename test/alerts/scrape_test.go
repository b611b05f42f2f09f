// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package alerts

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/netladder/netladder/controllers/workload"
)

// job is what the scrape of one role is to be, however it is configured.
type job struct {
	HTTPS, Token, HonorLabels, Node bool
	// Component is whose pods are scraped.
	Component string
}

// jobs by the label that they add. The controller does not get a node: some of its
// series have one, and it is whom they are about.
func jobs() map[string]job {
	return map[string]job{
		"netladder-controller": {HTTPS: true, Token: true, HonorLabels: true, Component: "controller"},
		"netladder-prober":     {Node: true, Component: workload.ComponentProber},
		"netladder-echo":       {Node: true, Component: workload.ComponentEcho},
	}
}

type relabeling struct {
	Source      []string `json:"sourceLabels,omitempty"`
	Target      string   `json:"targetLabel,omitempty"`
	Replacement string   `json:"replacement,omitempty"`
}

// TestMonitors: what the operator is told to scrape.
func TestMonitors(t *testing.T) {
	type endpoint struct {
		Port        string         `json:"port"`
		Scheme      string         `json:"scheme"`
		Token       string         `json:"bearerTokenFile"`
		TLS         map[string]any `json:"tlsConfig"`
		HonorLabels bool           `json:"honorLabels"`
		Relabelings []relabeling   `json:"relabelings"`
	}
	type monitor struct {
		Kind     string         `json:"kind"`
		Metadata map[string]any `json:"metadata"`
		API      string         `json:"apiVersion"`
		Spec     struct {
			Selector struct {
				Labels map[string]string `json:"matchLabels"`
			} `json:"selector"`
			Endpoints    []endpoint `json:"endpoints"`
			PodEndpoints []endpoint `json:"podMetricsEndpoints"`
		} `json:"spec"`
	}
	got := map[string]job{}
	for document := range strings.SplitSeq(text(t, "config", "prometheus", "monitors.yaml"), "\n---\n") {
		m := parse[monitor](t, document)
		endpoints := slices.Concat(m.Spec.Endpoints, m.Spec.PodEndpoints)
		if len(endpoints) != 1 || endpoints[0].Port != "metrics" || (len(m.Spec.Endpoints) == 1) != (m.Kind == "ServiceMonitor") {
			t.Fatalf("%s: %+v", m.Kind, m.Spec)
		}
		e := endpoints[0]
		j := job{HTTPS: e.Scheme == "https", Token: e.Token != "", HonorLabels: e.HonorLabels, Component: m.Spec.Selector.Labels["app.kubernetes.io/component"]}
		name := ""
		for _, r := range e.Relabelings {
			switch r.Target {
			case "job":
				name = r.Replacement
			case "node":
				j.Node = slices.Equal(r.Source, []string{"__meta_kubernetes_pod_node_name"})
			}
		}
		got[name] = j
		if m.Kind == "PodMonitor" {
			for key, value := range workload.Labels(j.Component) {
				if v, ok := m.Spec.Selector.Labels[key]; ok && v != value {
					t.Errorf("%s selects %s=%s, the pods have %s", name, key, v, value)
				}
			}
		}
	}
	compare(t, got)
}

// TestScrape: the same without the operator. Debian's promtool is built without the
// discovery of Kubernetes, so that it looks at all but that.
func TestScrape(t *testing.T) {
	source := text(t, "config", "prometheus", "scrape.yaml")
	file := parse[map[string][]map[string]any](t, source)
	got := map[string]job{}
	for _, c := range (*file)["scrape_configs"] {
		if _, ok := c["kubernetes_sd_configs"]; !ok {
			t.Errorf("%v finds nothing", c["job_name"])
		}
		delete(c, "kubernetes_sd_configs")
		j := job{HTTPS: c["scheme"] == "https", Token: c["authorization"] != nil, HonorLabels: c["honor_labels"] == true}
		list, _ := c["relabel_configs"].([]any)
		for _, each := range list {
			r, _ := each.(map[string]any)
			if regex, _ := r["regex"].(string); r["action"] == "keep" {
				parts := strings.Split(regex, ";")
				if len(parts) != 3 || parts[0] != "netladder" || parts[2] != "metrics" {
					t.Errorf("%v keeps %s", c["job_name"], regex)
					continue
				}
				j.Component = parts[1]
			}
			j.Node = j.Node || r["target_label"] == "node"
		}
		name, _ := c["job_name"].(string)
		got[name] = j
	}
	compare(t, got)
	rest, err := yaml.Marshal(file)
	if err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(t.TempDir(), "prometheus.yml")
	if err := os.WriteFile(config, rest, 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), tool(t, "promtool"), "check", "config", "--syntax-only", config).CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

func compare(t *testing.T, got map[string]job) {
	t.Helper()
	want := jobs()
	for name := range want {
		if got[name] != want[name] {
			t.Errorf("%s is scraped as %+v, want %+v", name, got[name], want[name])
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d jobs, want %d", len(got), len(want))
	}
}
