// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

// Package crd holds the CustomResourceDefinitions that this version of Netladder
// works with, so that the binary can apply them where nothing else does.
package crd

import (
	"embed"
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

//go:embed netladder.io_*.yaml
var files embed.FS

// All returns the CustomResourceDefinitions, sorted by name.
func All() ([]*unstructured.Unstructured, error) {
	entries, err := files.ReadDir(".")
	if err != nil {
		return nil, fmt.Errorf("reading the embedded CRDs: %w", err)
	}
	out := make([]*unstructured.Unstructured, len(entries))
	for i, entry := range entries {
		text, err := files.ReadFile(entry.Name())
		if err != nil {
			return nil, fmt.Errorf("reading the embedded CRDs: %w", err)
		}
		out[i] = &unstructured.Unstructured{}
		if err := yaml.Unmarshal(text, &out[i].Object); err != nil {
			return nil, fmt.Errorf("decoding the embedded CRD %s: %w", entry.Name(), err)
		}
	}
	return out, nil
}
