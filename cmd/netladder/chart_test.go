// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/netladder/netladder/test/chart"
)

// TestChartsFlags: the controller takes every flag that the chart can give it,
// as it is meant.
func TestChartsFlags(t *testing.T) {
	everything, err := chart.Everything()
	if err != nil {
		t.Fatal(err)
	}
	args := containerArgs(t, "Deployment", "-f", everything)
	cmd := controllerCommand()
	if err := cmd.ParseFlags(args[1:]); err != nil {
		t.Fatal(err)
	}
	for flag, want := range map[string]string{
		"level": "Full", "audit": "false", "image-pull-policy": "IfNotPresent", "priority-class": "system-node-critical",
		"image-pull-secret": "[registry]", "node-selector": "[example.com/net=yes]", "prober-memory-limit": "256Mi", "echo-cpu-request": "6m",
		"canary-memory-request": "18Mi", "target-budget": "2", "namespace-budget": "50.5", "node-budget": "200",
		"assignment-size-limit": "32768", "metrics-insecure": "true", "v": "1", "metrics-cert-dir": "/etc/netladder-certificate",
	} {
		if got := cmd.Flags().Lookup(flag).Value.String(); got != want {
			t.Errorf("--%s is %q, want %q", flag, got, want)
		}
	}
	var tolerations []struct{ Key, Operator, Value, Effect string }
	var labels, annotations map[string]string
	for flag, out := range map[string]any{"tolerations": &tolerations, "pod-labels": &labels, "pod-annotations": &annotations} {
		if err := parseJSON(flag, cmd.Flags().Lookup(flag).Value.String(), out); err != nil {
			t.Error(err)
		}
	}
	if len(tolerations) != 1 || tolerations[0].Value != "gpu" {
		t.Errorf("tolerations %+v", tolerations)
	}
	if labels["sidecar.istio.io/inject"] != "false" || annotations["note"] != `it's, "quoted"=1 <&>` {
		t.Errorf("labels %v, annotations %v", labels, annotations)
	}

	none := containerArgs(t, "Deployment", "--set-json", "pods.tolerations=[]")
	if !slices.Contains(none, "--tolerations=[]") {
		t.Errorf("no tolerations are %v", none)
	}
	crds := containerArgs(t, "Job")
	if crds[0] != "crds" {
		t.Errorf("the Job runs %v", crds)
	}
	if err := crdsCommand().ParseFlags(crds[1:]); err != nil {
		t.Error(err)
	}
}

// TestBadJSON is told with its flag.
func TestBadJSON(t *testing.T) {
	var out []struct{ Key string }
	for _, text := range []string{"{", `[{"kye":"x"}]`} {
		if err := parseJSON("tolerations", text, &out); err == nil || !strings.Contains(err.Error(), "--tolerations") {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// containerArgs of the first container of the object of a kind.
func containerArgs(t *testing.T, kind string, arguments ...string) []string {
	t.Helper()
	objects, err := chart.Render(arguments...)
	if err != nil {
		t.Fatal(err)
	}
	for _, object := range objects {
		if object.GetKind() != kind {
			continue
		}
		containers, _, err := unstructured.NestedSlice(object.Object, "spec", "template", "spec", "containers")
		if err != nil {
			t.Fatal(err)
		}
		args, _, err := unstructured.NestedStringSlice(containers[0].(map[string]any), "args")
		if err != nil {
			t.Fatal(err)
		}
		return args
	}
	t.Fatalf("the chart has no %s", kind)
	return nil
}
