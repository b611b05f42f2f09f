// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"fmt"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/types"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/controllers/diagnosis"
	"github.com/netladder/netladder/controllers/diagnosis/causes"
)

// What many paths fail for is one series, and there are at most so many.
func TestCausesAreBounded(t *testing.T) {
	w, _, _, _ := shopWorld(t)
	var found []causes.Found
	for i := range maxCauses + 10 {
		for path := range i%3 + 1 {
			found = append(found, causes.Found{Path: fmt.Sprint(path), Rung: v1alpha1.RungListener, Reason: v1alpha1.ReasonNothingListens, Object: fmt.Sprint("pod-", i)})
		}
	}
	w.judged(types.NamespacedName{Namespace: tenant, Name: "shop"}, &v1alpha1.ConnectivityCheckStatus{}, &diagnosis.Summary{Causes: found})
	c := newCollector()
	c.world.Store(w)
	registry := prometheus.NewRegistry()
	registry.MustRegister(c)
	families, err := registry.Gather()
	must(t, err)
	series, paths, dropped := 0, 0.0, 0.0
	for _, family := range families {
		for _, m := range family.GetMetric() {
			switch family.GetName() {
			case "netladder_cause_paths":
				series++
				paths += m.GetGauge().GetValue()
			case "netladder_causes_dropped":
				dropped = m.GetGauge().GetValue()
			}
		}
	}
	// Those of the fewest paths are left out.
	if series != maxCauses || dropped != 10 || paths != 20+40+60-10 {
		t.Errorf("%d series of %v paths, %v dropped", series, paths, dropped)
	}
}
