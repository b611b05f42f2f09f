// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/netladder/netladder/api/v1alpha1"
)

const (
	shopNamespace = "ladder-shop"
	// shopInterval keeps what three carts send to one pod within its budget of
	// one probe a second.
	shopInterval = 3 * time.Second
	shopName     = "shop.example.com"
	catalogPort  = 8080
	paymentPort  = 8443
	tunnels      = "ladder-tunnels"
	instance     = "instance"
)

var (
	shopNodes = []string{"node1", "node2", "node3"}
	cart      = label{"app", "cart"}
	catalog   = label{"app", "catalog"}
	payment   = label{"app", "payment"}
)

// shop is a small application: carts on every node, which need the catalog and
// the payment, each a Service with a pod on every node, names and the API.
type shop struct {
	// pods by name, as catalog-node1.
	pods map[string]*corev1.Pod
}

// openShop starts it for the rest of the test, with checks of all that it needs.
func openShop(t *testing.T) *shop {
	t.Helper()
	makeNamespace(t, shopNamespace)
	s := &shop{pods: map[string]*corev1.Pod{}}
	for _, node := range shopNodes {
		s.start(t, cart, node)
		s.start(t, catalog, node, fmt.Sprintf("--http=:%d", catalogPort))
		s.start(t, payment, node, fmt.Sprintf("--https=:%d", paymentPort), "--certificate-name="+shopName)
	}
	authorities := ""
	for name, pod := range s.pods {
		running(t, pod)
		eventually(t, 10*time.Second, name+" listens", func(context.Context) error {
			conn, err := dialOnNode(pod.Spec.NodeName, net.JoinHostPort(pod.Status.PodIP, adminPort))
			if err != nil {
				return err
			}
			return conn.Close()
		})
		if strings.HasPrefix(name, payment.value) {
			authorities += string(ask(t, pod, http.MethodGet, "/ca"))
		}
	}
	expose(t, shopNamespace, catalog.value, catalog, catalogPort)
	expose(t, shopNamespace, payment.value, payment, paymentPort)

	browse := allow("browse", fromPods(cart), toService(catalog.value, catalogPort))
	browse.HTTP = &v1alpha1.HTTPLayer{Path: "/health"}
	pay := allow("pay", fromPods(cart), toService(payment.value, paymentPort))
	pay.HTTP = &v1alpha1.HTTPLayer{
		Scheme: v1alpha1.SchemeHTTPS, Path: "/health", TLS: &v1alpha1.TLSLayer{ServerName: shopName, CABundle: authorities},
	}
	name := catalog.value + "." + shopNamespace + ".svc.cluster.local."
	made(t, &v1alpha1.ConnectivityCheck{
		ObjectMeta: metav1.ObjectMeta{Namespace: shopNamespace, Name: "shop"},
		Spec: v1alpha1.ConnectivityCheckSpec{
			Interval: metav1.Duration{Duration: shopInterval}, Timeout: &metav1.Duration{Duration: timeout},
			FailureThreshold: failureThreshold, Paths: []v1alpha1.Path{
				browse, pay,
				allow("catalog-pods", fromPods(cart), toPods(catalog, catalogPort, "")),
				allow("payment-pods", fromPods(cart), toPods(payment, paymentPort, "")),
				allow("names", fromPods(cart), v1alpha1.Target{DNS: &v1alpha1.DNSTarget{Name: name}}),
				allow("api", fromPods(cart), v1alpha1.Target{APIServer: &v1alpha1.APIServerTarget{}}),
			},
		},
	})
	grown(t, shopNamespace)
	return s
}

func (s *shop) start(t *testing.T, l label, node string, listeners ...string) {
	t.Helper()
	name := l.value + "-" + node
	pod := appPod(shopNamespace, name, node, l, listeners...)
	pod.Labels[instance] = name
	if l == catalog {
		pod.Spec.Containers[0].ReadinessProbe = &corev1.Probe{
			ProbeHandler:  corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Path: "/health", Port: intstr.FromInt32(catalogPort)}},
			PeriodSeconds: 1, FailureThreshold: 1,
		}
	}
	s.pods[name] = made(t, pod)
}

// pod is one of the shop's on a node.
func (s *shop) pod(l label, node string) *corev1.Pod { return s.pods[l.value+"-"+node] }

// of lists the shop's pods of one kind.
func (s *shop) of(l label) []*corev1.Pod {
	var out []*corev1.Pod
	for _, node := range shopNodes {
		out = append(out, s.pod(l, node))
	}
	return out
}

// at are paths of the shop's check.
func at(paths ...string) []pathRef {
	var out []pathRef
	for _, p := range paths {
		out = append(out, pathRef{shopNamespace, "shop", p})
	}
	return out
}

// inCluster are paths of the check cluster-network.
func inCluster(paths ...string) []pathRef {
	var out []pathRef
	for _, p := range paths {
		out = append(out, pathRef{namespace, clusterNetwork, p})
	}
	return out
}

// passes is nil when every path of the shop and of the cluster passes. What
// failed now and then remains Degraded for 20 rounds, which nobody waits for.
func (s *shop) passes(ctx context.Context) error {
	checks := &v1alpha1.ConnectivityCheckList{}
	if err := kube.List(ctx, checks); err != nil {
		return err
	}
	var errs []error
	found := 0
	for i := range checks.Items {
		c := &checks.Items[i]
		if !slices.Contains([]string{"shop", clusterNetwork}, c.Name) {
			continue
		}
		for j := range c.Status.Paths {
			found++
			p := &c.Status.Paths[j]
			if p.State != v1alpha1.StatePassing && p.State != v1alpha1.StateDegraded || p.Diagnosis != nil {
				errs = append(errs, fmt.Errorf("%s/%s is %s (%s: %s)", c.Name, p.Name, p.State, p.Reason, p.Message))
			}
		}
	}
	if found < 10 {
		errs = append(errs, fmt.Errorf("only %d paths have a status", found))
	}
	return errors.Join(errs...)
}

// well waits until everything passes, and does so for a round.
func (s *shop) well(t *testing.T) {
	t.Helper()
	eventually(t, 2*time.Minute, "all is well", s.passes)
	grown(t, shopNamespace)
}

// recovers waits until all is as before the fault.
func (s *shop) recovers(t *testing.T) {
	t.Helper()
	eventually(t, 2*time.Minute, "all is well again", s.passes)
}

// patchSelector points a Service elsewhere and returns what points it back.
func patchSelector(t *testing.T, service string, l label) {
	t.Helper()
	kubectl(t, "patch", "service", "-n", shopNamespace, service, "--type=merge", "-p",
		fmt.Sprintf(`{"spec":{"selector":{%q:%q}}}`, l.key, l.value))
}

// scaleDNS sets how many replicas of CoreDNS there are.
func scaleDNS(t *testing.T, replicas int) {
	t.Helper()
	kubectl(t, "scale", "-n", "kube-system", "deployment/coredns", fmt.Sprintf("--replicas=%d", replicas))
}

// after returns a function that does something once, at the latest when the test
// ends.
func after(t *testing.T, do func(context.Context) error) func() {
	t.Helper()
	done := false
	once := func() {
		if done {
			return
		}
		if err := do(context.WithoutCancel(t.Context())); err != nil {
			t.Errorf("healing: %v", err)
			return
		}
		done = true
	}
	t.Cleanup(once)
	return once
}

// only selects one pod of the shop.
func only(pod *corev1.Pod) metav1.LabelSelector {
	return metav1.LabelSelector{MatchLabels: map[string]string{instance: pod.Name}}
}

// applied makes an object and returns what deletes it.
func applied(t *testing.T, object client.Object) func() {
	t.Helper()
	if err := kube.Create(t.Context(), object); err != nil {
		t.Fatal(err)
	}
	return after(t, func(ctx context.Context) error { return client.IgnoreNotFound(kube.Delete(ctx, object)) })
}

// dnsPods selects the pods of CoreDNS.
func dnsPods() []client.ListOption {
	return []client.ListOption{client.InNamespace("kube-system"), client.MatchingLabels{"k8s-app": "kube-dns"}}
}
