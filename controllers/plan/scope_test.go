// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"slices"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/netladder/netladder/api/v1alpha1"
)

// What a check may not do, what cannot be done, and what to write instead.
func TestRefusedPaths(t *testing.T) {
	everywhere := v1alpha1.Source{Pods: &v1alpha1.PodsSource{NamespaceSelector: &metav1.LabelSelector{}}}
	named := func(to v1alpha1.Target, port string) v1alpha1.Target {
		to.Pods.Port = intstr.FromString(port)
		return to
	}
	twice := fromPods("web")
	twice.Nodes = &v1alpha1.NodesSource{}
	restricted := func(in *Input, _ *v1alpha1.ConnectivityCheck) { in.Settings.Level = v1alpha1.LevelRestricted }
	for _, tc := range []struct {
		name, namespace string
		from            v1alpha1.Source
		to              v1alpha1.Target
		expect          v1alpha1.Expectation
		change          func(in *Input, c *v1alpha1.ConnectivityCheck)
		reason, message string
		silent          string
	}{
		{name: "own pods", namespace: "shop", from: fromPods("web"), to: toPods("db", 1)},
		{name: "anything in Netladder's own namespace", namespace: home, from: everywhere, to: anywhere(toPods("db", 1))},
		{name: "nodes of Netladder's own namespace", namespace: home, from: fromNodes(), to: anywhere(toPods("db", 1))},
		{name: "nodes of a tenant", namespace: "shop", from: fromNodes(), to: toPods("db", 1),
			reason: "SourceNotPermitted", message: "use from.pods, or create this check in namespace netladder-system"},
		{name: "a tenant's namespaceSelector", namespace: "shop", from: everywhere, to: toPods("db", 1),
			reason: "SourceNotPermitted", message: "remove from.pods.namespaceSelector"},
		{name: "a tenant's namespaceSelector that matches its own namespace", namespace: "shop", to: toPods("db", 1),
			from:   v1alpha1.Source{Pods: &v1alpha1.PodsSource{NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"name": "shop"}}}},
			reason: "SourceNotPermitted", message: "remove from.pods.namespaceSelector"},
		{name: "two sources", namespace: "shop", from: twice, to: toPods("db", 1), reason: "Unsupported", message: "exactly one"},
		{name: "probers to own pods", namespace: "shop", from: fromProbers(), to: toPods("db", 1)},
		{name: "probers to other pods", namespace: "shop", from: fromProbers(), to: anywhere(toPods("db", 1)),
			reason: "SourceNotPermitted", message: "put the other paths into another check"},
		{name: "probers to a host", namespace: "shop", from: fromProbers(), to: toHost("198.51.100.1", 1),
			reason: "SourceNotPermitted", message: "use from.pods"},
		{name: "probers beside a path to a host", namespace: "shop", from: fromProbers(), to: toPods("db", 1),
			change: func(_ *Input, c *v1alpha1.ConnectivityCheck) {
				c.Spec.Paths = append(c.Spec.Paths, v1alpha1.Path{Name: "other", From: fromPods("web"), To: toHost("198.51.100.1", 1)})
			}, reason: "SourceNotPermitted", message: "put the other paths into another check"},
		{name: "probers to own pods and a host in one target", namespace: "shop", from: fromProbers(), to: toPods("db", 1),
			change: func(_ *Input, c *v1alpha1.ConnectivityCheck) {
				c.Spec.Paths[0].To.Host = toHost("198.51.100.1", 1).Host
			},
			reason: "Unsupported", message: "exactly one"},

		{name: "loopback", namespace: "shop", from: fromPods("web"), to: toHost("127.0.0.1", 1), reason: "HostNotPermitted", message: "neither loopback"},
		{name: "mapped loopback", namespace: "shop", from: fromPods("web"), to: toHost("::ffff:127.0.0.1", 1), reason: "HostNotPermitted"},
		{name: "unspecified", namespace: home, from: fromNodes(), to: toHost("::", 1), reason: "HostNotPermitted"},
		{name: "multicast", namespace: home, from: fromNodes(), to: toHost("ff02::1", 1), reason: "HostNotPermitted"},
		{name: "a zone", namespace: home, from: fromNodes(), to: toHost("fe80::1%eth0", 1), reason: "HostNotPermitted"},

		{name: "pods at level Restricted", namespace: "shop", from: fromPods("web"), to: toPods("db", 1), change: restricted,
			reason: "Unsupported", message: "kubectl apply -k config/full"},
		{name: "nodes at level Restricted", namespace: home, from: fromNodes(), to: toNodes(0), change: restricted,
			reason: "Unsupported", message: "kubectl apply -k config/full"},
		{name: "Deny at level Restricted", namespace: home, from: fromProbers(), to: toNodes(0), expect: "Deny", change: restricted,
			reason: "Unsupported", message: "expect Deny needs probers of level Full"},
		{name: "probers to pods at level Restricted", namespace: "shop", from: fromProbers(), to: toPods("db", 1), change: restricted,
			reason: "Unsupported", message: "to.pods needs probers of level Full"},
		{name: "Deny to a mesh", namespace: home, from: fromProbers(), to: meshOf("Any"), expect: "Deny", reason: "Unsupported", message: "set expect to Allow"},
		{name: "a mesh from pods", namespace: home, from: fromPods(""), to: meshOf("Any"), reason: "Unsupported", message: "aim at to.pods"},
		{name: "DNS from nodes", namespace: home, from: fromNodes(), to: dnsOf("a"), reason: "Unsupported", message: "from.probers or from.pods"},

		{name: "no source pods", namespace: "shop", from: fromPods("nobody"), to: toPods("db", 1),
			reason: "NoSources", message: "no running pod in namespace shop with the labels app=nobody; correct from.pods"},
		{name: "the same pod name in another namespace", namespace: "bank", from: fromPods("web"), to: toPods("db", 1), reason: "NoSources"},
		{name: "hostNetwork sources", namespace: "shop", from: fromPods("agent"), to: toPods("db", 1),
			reason: "NoSources", message: "1 in the network of their node, such as shop/agent (from.nodes"},
		{name: "hostNetwork sources in Netladder's own namespace", namespace: home,
			from: v1alpha1.Source{Pods: &v1alpha1.PodsSource{NamespaceSelector: &metav1.LabelSelector{}, PodSelector: app("agent")}},
			to:   anywhere(toPods("db", 1)), reason: "NoSources", message: "shop/agent"},
		{name: "sandboxed sources", namespace: "shop", from: fromPods("web"), to: toPods("db", 1),
			change: func(in *Input, _ *v1alpha1.ConnectivityCheck) {
				in.Cluster.Pods["shop-web-a"].Sandboxed, in.Cluster.Pods["shop-web-b"].Sandboxed = true, true
			}, reason: "SandboxedRuntime", message: "2 of a sandboxed RuntimeClass, such as shop/web-a"},
		{name: "sources without a prober", namespace: "shop", from: fromPods("web"), to: toPods("db", 1),
			change: func(in *Input, _ *v1alpha1.ConnectivityCheck) {
				in.Cluster.Nodes["node-00000"].Prober = false
				delete(in.Cluster.Nodes, "node-00001")
			}, reason: "NoSources", message: "2 on a node without a prober, such as shop/web-a on node-00000"},
		{name: "no target pods", namespace: "shop", from: fromPods("web"), to: toPods("nobody", 1),
			reason: "NoTargets", message: "correct to.pods"},
		{name: "itself alone", namespace: "shop", from: fromPods("db"), to: toPods("db", 1), reason: "NoTargets", message: "nothing probes itself"},
		{name: "no such port", namespace: "shop", from: fromPods("web"), to: named(toPods("db", 1), "http"),
			reason: "PortNotFound", message: "shop/db has pg (TCP 5432)"},
		{name: "no such port in another namespace", namespace: "bank", from: fromPods("db"), to: named(anywhere(toPods("web", 1)), "pg"),
			change: func(in *Input, _ *v1alpha1.ConnectivityCheck) {
				in.Cluster.Pods["shop-web-a"].Ports = []ContainerPort{{Name: "secret", Port: 1, Protocol: "TCP"}}
			}, reason: "PortNotFound", message: "by number", silent: "secret"},
		{name: "no such port of another namespace's Service", namespace: "bank", from: fromPods("db"),
			to:     v1alpha1.Target{Service: &v1alpha1.ServiceTarget{Namespace: "shop", Name: "db", Port: intstr.FromInt32(81)}},
			change: func(in *Input, _ *v1alpha1.ConnectivityCheck) { in.addBehind("shop", "db", false) },
			reason: "PortNotFound", message: "correct to.service.port", silent: "80 (tcp)"},
		{name: "Deny to hostNetwork pods", namespace: "shop", from: fromPods("web"), to: toPods("agent", 1), expect: "Deny",
			reason: "NotProvable", message: "use to.nodes"},
		{name: "Allow to hostNetwork pods", namespace: "shop", from: fromPods("web"), to: toPods("agent", 1)},
		{name: "Deny to hostNetwork pods of another namespace", namespace: "bank", from: fromPods("db"), to: anywhere(toPods("agent", 1)), expect: "Deny",
			reason: "NotProvable", message: "use to.nodes", silent: "shop/agent"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			in := denyFixture()
			in.Cluster.Pods["shop-db"].Ports = []ContainerPort{{Name: "pg", Port: 5432, Protocol: "TCP"}}
			c := in.addPath(tc.namespace, "check", tc.from, tc.to, tc.expect)
			if tc.change != nil {
				tc.change(&in, c)
			}
			r := in.resolved(c)
			if r.Accepted != (tc.reason == "") || r.Reason != tc.reason || !strings.Contains(r.Message, tc.message) {
				t.Errorf("accepted %t: %s: %s", r.Accepted, r.Reason, r.Message)
			}
			if tc.silent != "" && strings.Contains(r.Message, tc.silent) {
				t.Errorf("the message tells of %s: %s", tc.silent, r.Message)
			}
			if (len(r.Groups) > 0) != r.Accepted {
				t.Errorf("accepted %t with %d groups", r.Accepted, len(r.Groups))
			}
		})
	}
}

// A pod that no longer matches is gone from the next assignment, also where a
// bad pair would have kept it.
func TestALabelThatChangesDropsTheSourceAtOnce(t *testing.T) {
	in := denyFixture()
	in.addPath("shop", "check", fromPods("web"), toPods("db", 1), "")
	e := in.engine()
	first, _ := e.Assign("node-00000", nil)
	previous := written(first)
	g := first.Spec.Groups[0]
	previous.Status.NotPassing = failing(g, "shop-web-a>10.128.0.2:1")
	if a, _ := e.Assign("node-00000", previous); len(a.Spec.Pods) != 1 {
		t.Fatalf("%+v", a.Spec.Pods)
	}
	other := *in.Cluster.Pods["shop-web-a"]
	other.Labels = map[string]string{"app": "other"}
	e.SetPod(&other)
	if a, _ := e.Assign("node-00000", previous); len(a.Spec.Pods)+len(a.Spec.Groups) != 0 {
		t.Errorf("%+v", a.Spec)
	}
	if d := e.TakeDirty(); !slices.Equal(d.Nodes, []string{"node-00000"}) {
		t.Errorf("dirty %v", d.Nodes)
	}
}
