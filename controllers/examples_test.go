// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/netladder/netladder/test/envtest"
)

// TestExamplesAreAccepted offers every object of docs/examples to the API
// server, and holds the folders to what their README says of them: their
// namespaces are nobody else's, so that deleting an example deletes no more.
func TestExamplesAreAccepted(t *testing.T) {
	h := newCluster(t)
	pattern, err := envtest.Path("docs", "examples", "*", "*.yaml")
	must(t, err)
	files, err := filepath.Glob(pattern)
	must(t, err)
	readme, err := os.ReadFile(filepath.Join(filepath.Dir(filepath.Dir(pattern)), "README.md"))
	must(t, err)
	owner := map[string]string{} // of a namespace
	for _, file := range files {
		folder := filepath.Base(filepath.Dir(file))
		if !bytes.Contains(readme, []byte("## "+folder+"\n")) || !bytes.Contains(readme, []byte("docs/examples/"+folder+"/"+filepath.Base(file))) {
			t.Errorf("%s is not in the README", file)
		}
		text, err := os.ReadFile(file)
		must(t, err)
		for _, document := range bytes.Split(text, []byte("\n---\n")) {
			var object unstructured.Unstructured
			must(t, yaml.Unmarshal(document, &object.Object))
			if object.GetKind() == "Namespace" {
				if other := owner[object.GetName()]; other != "" && other != folder {
					t.Errorf("namespace %s is in %s and %s", object.GetName(), folder, other)
				}
				owner[object.GetName()] = folder
				if err := h.client.Create(t.Context(), &object); err != nil && !apierrors.IsAlreadyExists(err) {
					t.Errorf("%s: %v", file, err)
				}
				continue
			}
			// The first file of a folder, in the order of their names, makes its
			// namespaces.
			if owner[object.GetNamespace()] != folder {
				t.Errorf("%s: %s %s is in namespace %q", file, object.GetKind(), object.GetName(), object.GetNamespace())
			}
			if err := h.client.Create(t.Context(), &object, client.DryRunAll, client.FieldValidation(metav1.FieldValidationStrict)); err != nil {
				t.Errorf("%s: %s %s: %v", file, object.GetKind(), object.GetName(), err)
			}
		}
	}
	if len(owner) < 9 {
		t.Errorf("only %d namespaces: %s", len(owner), strings.Join(files, " "))
	}
}
