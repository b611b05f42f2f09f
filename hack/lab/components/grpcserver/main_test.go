// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
)

func TestHealthIsSet(t *testing.T) {
	states := health.NewServer()
	admin := httptest.NewServer(adminHandler(states))
	defer admin.Close()
	for _, c := range []struct {
		query   string
		service string
		answers int
		want    healthpb.HealthCheckResponse_ServingStatus
	}{
		{"state=NOT_SERVING", "", http.StatusOK, healthpb.HealthCheckResponse_NOT_SERVING},
		{"state=NOT_SERVING&service=shop.v1.Inventory", "shop.v1.Inventory", http.StatusOK, healthpb.HealthCheckResponse_NOT_SERVING},
		{"state=SERVING", "", http.StatusOK, healthpb.HealthCheckResponse_SERVING},
		{"state=dead", "", http.StatusBadRequest, healthpb.HealthCheckResponse_SERVING},
	} {
		response, err := http.Post(admin.URL+"/health?"+c.query, "", nil)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		if response.StatusCode != c.answers {
			t.Errorf("%s: %s, want %d", c.query, response.Status, c.answers)
		}
		answer, err := states.Check(t.Context(), &healthpb.HealthCheckRequest{Service: c.service})
		if err != nil || answer.GetStatus() != c.want {
			t.Errorf("%s: %v, %v; want %v", c.query, answer, err, c.want)
		}
	}
}
