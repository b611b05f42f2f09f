// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package api_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/netladder/netladder/api/v1alpha1"
)

var plurals = []string{"connectivitychecks", "probeassignments", "networkpolicyaudits"}

// TestSchemaIsExplained: what `kubectl explain` shows is described, and what
// can be stored is bounded.
func TestSchemaIsExplained(t *testing.T) {
	t.Parallel()
	for _, plural := range plurals {
		t.Run(plural, func(t *testing.T) {
			t.Parallel()
			explain(t, "", crd(t, plural).Spec.Versions[0].Schema.OpenAPIV3Schema)
		})
	}
}

// TestLongColumnsComeLast: what may be long pushes nothing out of sight that is
// short, such as the age.
func TestLongColumnsComeLast(t *testing.T) {
	t.Parallel()
	for _, plural := range plurals {
		long := ""
		for _, c := range crd(t, plural).Spec.Versions[0].AdditionalPrinterColumns {
			switch {
			case c.Type == "string" && c.Priority > 0:
				long = c.Name
			case long != "":
				t.Errorf("%s: the column %s stands behind %s", plural, c.Name, long)
			}
		}
	}
}

func explain(t *testing.T, path string, s *apiextensionsv1.JSONSchemaProps) {
	t.Helper()
	if foreign.MatchString(path) {
		return
	}
	if s.Description == "" && !strings.HasSuffix(path, "[]") {
		t.Errorf("%s has no description", path)
	}
	if s.XPreserveUnknownFields != nil || s.AdditionalProperties != nil && !strings.Contains(path, "Selector") {
		t.Errorf("%s accepts anything", path)
	}
	if s.Type == "array" && (s.XListType == nil || s.MaxItems == nil) {
		t.Errorf("the list %s has no list type or no maxItems", path)
	}
	if s.Type == "string" && s.MaxLength == nil && len(s.Enum) == 0 && s.Pattern == "" {
		t.Errorf("the string %s is not bounded", path)
	}
	if s.Type == "integer" && s.Minimum == nil {
		t.Errorf("the number %s has no minimum", path)
	}
	for _, rule := range s.XValidations {
		if rule.Message == "" {
			t.Errorf("a rule of %s has no message: %s", path, rule.Rule)
		}
	}
	for name := range s.Properties {
		property := s.Properties[name]
		explain(t, join(path, name), &property)
	}
	if s.Items != nil {
		explain(t, path+"[]", s.Items.Schema)
	}
}

// TestStored stores objects whose every field is at an extreme and reads them
// as informers do: a list of typed objects.
func TestStored(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	for file, edits := range map[string][]func(map[string]any){
		"check.yaml": {
			set("status.conditions[0].lastTransitionTime", "2199-12-31T23:59:59.999999999+23:59"),
			set("status.paths[0].lastTransitionTime", "1900-01-01T00:00:00Z"),
			set("status.paths[0].coverage.fullAfter", "999999h59m999.999999999ms"),
			set("status.paths[0].coverage.possiblePairs", int64(1<<63-1)),
		},
		"assignment.yaml": {
			set("status.heartbeat", "2199-12-31T23:59:59Z"),
			set("status.notPassing[0].since", "1900-01-01T00:00:00Z"),
			set("status.notPassing[0].evidence", "\x00\u202e\uffff"),
			set("status.groups[0].p99Microseconds", 3.6e9),
			set("status.cut", 1e8),
		},
		"audit.yaml": {
			set("status.conditions[0].lastTransitionTime", "2199-12-31T23:59:59.999999999+23:59"),
			set("status.findings[0].since", "1900-01-01T00:00:00Z"),
			set("status.findings[0].message", "\x00\u202e\uffff"),
			set("status.cut", 1e8),
		},
	} {
		o := object(t, file)
		both(edits...)(o.Object)
		status := o.Object["status"]
		o.SetName(uniqueName(t, o.GetKind()))
		if err := c.Create(t.Context(), o); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { remove(t, c, o) })
		o.Object["status"] = status
		if err := c.Status().Update(t.Context(), o); err != nil {
			t.Fatal(err)
		}
	}
	for _, list := range []client.ObjectList{&v1alpha1.ConnectivityCheckList{}, &v1alpha1.ProbeAssignmentList{}, &v1alpha1.NetworkPolicyAuditList{}} {
		if err := c.List(t.Context(), list); err != nil {
			t.Errorf("%T: %v", list, err)
		}
	}
}

// TestGuide holds docs/checks.md to what the server does: its examples are
// accepted, and every message that a person can get is in it.
func TestGuide(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile(repositoryFile(t, "docs", "checks.md"))
	if err != nil {
		t.Fatal(err)
	}
	guide := string(data)
	c := newClient(t)
	examples := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(guide, -1)
	if len(examples) < 3 {
		t.Errorf("%d examples, want at least 3", len(examples))
	}
	for _, example := range examples {
		o := &unstructured.Unstructured{}
		if err := yaml.Unmarshal([]byte(example[1]), &o.Object); err != nil {
			t.Fatalf("%v in\n%s", err, example[1])
		}
		o.SetNamespace("default")
		if err := c.Create(t.Context(), o, client.DryRunAll); err != nil {
			t.Errorf("%v in\n%s", err, example[1])
		}
	}
	schema := crd(t, "connectivitychecks").Spec.Versions[0].Schema.OpenAPIV3Schema
	for _, l := range limits("", schema) {
		if l.name == "rule" && !strings.HasPrefix(l.path, "status") && !strings.Contains(guide, l.message) {
			t.Errorf("the message of %s is not in docs/checks.md: %s", l.path, l.message)
		}
	}
	for _, path := range fields("spec", new(schema.Properties["spec"])) {
		name := strings.TrimSuffix(path[strings.LastIndex(path, ".")+1:], "[]")
		if !strings.Contains(guide, name+"`") {
			t.Errorf("the field %s is not in docs/checks.md", path)
		}
	}
}
