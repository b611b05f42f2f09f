// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

// Package chart renders Netladder's Helm chart and kustomizations for tests, by
// the real programs, which `make bin/helm bin/kustomize` builds.
package chart

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"

	"github.com/netladder/netladder/test/envtest"
)

// Namespace that everything is rendered for.
const Namespace = "netladder-system"

// Render returns what "helm template" makes of the chart, with further arguments
// such as --set and -f. Hooks are in it.
func Render(arguments ...string) ([]*unstructured.Unstructured, error) {
	folder, err := envtest.Path("charts", "netladder")
	if err != nil {
		return nil, err
	}
	return objects("helm", append([]string{"template", "netladder", folder, "--namespace", Namespace, "--kube-version", "1.36.0"}, arguments...)...)
}

// Kustomize returns what "kustomize build" makes of a folder of config/.
func Kustomize(folder string) ([]*unstructured.Unstructured, error) {
	path, err := envtest.Path("config", folder)
	if err != nil {
		return nil, err
	}
	return objects("kustomize", "build", path)
}

// Everything is the path of values of which none is its default.
func Everything() (string, error) {
	return envtest.Path("test", "chart", "testdata", "everything.yaml")
}

// Run a program of bin/ and return its standard output.
func Run(program string, arguments ...string) ([]byte, error) {
	path, err := envtest.Path("bin", program)
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(path); err != nil {
		return nil, fmt.Errorf("tests of the chart need bin/%s: make %s: %w", program, filepath.ToSlash(path), err)
	}
	command := exec.Command(path, arguments...)
	var problems bytes.Buffer
	command.Stderr = &problems
	out, err := command.Output()
	if err != nil {
		return nil, fmt.Errorf("%s %v: %w\n%s", program, arguments, err, problems.String())
	}
	return out, nil
}

func objects(program string, arguments ...string) ([]*unstructured.Unstructured, error) {
	text, err := Run(program, arguments...)
	if err != nil {
		return nil, err
	}
	return decode(program, text)
}

// File returns the objects of a file.
func File(path string) ([]*unstructured.Unstructured, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading objects: %w", err)
	}
	return decode(path, text)
}

func decode(from string, text []byte) ([]*unstructured.Unstructured, error) {
	var out []*unstructured.Unstructured
	decoder := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(text), 4096)
	for {
		object := &unstructured.Unstructured{}
		if err := decoder.Decode(&object.Object); errors.Is(err, io.EOF) {
			return out, nil
		} else if err != nil {
			return nil, fmt.Errorf("decoding objects of %s: %w", from, err)
		}
		if len(object.Object) > 0 {
			out = append(out, object)
		}
	}
}
