// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"cmp"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Labels and annotations by which tools mark the objects that they manage.
const (
	labelManagedBy       = "app.kubernetes.io/managed-by"
	helmRelease          = "meta.helm.sh/release-name"
	helmNamespace        = "meta.helm.sh/release-namespace"
	argoInstance         = "argocd.argoproj.io/instance"
	argoTracking         = "argocd.argoproj.io/tracking-id"
	fluxKustomization    = "kustomize.toolkit.fluxcd.io/name"
	fluxKustomizationsNS = "kustomize.toolkit.fluxcd.io/namespace"
	fluxRelease          = "helm.toolkit.fluxcd.io/name"
	fluxReleaseNamespace = "helm.toolkit.fluxcd.io/namespace"
)

// ManagedLabels are the keys of the labels that ManagedBy reads.
func ManagedLabels() []string {
	return []string{
		labelManagedBy, argoInstance, fluxKustomization, fluxKustomizationsNS, fluxRelease, fluxReleaseNamespace,
	}
}

// ManagedAnnotations are the keys of the annotations that ManagedBy reads.
func ManagedAnnotations() []string {
	return []string{helmRelease, helmNamespace, argoTracking, argoInstance}
}

// ManagedBy says what will overwrite a change of an object that is made by
// hand, such as "Helm release shop" or "Argo CD application shop"; empty where
// nothing is known to. What applies last is named: Flux and Argo CD may drive
// Helm.
func ManagedBy(o metav1.Object) string {
	labels, annotations := o.GetLabels(), o.GetAnnotations()
	switch {
	case labels[fluxRelease] != "":
		return "Flux HelmRelease " + within(labels[fluxReleaseNamespace], labels[fluxRelease])
	case labels[fluxKustomization] != "":
		return "Flux Kustomization " + within(labels[fluxKustomizationsNS], labels[fluxKustomization])
	case annotations[argoTracking] != "":
		application, _, _ := strings.Cut(annotations[argoTracking], ":")
		return "Argo CD application " + application
	case labels[argoInstance] != "" || annotations[argoInstance] != "":
		return "Argo CD application " + cmp.Or(labels[argoInstance], annotations[argoInstance])
	case annotations[helmRelease] != "" && labels[labelManagedBy] == "Helm":
		// A release mostly is of the namespace of what it manages.
		if namespace := annotations[helmNamespace]; namespace != o.GetNamespace() {
			return "Helm release " + within(namespace, annotations[helmRelease])
		}
		return "Helm release " + annotations[helmRelease]
	}
	return ""
}

// within puts a namespace before a name, where there is one.
func within(namespace, name string) string {
	if namespace == "" {
		return name
	}
	return namespace + "/" + name
}
