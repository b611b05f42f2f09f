// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/netladder/netladder/api/v1alpha1"
)

// waysPort is the port of the Service and of the application behind it.
const waysPort = 8080

// Every way into a Service is a path of its own.
func TestFullServiceVia(t *testing.T) {
	const ns = "ways"
	web, inventory := label{"app", "web"}, label{"app", "inventory"}
	makeNamespace(t, ns)
	startApp(t, ns, "web", "node1", web)
	near := startApp(t, ns, "inventory-near", "node1", inventory, fmt.Sprintf("--tcp=:%d", waysPort))
	startApp(t, ns, "inventory-far", "node2", inventory, fmt.Sprintf("--tcp=:%d", waysPort))

	exposeAs(t, ns, "plain", inventory, nil)
	exposeAs(t, ns, "headless", inventory, func(s *corev1.ServiceSpec) { s.ClusterIP = corev1.ClusterIPNone })
	exposeAs(t, ns, "ports", inventory, func(s *corev1.ServiceSpec) { s.Type = corev1.ServiceTypeNodePort })
	exposeAs(t, ns, "ports-local", inventory, func(s *corev1.ServiceSpec) {
		s.Type, s.ExternalTrafficPolicy = corev1.ServiceTypeNodePort, corev1.ServiceExternalTrafficPolicyLocal
	})
	balanced := exposeAs(t, ns, "balanced", inventory, func(s *corev1.ServiceSpec) { s.Type = corev1.ServiceTypeLoadBalancer })
	made(t, &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "outside"},
		Spec: corev1.ServiceSpec{
			Type: corev1.ServiceTypeExternalName, ExternalName: "plain." + ns + ".svc.cluster.local",
		},
	})

	way := func(service string, via v1alpha1.ServiceVia) v1alpha1.Target {
		return v1alpha1.Target{Service: &v1alpha1.ServiceTarget{Name: service, Port: intstr.FromInt32(waysPort), Via: via}}
	}
	create(t, ns, "open",
		allow("cluster-ip", fromPods(web), way("plain", v1alpha1.ViaClusterIP)),
		allow("headless", fromPods(web), way("headless", "")),
		allow("node-port", fromPods(web), way("ports", v1alpha1.ViaNodePort)),
		allow("node-port-local", fromPods(web), way("ports-local", v1alpha1.ViaNodePort)),
		allow("no-node-port", fromPods(web), way("plain", v1alpha1.ViaNodePort)),
		allow("load-balancer", fromPods(web), way("balanced", v1alpha1.ViaLoadBalancer)),
		allow("endpoints", fromPods(web), way("plain", v1alpha1.ViaEndpoints)),
		allow("external-name", fromPods(web), way("outside", "")),
	)
	path := func(name string) pathRef { return pathRef{ns, "open", name} }
	eventually(t, settled, "no load balancer yet", path("load-balancer").says(v1alpha1.ReasonNoTargets, "<pending>"))
	eventually(t, settled, "no nodePort", path("no-node-port").says(v1alpha1.ReasonPortNotFound, "has no nodePort"))
	for _, name := range []string{"cluster-ip", "headless", "node-port", "node-port-local", "endpoints", "external-name"} {
		eventually(t, settled, name+" passes", path(name).is(v1alpha1.StatePassing, ""))
	}
	nodes := nodeIPs(t)
	// The source is on node1: its own node is a target too, and without an
	// endpoint node3 is one only where that does not matter.
	path("node-port").hasPairs(t, len(nodes))
	path("node-port-local").hasPairs(t, 2)
	path("endpoints").hasPairs(t, 2)

	// A load balancer appears.
	balanced.Status.LoadBalancer.Ingress = []corev1.LoadBalancerIngress{{IP: nodes["node2"]}}
	if err := kube.Status().Update(t.Context(), balanced); err != nil {
		t.Fatal(err)
	}
	eventually(t, recoveryBound+settled, "the load balancer answers", path("load-balancer").is(v1alpha1.StatePassing, ""))

	// One of two endpoints is gone: only who looks at each of them notices.
	grown(t, ns)
	ask(t, near, "POST", fmt.Sprintf("/close?proto=tcp&addr=%%3A%d", waysPort))
	for _, name := range []string{"endpoints", "headless"} {
		eventually(t, slack*detectionBound, name+" fails", path(name).failsWith(v1alpha1.VerdictRefused, ""))
	}
	listen(t, near, "tcp", fmt.Sprintf(":%d", waysPort))
	eventually(t, slack*recoveryBound, "endpoints recover", path("endpoints").is(v1alpha1.StatePassing, ""))

	// What a policy blocks is proven by each way that names its targets.
	isolate(t, ns, "nobody", inventory.selector())
	create(t, ns, "closed",
		deny("cluster-ip", fromPods(web), way("plain", v1alpha1.ViaClusterIP)),
		deny("headless", fromPods(web), way("headless", "")),
		deny("endpoints", fromPods(web), way("plain", v1alpha1.ViaEndpoints)),
	)
	for _, name := range []string{"cluster-ip", "headless", "endpoints"} {
		eventually(t, settled, name+" is proven to be blocked", pathRef{ns, "closed", name}.is(v1alpha1.StatePassing, ""))
	}
}

// exposeAs is expose for a Service of any kind, on waysPort.
func exposeAs(t *testing.T, namespace, name string, l label, change func(s *corev1.ServiceSpec)) *corev1.Service {
	t.Helper()
	s := &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec:       corev1.ServiceSpec{Selector: l.set(), Ports: []corev1.ServicePort{{Port: waysPort, TargetPort: intstr.FromInt32(waysPort)}}},
	}
	if change != nil {
		change(&s.Spec)
	}
	return made(t, s)
}

// nodeIPs are the InternalIPs of the nodes, by name.
func nodeIPs(t *testing.T) map[string]string {
	t.Helper()
	var nodes corev1.NodeList
	if err := kube.List(t.Context(), &nodes); err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for i := range nodes.Items {
		for _, a := range nodes.Items[i].Status.Addresses {
			if a.Type == corev1.NodeInternalIP && out[nodes.Items[i].Name] == "" {
				out[nodes.Items[i].Name] = a.Address
			}
		}
	}
	return out
}

// says is nil when the path is not accepted for a reason, with the fragment in
// its message.
func (r pathRef) says(reason, fragment string) func(context.Context) error {
	return func(ctx context.Context) error {
		if err := r.is(v1alpha1.StateUnknown, reason)(ctx); err != nil {
			return err
		}
		p, err := r.get(ctx)
		if err != nil {
			return err
		}
		if p.Accepted || !strings.Contains(p.Message, fragment) {
			return fmt.Errorf("%s: accepted %t, %q, want a message with %q", r, p.Accepted, p.Message, fragment)
		}
		return nil
	}
}

// hasPairs waits until as many pairs of the path pass, and no more are there.
func (r pathRef) hasPairs(t *testing.T, want int) {
	t.Helper()
	eventually(t, settled, fmt.Sprintf("%s has %d pairs", r, want), func(ctx context.Context) error {
		p, err := r.get(ctx)
		if err != nil {
			return err
		}
		if p.Pairs.Passing != int32(want) || p.Pairs.Total() != int32(want) {
			return fmt.Errorf("%s: %+v", r, p.Pairs)
		}
		return nil
	})
}
