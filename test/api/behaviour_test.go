// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package api_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/rand"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	"sigs.k8s.io/yaml"

	"github.com/netladder/netladder/api/v1alpha1"
)

// least is a check with nothing but what is required.
const least = `
apiVersion: netladder.io/v1alpha1
kind: ConnectivityCheck
metadata: {name: least, namespace: default}
spec:
  paths:
  - {name: mesh, from: {probers: {}}, to: {mesh: {}}, sampling: {}}
  - {name: service, from: {probers: {}}, to: {service: {name: a, port: 80}}, http: {}}
  - {name: dns, from: {probers: {}}, to: {dns: {name: a}}}
  - {name: api, from: {probers: {}}, to: {apiServer: {}}}
`

const leastDefaulted = `
interval: 10s
failureThreshold: 2
successThreshold: 1
severity: Warning
paths:
- {name: mesh, expect: Allow, from: {probers: {}}, to: {mesh: {scope: Any, protocols: [TCP]}}, sampling: {targetsPerSource: 3, sourcesPerNode: 2}}
- {name: service, expect: Allow, from: {probers: {}}, to: {service: {name: a, port: 80}}, http: {scheme: HTTP, path: /, method: GET}}
- {name: dns, expect: Allow, from: {probers: {}}, to: {dns: {name: a, type: A, transport: UDP}}}
- {name: api, expect: Allow, from: {probers: {}}, to: {apiServer: {}}}
`

func TestDefaults(t *testing.T) {
	t.Parallel()
	o := parse(t, least)
	if err := newClient(t).Create(t.Context(), o, client.DryRunAll); err != nil {
		t.Fatal(err)
	}
	var want map[string]any
	if err := yaml.Unmarshal([]byte(leastDefaulted), &want); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, normal(t, o.Object["spec"])); diff != "" {
		t.Errorf("what the server stores (-want +got):\n%s", diff)
	}
}

// TestDefaultsFromGo: a Go program that leaves a field at its zero value gets
// the default too.
func TestDefaultsFromGo(t *testing.T) {
	t.Parallel()
	check := &v1alpha1.ConnectivityCheck{
		ObjectMeta: metav1.ObjectMeta{Name: "least", Namespace: "default"},
		Spec: v1alpha1.ConnectivityCheckSpec{Paths: []v1alpha1.Path{
			{Name: "mesh", From: source(), To: v1alpha1.Target{Mesh: &v1alpha1.MeshTarget{}}, Sampling: &v1alpha1.Sampling{}},
			{
				Name: "service", From: source(), To: v1alpha1.Target{Service: &v1alpha1.ServiceTarget{Name: "a", Port: intstr.FromInt32(80)}},
				HTTP: &v1alpha1.HTTPLayer{},
			},
			{Name: "dns", From: source(), To: v1alpha1.Target{DNS: &v1alpha1.DNSTarget{Name: "a"}}},
			{Name: "api", From: source(), To: v1alpha1.Target{APIServer: &v1alpha1.APIServerTarget{}}},
		}},
	}
	if err := newClient(t).Create(t.Context(), check, client.DryRunAll); err != nil {
		t.Fatal(err)
	}
	var want v1alpha1.ConnectivityCheckSpec
	if err := yaml.Unmarshal([]byte(leastDefaulted), &want); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, check.Spec); diff != "" {
		t.Errorf("what the server stores (-want +got):\n%s", diff)
	}
}

func source() v1alpha1.Source { return v1alpha1.Source{Probers: &v1alpha1.ProbersSource{}} }

// TestAssignmentWithoutDefaults: the controller compares what it wants with
// what is stored, so the server must add nothing.
func TestAssignmentWithoutDefaults(t *testing.T) {
	t.Parallel()
	o := object(t, "assignment.yaml")
	want := normal(t, o.Object["spec"])
	if err := newClient(t).Create(t.Context(), o, client.DryRunAll); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, normal(t, o.Object["spec"])); diff != "" {
		t.Errorf("what the server stores (-want +got):\n%s", diff)
	}
}

// TestUnknownFields: kubectl refuses them; a client that does not ask for
// that is warned, and they are not stored.
func TestUnknownFields(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"spec.paths[0].from.namespaces", "spec.retries", "spec.paths[1].to.ingress", "spec.paths[1].to.service.endpoint"} {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			edit := set(path, map[string]any{})
			strict := parse(t, least)
			edit(strict.Object)
			err := newClient(t).Create(t.Context(), strict, client.DryRunAll)
			if want := `unknown field "` + path + `"`; !apierrors.IsBadRequest(err) || !strings.Contains(err.Error(), want) {
				t.Errorf("strict: got %v, want %s", err, want)
			}

			warned := &warnings{}
			config := rest.CopyConfig(apiServer)
			config.WarningHandler = warned
			lax := parse(t, least)
			edit(lax.Object)
			c := client.WithFieldValidation(clientOf(t, config), metav1.FieldValidationWarn)
			if err := c.Create(t.Context(), lax, client.DryRunAll); err != nil {
				t.Fatal(err)
			}
			if got := warned.all(); !strings.Contains(got, `unknown field "`+path+`"`) {
				t.Errorf("warnings: %q", got)
			}
			var field any = lax.Object
			for _, step := range steps(path) {
				field = child(field, step)
			}
			if field != nil {
				t.Errorf("the field is stored: %v", field)
			}
		})
	}
}

type warnings struct {
	mu   sync.Mutex
	text []string
}

func (w *warnings) HandleWarningHeader(_ int, _, text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.text = append(w.text, text)
}

func (w *warnings) all() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return strings.Join(w.text, "\n")
}

// TestRatcheting: an object that was stored before a rule existed can still
// be changed where the rule does not look.
func TestRatcheting(t *testing.T) {
	// A CRD that is being deleted cannot be made again at once.
	group := "ratcheting-" + rand.String(8) + ".example"
	strict := crd(t, "connectivitychecks")
	strict.Spec.Group, strict.Name = group, strict.Spec.Names.Plural+"."+group
	strict.Spec.Names.ShortNames, strict.Spec.Names.Categories = nil, nil
	loose := strict.DeepCopy()
	schema := loose.Spec.Versions[0].Schema.OpenAPIV3Schema
	*schema = apiextensionsv1.JSONSchemaProps{Type: "object", XPreserveUnknownFields: new(true)}
	install := func(c *apiextensionsv1.CustomResourceDefinition) {
		t.Helper()
		if _, err := envtest.InstallCRDs(apiServer, envtest.CRDInstallOptions{CRDs: []*apiextensionsv1.CustomResourceDefinition{c}}); err != nil {
			t.Fatal(err)
		}
	}
	install(loose)
	t.Cleanup(func() {
		if err := envtest.UninstallCRDs(apiServer, envtest.CRDInstallOptions{CRDs: []*apiextensionsv1.CustomResourceDefinition{strict}}); err != nil {
			t.Error(err)
		}
	})
	c := newClient(t)
	o := parse(t, least)
	o.SetAPIVersion(group + "/v1alpha1")
	both(set("spec.paths[0].name", "Old_Name"), set("spec.paths[1].to.service.port", "8080"), set("spec.severity", "Low"))(o.Object)
	eventually(t, func() error { return c.Create(t.Context(), o.DeepCopy()) })
	install(strict)

	probe := o.DeepCopy()
	probe.SetName("probe")
	eventually(t, func() error {
		if err := c.Create(t.Context(), probe.DeepCopy(), client.DryRunAll); err == nil || !strings.Contains(err.Error(), "supported values") {
			return fmt.Errorf("the strict schema is not served yet: %w", err)
		}
		return nil
	})
	patch := func(body string) error {
		return c.Patch(t.Context(), o.DeepCopy(), client.RawPatch("application/merge-patch+json", []byte(body)))
	}
	if err := patch(`{"spec":{"failureThreshold":3}}`); err != nil {
		t.Errorf("a field beside the old values cannot be changed: %v", err)
	}
	if err := patch(`{"metadata":{"labels":{"a":"b"}}}`); err != nil {
		t.Errorf("a label cannot be set: %v", err)
	}
	if err := patch(`{"spec":{"severity":"Lower"}}`); err == nil {
		t.Error("a new bad value is accepted")
	}
}

func parse(t *testing.T, text string) *unstructured.Unstructured {
	t.Helper()
	o := &unstructured.Unstructured{}
	if err := yaml.Unmarshal([]byte(text), &o.Object); err != nil {
		t.Fatal(err)
	}
	return o
}
