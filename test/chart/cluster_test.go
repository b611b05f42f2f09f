// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package chart_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/netladder/netladder/test/chart"
)

// TestNoKeyTwice: labels that somebody sets and the chart has too, as those of an
// organization, and selectors that say what the chart does, leave YAML that
// kustomize, and so Flux's and Helm's post-renderers, can read.
func TestNoKeyTwice(t *testing.T) {
	path := filepath.Join(t.TempDir(), "values.yaml")
	values := `
commonLabels: {app.kubernetes.io/name: ours, app.kubernetes.io/component: ours, app.kubernetes.io/part-of: ours, team: network}
commonAnnotations: {team: network}
controller:
  podLabels: {app.kubernetes.io/name: ours, team: network}
  nodeSelector: {kubernetes.io/os: linux, pool: infrastructure}
metrics:
  dashboards: {enabled: true, labels: {app.kubernetes.io/name: ours, app.kubernetes.io/part-of: ours}}
`
	if err := os.WriteFile(path, []byte(values), 0o600); err != nil {
		t.Fatal(err)
	}
	rendered, err := chart.Run("helm", "template", "netladder", mustPath(t, "charts", "netladder"), "--namespace", chart.Namespace, "--is-upgrade", "-f", path)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range strings.Split(string(rendered), "\n---\n") {
		var object map[string]any
		if err := yaml.UnmarshalStrict([]byte(text), &object); err != nil {
			t.Errorf("%v\n%.300s", err, text)
		}
	}
	objects, hooks := render(t, "-f", path)
	for kind, o := range map[string]*unstructured.Unstructured{
		"Deployment": objects["Deployment "+chart.Namespace+" netladder-controller"], "Job": hooks["Job "+chart.Namespace+" netladder-crds-upgrade"],
	} {
		pod, _, err := unstructured.NestedStringMap(o.Object, "spec", "template", "metadata", "labels")
		nodes, _, _ := unstructured.NestedStringMap(o.Object, "spec", "template", "spec", "nodeSelector")
		if err != nil || pod["app.kubernetes.io/name"] != "netladder" || pod["team"] != "network" || nodes["kubernetes.io/os"] != "linux" || nodes["pool"] != "infrastructure" {
			t.Errorf("%s: labels %v, nodeSelector %v: %v", kind, pod, nodes, err)
		}
		if labels := o.GetLabels(); labels["app.kubernetes.io/name"] != "netladder" || labels["team"] != "network" {
			t.Errorf("%s: labels %v", kind, labels)
		}
	}
}

// TestDefaultDeny: a policy that denies everything to the pods of the namespace
// stops neither the controller nor the Job, which talk to the API server.
func TestDefaultDeny(t *testing.T) {
	objects, hooks := render(t)
	for name, o := range map[string]*unstructured.Unstructured{
		"controller": objects["NetworkPolicy "+chart.Namespace+" netladder-controller"],
		"Job":        hooks["NetworkPolicy "+chart.Namespace+" netladder-crds-upgrade"],
	} {
		if o == nil {
			t.Errorf("the %s has no NetworkPolicy", name)
			continue
		}
		types, _, _ := unstructured.NestedStringSlice(o.Object, "spec", "policyTypes")
		egress, _, err := unstructured.NestedSlice(o.Object, "spec", "egress")
		if err != nil || !slices.Contains(types, "Egress") || len(egress) != 1 || len(egress[0].(map[string]any)) != 0 {
			t.Errorf("the policy of the %s, of types %v, admits the egress %v: %v", name, types, egress, err)
		}
	}
	if t.Failed() {
		return
	}
	selects, _, _ := unstructured.NestedStringMap(hooks["NetworkPolicy "+chart.Namespace+" netladder-crds-upgrade"].Object, "spec", "podSelector", "matchLabels")
	pod, _, err := unstructured.NestedStringMap(hooks["Job "+chart.Namespace+" netladder-crds-upgrade"].Object, "spec", "template", "metadata", "labels")
	for key, value := range selects {
		if pod[key] != value {
			t.Errorf("the policy selects %v, and the Job's pod has %v: %v", selects, pod, err)
		}
	}
	if _, hooks := render(t, "--set", "networkPolicy.enabled=false"); hooks["NetworkPolicy "+chart.Namespace+" netladder-crds-upgrade"] != nil {
		t.Error("networkPolicy.enabled=false leaves the Job's policy")
	}
}
