// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/netladder/netladder/test/chart"
	"github.com/netladder/netladder/test/envtest"
)

// TestManifestsAreAccepted offers every object of config/ to the API server,
// which knows each field and every rule of the CRDs.
func TestManifestsAreAccepted(t *testing.T) {
	h := newCluster(t)
	own, tenant, shop := &corev1.Namespace{}, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "commerce"}}, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "shop"}}
	manifest(t, own, 0, "manager", "namespace.yaml")
	for _, ns := range []*corev1.Namespace{own, tenant, shop} {
		if err := h.client.Create(t.Context(), ns); err != nil && !apierrors.IsAlreadyExists(err) {
			t.Fatal(err)
		}
	}
	offered := 0
	for _, dir := range []string{"rbac", "manager", "network-policy", "policy-enforcement", "admission", "full", "audit", "samples", "demo/shop", "demo/commerce"} {
		pattern, err := envtest.Path("config", dir, "*.yaml")
		must(t, err)
		files, err := filepath.Glob(pattern)
		must(t, err)
		for _, file := range files {
			if filepath.Base(file) == "kustomization.yaml" || filepath.Base(file) == "namespace.yaml" {
				continue
			}
			text, err := os.ReadFile(file)
			must(t, err)
			for _, document := range bytes.Split(text, []byte("\n---\n")) {
				var object unstructured.Unstructured
				if must(t, yaml.Unmarshal(document, &object.Object)); len(object.Object) == 0 || object.GetKind() == "Namespace" {
					continue
				}
				if err := h.client.Create(t.Context(), &object, client.DryRunAll, client.FieldValidation(metav1.FieldValidationStrict)); err != nil {
					t.Errorf("%s: %s %s: %v", file, object.GetKind(), object.GetName(), err)
				}
				offered++
			}
		}
	}
	if offered < 40 {
		t.Errorf("only %d objects found", offered)
	}
}

// TestChartIsAccepted offers every object of the chart to the API server, with
// the values of both levels and with none of them its default.
func TestChartIsAccepted(t *testing.T) {
	h := newCluster(t)
	own := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: chart.Namespace}}
	if err := h.client.Create(t.Context(), own); err != nil && !apierrors.IsAlreadyExists(err) {
		t.Fatal(err)
	}
	everything, err := chart.Everything()
	must(t, err)
	for _, arguments := range [][]string{nil, {"--set", "level=Full"}, {"-f", everything, "--set", "metrics.dashboards.namespace="}} {
		objects, err := chart.Render(arguments...)
		must(t, err)
		for _, object := range objects {
			if object.GroupVersionKind().Group == "monitoring.coreos.com" {
				continue // of the Prometheus operator, which is not here
			}
			if err := h.client.Create(t.Context(), object, client.DryRunAll, client.FieldValidation(metav1.FieldValidationStrict)); err != nil {
				t.Errorf("%v: %s %s: %v", arguments, object.GetKind(), object.GetName(), err)
			}
		}
		if len(objects) < 25 {
			t.Errorf("%v: only %d objects", arguments, len(objects))
		}
	}
}

// TestControllerPodIsRestricted tries the Deployment's pod in the namespace
// that is shipped with it.
func TestControllerPodIsRestricted(t *testing.T) {
	h := newCluster(t)
	ns, deployment := &corev1.Namespace{}, &appsv1.Deployment{}
	manifest(t, ns, 0, "manager", "namespace.yaml")
	manifest(t, deployment, 0, "manager", "deployment.yaml")
	ns.Name, ns.GenerateName = "", "system-"
	h.create(ns)
	h.create(&corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: ns.Name, Name: deployment.Spec.Template.Spec.ServiceAccountName}})
	h.create(&corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: ns.Name, Name: "controller"}, Spec: deployment.Spec.Template.Spec})
}
