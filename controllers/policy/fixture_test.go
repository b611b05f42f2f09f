// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"net/netip"
	"strings"
	"testing"

	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/yaml"

	"github.com/netladder/netladder/controllers/plan"
)

// town is a small cluster. Namespaces x, w and z (in YAML, y is a boolean) have the labels ns=<name> and
// kubernetes.io/metadata.name=<name>; each has the pods a, b and c with the
// label pod=<name>, on the nodes n1, n2 and n3. Every pod names port 80 serve-80
// (TCP) and serve-udp (UDP), and 81 serve-81 (TCP).
type town struct {
	*Index
	t    *testing.T
	pods map[string]*plan.Pod
}

func newTown(t *testing.T, policies ...string) *town {
	t.Helper()
	w := &town{Index: NewIndex(), t: t, pods: map[string]*plan.Pod{}}
	for i, namespace := range []string{"x", "w", "z"} {
		w.SetNamespace(&plan.Namespace{Name: namespace, Labels: map[string]string{"ns": namespace, "kubernetes.io/metadata.name": namespace}})
		for j, name := range []string{"a", "b", "c"} {
			w.set(&plan.Pod{
				UID:    types.UID(namespace + "-" + name),
				Key:    types.NamespacedName{Namespace: namespace, Name: name},
				Labels: map[string]string{"pod": name},
				Node:   []string{"n1", "n2", "n3"}[j],
				IPs: []netip.Addr{
					netip.AddrFrom4([4]byte{10, 0, byte(i), byte(j + 1)}),
					netip.AddrFrom16([16]byte{0xfd, 14: byte(i), 15: byte(j + 1)}),
				},
				Ports: []plan.ContainerPort{
					{Name: "serve-80", Port: 80, Protocol: "TCP"},
					{Name: "serve-81", Port: 81, Protocol: "TCP"},
					{Name: "serve-udp", Port: 80, Protocol: "UDP"},
				},
			})
		}
	}
	for _, text := range policies {
		w.SetPolicy(parsePolicy(t, text))
	}
	return w
}

func (w *town) set(p *plan.Pod) {
	w.pods[p.Key.Namespace+"/"+p.Key.Name] = p
	w.SetPod(p)
}

// change a pod: a changed copy replaces it.
func (w *town) change(name string, change func(*plan.Pod)) {
	p := *w.pods[name]
	change(&p)
	w.set(&p)
}

// peer by text: "x/a" is a pod, "node:n1" and "node:n1@192.168.0.1" a node,
// everything else an address outside of the cluster.
func (w *town) peer(text string) Peer {
	w.t.Helper()
	if p := w.pods[text]; p != nil {
		return Peer{Pod: p}
	}
	if node, ok := strings.CutPrefix(text, "node:"); ok {
		node, address, found := strings.Cut(node, "@")
		if !found {
			return Peer{Node: node}
		}
		return Peer{Node: node, IP: netip.MustParseAddr(address)}
	}
	return Peer{IP: netip.MustParseAddr(text)}
}

// flow over TCP.
func (w *town) flow(source, destination string, port int32) Flow {
	w.t.Helper()
	return Flow{Source: w.peer(source), Destination: w.peer(destination), Protocol: "TCP", Port: port}
}

func name(namespace, name string) types.NamespacedName {
	return types.NamespacedName{Namespace: namespace, Name: name}
}

// parsePolicy in YAML; "x/name: {spec}".
func parsePolicy(t *testing.T, text string) *networkingv1.NetworkPolicy {
	t.Helper()
	key, spec, _ := strings.Cut(text, ":")
	namespace, name, ok := strings.Cut(strings.TrimSpace(key), "/")
	p := &networkingv1.NetworkPolicy{}
	p.Namespace, p.Name = namespace, name
	if err := yaml.UnmarshalStrict([]byte(spec), &p.Spec); err != nil || !ok {
		t.Fatalf("policy %q: %v", text, err)
	}
	return p
}
