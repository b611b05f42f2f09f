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

// TestPodsOfEveryTaint unless it is said which.
func TestPodsOfEveryTaint(t *testing.T) {
	s := settings()
	for name, want := range map[string][]corev1.Toleration{
		"all": nil, "none": {}, "some": {{Key: "a", Operator: corev1.TolerationOpEqual, Value: "b", Effect: corev1.TaintEffectNoSchedule}},
	} {
		s.Tolerations = want
		got := workload.Echo(s).Spec.Template.Spec.Tolerations
		if name == "all" {
			want = []corev1.Toleration{{Operator: corev1.TolerationOpExists}}
		}
		if len(got) != len(want) {
			t.Fatalf("%s: %d tolerations", name, len(got))
		}
		for i := range want {
			if g, w := string(mustYAML(t, got[i])), string(mustYAML(t, want[i])); g != w {
				t.Errorf("%s: %s, want %s", name, g, w)
			}
		}
	}
}

// TestPodLabels are beside our own, by which pods are selected and told apart.
func TestPodLabels(t *testing.T) {
	s := settings()
	s.PodLabels = map[string]string{"team": "sre", v1alpha1.LabelName: "other"}
	s.PodAnnotations = map[string]string{"note": "x"}
	template := workload.Prober(s).Spec.Template
	want := map[string]string{"team": "sre", v1alpha1.LabelName: "netladder", v1alpha1.LabelComponent: workload.ComponentProber}
	if diff := cmp.Diff(want, template.Labels); diff != "" {
		t.Errorf("labels (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(s.PodAnnotations, template.Annotations); diff != "" {
		t.Errorf("annotations (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(workload.Labels(workload.ComponentProber), workload.Prober(s).Labels); diff != "" {
		t.Errorf("the DaemonSet's own labels (-want +got):\n%s", diff)
	}
}

func mustYAML(t *testing.T, object any) []byte {
	t.Helper()
	text, err := yaml.Marshal(object)
	if err != nil {
		t.Fatal(err)
	}
	return text
}
