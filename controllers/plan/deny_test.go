// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/netladder/netladder/api/v1alpha1"
)

// web on nodes 0 and 1, db on node 1, safe of the namespace bank on node 2, and
// an agent in the host network of node 2.
func denyFixture() Input {
	in := full(3)
	in.addPod("shop", "web-a", "web", 0)
	in.addPod("shop", "web-b", "web", 1)
	in.addPod("shop", "db", "db", 1)
	in.addPod("bank", "safe", "db", 2)
	agent := in.addPod("shop", "agent", "agent", 2)
	agent.HostNetwork, agent.IPs = true, in.Cluster.Nodes["node-00002"].IPs
	return in
}

// addBehind adds a Service of a namespace with a cluster IP and endpoints.
func (in *Input) addBehind(namespace, name string, headless bool, endpoints ...netip.Addr) v1alpha1.Target {
	key := types.NamespacedName{Namespace: namespace, Name: name}
	s := &Service{Key: key, Headless: headless, Ports: []ServicePort{{Name: "tcp", Port: 80}}}
	if !headless {
		s.ClusterIPs = []netip.Addr{netip.MustParseAddr("10.96.0.9")}
	}
	for _, ip := range endpoints {
		s.Ports[0].Endpoints = append(s.Ports[0].Endpoints, netip.AddrPortFrom(ip, 8080))
	}
	in.Cluster.Services[key] = s
	return v1alpha1.Target{Service: &v1alpha1.ServiceTarget{Namespace: namespace, Name: name, Port: intstr.FromInt32(80)}}
}

func TestDenyIsProven(t *testing.T) {
	ipOf := func(in Input, uid types.UID) netip.Addr { return in.Cluster.Pods[uid].IPs[0] }
	udp := toHost("198.51.100.1", 53)
	udp.Host.Protocol = v1alpha1.ProtocolUDP
	for _, tc := range []struct {
		name, namespace string
		from            v1alpha1.Source
		to              func(in Input) v1alpha1.Target
		disclose        string
		pairs           []string
		undisclosed     []string
	}{
		{name: "pods", namespace: "shop", from: fromPods("web"), to: func(Input) v1alpha1.Target { return toPods("db", 5432) },
			pairs: []string{
				"0 TCPHalfOpen shop-web-a>10.128.0.2:5432", "0 Wire node-00001/IPv4",
				"1 Listener 10.128.0.2:5432", "1 TCPHalfOpen shop-web-b>10.128.0.2:5432", "1 Wire node-00001/IPv4",
			}},
		{name: "another namespace", namespace: "bank", from: fromPods("db"), to: func(Input) v1alpha1.Target { return anywhere(toPods("web", 80)) },
			pairs:       []string{"2 TCPHalfOpen bank-safe>10.128.0.0:80", "2 TCPHalfOpen bank-safe>10.128.0.1:80"},
			undisclosed: []string{"shop"}},
		{name: "another namespace that discloses", namespace: "bank", disclose: "bank", from: fromPods("db"),
			to: func(Input) v1alpha1.Target { return anywhere(toPods("web", 80)) },
			pairs: []string{
				"0 Listener 10.128.0.0:80", "1 Listener 10.128.0.1:80", "2 TCPHalfOpen bank-safe>10.128.0.0:80",
				"2 TCPHalfOpen bank-safe>10.128.0.1:80", "2 Wire node-00000/IPv4", "2 Wire node-00001/IPv4",
			}},
		{name: "discloses to another", namespace: "bank", disclose: "bank.shop", from: fromPods("db"),
			to:          func(Input) v1alpha1.Target { return anywhere(toPods("web", 80)) },
			pairs:       []string{"2 TCPHalfOpen bank-safe>10.128.0.0:80", "2 TCPHalfOpen bank-safe>10.128.0.1:80"},
			undisclosed: []string{"shop"}},
		{name: "a host", namespace: "bank", from: fromPods("db"), to: func(Input) v1alpha1.Target { return udp },
			pairs: []string{"2 HostControl 198.51.100.1:53/UDP", "2 UDP bank-safe>198.51.100.1:53/UDP"}},
		{name: "a hostname", namespace: "bank", from: fromPods("db"),
			to: func(Input) v1alpha1.Target {
				return v1alpha1.Target{Host: &v1alpha1.HostTarget{Hostname: "db.example", Port: 1}}
			},
			pairs: []string{"2 HostControl db.example:1", "2 TCP bank-safe>db.example:1"}},
		{name: "a host that is a pod of another namespace", namespace: "bank", from: fromPods("db"),
			to:          func(Input) v1alpha1.Target { return toHost("10.128.0.2", 5432) },
			pairs:       []string{"2 TCP bank-safe>10.128.0.2:5432"},
			undisclosed: []string{"shop"}},
		{name: "a host that is a Service of another namespace", namespace: "bank", from: fromPods("db"),
			to: func(in Input) v1alpha1.Target {
				in.addBehind("shop", "db", false, ipOf(in, "shop-db"))
				return toHost("10.96.0.9", 80)
			},
			pairs: []string{"2 TCP bank-safe>10.96.0.9:80"}, undisclosed: []string{"shop"}},
		{name: "a host that is a Service of a namespace that discloses", namespace: "bank", disclose: "bank", from: fromPods("db"),
			to: func(in Input) v1alpha1.Target {
				in.addBehind("shop", "db", false, ipOf(in, "shop-db"))
				return toHost("10.96.0.9", 80)
			},
			pairs: []string{"2 HostControl 10.96.0.9:80", "2 TCP bank-safe>10.96.0.9:80"}},
		{name: "a host that is the API server", namespace: "bank", from: fromPods("db"),
			to: func(in Input) v1alpha1.Target {
				in.addBehind("default", "kubernetes", false, in.Cluster.Nodes["node-00000"].IPs[0])
				return toHost("10.96.0.9", 443)
			},
			pairs: []string{"2 HostControl 10.96.0.9:443", "2 TCP bank-safe>10.96.0.9:443"}},
		{name: "an endpoint that is a Service of another namespace", namespace: "bank", from: fromPods("db"),
			to: func(in Input) v1alpha1.Target {
				in.addBehind("shop", "db", false, ipOf(in, "shop-db"))
				return in.addBehind("bank", "mine", true, netip.MustParseAddr("10.96.0.9"))
			},
			pairs: []string{"2 TCP bank-safe>10.96.0.9:8080"}, undisclosed: []string{"shop"}},
		{name: "a host that is a pod", namespace: home, from: fromProbers(),
			to: func(in Input) v1alpha1.Target { delete(in.Cluster.Nodes, "node-00000"); return toHost("10.128.0.2", 1) },
			pairs: []string{
				"1 Listener 10.128.0.2:1", "1 TCP 10.128.0.2:1", "1 Wire node-00001/IPv4", "2 TCP 10.128.0.2:1", "2 Wire node-00001/IPv4",
			}},
		{name: "nodes", namespace: "bank", from: fromPods("db"), to: func(Input) v1alpha1.Target { return toNodes(0) },
			pairs: []string{
				"2 HostControl 192.168.0.0", "2 HostControl 192.168.0.1", "2 HostControl 192.168.0.2",
				"2 ICMP bank-safe>192.168.0.0", "2 ICMP bank-safe>192.168.0.1", "2 ICMP bank-safe>192.168.0.2",
			}},
		{name: "a Service", namespace: "shop", from: fromPods("web"),
			to: func(in Input) v1alpha1.Target { return in.addBehind("shop", "db", false, ipOf(in, "shop-db")) },
			pairs: []string{
				"0 TCP shop-web-a>10.96.0.9:80", "0 Wire node-00001/IPv4",
				"1 Listener 10.128.0.2:8080", "1 TCP shop-web-b>10.96.0.9:80", "1 Wire node-00001/IPv4",
			}},
		{name: "a Service with a forged endpoint beside a real one", namespace: "shop", from: fromPods("web"),
			to: func(in Input) v1alpha1.Target {
				return in.addBehind("shop", "db", false, ipOf(in, "shop-db"), ipOf(in, "bank-safe"), in.Cluster.Nodes["node-00002"].IPs[0])
			},
			pairs: []string{
				"0 TCP shop-web-a>10.96.0.9:80", "0 Wire node-00001/IPv4",
				"1 Listener 10.128.0.2:8080", "1 TCP shop-web-b>10.96.0.9:80", "1 Wire node-00001/IPv4",
			}},
		{name: "a Service of somebody else's pod", namespace: "shop", from: fromPods("web"),
			to:          func(in Input) v1alpha1.Target { return in.addBehind("shop", "db", false, ipOf(in, "bank-safe")) },
			pairs:       []string{"0 TCP shop-web-a>10.96.0.9:80", "1 TCP shop-web-b>10.96.0.9:80"},
			undisclosed: []string{"bank"}},
		{name: "a headless Service of somebody else's pod", namespace: "shop", from: fromPods("web"),
			to:          func(in Input) v1alpha1.Target { return in.addBehind("shop", "db", true, ipOf(in, "bank-safe")) },
			pairs:       []string{"0 TCP shop-web-a>10.128.0.3:8080", "1 TCP shop-web-b>10.128.0.3:8080"},
			undisclosed: []string{"bank"}},
		{name: "a Service of a node", namespace: "shop", from: fromPods("web"),
			to: func(in Input) v1alpha1.Target {
				return in.addBehind("shop", "db", false, in.Cluster.Nodes["node-00002"].IPs[0])
			},
			pairs: []string{
				"0 HostControl 10.96.0.9:80", "0 TCP shop-web-a>10.96.0.9:80",
				"1 HostControl 10.96.0.9:80", "1 TCP shop-web-b>10.96.0.9:80",
			}},
		{name: "a Service of another namespace", namespace: "bank", from: fromPods("db"),
			to:          func(in Input) v1alpha1.Target { return in.addBehind("shop", "db", false, ipOf(in, "shop-db")) },
			pairs:       []string{"2 TCP bank-safe>10.96.0.9:80"},
			undisclosed: []string{"shop"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			in := denyFixture()
			if tc.disclose != "" {
				in.Cluster.Namespaces["shop"].Labels[v1alpha1.LabelDiscloseTo] = tc.disclose
			}
			c := in.addPath(tc.namespace, "check", tc.from, tc.to(in), v1alpha1.ExpectDeny)
			r := in.resolved(c)
			if !r.Accepted || !slices.Equal(r.Undisclosed, tc.undisclosed) {
				t.Errorf("accepted %t %s, undisclosed %v, want %v", r.Accepted, r.Message, r.Undisclosed, tc.undisclosed)
			}
			got := pairsOf(Build(in))
			slices.Sort(got)
			if d := cmp.Diff(tc.pairs, got); d != "" {
				t.Errorf("pairs (-want +got):\n%s", d)
			}
		})
	}
}

func TestGroupsOfADeny(t *testing.T) {
	in := denyFixture()
	in.Cluster.Pods["shop-db"].Sandboxed = true
	c := in.addPath("shop", "check", fromPods("web"), toPods("db", 5432), v1alpha1.ExpectDeny)
	c.Spec.FailureThreshold, c.Spec.SuccessThreshold = 5, 4
	a := in.assign("node-00001", nil)
	want := map[v1alpha1.ProbeKind]v1alpha1.ProbeGroup{
		v1alpha1.ProbeListener:    {FailureThreshold: 1, SuccessThreshold: 1},
		v1alpha1.ProbeTCPHalfOpen: {FailureThreshold: 5, SuccessThreshold: 4, From: v1alpha1.SourcePods, Expect: v1alpha1.ExpectDeny},
		v1alpha1.ProbeWire:        {FailureThreshold: 1, SuccessThreshold: 1, Port: EchoPort},
	}
	for _, g := range a.Spec.Groups {
		w := want[g.Kind]
		delete(want, g.Kind)
		if g.FailureThreshold != w.FailureThreshold || g.SuccessThreshold != w.SuccessThreshold || g.From != w.From || g.Expect != w.Expect || g.Port != w.Port {
			t.Errorf("%+v", g)
		}
	}
	if len(want) != 0 {
		t.Errorf("missing %v", want)
	}
	pods := []v1alpha1.AssignedPod{
		{UID: "shop-db", Namespace: "shop", Name: "db", IPs: []string{"10.128.0.2"}, Sandboxed: true},
		{UID: "shop-web-b", Namespace: "shop", Name: "web-b", IPs: []string{"10.128.0.1"}},
	}
	if d := cmp.Diff(pods, a.Spec.Pods); d != "" {
		t.Error(d)
	}
	targets := []v1alpha1.AssignedTarget{{IP: "10.128.0.2", Port: 5432, Node: "node-00001", UID: "shop-db"}}
	if d := cmp.Diff(targets, a.Spec.Targets); d != "" {
		t.Error(d)
	}
}

// What a change of something that only proofs read makes dirty.
func TestProofsAreDirtyWithWhatTheyRead(t *testing.T) {
	for _, tc := range []struct {
		name   string
		to     func(in Input) v1alpha1.Target
		change func(in Input, e *Engine)
		want   []string
		checks int
	}{
		{"the echo pod that a wire leads to", func(Input) v1alpha1.Target { return toPods("db", 1) },
			func(in Input, e *Engine) { e.SetNode(withEcho(in.Cluster.Nodes["node-00001"], "new")) }, []string{"node-00000", "node-00001"}, 0},
		{"the prober beside a listener behind a Service", func(in Input) v1alpha1.Target {
			return in.addBehind("shop", "db", false, in.Cluster.Pods["shop-api"].IPs[0])
		}, func(in Input, e *Engine) { n := *in.Cluster.Nodes["node-00002"]; n.Prober = false; e.SetNode(&n) }, []string{"node-00002"}, 1},
		{"an endpoint behind a cluster IP", func(in Input) v1alpha1.Target {
			return in.addBehind("shop", "db", false, in.Cluster.Pods["shop-api"].IPs[0])
		}, func(in Input, e *Engine) {
			in.addBehind("shop", "db", false, in.Cluster.Pods["shop-db"].IPs[0])
			e.SetService(in.Cluster.Services[types.NamespacedName{Namespace: "shop", Name: "db"}])
		}, []string{"node-00000", "node-00001", "node-00002"}, 1},
		{"the pod of an endpoint goes", func(in Input) v1alpha1.Target {
			return in.addBehind("shop", "db", false, in.Cluster.Pods["shop-api"].IPs[0])
		}, func(_ Input, e *Engine) { e.DeletePod("shop-api") }, []string{"node-00000", "node-00001", "node-00002"}, 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			in := denyFixture()
			in.addPod("shop", "api", "api", 2)
			in.addPath("shop", "check", fromPods("web"), tc.to(in), v1alpha1.ExpectDeny)
			e := in.engine()
			before := map[string]Assignment{}
			for name := range in.Cluster.Nodes {
				before[name], _ = e.Assign(name, nil)
			}
			tc.change(in, e)
			d := e.TakeDirty()
			if !slices.Equal(d.Nodes, tc.want) || len(d.Checks) != tc.checks {
				t.Errorf("dirty %v and %v, want %v and %d checks", d.Nodes, d.Checks, tc.want, tc.checks)
			}
			for name, a := range before {
				now, ok := e.Assign(name, nil)
				if changed := !ok || !cmp.Equal(a.Spec, now.Spec); changed && !slices.Contains(d.Nodes, name) {
					t.Errorf("%s changed and is not dirty", name)
				}
			}
		})
	}
}

// TestServiceIPsAreFollowed: a check that asks for an address is resolved anew
// when a Service gets or loses it.
func TestServiceIPsAreFollowed(t *testing.T) {
	in := denyFixture()
	c := in.addPath("bank", "check", fromPods("db"), toHost("10.96.0.9", 80), v1alpha1.ExpectDeny)
	key := types.NamespacedName{Namespace: c.Namespace, Name: c.Name}
	e := in.engine()
	service := func(ips ...string) *Service {
		s := &Service{Key: types.NamespacedName{Namespace: "shop", Name: "db"}, Ports: []ServicePort{{Port: 80}}}
		for _, ip := range ips {
			s.ClusterIPs = append(s.ClusterIPs, netip.MustParseAddr(ip))
		}
		return s
	}
	for _, step := range []struct {
		name   string
		change func()
		hidden bool
		dirty  bool
	}{
		{"nobody has it", func() {}, false, false},
		{"a Service has it", func() { e.SetService(service("10.96.0.9")) }, true, true},
		{"the Service is as it was", func() { e.SetService(service("10.96.0.9")) }, true, false},
		{"it has another", func() { e.SetService(service("10.96.0.8")) }, false, true},
		{"it has both", func() { e.SetService(service("10.96.0.8", "10.96.0.9")) }, true, true},
		{"it is deleted", func() { e.DeleteService(service().Key) }, false, true},
	} {
		step.change()
		dirty := slices.Contains(e.TakeDirty().Checks, key)
		r := e.Resolved(key).Paths[0]
		if hidden := len(r.Undisclosed) > 0 && len(r.Proofs) == 0; hidden != step.hidden || dirty != step.dirty {
			t.Errorf("%s: undisclosed %v, %d proofs, dirty %t", step.name, r.Undisclosed, len(r.Proofs), dirty)
		}
	}
}
