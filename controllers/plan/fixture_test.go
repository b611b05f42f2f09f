// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/netladder/netladder/api/v1alpha1"
)

// fixture is a cluster of n nodes with an echo pod and a prober each, in ten
// pools.
func fixture(n int) Input {
	in := Input{
		Settings: Settings{Namespace: home}, Now: time.Unix(1_700_000_000, 0),
		Cluster: &Cluster{Nodes: map[string]*Node{}, Services: map[types.NamespacedName]*Service{}},
	}
	for i, name := range nodeNames(n) {
		in.Cluster.Nodes[name] = &Node{
			Name: name, UID: types.UID("uid-" + name), Prober: true,
			Labels: map[string]string{"pool": fmt.Sprint(i % 10), "kubernetes.io/hostname": name},
			Echo: &Echo{
				UID: types.UID(fmt.Sprintf("8f14e45f-ceea-467f-ab6e-%012d", i)),
				IPs: []netip.Addr{netip.AddrFrom4([4]byte{10, byte(i >> 8), byte(i), 7})},
			},
		}
	}
	return in
}

// addCheck adds a check with one path.
func (in *Input) addCheck(name string, to v1alpha1.Target, pool string) *v1alpha1.ConnectivityCheck {
	c := &v1alpha1.ConnectivityCheck{}
	c.Namespace, c.Name, c.UID = home, name, types.UID("uid-"+name)
	p := v1alpha1.Path{Name: "path", From: v1alpha1.Source{Probers: &v1alpha1.ProbersSource{}}, To: to}
	if pool != "" {
		p.From.Probers.NodeSelector = &metav1.LabelSelector{MatchLabels: map[string]string{"pool": pool}}
	}
	c.Spec.Paths = []v1alpha1.Path{p}
	in.Checks = append(in.Checks, c)
	return c
}

func meshOf(scope v1alpha1.MeshScope) v1alpha1.Target {
	return v1alpha1.Target{Mesh: &v1alpha1.MeshTarget{Scope: scope}}
}

func dnsOf(name string) v1alpha1.Target {
	return v1alpha1.Target{DNS: &v1alpha1.DNSTarget{Name: name}}
}

// addService adds a Service with one port and some endpoints.
func (in *Input) addService(name string, headless bool, endpoints int) v1alpha1.Target {
	key := types.NamespacedName{Namespace: "shop", Name: name}
	s := &Service{Key: key, Headless: headless, Ports: []ServicePort{{Name: "http", Port: 80}}}
	if !headless {
		h := hash64(name)
		s.ClusterIPs = []netip.Addr{netip.AddrFrom4([4]byte{10, 96, byte(h >> 8), byte(h)})}
	}
	for e := range endpoints {
		s.Ports[0].Endpoints = append(s.Ports[0].Endpoints, netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 200, byte(e >> 8), byte(e)}), 8080))
	}
	in.Cluster.Services[key] = s
	return v1alpha1.Target{Service: &v1alpha1.ServiceTarget{Namespace: "shop", Name: name, Port: intstr.FromInt32(80)}}
}

// engine holds the same as the input; nothing is dirty any more.
func (in *Input) engine() *Engine {
	e := NewEngine(in.Settings)
	e.Advance(in.Now)
	for _, n := range in.Cluster.Nodes {
		e.SetNode(n)
	}
	for _, s := range in.Cluster.Services {
		e.SetService(s)
	}
	for _, n := range in.Cluster.Namespaces {
		e.SetNamespace(n)
	}
	for _, p := range in.Cluster.Pods {
		e.SetPod(p)
	}
	for _, c := range in.Checks {
		e.SetCheck(c)
	}
	e.TakeDirty()
	return e
}

// withoutEndpoint is a copy of a Service that lost one endpoint.
func withoutEndpoint(s *Service, at int) *Service {
	out := *s
	out.Ports = slices.Clone(s.Ports)
	out.Ports[0].Endpoints = slices.Delete(slices.Clone(s.Ports[0].Endpoints), at, at+1)
	return &out
}

// withEcho is a copy of a node whose echo pod was replaced.
func withEcho(n *Node, uid string) *Node {
	out := *n
	out.Echo = &Echo{UID: types.UID(uid), IPs: n.Echo.IPs}
	return &out
}
