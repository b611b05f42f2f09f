// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"errors"
	"fmt"
	"io"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	toolscache "k8s.io/client-go/tools/cache"
	testingclock "k8s.io/utils/clock/testing"

	"github.com/netladder/netladder/controllers/plan"
)

// TestWatchErrors: only what keeps everybody from the API server excuses
// silence.
func TestWatchErrors(t *testing.T) {
	kind := schema.GroupResource{Group: "discovery.k8s.io", Resource: "endpointslices"}
	wrapped := func(err error) error { return fmt.Errorf("failed to list *v1.EndpointSlice: %w", err) }
	for name, c := range map[string]struct {
		err  error
		away bool
	}{
		"closed":                {io.EOF, false},
		"expired":               {apierrors.NewResourceExpired("too old"), false},
		"forbidden":             {wrapped(apierrors.NewForbidden(kind, "", errors.New("no role"))), false},
		"unauthorized":          {wrapped(apierrors.NewUnauthorized("expired")), false},
		"no such kind":          {wrapped(apierrors.NewNotFound(kind, "")), false},
		"nobody listens":        {wrapped(errors.New("connect: connection refused")), true},
		"cut off":               {io.ErrUnexpectedEOF, true},
		"a proxy finds nobody":  {wrapped(apierrors.NewGenericServerResponse(502, "get", kind, "", "", 0, true)), true},
		"starting":              {wrapped(apierrors.NewServiceUnavailable("not ready")), true},
		"its storage is broken": {wrapped(apierrors.NewInternalError(errors.New("etcdserver: no leader"))), true},
		"overloaded":            {wrapped(apierrors.NewTooManyRequests("later", 1)), true},
	} {
		t.Run(name, func(t *testing.T) {
			clock := testingclock.NewFakeClock(time.Now())
			w := newWorld(clock, plan.Settings{Namespace: "netladder-system"})
			before := w.available
			clock.Step(time.Second)
			watchErrors(w)(t.Context(), toolscache.NewReflector(nil, nil, nil, 0), c.err)
			if away := w.available.After(before); away != c.away {
				t.Errorf("the API server counts as having been away: %t, want %t", away, c.away)
			}
		})
	}
}
