// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package crd_test

import (
	"bytes"
	"os"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/config/crd"
	"github.com/netladder/netladder/test/builders"
	"github.com/netladder/netladder/test/envtest"
)

func TestEmbedded(t *testing.T) {
	all, err := crd.All()
	if err != nil {
		t.Fatal(err)
	}
	files, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, f := range files {
		if strings.HasPrefix(f.Name(), v1alpha1.GroupVersion.Group) {
			n++
		}
	}
	if len(all) != n || n < 3 {
		t.Errorf("%d CRDs are embedded, %d files are here", len(all), n)
	}
}

// TestUpgrade: CRDs of an older version become those of this one, and what is
// stored stays.
func TestUpgrade(t *testing.T) {
	server, err := envtest.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Stop(); err != nil {
			t.Error(err)
		}
	})
	c, err := client.New(server.Config, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := v1alpha1.AddToScheme(c.Scheme()); err != nil {
		t.Fatal(err)
	}
	check := builders.MakeCheck("kept").Namespace("default").Path("dns", builders.ToDNS("kubernetes")).Obj()
	if err := c.Create(t.Context(), check); err != nil {
		t.Fatal(err)
	}
	key := client.ObjectKey{Name: "connectivitychecks.netladder.io"}
	old := get(t, c, key)
	versions, _, err := unstructured.NestedSlice(old.Object, "spec", "versions")
	if err != nil {
		t.Fatal(err)
	}
	version := versions[0].(map[string]any)
	unstructured.RemoveNestedField(version, "schema", "openAPIV3Schema", "properties", "spec", "properties", "severity")
	version["additionalPrinterColumns"] = []any{}
	if err := unstructured.SetNestedSlice(old.Object, versions, "spec", "versions"); err != nil {
		t.Fatal(err)
	}
	if err := c.Update(t.Context(), old, client.FieldOwner("kubectl")); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	for range 2 { // the second changes nothing
		if err := crd.Apply(t.Context(), server.Config, crd.ApplyOptions{FieldManager: "helm", Timeout: time.Minute}, &out); err != nil {
			t.Fatal(err)
		}
	}
	if n := strings.Count(out.String(), "is applied and established"); n != 6 {
		t.Errorf("it says:\n%s", out.String())
	}
	now := get(t, c, key)
	if now.GetUID() != old.GetUID() {
		t.Error("the CRD was made anew, so nothing that was stored is left")
	}
	versions, _, _ = unstructured.NestedSlice(now.Object, "spec", "versions")
	version = versions[0].(map[string]any)
	if _, ok, _ := unstructured.NestedMap(version, "schema", "openAPIV3Schema", "properties", "spec", "properties", "severity"); !ok {
		t.Error("a field of this version is not there")
	}
	if columns, _ := version["additionalPrinterColumns"].([]any); len(columns) == 0 {
		t.Error("the columns of this version are not there")
	}
	if err := c.Get(t.Context(), client.ObjectKeyFromObject(check), check); err != nil {
		t.Errorf("the check that was stored: %v", err)
	}
}

func get(t *testing.T, c client.Client, key client.ObjectKey) *unstructured.Unstructured {
	t.Helper()
	object := &unstructured.Unstructured{}
	object.SetGroupVersionKind(schema.GroupVersionKind{Group: "apiextensions.k8s.io", Version: "v1", Kind: "CustomResourceDefinition"})
	if err := c.Get(t.Context(), key, object); err != nil {
		t.Fatal(err)
	}
	return object
}
