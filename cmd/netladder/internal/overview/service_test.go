// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package overview_test

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/cmd/netladder/internal/overview"
)

// What a Service's address leads to its pairs do not say: a sentence about two
// nodes is not about the one that the probe started on.
func TestServiceBetweenNodes(t *testing.T) {
	check := func(name, message string, pairs ...v1alpha1.WorstPair) v1alpha1.ConnectivityCheck {
		for i := range pairs {
			pairs[i].State = v1alpha1.StateFailing
		}
		return v1alpha1.ConnectivityCheck{
			ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name},
			Spec:       v1alpha1.ConnectivityCheckSpec{Paths: []v1alpha1.Path{{Name: "path"}}},
			Status: v1alpha1.ConnectivityCheckStatus{Paths: []v1alpha1.PathStatus{{
				Name: "path", State: v1alpha1.StateFailing, WorstPairs: pairs,
				Diagnosis: &v1alpha1.PathDiagnosis{Rung: v1alpha1.RungOverlay, Reason: "TunnelNotHeard", Message: message},
			}}},
		}
	}
	mesh := check("mesh", "around node2: node1 hears nothing from node2 through the tunnel",
		v1alpha1.WorstPair{SourceNode: "node1", TargetNode: "node2"}, v1alpha1.WorstPair{SourceNode: "node2", TargetNode: "node3"})
	service := check("service", "node1 and node2 hear nothing from each other through the tunnel", v1alpha1.WorstPair{SourceNode: "node1"})
	r := overview.Of([]v1alpha1.ConnectivityCheck{mesh, service}, nil)
	if len(r.Causes) != 1 || r.Causes[0].Object != "node2" || len(r.Causes[0].Paths) != 2 {
		t.Errorf("%+v", r.Causes)
	}
	for _, c := range overview.Of([]v1alpha1.ConnectivityCheck{service}, nil).Causes {
		if c.Object == "node1" {
			t.Errorf("by itself it is no news about node1: %+v", c)
		}
	}
}
