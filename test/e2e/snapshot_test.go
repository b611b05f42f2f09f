// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"os"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/tools/clientcmd"
)

// snapshot holds the names of all objects of all kinds that can be listed, as
// resource.group/namespace/name.
type snapshot map[string]bool

// snapshotOf the cluster. Events are forgotten by themselves.
func snapshotOf(t *testing.T) snapshot {
	t.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", os.Getenv("KUBECONFIG"))
	if err != nil {
		t.Fatal(err)
	}
	config.QPS = -1
	finder, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	lister, err := metadata.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	groups, err := finder.ServerPreferredResources()
	if err != nil {
		t.Fatal(err)
	}
	out := snapshot{}
	for _, group := range groups {
		version, err := schema.ParseGroupVersion(group.GroupVersion)
		if err != nil {
			t.Fatal(err)
		}
		for i := range group.APIResources {
			r := &group.APIResources[i]
			if r.Name == "events" || r.Name == "componentstatuses" || strings.Contains(r.Name, "/") || !strings.Contains(strings.Join(r.Verbs, ","), "list") {
				continue
			}
			list, err := lister.Resource(version.WithResource(r.Name)).List(t.Context(), metav1.ListOptions{})
			if apierrors.IsNotFound(err) || apierrors.IsMethodNotSupported(err) {
				continue // a CRD that went since
			}
			if err != nil {
				t.Fatalf("listing %s: %v", r.Name, err)
			}
			for k := range list.Items {
				name := r.Name
				if version.Group != "" {
					name += "." + version.Group
				}
				if ns := list.Items[k].Namespace; ns != "" {
					name += "/" + ns
				}
				out[name+"/"+list.Items[k].Name] = true
			}
		}
	}
	return out
}
