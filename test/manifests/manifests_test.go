// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

// Package manifests holds the files of config/ and hack/ to what is promised
// about them. That the API server accepts them is tested with the controllers.
package manifests

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/yaml"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/controllers/workload"
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
		"probeassignments.netladder.io":        {"list", "watch"},
		"probeassignments/status.netladder.io": {"patch"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestDemoWaits: for the image and the level that are installed now, for a word
// of each prober that runs now, and for statuses that are about the present
// specs. What a run before this one left says nothing.
func TestDemoWaits(t *testing.T) {
	const (
		sets = "daemonset|netladder-echo|2|2|2|2|2|img:2|\n" +
			"daemonset|netladder-prober|2|2|2|2|2|img:2|\n"
		reported = "prober|node1|u1|\nprober|node2|u2|\n" +
			"report|node1|u1|2026-01-31T12:00:01Z\nreport|node2|u2|2026-01-31T12:01:00Z\n"
		sound  = "check|a/b|3|3|True|3/3|\n"
		waited = "1 of 1 checks Ready"
	)
	for name, tc := range map[string]struct {
		in, level, want string
		finished        bool
	}{
		"nothing yet":       {"", "Restricted", "waiting for the DaemonSets", false},
		"all there":         {sets + reported + sound, "Restricted", waited, true},
		"in another order":  {sound + reported + sets, "Restricted", waited, true},
		"the image before":  {strings.Replace(sets, "2|img:2|\ndaemonset|netladder-prober", "2|img:1|\ndaemonset|netladder-prober", 1) + reported + sound, "Restricted", "waiting for netladder-echo", false},
		"another level":     {sets + reported + sound, "Full", "waiting for netladder-prober", false},
		"level Full":        {strings.Replace(sets, "img:2|\n", "img:2|true\n", 2) + reported + sound, "Full", waited, true},
		"back from it":      {strings.Replace(sets, "img:2|\n", "img:2|true\n", 2) + reported + sound, "Restricted", "waiting for netladder-prober", false},
		"not observed":      {strings.Replace(sets, "prober|2|2", "prober|3|2", 1) + reported + sound, "Restricted", "waiting for netladder-prober", false},
		"rolling":           {strings.Replace(sets, "prober|2|2|2|2|2", "prober|2|2|2|1|2", 1) + reported + sound, "Restricted", "waiting for netladder-prober", false},
		"no status yet":     {strings.Replace(sets, "prober|2|2|2|2|2", "prober|2||||", 1) + reported + sound, "Restricted", "waiting for netladder-prober", false},
		"an old report":     {sets + strings.Replace(reported, "12:00:01", "11:59:59", 1) + sound, "Restricted", "1 of 2 probers have reported", false},
		"of another prober": {sets + strings.Replace(reported, "prober|node2|u2", "prober|node2|u3", 1) + sound, "Restricted", "1 of 2 probers have reported", false},
		"no report":         {sets + "prober|node1|u1|\n" + sound, "Restricted", "0 of 1 probers have reported", false},
		"one ends":          {sets + reported + "prober|node2|u0|2026-01-31T12:00:00Z\n" + sound, "Restricted", waited, true},
		"no checks":         {sets + reported, "Restricted", "waiting for checks", false},
		"no status":         {sets + reported + sound + "check|a/c|1||||\n", "Restricted", "1 of 2 checks Ready, waiting for a/c (Unknown)", false},
		"an old status":     {sets + reported + "check|a/b|3|2|True|3/3|\n", "Restricted", "0 of 1 checks Ready, waiting for a/b (Unknown, 3/3)", false},
		"broken":            {sets + reported + "check|a/b|3|3|False|1/3|x,y\n", "Restricted", "0 of 1 checks Ready, waiting for a/b (False, 1/3)", false},
		"as it is meant":    {sets + reported + sound + "check|commerce/order-validator|1|1|False|2/3|inventory\n", "Restricted", "2 of 2 checks as they are meant to be", true},
		"mended":            {sets + reported + sound + "check|commerce/order-validator|1|1|True|3/3|\n", "Restricted", "2 of 2 checks Ready", true},
		"broken otherwise":  {sets + reported + "check|commerce/order-validator|1|1|False|2/3|frontend\n", "Restricted", "0 of 1 checks Ready, waiting for commerce/order-validator (False, 2/3)", false},
		"not proven yet":    {sets + reported + "check|commerce/order-validator|1|1|False|1/3|inventory\n", "Restricted", "0 of 1 checks Ready, waiting for commerce/order-validator (False, 1/3)", false},
	} {
		t.Run(name, func(t *testing.T) {
			got := shell(t, tc.in, `progress img:2 "$1" 2026-01-31T12:00:00Z`, tc.level)
			if got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
			if done := shell(t, "", `finished "$1" && echo yes || echo no`, got); done != map[bool]string{true: "yes\n", false: "no\n"}[tc.finished] {
				t.Errorf("%q is finished: %s", got, done)
			}
		})
	}
	if got := shell(t, "", `finished "$1" && echo yes || echo no`, "9 of 10 checks Ready"); got != "no\n" {
		t.Errorf("9 of 10 are all: %s", got)
	}
}

// shell runs a command of the scripts in hack, with one argument.
func shell(t *testing.T, in, command, argument string) string {
	t.Helper()
	lib, err := envtest.Path("hack", "lib.sh")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "bash", "-c", `source "$0" && `+command, lib, argument)
	cmd.Stdin = strings.NewReader(in)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v: %s", command, err, out)
	}
	return string(out)
}

// TestDemoLevel: a second run without LEVEL leaves the level as it is.
func TestDemoLevel(t *testing.T) {
	demo, err := envtest.Path("hack", "demo.sh")
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct{ level, args, want string }{
		"first run":      {"", "", "Restricted demo\n"},
		"first run Full": {"Full", "", "Full demo/full\n"},
		"again":          {"", `["--leader-elect"]`, "Restricted demo\n"},
		"again Full":     {"", `["--leader-elect","--level=Full"]`, "level Full is installed and stays; LEVEL=Restricted goes back\nFull demo/full\n"},
		"back":           {"Restricted", `["--level=Full"]`, "remove what needs level Full\nRestricted demo\n"},
		"on":             {"Full", `["--leader-elect"]`, "Full demo/full\n"},
	} {
		t.Run(name, func(t *testing.T) {
			cmd := exec.CommandContext(t.Context(), "bash", "-c",
				`source "$0" functions; k() { echo "$ARGS"; }; step() { echo "$1"; }; choose_level; echo "$level $overlay"`, demo)
			cmd.Env = append(os.Environ(), "LEVEL="+tc.level, "ARGS="+tc.args)
			if out, err := cmd.CombinedOutput(); err != nil || string(out) != tc.want {
				t.Errorf("%q (%v), want %q", out, err, tc.want)
			}
		})
	}
}

// TestHelpIsPlain: what reads a pipe gets no colours.
func TestHelpIsPlain(t *testing.T) {
	makefile, err := envtest.Path("Makefile")
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), "make", "-C", filepath.Dir(makefile), "help").CombinedOutput()
	if err != nil || !strings.Contains(string(out), "\n  demo ") || strings.Contains(string(out), "\x1b") {
		t.Errorf("%v: %q", err, out)
	}
}

// TestCanariesReachTheEchoPods: what stops them is to be the policy that
// isolates them, which the controller makes, and not the one of the echo pods.
func TestCanariesReachTheEchoPods(t *testing.T) {
	echo := &networkingv1.NetworkPolicy{}
	read(t, echo, 0, "network-policy", "policies.yaml")
	canary := workload.Labels(workload.ComponentCanary)
	admitted := slices.ContainsFunc(echo.Spec.Ingress, func(rule networkingv1.NetworkPolicyIngressRule) bool {
		return len(rule.Ports) == 0 && slices.ContainsFunc(rule.From, func(peer networkingv1.NetworkPolicyPeer) bool {
			return peer.NamespaceSelector == nil && peer.PodSelector != nil && selects(t, peer.PodSelector, canary)
		})
	})
	if !selects(t, &echo.Spec.PodSelector, workload.Labels(workload.ComponentEcho)) || !admitted {
		t.Errorf("%s does not admit pods with %v: %+v", echo.Name, canary, echo.Spec)
	}
	for i := range 3 {
		policy := &networkingv1.NetworkPolicy{}
		read(t, policy, i, "network-policy", "policies.yaml")
		if selects(t, &policy.Spec.PodSelector, canary) {
			t.Errorf("%s selects the canary pods", policy.Name)
		}
	}
}

// TestEnforcementIsTested, as far as probers of level Restricted can, and is no
// alarm by night.
func TestEnforcementIsTested(t *testing.T) {
	check := &v1alpha1.ConnectivityCheck{}
	read(t, check, 0, "policy-enforcement", "check.yaml")
	if len(check.Spec.Paths) != 1 || check.Spec.Paths[0].To.Canary == nil || check.Spec.Paths[0].To.Canary.Direction != v1alpha1.PolicyIngress || check.Spec.Severity != v1alpha1.SeverityWarning {
		t.Errorf("%+v", check.Spec)
	}
}
