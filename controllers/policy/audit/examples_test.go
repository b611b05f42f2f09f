// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"bytes"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/yaml"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/controllers/index"
	"github.com/netladder/netladder/controllers/plan"
	"github.com/netladder/netladder/controllers/policy"
	"github.com/netladder/netladder/test/envtest"
)

// TestExamples holds docs/examples to what the audit finds in them, as
// "namespace Severity Code policy clause": what is meant to be found, and nothing
// besides that would distract from it. That their clients are not isolated is
// part of most of them.
func TestExamples(t *testing.T) {
	want := map[string][]string{
		"and-versus-or/broken":            {"warehouse Info PeersReadAsOr or spec.ingress[0].from[1]"},
		"default-deny-without-dns/broken": {"checkout Warning EgressWithoutDNS default-deny-egress"},
		"monitoring-goes-dark/broken":     {"storefront Warning MonitoringCutOff same-namespace-only"},
		"nobody-enforces/broken":          {"vault Info PeerMatchesNothing vault-only spec.ingress[0].from[0]"},
		"typo/broken":                     {"payments Warning SelectsNoPod restrict spec.podSelector"},
	}
	pattern, err := envtest.Path("docs", "examples", "*", "*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) < 10 {
		t.Fatalf("%d files: %v", len(files), err)
	}
	for _, file := range files {
		name := filepath.Base(filepath.Dir(file)) + "/" + strings.TrimSuffix(filepath.Base(file), ".yaml")
		t.Run(name, func(t *testing.T) {
			files := []string{file}
			if broken := filepath.Join(filepath.Dir(file), "broken.yaml"); file != broken && exists(broken) {
				files = []string{broken, file} // it is applied on top
			}
			got := examine(t, files)
			if !slices.Equal(got, want[name]) {
				t.Errorf("got  %q\nwant %q", got, want[name])
			}
		})
	}
}

func exists(file string) bool {
	_, err := os.Stat(file)
	return err == nil
}

// examine what files have, in a cluster with a DNS.
func examine(t *testing.T, files []string) []string {
	t.Helper()
	var text []byte
	for _, file := range files {
		one, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		text = append(append(text, one...), "\n---\n"...)
	}
	x := policy.NewIndex()
	x.SetNamespace(&plan.Namespace{Name: "kube-system", Labels: map[string]string{corev1.LabelMetadataName: "kube-system"}})
	x.SetPod(pod(t, 0, "kube-system/coredns-1 k8s-app=kube-dns dns:53/UDP dns-tcp:53 metrics:9153"))
	uids := map[string]int{}
	for _, document := range bytes.Split(text, []byte("\n---\n")) {
		var kind metav1.TypeMeta
		if err := yaml.Unmarshal(document, &kind); err != nil {
			t.Fatal(err)
		}
		switch kind.Kind {
		case "Namespace":
			n := &corev1.Namespace{}
			decode(t, document, n)
			n.Labels = withName(n.Labels, n.Name)
			x.SetNamespace(index.Namespace(n))
		case "NetworkPolicy":
			p := &networkingv1.NetworkPolicy{}
			decode(t, document, p)
			x.SetPolicy(p)
		case "Deployment", "DaemonSet":
			d := &appsv1.Deployment{} // of which a DaemonSet has all that counts here
			if err := yaml.Unmarshal(document, d); err != nil {
				t.Fatal(err)
			}
			key := d.Namespace + "/" + d.Name
			if uids[key] == 0 {
				uids[key] = len(uids) + 1
			}
			x.SetPod(index.Workload(&corev1.Pod{
				ObjectMeta: metav1.ObjectMeta{Namespace: d.Namespace, Name: d.Name + "-1", UID: types.UID(fmt.Sprint(uids[key])), Labels: d.Spec.Template.Labels},
				Spec: corev1.PodSpec{
					NodeName: "node1", HostNetwork: d.Spec.Template.Spec.HostNetwork,
					Containers: d.Spec.Template.Spec.Containers, InitContainers: d.Spec.Template.Spec.InitContainers,
				},
				Status: corev1.PodStatus{Phase: corev1.PodRunning, PodIP: netip.AddrFrom4([4]byte{10, 2, 0, byte(uids[key])}).String()},
			}))
		}
	}
	var got []string
	for _, n := range x.Namespaces() {
		for _, f := range Audit(Input{Index: x, Namespace: n.Name}).Findings {
			if f.Code != v1alpha1.FindingPodsNotCovered {
				got = append(got, n.Name+" "+lines([]Finding{f}))
			}
		}
	}
	return got
}

func decode(t *testing.T, document []byte, object any) {
	t.Helper()
	if err := yaml.UnmarshalStrict(document, object); err != nil {
		t.Fatal(err)
	}
}

func withName(labels map[string]string, name string) map[string]string {
	out := map[string]string{corev1.LabelMetadataName: name}
	for k, v := range labels {
		out[k] = v
	}
	return out
}
