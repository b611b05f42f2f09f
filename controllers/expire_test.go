// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"fmt"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/test/builders"
)

// TestChecksEnd: a check with a time to live is deleted when that is over, and
// no other is, whatever its annotation says.
func TestChecksEnd(t *testing.T) {
	h := newCluster(t)
	for name, ttl := range map[string]string{"soon": "2m", "later": "20m", "never": "", "misspelt": "2 minutes", "negative": "-2m"} {
		check := builders.MakeCheck(name).Namespace(h.namespace).Path("mesh", builders.ToMesh(v1alpha1.MeshScopeAny)).Obj()
		if ttl != "" {
			check.Annotations = map[string]string{v1alpha1.AnnotationTTL: ttl}
		}
		h.create(check)
	}
	gone := func(name string) error {
		err := h.client.Get(t.Context(), client.ObjectKey{Namespace: h.namespace, Name: name}, &v1alpha1.ConnectivityCheck{})
		if apierrors.IsNotFound(err) {
			return nil
		}
		return fmt.Errorf("%s is still there (%w)", name, err)
	}
	h.start()
	h.readyIs("never", metav1.ConditionUnknown, "") // whoever deletes begins before this is written
	h.pass(time.Minute)
	if gone("soon") == nil {
		t.Error("deleted before its time")
	}
	h.clock.Step(time.Minute + 5*time.Second)
	h.eventually("the check ends", func() error { return gone("soon") })
	for _, name := range []string{"later", "never", "misspelt", "negative"} {
		if gone(name) == nil {
			t.Errorf("%s was deleted", name)
		}
	}
}
