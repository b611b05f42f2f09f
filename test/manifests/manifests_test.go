// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

// Package manifests holds the files of config/ and hack/ to what is promised
// about them. That the API server accepts them is tested with the controllers.
package manifests

import (
	"bytes"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/yaml"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/test/envtest"
)

// read reads the n-th document of a file of config/ into an object.
func read(t *testing.T, object any, n int, path ...string) {
	t.Helper()
	file, err := envtest.Path(append([]string{"config"}, path...)...)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.UnmarshalStrict(bytes.Split(text, []byte("\n---\n"))[n], object); err != nil {
		t.Fatal(err)
	}
}

func selects(t *testing.T, selector *metav1.LabelSelector, set map[string]string) bool {
	t.Helper()
	s, err := metav1.LabelSelectorAsSelector(selector)
	if err != nil {
		t.Fatal(err)
	}
	return s.Matches(labels.Set(set))
}

// TestControllerOutlivesItsNode: when the leader's node dies another leads, and
// the lost pod is replaced soon.
func TestControllerOutlivesItsNode(t *testing.T) {
	deployment := &appsv1.Deployment{}
	read(t, deployment, 0, "manager", "deployment.yaml")
	pod := deployment.Spec.Template
	if n := deployment.Spec.Replicas; n == nil || *n < 2 {
		t.Errorf("%v replicas", n)
	}
	if !slices.Contains(pod.Spec.Containers[0].Args, "--leader-elect") {
		t.Error("several replicas, and none is elected")
	}
	apart := func(c corev1.TopologySpreadConstraint) bool {
		return c.TopologyKey == corev1.LabelHostname && c.WhenUnsatisfiable == corev1.ScheduleAnyway &&
			slices.Contains(c.MatchLabelKeys, appsv1.DefaultDeploymentUniqueLabelKey) && selects(t, c.LabelSelector, pod.Labels)
	}
	if !slices.ContainsFunc(pod.Spec.TopologySpreadConstraints, apart) {
		t.Errorf("nothing keeps the replicas apart: %+v", pod.Spec.TopologySpreadConstraints)
	}
	for _, key := range []string{corev1.TaintNodeNotReady, corev1.TaintNodeUnreachable} {
		short := func(x corev1.Toleration) bool {
			return x.Key == key && x.Operator == corev1.TolerationOpExists && x.Effect == corev1.TaintEffectNoExecute && x.TolerationSeconds != nil && *x.TolerationSeconds == 30
		}
		if !slices.ContainsFunc(pod.Spec.Tolerations, short) {
			t.Errorf("%s is tolerated for the default of 300 s", key)
		}
	}
}

// TestDrainsDoNotHang, and leave one controller.
func TestDrainsDoNotHang(t *testing.T) {
	deployment, budget := &appsv1.Deployment{}, &policyv1.PodDisruptionBudget{}
	read(t, deployment, 0, "manager", "deployment.yaml")
	read(t, budget, 0, "manager", "disruption.yaml")
	if !selects(t, budget.Spec.Selector, deployment.Spec.Template.Labels) {
		t.Error("the budget is not about the controller's pods")
	}
	if n := budget.Spec.MaxUnavailable; n == nil || n.String() != "1" || budget.Spec.MinAvailable != nil {
		t.Errorf("budget %+v", budget.Spec)
	}
	if p := budget.Spec.UnhealthyPodEvictionPolicy; p == nil || *p != policyv1.AlwaysAllow {
		t.Error("pods that are not Ready hold up a drain")
	}
}

// TestEveryClusterDomainWillDo: the check that comes with Netladder must not
// fail because a cluster's domain is not cluster.local.
func TestEveryClusterDomainWillDo(t *testing.T) {
	check, service := &v1alpha1.ConnectivityCheck{}, &corev1.Service{}
	read(t, check, 0, "cluster-network", "check.yaml")
	read(t, service, 1, "manager", "services.yaml")
	transports := map[v1alpha1.DNSTransport]bool{}
	for _, p := range check.Spec.Paths {
		if p.To.DNS == nil {
			continue
		}
		transports[p.To.DNS.Transport] = true
		if p.To.DNS.Name != service.Name || check.Namespace != service.Namespace {
			t.Errorf("path %s looks up %q, want the Service %q, without a domain", p.Name, p.To.DNS.Name, service.Name)
		}
	}
	if len(transports) != 2 {
		t.Errorf("DNS is tested over %v", transports)
	}
}

// TestProbersMayDoNoMore than read assignments and apply their status.
func TestProbersMayDoNoMore(t *testing.T) {
	role := &rbacv1.ClusterRole{}
	read(t, role, 1, "rbac", "prober.yaml")
	got := map[string][]string{}
	for _, rule := range role.Rules {
		for _, group := range rule.APIGroups {
			for _, resource := range rule.Resources {
				got[resource+"."+group] = rule.Verbs
			}
		}
	}
	want := map[string][]string{
		"probeassignments.netladder.io":        {"get", "list", "watch"},
		"probeassignments/status.netladder.io": {"patch"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestDemoCountsEveryCheck: a check that has no status yet is not Ready.
func TestDemoCountsEveryCheck(t *testing.T) {
	lib, err := envtest.Path("hack", "lib.sh")
	if err != nil {
		t.Fatal(err)
	}
	for in, want := range map[string]string{
		"":                      "",
		"True|a/b|3/3\n":        "1 of 1 checks Ready",
		"True|a/b|3/3\n|a/c|\n": "1 of 2 checks Ready, waiting for a/c (Unknown)",
		"False|a/b|1/3\n|a/c|\nUnknown|d/e|0/1\n": "0 of 3 checks Ready, waiting for a/b (False, 1/3) a/c (Unknown) d/e (Unknown, 0/1)",
	} {
		cmd := exec.CommandContext(t.Context(), "bash", "-c", `source "$0" && count_ready`, lib)
		cmd.Stdin = strings.NewReader(in)
		got, err := cmd.CombinedOutput()
		if err != nil || string(got) != want {
			t.Errorf("%q: %q (%v), want %q", in, got, err, want)
		}
	}
}
