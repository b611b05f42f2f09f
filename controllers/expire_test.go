// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"
	"testing"
	"time"

	"golang.org/x/time/rate"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	testingclock "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

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

// TestCheckKeptMeanwhile: a check whose time to live is taken from it when it is
// over, and of which that is not seen yet, stays.
func TestCheckKeptMeanwhile(t *testing.T) {
	h := newCluster(t)
	check := builders.MakeCheck("kept").Namespace(h.namespace).Path("mesh", builders.ToMesh(v1alpha1.MeshScopeAny)).Obj()
	check.Annotations = map[string]string{v1alpha1.AnnotationTTL: "2m"}
	h.create(check)
	key := client.ObjectKeyFromObject(check)
	var stale v1alpha1.ConnectivityCheck
	must(t, h.client.Get(t.Context(), key, &stale))
	kept := stale.DeepCopy()
	delete(kept.Annotations, v1alpha1.AnnotationTTL)
	must(t, h.client.Update(t.Context(), kept))

	behind := true
	e := &expirer{
		reader: &lagging{h.client, &stale, &behind},
		writer: &writer{client: h.client, plain: h.client, metrics: newMetrics(), timeout: writeTimeout, budgets: map[string]*rate.Limiter{writeCheck: rate.NewLimiter(rate.Inf, 1)}},
		clock:  testingclock.NewFakePassiveClock(stale.CreationTimestamp.Add(time.Hour)),
	}
	again, err := e.Reconcile(t.Context(), reconcile.Request{NamespacedName: key})
	if err != nil || again.RequeueAfter <= 0 {
		t.Errorf("%+v, %v: it does not look again", again, err)
	}
	must(t, h.client.Get(t.Context(), key, &v1alpha1.ConnectivityCheck{}))
	behind = false
	if again, err = e.Reconcile(t.Context(), reconcile.Request{NamespacedName: key}); err != nil || again.RequeueAfter != 0 {
		t.Errorf("%+v, %v: nothing is to be done any more", again, err)
	}
}

// lagging reads a check as it was, while it is behind.
type lagging struct {
	client.Reader
	check  *v1alpha1.ConnectivityCheck
	behind *bool
}

func (l *lagging) Get(ctx context.Context, key client.ObjectKey, into client.Object, opts ...client.GetOption) error {
	if check, ok := into.(*v1alpha1.ConnectivityCheck); ok && *l.behind {
		l.check.DeepCopyInto(check)
		return nil
	}
	return l.Reader.Get(ctx, key, into, opts...)
}
