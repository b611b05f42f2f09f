// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package chart_test

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/netladder/netladder/test/chart"
)

// TestEveryValueIsUsed: to change any value changes something.
func TestEveryValueIsUsed(t *testing.T) {
	path, err := chart.Everything()
	if err != nil {
		t.Fatal(err)
	}
	everything, defaults := readYAML(t, path), readYAML(t, mustPath(t, "charts", "netladder", "values.yaml"))
	whole, err := chart.Render("-f", path)
	if err != nil {
		t.Fatal(err)
	}
	before := text(t, whole)
	for _, value := range leaves("", defaults) {
		was, ok := lookup(everything, value)
		if !ok {
			t.Errorf("%s is not in testdata/everything.yaml", value)
			continue
		}
		if off := off(value); off != "" {
			after, err := chart.Render("-f", path, "--set-json", off)
			if err != nil {
				t.Errorf("%s: %v", value, err)
			} else if text(t, after) == before {
				t.Errorf("%s (%v) changes nothing", value, was)
			}
			continue
		}
		def, _ := lookup(defaults, value)
		if cmp.Equal(was, def) {
			t.Errorf("%s is its default in testdata/everything.yaml", value)
		}
		change, err := json.Marshal(def)
		if err != nil {
			t.Fatal(err)
		}
		arguments := []string{"-f", path, "--set-json", value + "=" + string(change)}
		if value == "image.tag" { // the digest wins
			arguments = append(arguments, "--set", "image.digest=")
			without, err := chart.Render("-f", path, "--set", "image.digest=")
			if err != nil {
				t.Fatal(err)
			}
			if after, err := chart.Render(arguments...); err != nil || text(t, after) == text(t, without) {
				t.Errorf("%s changes nothing: %v", value, err)
			}
			continue
		}
		if m, ok := def.(map[string]any); ok && len(m) == 0 {
			arguments = []string{"-f", emptied(t, everything, value)}
		}
		after, err := chart.Render(arguments...)
		if err != nil {
			t.Errorf("%s: %v", value, err)
			continue
		}
		if text(t, after) == before {
			t.Errorf("%s (%v) changes nothing", value, was)
		}
	}
}

// off turns a switch around; empty for what is none.
func off(value string) string {
	for _, name := range []string{".enabled", ".users", ".upgrade"} {
		if strings.HasSuffix(value, name) {
			if value == "controller.podDisruptionBudget.enabled" {
				return value + "=true"
			}
			return value + "=false"
		}
	}
	return ""
}

// TestSchemaRefuses what would silently do nothing, or break later.
func TestSchemaRefuses(t *testing.T) {
	for set, want := range map[string]string{
		"metrics.scrapers[0].kind=ServiceAccount,metrics.scrapers[0].name=x": "missing property 'namespace'",

		"levels=Full":                        "additional properties 'levels' not allowed",
		"level=full":                         "value must be one of 'Restricted', 'Full'",
		"image.digest=latest":                "does not match pattern",
		"image.repository=":                  "minLength",
		"image.pullSecrets[0].name=x":        "want string",
		"prober.resources.limits.cpu=1":      "additional properties 'cpu' not allowed",
		"prober.resources.limits.memory=1x":  "does not match pattern",
		"controller.podLabels.a=1":           "want string",
		"controller.replicas=-1":             "minimum",
		"controller.extraArgs[0]=audit":      "does not match pattern",
		"audit=true":                         "value must be one of 'Auto', 'On', 'Off'",
		"budgets.target=-1":                  "minimum",
		"checks.clusterNetwork.interval=10":  "string",
		"checks.clusterNetwork.severity=Low": "value must be one of",
		"pods.tolerations[0].efect=x":        "additional properties 'efect' not allowed",
	} {
		_, err := chart.Render("--set", set)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("--set %s: %v, want %q", set, err, want)
		}
	}
}

// TestSchemaIsClosed: no object of the schema takes what it does not know, but
// those that are Kubernetes' own.
func TestSchemaIsClosed(t *testing.T) {
	text, err := os.ReadFile(mustPath(t, "charts", "netladder", "values.schema.json"))
	if err != nil {
		t.Fatal(err)
	}
	var schema map[string]any
	if err := json.Unmarshal(text, &schema); err != nil {
		t.Fatal(err)
	}
	var walk func(path string, schema map[string]any)
	walk = func(path string, schema map[string]any) {
		properties, ok := schema["properties"].(map[string]any)
		if ok && schema["additionalProperties"] != false {
			t.Errorf("%s is open", path)
		}
		for name, p := range properties {
			walk(path+"."+name, p.(map[string]any))
		}
		if items, ok := schema["items"].(map[string]any); ok {
			walk(path+"[]", items)
		}
	}
	walk("", schema)
	for _, value := range leaves("", readYAML(t, mustPath(t, "charts", "netladder", "values.yaml"))) {
		at := schema
		for _, name := range strings.Split(value, ".") {
			properties, _ := at["properties"].(map[string]any)
			if at, _ = properties[name].(map[string]any); at == nil {
				t.Errorf("%s is not in the schema", value)
				break
			}
		}
	}
}

// TestDocumented: every value has a comment, from which the README is made.
func TestDocumented(t *testing.T) {
	readme, err := os.ReadFile(mustPath(t, "charts", "netladder", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, value := range leaves("", readYAML(t, mustPath(t, "charts", "netladder", "values.yaml"))) {
		row := ""
		for line := range strings.Lines(string(readme)) {
			if strings.HasPrefix(line, "| "+value+" |") {
				row = line
			}
		}
		if columns := strings.Split(row, "|"); len(columns) < 5 || strings.TrimSpace(columns[4]) == "" {
			t.Errorf("the README does not say what %s is: %q", value, row)
		}
	}
}

func readYAML(t *testing.T, path string) map[string]any {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var out map[string]any
	if err := yaml.UnmarshalStrict(text, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// leaves are the paths of the values that can be set: what is free inside, such
// as labels and a container's resources, is one.
func leaves(prefix string, values map[string]any) (out []string) {
	for _, name := range slices.Sorted(maps.Keys(values)) {
		path := strings.TrimPrefix(prefix+"."+name, ".")
		inner, ok := values[name].(map[string]any)
		if !ok || len(inner) == 0 || name == "resources" || name == "labels" || name == "annotations" {
			out = append(out, path)
			continue
		}
		out = append(out, leaves(path, inner)...)
	}
	return out
}

func lookup(values map[string]any, path string) (any, bool) {
	return unstructuredField(values, strings.Split(path, "."))
}

func unstructuredField(values map[string]any, path []string) (any, bool) {
	value, ok := values[path[0]]
	if !ok || len(path) == 1 {
		return value, ok
	}
	inner, ok := value.(map[string]any)
	if !ok {
		return nil, false
	}
	return unstructuredField(inner, path[1:])
}

// emptied writes the values without one of them: to set an object to {} would
// only add nothing to it.
func emptied(t *testing.T, values map[string]any, path string) string {
	t.Helper()
	text, err := yaml.Marshal(values)
	if err != nil {
		t.Fatal(err)
	}
	var without map[string]any
	if err := yaml.Unmarshal(text, &without); err != nil {
		t.Fatal(err)
	}
	unstructured.RemoveNestedField(without, strings.Split(path, ".")...)
	if text, err = yaml.Marshal(without); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "values.yaml")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func text(t *testing.T, objects []*unstructured.Unstructured) string {
	t.Helper()
	out, err := yaml.Marshal(objects)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}
