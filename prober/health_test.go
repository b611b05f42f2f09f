// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package prober

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/go-logr/logr"
	clocktesting "k8s.io/utils/clock/testing"
)

// A prober whose schedule stands still is first not relied on and then
// restarted, but not while it merely waits for the CPU.
func TestHungProberIsRestarted(t *testing.T) {
	a := newAgent(Options{NodeName: "node0", Log: logr.Discard()}, nil)
	now := clocktesting.NewFakePassiveClock(a.scheduler.LastTick())
	a.clock = now
	servers, err := listen(t.Context(), Options{HealthAddress: "127.0.0.1:0"}, a)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = servers[0].listener.Close() })
	for _, c := range []struct {
		after        time.Duration
		alive, ready int
	}{
		{time.Second, http.StatusOK, http.StatusOK},
		{time.Minute, http.StatusOK, http.StatusServiceUnavailable},
		{3 * time.Minute, http.StatusServiceUnavailable, http.StatusServiceUnavailable},
	} {
		now.SetTime(a.scheduler.LastTick().Add(c.after))
		for path, want := range map[string]int{"/healthz": c.alive, "/readyz": c.ready} {
			w := httptest.NewRecorder()
			servers[0].http.Handler.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
			if w.Code != want {
				t.Errorf("%s %s after the last look: %d, want %d", path, c.after, w.Code, want)
			}
		}
	}
}
