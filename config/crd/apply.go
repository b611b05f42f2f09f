// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package crd

import (
	"context"
	"fmt"
	"io"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// pollEvery is how often it is asked whether a CRD is established.
const pollEvery = 200 * time.Millisecond

// ApplyOptions say how the CRDs are applied.
type ApplyOptions struct {
	// FieldManager that owns the fields then, whoever did before. Required.
	FieldManager string
	// Timeout of all of it.
	Timeout time.Duration
}

// Apply makes the CRDs of the cluster what this version works with, waits until
// they are established, and writes a line for each. Objects that are stored stay.
func Apply(ctx context.Context, config *rest.Config, options ApplyOptions, out io.Writer) error {
	ctx, cancel := context.WithTimeout(ctx, options.Timeout)
	defer cancel()
	crds, err := All()
	if err != nil {
		return err
	}
	// One known kind: no discovery, and no right to it is needed.
	mapper := meta.NewDefaultRESTMapper(nil)
	for _, each := range crds {
		mapper.Add(each.GroupVersionKind(), meta.RESTScopeRoot)
	}
	c, err := client.New(config, client.Options{Scheme: runtime.NewScheme(), Mapper: mapper})
	if err != nil {
		return fmt.Errorf("making a client: %w", err)
	}
	for _, each := range crds {
		if err := c.Apply(ctx, client.ApplyConfigurationFromUnstructured(each), client.ForceOwnership, client.FieldOwner(options.FieldManager)); err != nil {
			return fmt.Errorf("applying the CRD %s: %w", each.GetName(), err)
		}
	}
	for _, each := range crds {
		if err := established(ctx, c, each); err != nil {
			return err
		}
		if _, err := fmt.Fprintf(out, "%s is applied and established\n", each.GetName()); err != nil {
			return fmt.Errorf("writing what was done: %w", err)
		}
	}
	return nil
}

// established waits until the API server serves a CRD.
func established(ctx context.Context, c client.Client, wanted *unstructured.Unstructured) error {
	current := &unstructured.Unstructured{}
	current.SetGroupVersionKind(wanted.GroupVersionKind())
	err := wait.PollUntilContextCancel(ctx, pollEvery, true, func(ctx context.Context) (bool, error) {
		if err := c.Get(ctx, client.ObjectKeyFromObject(wanted), current); err != nil {
			return false, fmt.Errorf("reading the CRD %s: %w", wanted.GetName(), err)
		}
		conditions, _, err := unstructured.NestedSlice(current.Object, "status", "conditions")
		if err != nil {
			return false, fmt.Errorf("reading the conditions of the CRD %s: %w", wanted.GetName(), err)
		}
		for _, condition := range conditions {
			if c, ok := condition.(map[string]any); ok && c["type"] == "Established" {
				return c["status"] == "True", nil
			}
		}
		return false, nil
	})
	if err != nil {
		return fmt.Errorf("waiting until the API server serves %s: %w", wanted.GetName(), err)
	}
	return nil
}
