// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"fmt"
	"net/netip"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"pgregory.net/rapid"

	"github.com/netladder/netladder/api/v1alpha1"
)

// namespaces of pods and tenants; Services are in the first.
var namespaces = []string{"shop", "bank", home}

// checkKey: every other check is a tenant's.
func checkKey(i int) types.NamespacedName {
	return types.NamespacedName{Namespace: []string{home, "shop", home, "bank"}[i%4], Name: fmt.Sprintf("check-%d", i)}
}

func podUID(i int) types.UID { return types.UID(fmt.Sprintf("pod-%d", i)) }

// podIP is among the endpoints of some headless Services.
func podIP(i int) netip.Addr { return netip.AddrFrom4([4]byte{10, 9, 1, byte(i)}) }

func (w *world) setNamespace(i int) {
	n := &Namespace{Name: namespaces[i], Labels: map[string]string{"tier": rapid.SampledFrom([]string{"a", "b"}).Draw(w.t, "tier")}}
	if to := rapid.SampledFrom([]string{"", "", "shop", "bank"}).Draw(w.t, "disclose"); to != "" {
		n.Labels[v1alpha1.LabelDiscloseTo] = to
	}
	w.in.Cluster.Namespaces[n.Name] = n
	w.engine.SetNamespace(n)
}

// waysInto gives a Service some of the ways into it, or makes it a name.
func (w *world) waysInto(s *Service) {
	if rapid.IntRange(0, 9).Draw(w.t, "a name") == 0 {
		*s = Service{Key: s.Key, ExternalName: rapid.SampledFrom([]string{"db.example.com", "10.0.0.1"}).Draw(w.t, "name")}
		return
	}
	port := &s.Ports[0]
	port.NodePort = rapid.SampledFrom([]int32{0, 30080, 30080, 30081}).Draw(w.t, "node port")
	if s.LocalOnly = rapid.Bool().Draw(w.t, "local"); s.LocalOnly {
		port.Nodes = rapid.SampledFrom([][]string{nil, {"node-0"}, {"node-0", "node-1"}, {"gone", "node-2"}}).Draw(w.t, "behind")
	}
	if s.LoadBalancer = rapid.Bool().Draw(w.t, "balancer"); s.LoadBalancer {
		s.Ingress = rapid.SampledFrom([][]netip.Addr{nil, {netip.MustParseAddr("198.51.100.9")}, {podIP(1)}, {netip.MustParseAddr("127.0.0.1")}}).Draw(w.t, "ingress")
		s.IngressNames = rapid.SampledFrom([][]string{nil, {"lb.example.com"}, {"b.example.com", "a.example.com"}}).Draw(w.t, "names")
	}
	if rapid.IntRange(0, 3).Draw(w.t, "by UDP") == 0 {
		udp := *port
		udp.Name, udp.Protocol = "udp", "UDP"
		s.Ports = append(s.Ports, udp)
	}
}

func (w *world) setPod(i int) {
	p := &Pod{
		UID:    podUID(i),
		Key:    types.NamespacedName{Namespace: namespaces[i%len(namespaces)], Name: fmt.Sprintf("pod-%d", i%7)},
		Labels: map[string]string{"app": rapid.SampledFrom([]string{"a", "a", "b"}).Draw(w.t, "app")},
		Node:   fmt.Sprintf("node-%d", rapid.IntRange(0, min(w.nodes, 4)).Draw(w.t, "on")),
		IPs:    []netip.Addr{podIP(rapid.SampledFrom([]int{i, i, i, i / 2}).Draw(w.t, "ip"))},
	}
	switch rapid.IntRange(0, 7).Draw(w.t, "odd") {
	case 0:
		p.HostNetwork = true
	case 1:
		p.Sandboxed = true
	case 2:
		p.IPs = append(p.IPs, netip.MustParseAddr(fmt.Sprintf("fd00:9::%x", i+1)))
	case 3:
		p.Ports = []ContainerPort{{Name: "http", Port: 8443, Protocol: "TCP"}}
	}
	w.in.Cluster.Pods[p.UID] = p
	w.engine.SetPod(p)
}

func (w *world) podSelector(label string) *metav1.LabelSelector {
	switch app := rapid.SampledFrom([]string{"", "a", "a", "b", "none"}).Draw(w.t, label+" app"); app {
	case "":
		return nil
	default:
		return &metav1.LabelSelector{MatchLabels: map[string]string{"app": app}}
	}
}

func (w *world) namespaceSelector(label string) *metav1.LabelSelector {
	switch tier := rapid.SampledFrom([]string{"", "", "all", "a"}).Draw(w.t, label+" tier"); tier {
	case "":
		return nil
	case "all":
		return &metav1.LabelSelector{}
	default:
		return &metav1.LabelSelector{MatchLabels: map[string]string{"tier": tier}}
	}
}

// held: who is planned to hold a group of a path holds it, or the path would
// wait for its results for ever.
func (w *world) held(plan []Assignment) {
	holds := map[string]bool{}
	for _, a := range plan {
		for i := range a.Spec.Groups {
			holds[a.Node+" "+a.Spec.Groups[i].Key] = true
		}
	}
	for _, c := range w.checks {
		for _, p := range Resolve(c, w.in.Cluster, w.in.Settings, w.in.Now).Paths {
			for _, g := range p.Groups {
				for _, node := range g.Sources {
					if !holds[node+" "+g.Key] {
						w.t.Fatalf("%s does not hold %s", node, g.Key)
					}
				}
			}
		}
	}
}

// permitted holds assignments against what must be true of every plan.
func (w *world) permitted(plan []Assignment) {
	for _, a := range plan {
		for i := range a.Spec.Groups {
			g := &a.Spec.Groups[i]
			check, _, _, _ := ParseGroupKey(g.Key)
			w.permittedSources(a.Node, &a.Spec, g, check)
			if g.Kind == v1alpha1.ProbeListener {
				w.permittedListeners(a.Node, &a.Spec, g, check)
			}
		}
	}
}

func (w *world) permittedSources(node string, spec *v1alpha1.ProbeAssignmentSpec, g *v1alpha1.ProbeGroup, check types.NamespacedName) {
	tenant := check.Namespace != home
	if (g.From == v1alpha1.SourcePods) != (len(g.Sources) > 0) {
		w.t.Fatalf("%s starts from %q in %d pods", g.Key, g.From, len(g.Sources))
	}
	if tenant && g.From == v1alpha1.SourceHost && !g.Kind.Proves() {
		w.t.Fatalf("%s starts on the host", g.Key)
	}
	for _, row := range g.Sources {
		pod := w.in.Cluster.Pods[types.UID(spec.Pods[row].UID)]
		if canary := w.in.Cluster.Nodes[node].Canary; !tenant && canary != nil && string(canary.UID) == spec.Pods[row].UID {
			continue
		}
		switch {
		case pod == nil || pod.Node != node:
			w.t.Fatalf("%s on %s starts in %+v", g.Key, node, spec.Pods[row])
		case pod.HostNetwork || pod.Sandboxed:
			w.t.Fatalf("%s starts in %+v, which is no source", g.Key, pod)
		case tenant && pod.Key.Namespace != check.Namespace:
			w.t.Fatalf("%s starts in %s", g.Key, pod.Key)
		}
	}
}

func (w *world) permittedListeners(node string, spec *v1alpha1.ProbeAssignmentSpec, g *v1alpha1.ProbeGroup, check types.NamespacedName) {
	rows := map[string]bool{}
	for i := range spec.Pods {
		rows[spec.Pods[i].UID] = true
	}
	for _, m := range g.Members {
		row := spec.Targets[m]
		pod := w.in.Cluster.Pods[types.UID(row.UID)]
		if pod == nil || pod.Node != node || row.Node != node || !rows[row.UID] {
			w.t.Fatalf("%s on %s looks at %+v", g.Key, node, row)
		}
		own := check.Namespace == home || pod.Key.Namespace == check.Namespace
		ns := w.in.Cluster.Namespaces[pod.Key.Namespace]
		if !own && (ns == nil || ns.Labels[v1alpha1.LabelDiscloseTo] != check.Namespace) {
			w.t.Fatalf("%s looks at %s, which does not disclose", g.Key, pod.Key)
		}
	}
}
