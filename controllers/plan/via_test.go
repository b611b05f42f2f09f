// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	"pgregory.net/rapid"

	"github.com/netladder/netladder/api/v1alpha1"
)

var shopDB = types.NamespacedName{Namespace: "shop", Name: "db"}

// viaFixture is denyFixture with the Service shop/db, of type LoadBalancer, in
// front of the pod shop/db.
func viaFixture() (Input, *Service) {
	in := denyFixture()
	in.addBehind("shop", "db", false, in.Cluster.Pods["shop-db"].IPs[0])
	s := in.Cluster.Services[shopDB]
	s.Ports[0].NodePort, s.LoadBalancer = 30080, true
	s.Ports = append(s.Ports, ServicePort{Name: "udp", Port: 53, Protocol: "UDP", NodePort: 30053, Endpoints: []netip.AddrPort{netip.MustParseAddrPort("10.128.0.2:5353")}})
	return in, s
}

func via(way v1alpha1.ServiceVia) *v1alpha1.ServiceTarget {
	return &v1alpha1.ServiceTarget{Namespace: "shop", Name: "db", Port: intstr.FromInt32(80), Via: way}
}

func TestVia(t *testing.T) {
	const deny, allow = v1alpha1.ExpectDeny, v1alpha1.ExpectAllow
	manual := func(_ *Input, s *Service) {
		s.Ports[0].Endpoints = append(s.Ports[0].Endpoints, netip.MustParseAddrPort("192.0.2.7:8080"))
	}
	ingress := func(ips ...string) func(*Input, *Service) {
		return func(_ *Input, s *Service) {
			for _, ip := range ips {
				s.Ingress = append(s.Ingress, netip.MustParseAddr(ip))
			}
		}
	}
	names := func(names ...string) func(*Input, *Service) {
		return func(_ *Input, s *Service) { s.IngressNames = names }
	}
	external := func(name string) func(*Input, *Service) {
		return func(_ *Input, s *Service) { *s = Service{Key: s.Key, ExternalName: name} }
	}
	one := func(in *Input, _ *Service) { // source and node
		delete(in.Cluster.Nodes, "node-00001")
		delete(in.Cluster.Nodes, "node-00002")
	}
	for name, tc := range map[string]struct {
		via    v1alpha1.ServiceVia
		expect v1alpha1.Expectation
		change func(in *Input, s *Service)
		path   func(p *v1alpha1.Path)
		pairs  []string
		// reason and a part of the message where nothing is probed.
		reason, message string
	}{
		"cluster IP": {via: "ClusterIP", pairs: []string{"0 TCP shop-web-a>10.96.0.9:80", "1 TCP shop-web-b>10.96.0.9:80"}},
		"a headless Service has no cluster IP": {via: "ClusterIP", change: func(_ *Input, s *Service) { s.Headless, s.ClusterIPs = true, nil },
			reason: v1alpha1.ReasonUnsupportedService, message: "set to.service.via to Endpoints"},
		"by UDP": {path: func(p *v1alpha1.Path) { p.To.Service.Port, p.To.Service.Protocol = intstr.FromString("udp"), "UDP" },
			pairs: []string{"0 UDP shop-web-a>10.96.0.9:53/UDP", "1 UDP shop-web-b>10.96.0.9:53/UDP"}},
		"a UDP port is no TCP port": {path: func(p *v1alpha1.Path) { p.To.Service.Port = intstr.FromString("udp") },
			reason: v1alpha1.ReasonPortNotFound, message: "has no TCP port udp; its TCP ports are 80 (tcp)"},
		"an unknown way": {via: "Teleport", reason: v1alpha1.ReasonUnsupported, message: "to.service.via"},

		"node ports, local and remote": {via: "NodePort", change: one, pairs: []string{"0 TCP shop-web-a>192.168.0.0:30080"}},
		"node ports of every node": {via: "NodePort", pairs: []string{
			"0 TCP shop-web-a>192.168.0.0:30080", "0 TCP shop-web-a>192.168.0.1:30080", "0 TCP shop-web-a>192.168.0.2:30080",
			"1 TCP shop-web-b>192.168.0.0:30080", "1 TCP shop-web-b>192.168.0.1:30080", "1 TCP shop-web-b>192.168.0.2:30080",
		}},
		"node ports of nodes with an endpoint": {via: "NodePort", change: func(_ *Input, s *Service) {
			s.LocalOnly, s.Ports[0].Nodes = true, []string{"node-00001", "node-gone"}
		}, pairs: []string{"0 TCP shop-web-a>192.168.0.1:30080", "1 TCP shop-web-b>192.168.0.1:30080"}},
		"no node with an endpoint": {via: "NodePort", change: func(_ *Input, s *Service) { s.LocalOnly = true },
			reason: v1alpha1.ReasonNoEndpoints, message: "externalTrafficPolicy Local"},
		"only a node that is gone has an endpoint": {via: "NodePort", change: func(_ *Input, s *Service) {
			s.LocalOnly, s.Ports[0].Nodes = true, []string{"node-gone"}
		}, reason: v1alpha1.ReasonNoTargets, message: "no node with an endpoint"},
		"node ports are of the Service's IP family": {via: "NodePort", change: func(_ *Input, s *Service) {
			s.ClusterIPs = []netip.Addr{netip.MustParseAddr("fd00::1")}
		}, reason: v1alpha1.ReasonNoTargets, message: "IP family"},
		"no node port": {via: "NodePort", change: func(_ *Input, s *Service) { s.Ports[0].NodePort = 0 },
			reason: v1alpha1.ReasonPortNotFound, message: "port 80 (tcp) of Service shop/db has no nodePort; set the type"},
		"node ports, denied": {via: "NodePort", expect: deny, change: func(in *Input, _ *Service) {
			delete(in.Cluster.Nodes, "node-00002")
			delete(in.Cluster.Pods, "shop-web-b")
		}, pairs: []string{
			"0 TCP shop-web-a>192.168.0.0:30080", "0 TCP shop-web-a>192.168.0.1:30080", "0 Wire node-00001/IPv4", "1 Listener 10.128.0.2:8080",
		}},
		"node ports to no pod, denied": {via: "NodePort", expect: deny, change: func(in *Input, s *Service) {
			s.Ports[0].Endpoints = nil
			one(in, s)
		}, pairs: []string{"0 HostControl 192.168.0.0:30080", "0 TCP shop-web-a>192.168.0.0:30080"}},

		"no load balancer yet": {via: "LoadBalancer", reason: v1alpha1.ReasonNoTargets, message: "the external IP of Service shop/db is <pending>"},
		"no load balancer at all": {via: "LoadBalancer", change: func(_ *Input, s *Service) { s.LoadBalancer = false },
			reason: v1alpha1.ReasonUnsupportedService, message: "not of type LoadBalancer"},
		"ingress IPs before names": {via: "LoadBalancer", change: func(in *Input, s *Service) {
			ingress("198.51.100.2", "127.0.0.1", "198.51.100.1", "224.0.0.1")(in, s)
			names("lb.example.com")(in, s)
			one(in, s)
		}, pairs: []string{"0 TCP shop-web-a>198.51.100.1:80", "0 TCP shop-web-a>198.51.100.2:80"}},
		"nothing that may be dialled": {via: "LoadBalancer", change: ingress("127.0.0.1", "::", "ff02::1"), reason: v1alpha1.ReasonHostNotPermitted, message: "loopback"},
		"ingress name": {via: "LoadBalancer", change: names("b.example.com", "a.example.com", "0.0.0.0"), pairs: []string{
			"0 TCP shop-web-a>a.example.com:80", "1 TCP shop-web-b>a.example.com:80"}},
		"ingress IP, denied": {via: "LoadBalancer", expect: deny, change: ingress("198.51.100.1"), pairs: []string{
			"0 TCP shop-web-a>198.51.100.1:80", "0 Wire node-00001/IPv4",
			"1 Listener 10.128.0.2:8080", "1 TCP shop-web-b>198.51.100.1:80", "1 Wire node-00001/IPv4",
		}},
		"ingress IP that is somebody else's pod, denied": {via: "LoadBalancer", expect: deny, change: func(in *Input, s *Service) {
			s.Ports[0].Endpoints = nil
			ingress("10.128.0.3")(in, s)
			one(in, s)
		}, pairs: []string{"0 TCP shop-web-a>10.128.0.3:80"}},
		"ingress name, denied": {via: "LoadBalancer", expect: deny, change: func(in *Input, s *Service) { names("lb.example.com")(in, s); one(in, s) }, pairs: []string{
			"0 HostControl lb.example.com:80", "0 TCP shop-web-a>lb.example.com:80"}},

		"endpoints": {via: "Endpoints", pairs: []string{"0 TCPHalfOpen shop-web-a>10.128.0.2:8080", "1 TCPHalfOpen shop-web-b>10.128.0.2:8080"}},
		"endpoints by a full handshake": {via: "Endpoints", path: func(p *v1alpha1.Path) { p.TCP = &v1alpha1.TCPLayer{Handshake: "Full"} },
			pairs: []string{"0 TCP shop-web-a>10.128.0.2:8080", "1 TCP shop-web-b>10.128.0.2:8080"}},
		"endpoints by HTTP": {via: "Endpoints", path: func(p *v1alpha1.Path) { p.HTTP = &v1alpha1.HTTPLayer{} },
			pairs: []string{"0 HTTP shop-web-a>10.128.0.2:8080", "1 HTTP shop-web-b>10.128.0.2:8080"}},
		"endpoints of a headless Service": {via: "Endpoints", change: func(_ *Input, s *Service) { s.Headless, s.ClusterIPs = true, nil },
			pairs: []string{"0 TCPHalfOpen shop-web-a>10.128.0.2:8080", "1 TCPHalfOpen shop-web-b>10.128.0.2:8080"}},
		"an endpoint that is no pod gets a whole handshake": {via: "Endpoints", change: func(in *Input, s *Service) { manual(in, s); one(in, s) },
			pairs: []string{"0 TCP shop-web-a>192.0.2.7:8080", "0 TCPHalfOpen shop-web-a>10.128.0.2:8080"}},
		"a source is no target of its own": {via: "Endpoints", change: func(_ *Input, s *Service) {
			s.Ports[0].Endpoints = append(s.Ports[0].Endpoints, netip.MustParseAddrPort("10.128.0.0:8080"))
		}, pairs: []string{
			"0 TCPHalfOpen shop-web-a>10.128.0.2:8080", "1 TCPHalfOpen shop-web-b>10.128.0.0:8080", "1 TCPHalfOpen shop-web-b>10.128.0.2:8080"}},
		"no endpoints": {via: "Endpoints", change: func(_ *Input, s *Service) { s.Ports[0].Endpoints = nil },
			reason: v1alpha1.ReasonNoEndpoints, message: "Service shop/db has no endpoints on port 80 (tcp)"},
		"endpoints, denied": {via: "Endpoints", expect: deny, change: func(in *Input, s *Service) { manual(in, s); delete(in.Cluster.Pods, "shop-web-b") }, pairs: []string{
			"0 HostControl 192.0.2.7:8080", "0 TCP shop-web-a>192.0.2.7:8080", "0 TCPHalfOpen shop-web-a>10.128.0.2:8080", "0 Wire node-00001/IPv4",
			"1 Listener 10.128.0.2:8080",
		}},

		"external name": {change: external("db.example.com"), pairs: []string{"0 TCP shop-web-a>db.example.com:80", "1 TCP shop-web-b>db.example.com:80"}},
		"external name by UDP": {change: external("db.example.com"), path: func(p *v1alpha1.Path) { p.To.Service.Protocol = "UDP" },
			pairs: []string{"0 UDP shop-web-a>db.example.com:80/UDP", "1 UDP shop-web-b>db.example.com:80/UDP"}},
		"external name by HTTP": {change: external("db.example.com"), path: func(p *v1alpha1.Path) { p.HTTP = &v1alpha1.HTTPLayer{} },
			pairs: []string{"0 HTTP shop-web-a>db.example.com:80", "1 HTTP shop-web-b>db.example.com:80"}},
		"external name, denied": {expect: deny, change: func(in *Input, s *Service) { external("db.example.com")(in, s); one(in, s) }, pairs: []string{
			"0 HostControl db.example.com:80", "0 TCP shop-web-a>db.example.com:80"}},
		"external name with a port of a name": {change: external("db.example.com"), path: func(p *v1alpha1.Path) { p.To.Service.Port = intstr.FromString("http") },
			reason: v1alpha1.ReasonPortNotFound, message: "has no TCP port http"},
		"external name with a way in": {via: "NodePort", change: external("db.example.com"),
			reason: v1alpha1.ReasonUnsupportedService, message: "remove to.service.via"},
		"an address is no external name": {change: external("127.0.0.1"), reason: v1alpha1.ReasonUnsupportedService, message: "externalName"},
	} {
		t.Run(name, func(t *testing.T) {
			in, s := viaFixture()
			if tc.change != nil {
				tc.change(&in, s)
			}
			if tc.expect == "" {
				tc.expect = allow
			}
			c := in.addPath("shop", "check", fromPods("web"), v1alpha1.Target{Service: via(tc.via)}, tc.expect)
			if tc.path != nil {
				tc.path(&c.Spec.Paths[0])
			}
			r := in.resolved(c)
			if r.Reason != tc.reason || !strings.Contains(r.Message, tc.message) || r.Accepted != (tc.reason == "" || tc.reason == v1alpha1.ReasonNoEndpoints) {
				t.Errorf("accepted %t, %s: %s", r.Accepted, r.Reason, r.Message)
			}
			plan := Build(in)
			got := pairsOf(plan)
			slices.Sort(got)
			if d := cmp.Diff(tc.pairs, got); d != "" {
				t.Errorf("pairs (-want +got):\n%s", d)
			}
			if r.Coverage != nil && tc.expect == allow && name != "a source is no target of its own" && r.Coverage.AssignedPairs != int64(len(got)) {
				t.Errorf("%+v of %d pairs", r.Coverage, len(got))
			}
		})
	}
}

// TestRowsOfClaims: where no pod is known at the address of an endpoint, the row
// says what its EndpointSlice does, but not where a Deny is to be proven.
func TestRowsOfClaims(t *testing.T) {
	for expect, want := range map[v1alpha1.Expectation][]v1alpha1.AssignedTarget{
		v1alpha1.ExpectAllow: {
			{IP: "10.128.0.2", Port: 8080, Node: "node-00001", UID: "shop-db"},
			{IP: "192.0.2.7", Port: 8080, Node: "node-00002"}, {IP: "192.0.2.8", Port: 8080},
		},
		v1alpha1.ExpectDeny: {
			{IP: "10.128.0.2", Port: 8080, Node: "node-00001", UID: "shop-db"},
			{IP: "192.0.2.7", Port: 8080}, {IP: "192.0.2.8", Port: 8080},
		},
	} {
		in, s := viaFixture()
		for _, at := range []string{"192.0.2.7:8080", "192.0.2.8:8080"} {
			s.Ports[0].Endpoints = append(s.Ports[0].Endpoints, netip.MustParseAddrPort(at))
		}
		s.Ports[0].On = []string{"node-00000", "node-00002", ""}
		in.addPath("shop", "endpoints", fromPods("web"), v1alpha1.Target{Service: via("Endpoints")}, expect)
		if d := cmp.Diff(want, Build(in)[0].Spec.Targets); d != "" {
			t.Errorf("%s (-want +got):\n%s", expect, d)
		}
	}
}

// Rows of endpoints that are pods say which, and where; those of nodes where.
func TestRowsOfVia(t *testing.T) {
	in, _ := viaFixture()
	in.addPath("shop", "endpoints", fromPods("web"), v1alpha1.Target{Service: via("Endpoints")}, "")
	in.addPath("shop", "nodeport", fromPods("web"), v1alpha1.Target{Service: via("NodePort")}, "")
	want := []v1alpha1.AssignedTarget{
		{IP: "10.128.0.2", Port: 8080, Node: "node-00001", UID: "shop-db"},
		{IP: "192.168.0.0", Port: 30080, Node: "node-00000"},
		{IP: "192.168.0.1", Port: 30080, Node: "node-00001"},
		{IP: "192.168.0.2", Port: 30080, Node: "node-00002"},
	}
	if d := cmp.Diff(want, in.assign("node-00000", nil).Spec.Targets); d != "" {
		t.Error(d)
	}
}

// In a large cluster each source holds the node ports of its own node at all
// times, beside those whose turn it is.
func TestOwnNodePortIsAlwaysHeld(t *testing.T) {
	in := full(200)
	in.addService("db", false, 0)
	in.Cluster.Services[shopDB].Ports[0].NodePort = 30080
	c := in.addPath(home, "check", fromProbers(), v1alpha1.Target{Service: via("NodePort")}, "")
	total, extra := 0, 0
	for _, a := range Build(in) {
		own := 0
		for _, target := range a.Spec.Targets {
			if target.Node == a.Node {
				own++
			}
		}
		if own != 1 || len(a.Spec.Targets) > WindowSize+1 {
			t.Fatalf("%s holds %d targets, %d of its own", a.Node, len(a.Spec.Targets), own)
		}
		total += len(a.Spec.Targets)
		extra += own
	}
	if r := in.resolved(c); r.Coverage.AssignedPairs != int64(total) || r.Coverage.PossiblePairs != 200*200 || extra != 200 {
		t.Errorf("%+v of %d", r.Coverage, total)
	}
}

// A node whose own address changes hears of it, although its turn at that one
// is later.
func TestOwnNodePortIsDirtyWithItsNode(t *testing.T) {
	in := full(200)
	in.addService("db", false, 0)
	in.Cluster.Services[shopDB].Ports[0].NodePort = 30080
	in.addPath(home, "check", fromProbers(), v1alpha1.Target{Service: via("NodePort")}, "")
	e := in.engine()
	for i, name := range nodeNames(200)[:20] {
		n := *in.Cluster.Nodes[name]
		n.IPs = []netip.Addr{netip.AddrFrom4([4]byte{192, 0, 2, byte(i)})}
		e.SetNode(&n)
		if d := e.TakeDirty(); !slices.Contains(d.Nodes, name) || len(d.Nodes) > 3*WindowSize {
			t.Errorf("%s: dirty %v", name, d.Nodes)
		}
	}
}

// What a change of a Service, or of what is behind it, makes dirty.
func TestViaIsDirtyWithWhatItReads(t *testing.T) {
	all := []string{"node-00000", "node-00001"}
	change := func(f func(s *Service)) func(in Input, e *Engine) {
		return func(in Input, e *Engine) {
			s := *in.Cluster.Services[shopDB]
			s.Ports = slices.Clone(s.Ports)
			f(&s)
			e.SetService(&s)
		}
	}
	other := netip.MustParseAddrPort("10.128.0.1:8080")
	changes := map[string]func(in Input, e *Engine){
		"node port": change(func(s *Service) { s.Ports[0].NodePort++ }),
		"local":     change(func(s *Service) { s.LocalOnly, s.Ports[0].Nodes = true, []string{"node-00001"} }),
		"ingress":   change(func(s *Service) { s.Ingress = []netip.Addr{netip.MustParseAddr("198.51.100.2")} }),
		"endpoint":  change(func(s *Service) { s.Ports[0].Endpoints = append(slices.Clone(s.Ports[0].Endpoints), other) }),
		"name":      change(func(s *Service) { *s = Service{Key: s.Key, ExternalName: "other.example.com"} }),
		"node IP": func(in Input, e *Engine) {
			n := *in.Cluster.Nodes["node-00002"]
			n.IPs = []netip.Addr{netip.MustParseAddr("192.168.9.9")}
			e.SetNode(&n)
		},
		"pod":          func(_ Input, e *Engine) { e.DeletePod("shop-db") },
		"cluster IP":   change(func(s *Service) { s.ClusterIPs = []netip.Addr{netip.MustParseAddr("10.96.0.10")} }),
		"another port": change(func(s *Service) { s.Ports = append(s.Ports, ServicePort{Name: "more", Port: 1}) }),
	}
	for way, want := range map[v1alpha1.ServiceVia]map[string][]string{
		"":             {"cluster IP": all, "name": all},
		"ClusterIP":    {"cluster IP": all, "name": all},
		"NodePort":     {"node port": all, "local": all, "node IP": all, "name": all},
		"LoadBalancer": {"ingress": all, "name": all},
		"Endpoints":    {"endpoint": all, "pod": all, "name": all},
	} {
		for name, do := range changes {
			t.Run(string(way)+" "+name, func(t *testing.T) {
				in, s := viaFixture()
				s.Ingress = []netip.Addr{netip.MustParseAddr("198.51.100.1")}
				in.addPath("shop", "check", fromPods("web"), v1alpha1.Target{Service: via(way)}, "")
				e := in.engine()
				do(in, e)
				d := e.TakeDirty()
				if !slices.Equal(d.Nodes, want[name]) {
					t.Errorf("dirty %v, want %v", d.Nodes, want[name])
				}
				// Whatever else a Service is read for, checks that do not read it rest.
				if rests := name != "another port" && name != "cluster IP"; rests && want[name] == nil && len(d.Checks) > 0 {
					t.Errorf("%v was resolved again", d.Checks)
				}
			})
		}
	}
}

// A name that the API server would refuse in an assignment is never put there.
func TestIsHostname(t *testing.T) {
	// The rule of HostTarget.hostname.
	rule := regexp.MustCompile(`^[A-Za-z0-9_]([-A-Za-z0-9_]{0,61}[A-Za-z0-9_])?([.][A-Za-z0-9_]([-A-Za-z0-9_]{0,61}[A-Za-z0-9_])?)*[.]?$`)
	digits := regexp.MustCompile(`^[0-9.]+$`)
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.OneOf(rapid.StringMatching(`[-_.a-zA0-9]{0,12}`), rapid.StringMatching(`([a-z0-9]{1,64}\.){0,5}[a-z]{0,64}\.?`), rapid.String()).Draw(t, "name")
		want := len(name) > 0 && len(name) <= 253 && rule.MatchString(name) && !digits.MatchString(name)
		if isHostname(name) != want {
			t.Fatalf("%q: %t", name, !want)
		}
	})
}
