// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

// Package kubeapi holds what the chart renders, and what the controller makes,
// against the API types of the oldest Kubernetes that is supported (go.mod) and
// of the newest that is tested (newest.mod): an unknown field is an error. It is
// a module of its own for those versions.
package kubeapi

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"
)

// root of the repository.
const root = "../.."

func decoder(t *testing.T) runtime.Decoder {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{
		admissionregistrationv1.AddToScheme, appsv1.AddToScheme, batchv1.AddToScheme, corev1.AddToScheme,
		networkingv1.AddToScheme, policyv1.AddToScheme, rbacv1.AddToScheme, apiextensionsv1.AddToScheme,
	} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	return serializer.NewCodecFactory(scheme, serializer.EnableStrict).UniversalDeserializer()
}

// strictly decodes every object of a stream, and returns how many there were.
// Kinds of Netladder's own and of the Prometheus operator are no concern of
// these types.
func strictly(t *testing.T, d runtime.Decoder, from string, stream []byte) (n int) {
	t.Helper()
	documents := utilyaml.NewYAMLOrJSONDecoder(bytes.NewReader(stream), 4096)
	for {
		var object map[string]any
		if err := documents.Decode(&object); errors.Is(err, io.EOF) {
			return n
		} else if err != nil {
			t.Fatalf("%s: %v", from, err)
		}
		group, _ := object["apiVersion"].(string)
		if len(object) == 0 || strings.HasPrefix(group, "netladder.io/") || strings.HasPrefix(group, "monitoring.coreos.com/") {
			continue
		}
		text, err := yaml.Marshal(object)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := d.Decode(text, nil, nil); err != nil {
			t.Errorf("%s: %s %v: %v", from, object["kind"], object["metadata"], err)
		}
		n++
	}
}

func TestChart(t *testing.T) {
	d := decoder(t)
	for name, arguments := range map[string][]string{
		"Restricted": nil,
		"Full":       {"--set", "level=Full"},
		"everything": {"-f", root + "/test/chart/testdata/everything.yaml"},
	} {
		command := exec.Command(root+"/bin/helm", append([]string{"template", "netladder", root + "/charts/netladder", "--include-crds", "--is-upgrade"}, arguments...)...)
		var problems bytes.Buffer
		command.Stderr = &problems
		out, err := command.Output()
		if err != nil {
			t.Fatalf("helm template (make bin/helm builds it): %v\n%s", err, problems.String())
		}
		if n := strictly(t, d, name, out); n < 30 {
			t.Errorf("%s: only %d objects", name, n)
		}
	}
}

// TestInstalled: what the controller itself makes.
func TestInstalled(t *testing.T) {
	d := decoder(t)
	files, err := filepath.Glob(root + "/controllers/workload/testdata/*.yaml")
	if err != nil || len(files) < 5 {
		t.Fatalf("%d files: %v", len(files), err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if strictly(t, d, file, text) == 0 {
			t.Errorf("%s holds nothing", file)
		}
	}
}

// TestStrict: these types do not know every field.
func TestStrict(t *testing.T) {
	_, _, err := decoder(t).Decode([]byte("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\ndta: {}\n"), nil, nil)
	if err == nil || !strings.Contains(err.Error(), "dta") {
		t.Errorf("an unknown field: %v", err)
	}
}
