// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

// Package api_test proves on a real API server what the CRDs accept, what
// they refuse and what a person reads when they do.
package api_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-logr/logr"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/yaml"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/test/envtest"
)

// apiServer is the one API server of this test process, written by TestMain
// only.
var apiServer *rest.Config

func TestMain(m *testing.M) {
	os.Exit(run(m))
}

func run(m *testing.M) int {
	log.SetLogger(logr.Discard())
	server, err := envtest.Start()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() {
		if err := server.Stop(); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
	}()
	apiServer = server.Config
	apiServer.QPS = -1 // no limit
	return m.Run()
}

// newClient returns a client that writes strictly, as kubectl does.
func newClient(t *testing.T) client.Client {
	t.Helper()
	return clientOf(t, apiServer)
}

func clientOf(t *testing.T, config *rest.Config) client.Client {
	t.Helper()
	// A scheme of its own: the default one is shared by all tests.
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	c, err := client.New(config, client.Options{Scheme: scheme})
	if err != nil {
		t.Fatal(err)
	}
	return client.WithFieldValidation(c, "Strict")
}

// object reads an object from testdata.
func object(t *testing.T, file string) *unstructured.Unstructured {
	t.Helper()
	var content map[string]any
	readYAML(t, filepath.Join("testdata", file), &content)
	return &unstructured.Unstructured{Object: content}
}

// crd reads a generated CustomResourceDefinition.
func crd(t *testing.T, plural string) *apiextensionsv1.CustomResourceDefinition {
	t.Helper()
	out := &apiextensionsv1.CustomResourceDefinition{}
	readYAML(t, repositoryFile(t, "config", "crd", "netladder.io_"+plural+".yaml"), out)
	return out
}

func repositoryFile(t *testing.T, elements ...string) string {
	t.Helper()
	file, err := envtest.Path(elements...)
	if err != nil {
		t.Fatal(err)
	}
	return file
}

func readYAML(t *testing.T, file string, into any) {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(data, into); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
}

// uniqueName makes an object name of the name of the test.
func uniqueName(t *testing.T, prefix string) string {
	t.Helper()
	return strings.ToLower(prefix + "-" + strings.NewReplacer("/", "-", "_", "-").Replace(t.Name()))
}
