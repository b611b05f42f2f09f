// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/types"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/controllers/diagnosis"
	"github.com/netladder/netladder/controllers/diagnosis/causes"
)

func TestSentence(t *testing.T) {
	long := strings.Repeat("é", maxSentence)
	for text, want := range map[string]string{
		"":                        "",
		"node1 does not reach it": "node1 does not reach it",
		"it is 10.0.0.1:80. See":  "it is 10.0.0.1:80",
		"\xff":                    "\uFFFD",
		"x" + long:                "x" + long[:296] + "…",
		long:                      long[:296] + "…",
	} {
		if got := sentence(text); got != want || len(got) > maxSentence {
			t.Errorf("%q: %q, %d bytes", text, got, len(got))
		}
	}
}

// failing is a world whose only check fails for that.
func failing(t *testing.T, w *world, text string) {
	t.Helper()
	found := []causes.Found{{Path: "db", Rung: v1alpha1.RungOverlay, Reason: "TunnelNotHeard", Nodes: []string{"node1", "node0"}, Text: text}}
	w.judged(types.NamespacedName{Namespace: tenant, Name: "shop"}, &v1alpha1.ConnectivityCheckStatus{Paths: []v1alpha1.PathStatus{{
		Name: "db", State: v1alpha1.StateFailing, Diagnosis: &v1alpha1.PathDiagnosis{Rung: v1alpha1.RungOverlay, Reason: "TunnelNotHeard", Message: text},
	}}}, &diagnosis.Summary{Causes: found})
}

// A sentence is a label: one that says the same in other numbers is no other
// series, and one that says something else is.
func TestSentencesOfDiagnoses(t *testing.T) {
	w, _, _, _ := shopWorld(t)
	names := []string{"netladder_path_diagnosis_info", "netladder_cause_info"}
	want := func(text string) []string {
		return []string{
			fmt.Sprintf(`netladder_cause_info{message=%q,object="node0 and node1",reason="TunnelNotHeard",rung="Overlay"} 1`, text),
			fmt.Sprintf(`netladder_path_diagnosis_info{check="shop",check_namespace="tenant",message=%q,path="db",reason="TunnelNotHeard",rung="Overlay"} 1`, text),
		}
	}
	for _, step := range [][2]string{
		{"node1 hears nothing (no answer within 1.75s): see firewalls", ""},
		{"node1 hears nothing (no answer within 900 ms): see firewalls", "node1 hears nothing (no answer within 1.75s): see firewalls"},
		{"node2 hears nothing (no answer within 1.75s): see firewalls", ""},
	} {
		failing(t, w, step[0])
		said := step[1]
		if said == "" {
			said = step[0]
		}
		if diff := cmp.Diff(want(said), scraped(t, w, names...)); diff != "" {
			t.Error(diff)
		}
	}
	w.judged(types.NamespacedName{Namespace: tenant, Name: "shop"}, &v1alpha1.ConnectivityCheckStatus{Paths: []v1alpha1.PathStatus{{
		Name: "db", State: v1alpha1.StatePassing,
	}}}, &diagnosis.Summary{})
	if got := scraped(t, w, names...); len(got) > 0 {
		t.Errorf("after it passes: %s", got)
	}
}
