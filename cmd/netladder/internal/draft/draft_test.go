// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package draft_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/yaml"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/cmd/netladder/internal/draft"
	"github.com/netladder/netladder/test/envtest"
	"github.com/netladder/netladder/test/golden"
)

// world is a cluster in which files were applied: each Deployment has one pod.
type world struct {
	draft.Input
	n int
}

func newWorld() *world {
	w := &world{}
	w.Home, w.Name = "netladder-system", "network-policies"
	w.Namespaces = append(w.Namespaces, space("kube-system"), space("netladder-system"))
	w.pod("kube-system", "coredns", corev1.PodTemplateSpec{
		ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{"k8s-app": "kube-dns"}},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Ports: []corev1.ContainerPort{{Name: "dns", ContainerPort: 53, Protocol: corev1.ProtocolUDP}}}}},
	})
	w.Services = append(w.Services, corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: "kube-system", Name: "kube-dns"},
		Spec:       corev1.ServiceSpec{ClusterIP: "10.96.0.10", Selector: map[string]string{"k8s-app": "kube-dns"}, Ports: []corev1.ServicePort{{Port: 53, Protocol: corev1.ProtocolUDP}}},
	})
	return w
}

func space(name string) corev1.Namespace {
	return corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{corev1.LabelMetadataName: name}}}
}

func (w *world) pod(namespace, name string, template corev1.PodTemplateSpec) {
	w.n++
	p := corev1.Pod{ObjectMeta: *template.ObjectMeta.DeepCopy(), Spec: template.Spec}
	p.Namespace, p.Name, p.UID = namespace, name+"-7f9c", types.UID(fmt.Sprint("uid-", w.n))
	p.Labels["pod-template-hash"] = "7f9c"
	p.Spec.NodeName, p.Status.PodIP = "node1", fmt.Sprintf("10.244.1.%d", w.n)
	p.Status.PodIPs = []corev1.PodIP{{IP: p.Status.PodIP}}
	w.Pods = append(w.Pods, p)
}

// apply the objects of a file.
func (w *world) apply(t *testing.T, path ...string) *world {
	t.Helper()
	file, err := envtest.Path(path...)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	into := func(doc []byte, object any) {
		t.Helper()
		if err := yaml.Unmarshal(doc, object); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
	}
	for _, doc := range bytes.Split(text, []byte("\n---\n")) {
		var kind metav1.TypeMeta
		into(doc, &kind)
		switch kind.Kind {
		case "Namespace":
			var n corev1.Namespace
			into(doc, &n)
			if n.Labels == nil {
				n.Labels = map[string]string{}
			}
			n.Labels[corev1.LabelMetadataName] = n.Name
			w.Namespaces = append(w.Namespaces, n)
		case "Deployment":
			var d appsv1.Deployment
			into(doc, &d)
			w.pod(d.Namespace, d.Name, d.Spec.Template)
		case "DaemonSet":
			var d appsv1.DaemonSet
			into(doc, &d)
			w.pod(d.Namespace, d.Name, d.Spec.Template)
		case "Service":
			var s corev1.Service
			into(doc, &s)
			w.Services = append(w.Services, s)
		case "NetworkPolicy":
			var p networkingv1.NetworkPolicy
			into(doc, &p)
			w.Policies = append(w.Policies, p)
		case "ConnectivityCheck":
			var c v1alpha1.ConnectivityCheck
			into(doc, &c)
			w.Checks = append(w.Checks, c)
		}
	}
	return w
}

func (w *world) of(namespace string) *draft.Input {
	in := w.Input
	in.Namespace = namespace
	return &in
}

// TestStories drafts checks from the policies that the examples and the demo
// have. test/e2e applies what comes of it.
func TestStories(t *testing.T) {
	for name, c := range map[string]struct {
		namespace string
		files     [][]string
	}{
		"order-validator": {"commerce", [][]string{{"docs", "examples", "order-validator", "broken.yaml"}}},
		"demo":            {"commerce", [][]string{{"config", "demo", "commerce", "apps.yaml"}, {"config", "demo", "commerce", "policies.yaml"}, {"config", "demo", "commerce", "check.yaml"}}},
		"typo":            {"payments", [][]string{{"docs", "examples", "typo", "broken.yaml"}}},
		"monitoring":      {"storefront", [][]string{{"docs", "examples", "monitoring-goes-dark", "broken.yaml"}}},
		"and-versus-or":   {"warehouse", [][]string{{"docs", "examples", "and-versus-or", "broken.yaml"}}},
		"both-directions": {"invoicing", [][]string{{"docs", "examples", "both-directions", "broken.yaml"}}},
		"without-dns":     {"checkout", [][]string{{"docs", "examples", "default-deny-without-dns", "broken.yaml"}}},
		"exact-words":     {"gateways", [][]string{{"docs", "examples", "exact-words", "right.yaml"}}},
		"metadata":        {"metadata", [][]string{{"docs", "examples", "metadata", "broken.yaml"}}},
		"nobody-enforces": {"vault", [][]string{{"docs", "examples", "nobody-enforces", "broken.yaml"}}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld()
			for _, file := range c.files {
				w.apply(t, file...)
			}
			d := draft.Of(w.of(c.namespace))
			text, err := d.YAML(c.namespace)
			if err != nil {
				t.Fatal(err)
			}
			golden.Equal(t, filepath.Join("testdata", name+".yaml"), []byte(text))
			var back []v1alpha1.ConnectivityCheck
			for _, doc := range strings.Split(text, "\n---\n")[1:] {
				var check v1alpha1.ConnectivityCheck
				if err := yaml.UnmarshalStrict([]byte(doc), &check); err != nil {
					t.Fatal(err)
				}
				back = append(back, check)
			}
			if diff := cmp.Diff(d.Objects(c.namespace), back, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("the YAML says other than what is meant:\n%s", diff)
			}
		})
	}
}

// TestNamesAreTexts: Kubernetes allows names that YAML reads as numbers, and the
// API server refuses a number.
func TestNamesAreTexts(t *testing.T) {
	for _, name := range []string{"2024", "1e3", "0x1f", "true", "null", "web"} {
		d := draft.Draft{Checks: []draft.Check{{Name: name, About: "Some.", Paths: []draft.Path{{Path: v1alpha1.Path{Name: name}, Why: "because"}}}}}
		text, err := d.YAML(name)
		if err != nil {
			t.Fatal(err)
		}
		var check v1alpha1.ConnectivityCheck
		_, doc, _ := strings.Cut(text, "\n---\n")
		if err := yaml.UnmarshalStrict([]byte(doc), &check); err != nil || check.Name != name || check.Namespace != name || check.Spec.Paths[0].Name != name {
			t.Errorf("%s: %v\n%s", name, err, text)
		}
	}
}
