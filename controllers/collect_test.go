// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/controllers/diagnosis"
)

// Pods that are sources are told apart in status; a series is of their node,
// and there is one of it however many of its pods fail.
func TestFailingPairsAreOfNodes(t *testing.T) {
	w, _, _, _ := shopWorld(t)
	pair := func(source, node, target, targetNode string, state v1alpha1.State) v1alpha1.WorstPair {
		return v1alpha1.WorstPair{Source: source, SourceNode: node, Target: target, TargetNode: targetNode, State: state, Verdict: v1alpha1.VerdictConnected}
	}
	w.judged(types.NamespacedName{Namespace: tenant, Name: "shop"}, &v1alpha1.ConnectivityCheckStatus{Paths: []v1alpha1.PathStatus{{
		Name: "db", State: v1alpha1.StateFailing, Pairs: v1alpha1.PairCounts{Failing: 4, Unknown: 1},
		WorstPairs: []v1alpha1.WorstPair{
			pair("frontend-a", "node0", "db:5432", "node1", v1alpha1.StateFailing),
			pair("frontend-b", "node0", "db:5432", "node1", v1alpha1.StateFailing),
			pair("frontend-c", "node2", "db:5432", "node1", v1alpha1.StateFailing),
			pair("node3", "", "192.0.2.1:80", "", v1alpha1.StateFailing),
			pair("frontend-d", "node1", "db:5432", "node1", v1alpha1.StateUnknown),
		},
	}}}, &diagnosis.Summary{})
	c := newCollector()
	c.world.Store(w)
	registry := prometheus.NewRegistry()
	registry.MustRegister(c)
	families, err := registry.Gather()
	must(t, err)
	var got []string
	for _, family := range families {
		if family.GetName() != "netladder_failing_pair" {
			continue
		}
		for _, m := range family.GetMetric() {
			var labels []string
			for _, l := range m.GetLabel() {
				labels = append(labels, l.GetName()+"="+l.GetValue())
			}
			got = append(got, strings.Join(labels, " "))
		}
	}
	const of = "check=shop check_namespace=tenant path=db "
	want := []string{
		of + "source_node=node0 target=node1 verdict=Connected",
		of + "source_node=node2 target=node1 verdict=Connected",
		of + "source_node=node3 target=192.0.2.1:80 verdict=Connected",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// Since when a path fails is exported for as long as it does.
func TestFailingSince(t *testing.T) {
	w, _, _, _ := shopWorld(t)
	const metric = "netladder_path_failing_since_timestamp_seconds"
	judge := func(state v1alpha1.State) []string {
		w.judged(types.NamespacedName{Namespace: tenant, Name: "shop"}, &v1alpha1.ConnectivityCheckStatus{Paths: []v1alpha1.PathStatus{
			{Name: "db", State: state, LastTransitionTime: metav1.Unix(1700000000, 0)},
		}}, &diagnosis.Summary{})
		return scraped(t, w, metric)
	}
	if diff := cmp.Diff([]string{metric + `{check="shop",check_namespace="tenant",path="db"} 1.7e+09`}, judge(v1alpha1.StateFailing)); diff != "" {
		t.Error(diff)
	}
	if got := judge(v1alpha1.StatePassing); len(got) > 0 {
		t.Errorf("a path that passes: %v", got)
	}
}
