// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package policy_test

import (
	"testing"

	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/netladder/netladder/controllers/policy"
)

func TestManagedBy(t *testing.T) {
	type keys = map[string]string
	for name, tc := range map[string]struct {
		labels, annotations keys
		want                string
	}{
		"nobody":          {keys{"app": "a"}, keys{"note": "b"}, ""},
		"only says so":    {keys{"app.kubernetes.io/managed-by": "kubectl"}, nil, ""},
		"Helm":            {keys{"app.kubernetes.io/managed-by": "Helm"}, keys{"meta.helm.sh/release-name": "shop", "meta.helm.sh/release-namespace": "commerce"}, "Helm release shop"},
		"Helm, far away":  {keys{"app.kubernetes.io/managed-by": "Helm"}, keys{"meta.helm.sh/release-name": "shop", "meta.helm.sh/release-namespace": "ops"}, "Helm release ops/shop"},
		"no longer Helm":  {nil, keys{"meta.helm.sh/release-name": "shop"}, ""},
		"Argo CD, label":  {keys{"argocd.argoproj.io/instance": "shop"}, nil, "Argo CD application shop"},
		"Argo CD, note":   {nil, keys{"argocd.argoproj.io/instance": "shop"}, "Argo CD application shop"},
		"Argo CD, id":     {nil, keys{"argocd.argoproj.io/tracking-id": "shop:networking.k8s.io/NetworkPolicy:commerce/a"}, "Argo CD application shop"},
		"Argo CD's Helm":  {keys{"app.kubernetes.io/managed-by": "Helm", "argocd.argoproj.io/instance": "shop"}, keys{"meta.helm.sh/release-name": "r"}, "Argo CD application shop"},
		"Flux":            {keys{"kustomize.toolkit.fluxcd.io/name": "apps", "kustomize.toolkit.fluxcd.io/namespace": "flux-system"}, nil, "Flux Kustomization flux-system/apps"},
		"Flux's Helm":     {keys{"app.kubernetes.io/managed-by": "Helm", "helm.toolkit.fluxcd.io/name": "shop", "helm.toolkit.fluxcd.io/namespace": "flux-system"}, keys{"meta.helm.sh/release-name": "shop"}, "Flux HelmRelease flux-system/shop"},
		"Flux, unplaced":  {keys{"helm.toolkit.fluxcd.io/name": "shop"}, nil, "Flux HelmRelease shop"},
		"empty tracking":  {nil, keys{"argocd.argoproj.io/tracking-id": ""}, ""},
		"Helm by another": {keys{"app.kubernetes.io/managed-by": "Tiller"}, keys{"meta.helm.sh/release-name": "shop"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			p := &networkingv1.NetworkPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: "commerce", Labels: tc.labels, Annotations: tc.annotations}}
			if got := policy.ManagedBy(p); got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}
