// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package chart_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/netladder/netladder/test/chart"
	"github.com/netladder/netladder/test/envtest"
)

// hookAnnotation marks what Helm runs and removes.
const hookAnnotation = "helm.sh/hook"

func render(t *testing.T, arguments ...string) (objects, hooks map[string]*unstructured.Unstructured) {
	t.Helper()
	all, err := chart.Render(arguments...)
	if err != nil {
		t.Fatal(err)
	}
	objects, hooks = map[string]*unstructured.Unstructured{}, map[string]*unstructured.Unstructured{}
	for _, o := range all {
		to := objects
		if _, ok := o.GetAnnotations()[hookAnnotation]; ok {
			to = hooks
		}
		if to[key(o)] != nil {
			t.Errorf("%s is there twice", key(o))
		}
		to[key(o)] = o
	}
	return objects, hooks
}

func key(o *unstructured.Unstructured) string {
	return strings.TrimSuffix(o.GetKind()+" "+o.GetNamespace(), " ") + " " + o.GetName()
}

// plain takes away what only a chart has.
func plain(o *unstructured.Unstructured) map[string]any {
	labels := o.GetLabels()
	maps.DeleteFunc(labels, func(name, _ string) bool {
		return slices.Contains([]string{
			"helm.sh/chart", "app.kubernetes.io/managed-by", "app.kubernetes.io/instance", "app.kubernetes.io/version", "app.kubernetes.io/part-of",
		}, name)
	})
	o.SetLabels(labels)
	if len(labels) == 0 {
		unstructured.RemoveNestedField(o.Object, "metadata", "labels")
	}
	return o.Object
}

// TestSameAsConfig: the chart installs what the kustomizations do. Helm takes the
// CRDs from the folder crds/, and no chart should make its own namespace.
func TestSameAsConfig(t *testing.T) {
	for folder, arguments := range map[string][]string{"default": nil, "full": {"--set", "level=Full"}} {
		t.Run(folder, func(t *testing.T) {
			objects, _ := render(t, arguments...)
			kustomized, err := chart.Kustomize(folder)
			if err != nil {
				t.Fatal(err)
			}
			n := 0
			for _, want := range kustomized {
				if kind := want.GetKind(); kind == "Namespace" || kind == "CustomResourceDefinition" {
					continue
				}
				n++
				got := objects[key(want)]
				if got == nil {
					t.Errorf("the chart lacks %s", key(want))
					continue
				}
				if diff := cmp.Diff(plain(want), plain(got)); diff != "" {
					t.Errorf("%s (-config/%s +chart):\n%s", key(want), folder, diff)
				}
				delete(objects, key(want))
			}
			if n < 20 {
				t.Errorf("only %d objects in config/%s", n, folder)
			}
			for name := range objects {
				t.Errorf("config/%s lacks %s", folder, name)
			}
		})
	}
}

// TestClassicHistograms: an older Prometheus Operator refuses the field, so that it
// has to be asked for; it is of the whole object, not of an endpoint.
func TestClassicHistograms(t *testing.T) {
	for asked, want := range map[string]bool{"false": false, "true": true} {
		objects, _ := render(t, "--set", "metrics.serviceMonitor.enabled=true,metrics.serviceMonitor.scrapeClassicHistograms="+asked)
		for _, name := range []string{
			"ServiceMonitor netladder-system netladder-controller", "PodMonitor netladder-system netladder-prober", "PodMonitor netladder-system netladder-echo",
		} {
			if objects[name] == nil {
				t.Fatalf("the chart lacks %s", name)
			}
			if _, got, err := unstructured.NestedBool(objects[name].Object, "spec", "scrapeClassicHistograms"); err != nil || got != want {
				t.Errorf("%s, asked for %s: the field is there %v (%v)", name, asked, got, err)
			}
		}
	}
}

// TestSameMonitoringAsConfig: what to scrape, the alerts and the dashboards.
func TestSameMonitoringAsConfig(t *testing.T) {
	objects, _ := render(t, "--set", "metrics.serviceMonitor.enabled=true,metrics.rules.enabled=true,metrics.dashboards.enabled=true",
		"--set-json", `metrics.scrapers=[{"kind":"ServiceAccount","name":"prometheus-k8s","namespace":"monitoring"}]`)
	without, _ := render(t)
	for name := range without {
		delete(objects, name)
	}
	wanted, err := chart.Kustomize("grafana")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{"monitors.yaml", "prometheusrule.yaml", "rbac.yaml"} {
		more, err := chart.File(mustPath(t, "config", "prometheus", file))
		if err != nil {
			t.Fatal(err)
		}
		wanted = append(wanted, more...)
	}
	for _, want := range wanted {
		got := objects[key(want)]
		if got == nil {
			t.Errorf("the chart lacks %s", key(want))
			continue
		}
		if diff := cmp.Diff(plain(want), plain(got)); diff != "" {
			t.Errorf("%s (-config +chart):\n%s", key(want), diff)
		}
		delete(objects, key(want))
	}
	for name := range objects {
		t.Errorf("config/prometheus and config/grafana lack %s", name)
	}
}

// TestAuditAtLevelRestricted brings the role of config/audit.
func TestAuditAtLevelRestricted(t *testing.T) {
	objects, _ := render(t, "--set", "audit=On")
	for _, name := range []string{"ClusterRole netladder-controller-audit", "ClusterRoleBinding netladder-controller-audit"} {
		if objects[name] == nil {
			t.Errorf("no %s", name)
		}
	}
	if args := controllerArgs(t, objects); !slices.Contains(args, "--audit") {
		t.Errorf("arguments %v", args)
	}
}

// TestSwitches: what is turned off is not there.
func TestSwitches(t *testing.T) {
	const own = " " + chart.Namespace + " "
	for value, without := range map[string][]string{
		"controller.podDisruptionBudget.enabled": {"PodDisruptionBudget" + own + "netladder-controller"},
		"networkPolicy.enabled":                  {"NetworkPolicy" + own + "netladder-controller", "NetworkPolicy" + own + "netladder-prober", "NetworkPolicy" + own + "netladder-echo"},
		"admissionPolicy.enabled":                {"ValidatingAdmissionPolicy netladder-prober-writes", "ValidatingAdmissionPolicyBinding netladder-prober-writes"},
		"rbac.users":                             {"ClusterRole netladder-viewer", "ClusterRole netladder-editor", "ClusterRole netladder-operator"},
		"checks.clusterNetwork.enabled":          {"ConnectivityCheck" + own + "cluster-network"},
		"checks.policyEnforcement.enabled":       {"ConnectivityCheck" + own + "policy-enforcement"},
		"canary.enabled":                         {"ConnectivityCheck" + own + "policy-enforcement"},
	} {
		all, _ := render(t)
		objects, _ := render(t, "--set", value+"=false")
		for _, name := range without {
			if all[name] == nil {
				t.Errorf("%s is not there by default", name)
			}
			if objects[name] != nil {
				t.Errorf("%s=false, and %s is there", value, name)
			}
		}
		if len(objects)+len(without) != len(all) {
			t.Errorf("%s=false takes %d objects away, want %d", value, len(all)-len(objects), len(without))
		}
	}
	if _, hooks := render(t, "--set", "crds.upgrade=false"); len(hooks) != 0 {
		t.Errorf("crds.upgrade=false leaves %d hooks", len(hooks))
	}
}

// TestHooks: they end with the upgrade, and may touch our CRDs only.
func TestHooks(t *testing.T) {
	_, hooks := render(t)
	if len(hooks) != 5 {
		t.Errorf("hooks: %v", slices.Collect(maps.Keys(hooks)))
	}
	for name, o := range hooks {
		annotations := o.GetAnnotations()
		if annotations[hookAnnotation] != "pre-upgrade" {
			t.Errorf("%s runs at %s", name, annotations[hookAnnotation])
		}
		for _, when := range []string{"before-hook-creation", "hook-succeeded", "hook-failed"} {
			if !strings.Contains(annotations["helm.sh/hook-delete-policy"], when) {
				t.Errorf("%s stays: %s", name, annotations["helm.sh/hook-delete-policy"])
			}
		}
		if o.GetKind() == "CustomResourceDefinition" {
			t.Errorf("%s is a hook: Argo CD would delete it first, and all that is stored", name)
		}
	}
	rules, _, err := unstructured.NestedSlice(hooks["ClusterRole netladder-crds-upgrade"].Object, "rules")
	if err != nil || len(rules) != 1 {
		t.Fatalf("rules %v: %v", rules, err)
	}
	var names []string
	for _, name := range rules[0].(map[string]any)["resourceNames"].([]any) {
		names = append(names, name.(string))
	}
	crds, err := chart.Kustomize("crd")
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, crd := range crds {
		want = append(want, crd.GetName())
	}
	slices.Sort(want)
	if diff := cmp.Diff(want, names); diff != "" {
		t.Errorf("CRDs that the hook may write (-config/crd +chart):\n%s", diff)
	}
}

func controllerArgs(t *testing.T, objects map[string]*unstructured.Unstructured) []string {
	t.Helper()
	containers, _, err := unstructured.NestedSlice(objects["Deployment "+chart.Namespace+" netladder-controller"].Object, "spec", "template", "spec", "containers")
	if err != nil {
		t.Fatal(err)
	}
	args, _, err := unstructured.NestedStringSlice(containers[0].(map[string]any), "args")
	if err != nil {
		t.Fatal(err)
	}
	return args
}

func mustPath(t *testing.T, elements ...string) string {
	t.Helper()
	path, err := envtest.Path(elements...)
	if err != nil {
		t.Fatal(err)
	}
	return path
}
