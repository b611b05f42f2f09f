// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package workload_test

import (
	"path/filepath"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"sigs.k8s.io/yaml"

	"github.com/google/go-cmp/cmp"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/controllers/workload"
	"github.com/netladder/netladder/test/golden"
)

func settings() workload.Settings {
	memory := corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("100Mi")}
	return workload.Settings{
		Namespace:         "netladder-system",
		Owner:             workload.Owner{Name: "netladder-controller", UID: "uid"},
		Image:             "netladder.test/netladder:v1",
		ImagePullPolicy:   corev1.PullNever,
		ImagePullSecrets:  []string{"b", "a"},
		NodeSelector:      map[string]string{"zone": "a"},
		PriorityClassName: "high",
		Prober:            corev1.ResourceRequirements{Requests: memory, Limits: memory},
	}
}

func full() workload.Settings {
	s := settings()
	s.Level = v1alpha1.LevelFull
	return s
}

func TestGolden(t *testing.T) {
	for name, object := range map[string]any{
		"prober":      workload.Prober(settings()),
		"prober_full": workload.Prober(full()),
		"echo":        workload.Echo(settings()),
		"fleet":       workload.Fleet(settings(), "{}"),
		"canary":      workload.Canary(settings()),
		"isolation":   workload.CanaryPolicy(settings()),
	} {
		got, err := yaml.Marshal(object)
		if err != nil {
			t.Fatal(err)
		}
		golden.Equal(t, filepath.Join("testdata", name+".yaml"), got)
	}
}

// TestEchoPodsAreTheSame: what level the probers have is none of theirs.
func TestEchoPodsAreTheSame(t *testing.T) {
	if diff := cmp.Diff(workload.Echo(settings()), workload.Echo(full())); diff != "" {
		t.Error(diff)
	}
}

// TestEchoPodsOverlap: the echo Service sends each node's probes to that node's
// echo pod, so there has to be one at any time.
func TestEchoPodsOverlap(t *testing.T) {
	rolling := workload.Echo(settings()).Spec.UpdateStrategy.RollingUpdate
	if n := rolling.MaxUnavailable; n == nil || n.String() != "0" {
		t.Errorf("maxUnavailable is %v: nodes would be without an echo pod", n)
	}
	if n := rolling.MaxSurge; n == nil || n.String() == "0" || n.String() == "0%" {
		t.Errorf("maxSurge is %v: nothing would ever be replaced", n)
	}
}
