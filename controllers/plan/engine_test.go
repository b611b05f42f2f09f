// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"fmt"
	"maps"
	"net/netip"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	"pgregory.net/rapid"

	"github.com/netladder/netladder/api/v1alpha1"
)

const home = "netladder-system"

// world is an engine beside the plain input that it must agree with, and the
// assignments a controller would have written.
type world struct {
	t        *rapid.T
	engine   *Engine
	in       Input
	checks   map[string]*v1alpha1.ConnectivityCheck
	previous map[string]*v1alpha1.ProbeAssignment
	nodes    int
}

func newWorld(t *rapid.T, limit int) *world {
	s := Settings{Namespace: home, SizeLimit: limit, Level: v1alpha1.LevelFull}
	w := &world{
		t: t, engine: NewEngine(s),
		in: Input{
			Settings: s, Now: time.Unix(1_700_000_000, 0),
			Cluster: &Cluster{
				Nodes: map[string]*Node{}, Services: map[types.NamespacedName]*Service{},
				Pods: map[types.UID]*Pod{}, Namespaces: map[string]*Namespace{},
			},
		},
		checks:   map[string]*v1alpha1.ConnectivityCheck{},
		previous: map[string]*v1alpha1.ProbeAssignment{},
	}
	w.engine.Advance(w.in.Now)
	return w
}

func TestEngineAgreesWithBuild(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t, rapid.SampledFrom([]int{0, 0, 6000}).Draw(t, "limit"))
		w.nodes = rapid.SampledFrom([]int{3, 36, 60}).Draw(t, "nodes")
		for i := range w.nodes {
			w.setNode(i)
		}
		for i := range namespaces {
			w.setNamespace(i)
		}
		for i := range rapid.SampledFrom([]int{0, 10, 100}).Draw(t, "pods") {
			w.setPod(i)
		}
		for i := range 4 {
			w.setCheck(i)
			w.setService(i)
		}
		w.compare()
		for range rapid.IntRange(1, 8).Draw(t, "batches") {
			for range rapid.IntRange(1, 3).Draw(t, "changes") {
				w.change()
			}
			w.compare()
		}
	})
}

func (w *world) change() {
	i := rapid.IntRange(0, 62).Draw(w.t, "which")
	switch rapid.SampledFrom([]string{"node", "node", "gone", "service", "service", "no service",
		"check", "no check", "time", "pod", "pod", "no pod", "namespace", "no namespace"}).Draw(w.t, "change") {
	case "node":
		w.setNode(i)
	case "gone":
		name := fmt.Sprintf("node-%d", i)
		delete(w.in.Cluster.Nodes, name)
		w.engine.DeleteNode(name)
	case "service":
		w.setService(i % 4)
	case "no service":
		key := serviceKey(i % 4)
		delete(w.in.Cluster.Services, key)
		w.engine.DeleteService(key)
	case "check":
		w.setCheck(i % 6)
	case "no check":
		name := fmt.Sprintf("check-%d", i%6)
		delete(w.checks, name)
		w.engine.DeleteCheck(checkKey(i % 6))
	case "pod":
		w.setPod(i)
	case "no pod":
		uid := podUID(i)
		delete(w.in.Cluster.Pods, uid)
		w.engine.DeletePod(uid)
	case "namespace":
		w.setNamespace(i % len(namespaces))
	case "no namespace":
		name := namespaces[i%len(namespaces)]
		delete(w.in.Cluster.Namespaces, name)
		w.engine.DeleteNamespace(name)
	case "time":
		w.in.Now = w.in.Now.Add(time.Duration(rapid.IntRange(-5, 25).Draw(w.t, "minutes")) * time.Minute)
		w.engine.Advance(w.in.Now)
	}
}

func (w *world) setNode(i int) {
	n := &Node{
		Name: fmt.Sprintf("node-%d", i), UID: "1",
		Labels: map[string]string{"zone": rapid.SampledFrom([]string{"a", "a", "a", "b"}).Draw(w.t, "zone")},
		Prober: rapid.IntRange(0, 9).Draw(w.t, "prober") > 0,
	}
	if rapid.IntRange(0, 9).Draw(w.t, "echo") > 0 {
		n.Echo = &Echo{
			UID: types.UID(fmt.Sprint(rapid.IntRange(0, 3).Draw(w.t, "uid"))),
			IPs: []netip.Addr{netip.AddrFrom4([4]byte{10, 0, 0, byte(i)})},
		}
		if rapid.Bool().Draw(w.t, "dual") {
			n.Echo.IPs = append(n.Echo.IPs, netip.MustParseAddr(fmt.Sprintf("fd00::%x", i+1)))
		}
	}
	if rapid.IntRange(0, 9).Draw(w.t, "canary") > 0 {
		n.Canary = canaryOf(i, rapid.SampledFrom([]string{"1", "2"}).Draw(w.t, "canary's uid"), rapid.Bool().Draw(w.t, "dual canary"))
	}
	if rapid.IntRange(0, 9).Draw(w.t, "address") > 0 {
		n.IPs = []netip.Addr{netip.AddrFrom4([4]byte{192, 0, byte(rapid.IntRange(2, 3).Draw(w.t, "net")), byte(i)})}
	}
	if rapid.IntRange(0, 9).Draw(w.t, "tunnels") > 0 {
		n.Tunnels = tunnelsOf(i, rapid.SampledFrom([]string{"a", "a", "b"}).Draw(w.t, "end"), rapid.Bool().Draw(w.t, "dual tunnels"))
	}
	w.in.Cluster.Nodes[n.Name] = n
	w.engine.SetNode(n)
}

// serviceKey: the last two may be the cluster's DNS.
func serviceKey(i int) types.NamespacedName {
	if i >= 2 {
		return DNSServices()[i-2]
	}
	return types.NamespacedName{Namespace: "shop", Name: fmt.Sprintf("service-%d", i)}
}

func (w *world) setService(i int) {
	s := &Service{Key: serviceKey(i), Ports: []ServicePort{{Name: "http", Port: 80}}}
	if rapid.Bool().Draw(w.t, "headless") {
		s.Headless = true
		for e := range rapid.SampledFrom([]int{0, 3, 32, 33, 100}).Draw(w.t, "endpoints") {
			// The upper half may be addresses of pods.
			s.Ports[0].Endpoints = append(s.Ports[0].Endpoints, netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 9, byte(i / 2), byte(e)}), 8080))
		}
		if n := len(s.Ports[0].Endpoints); n > 0 {
			at := rapid.IntRange(0, n-1).Draw(w.t, "missing")
			s.Ports[0].Endpoints = slices.Delete(s.Ports[0].Endpoints, at, at+1)
		}
	} else {
		s.ClusterIPs = []netip.Addr{netip.AddrFrom4([4]byte{10, 96, byte(rapid.IntRange(0, 2).Draw(w.t, "ip")), byte(i)})}
		for e := range rapid.SampledFrom([]int{0, 1, 12}).Draw(w.t, "behind") {
			s.Ports[0].Endpoints = append(s.Ports[0].Endpoints, netip.AddrPortFrom(podIP(e*rapid.IntRange(1, 3).Draw(w.t, "which")), 8080))
		}
	}
	if node := rapid.SampledFrom([]string{"", "node-00001", "node-gone"}).Draw(w.t, "on"); node != "" {
		s.Ports[0].On = slices.Repeat([]string{node}, len(s.Ports[0].Endpoints))
	}
	w.waysInto(s)
	if i >= 2 && len(s.Ports) > 0 && rapid.IntRange(0, 5).Draw(w.t, "names") > 0 {
		dns := s.Ports[0]
		dns.Name, dns.Port, dns.Protocol = "dns", dnsPort, rapid.SampledFrom([]v1alpha1.Protocol{"", "UDP", "UDP"}).Draw(w.t, "names by")
		s.Ports = append(s.Ports, dns)
	}
	w.in.Cluster.Services[s.Key] = s
	w.engine.SetService(s)
}

func (w *world) setCheck(i int) {
	c := &v1alpha1.ConnectivityCheck{}
	key := checkKey(i)
	c.Namespace, c.Name, c.UID = key.Namespace, key.Name, types.UID(fmt.Sprint(i))
	c.Spec.Suspend = rapid.IntRange(0, 9).Draw(w.t, "suspend") == 0
	for p := range rapid.IntRange(1, 3).Draw(w.t, "paths") {
		c.Spec.Paths = append(c.Spec.Paths, w.path(p))
	}
	w.checks[c.Name] = c
	w.engine.SetCheck(c)
}

func (w *world) selector(label string) *metav1.LabelSelector {
	switch zone := rapid.SampledFrom([]string{"", "", "a", "b", "none"}).Draw(w.t, label); zone {
	case "":
		return nil
	default:
		return &metav1.LabelSelector{MatchLabels: map[string]string{"zone": zone}}
	}
}

func (w *world) path(i int) v1alpha1.Path {
	p := v1alpha1.Path{Name: fmt.Sprintf("path-%d", i)}
	switch rapid.IntRange(0, 5).Draw(w.t, "from kind") {
	case 0, 1:
		p.From.Probers = &v1alpha1.ProbersSource{NodeSelector: w.selector("from")}
	case 2:
		p.From.Nodes = &v1alpha1.NodesSource{NodeSelector: w.selector("from")}
	default:
		p.From.Pods = &v1alpha1.PodsSource{PodSelector: w.podSelector("from"), NamespaceSelector: w.namespaceSelector("from")}
	}
	if n := rapid.Int32Range(0, 20).Draw(w.t, "sampling"); n > 0 {
		p.Sampling = &v1alpha1.Sampling{TargetsPerSource: n, SourcesPerNode: min(n, 10)}
	}
	if rapid.Bool().Draw(w.t, "deny") {
		p.Expect = v1alpha1.ExpectDeny
	}
	if p.To = w.target(); p.To.Canary != nil && rapid.IntRange(0, 9).Draw(w.t, "well-formed") > 0 {
		p.From, p.Expect = v1alpha1.Source{Probers: &v1alpha1.ProbersSource{NodeSelector: w.selector("of")}}, v1alpha1.ExpectDeny
	}
	if p.To.Overlay != nil && rapid.IntRange(0, 9).Draw(w.t, "well-formed") > 0 {
		p.From, p.Expect = v1alpha1.Source{Nodes: &v1alpha1.NodesSource{NodeSelector: w.selector("of")}}, ""
	}
	return p
}

func (w *world) target() (to v1alpha1.Target) {
	switch rapid.IntRange(0, 14).Draw(w.t, "to") {
	case 0, 1, 2:
		to.Mesh = &v1alpha1.MeshTarget{
			NodeSelector: w.selector("to"),
			Scope:        rapid.SampledFrom([]v1alpha1.MeshScope{"", "Any", "SameNode", "CrossNode"}).Draw(w.t, "scope"),
			Protocols:    rapid.SampledFrom([][]v1alpha1.MeshProtocol{nil, {"UDP", "ICMP"}}).Draw(w.t, "protocols"),
		}
	case 3, 4:
		key := serviceKey(rapid.IntRange(0, 3).Draw(w.t, "service"))
		to.Service = &v1alpha1.ServiceTarget{
			Namespace: key.Namespace, Name: key.Name, Port: intstr.FromInt32(80),
			Via:      rapid.SampledFrom([]v1alpha1.ServiceVia{"", "ClusterIP", "NodePort", "NodePort", "LoadBalancer", "Endpoints", "Endpoints"}).Draw(w.t, "via"),
			Protocol: rapid.SampledFrom([]v1alpha1.Protocol{"", "", "", "UDP"}).Draw(w.t, "of"),
		}
	case 5:
		to.DNS = &v1alpha1.DNSTarget{
			Name:      "kubernetes.default",
			Resolver:  rapid.SampledFrom([]v1alpha1.DNSResolver{"", "PodDefault", "ClusterDNS", "EachReplica", "EachReplica", "Oracle"}).Draw(w.t, "resolver"),
			Transport: rapid.SampledFrom([]v1alpha1.DNSTransport{"", "UDP", "TCP"}).Draw(w.t, "transport"),
		}
	case 6:
		to.Nodes = &v1alpha1.NodesTarget{NodeSelector: w.selector("to"), Port: rapid.Int32Range(0, 1).Draw(w.t, "port")}
	case 7:
		to.Host = rapid.SampledFrom([]*v1alpha1.HostTarget{
			{IP: podIP(1).String(), Port: 80}, {IP: "198.51.100.7", Port: 53, Protocol: "UDP"}, {Hostname: "example.com", Port: 443}, {IP: "127.0.0.1", Port: 1},
		}).Draw(w.t, "host")
	case 8, 9:
		to.Canary = &v1alpha1.CanaryTarget{Direction: rapid.SampledFrom([]v1alpha1.PolicyDirection{"Ingress", "Egress", "Egress"}).Draw(w.t, "direction")}
	case 10, 11:
		to.Overlay = &v1alpha1.OverlayTarget{Encapsulation: rapid.SampledFrom([]v1alpha1.Encapsulation{"", "Auto", "VXLAN", "IPIP"}).Draw(w.t, "encapsulation")}
	default:
		to.Pods = &v1alpha1.PodsTarget{
			NamespaceSelector: w.namespaceSelector("to"), PodSelector: metav1.LabelSelector{}, Port: intstr.FromInt32(8080),
			Protocol: rapid.SampledFrom([]v1alpha1.Protocol{"", "TCP", "UDP"}).Draw(w.t, "protocol"),
		}
		if s := w.podSelector("to"); s != nil {
			to.Pods.PodSelector = *s
		}
		if rapid.Bool().Draw(w.t, "named") {
			to.Pods.Port = intstr.FromString("http")
		}
	}
	return to
}

// compare takes what is dirty, as a controller would, and checks that the
// engine says what Build says and that nothing else has changed.
func (w *world) compare() {
	w.in.Previous = w.previous
	w.in.Checks = slices.Collect(maps.Values(w.checks))
	want := Build(w.in)
	dirty := w.engine.TakeDirty()
	planned := map[string]bool{}
	for _, a := range want {
		planned[a.Node] = true
		got, ok := w.engine.Assign(a.Node, w.previous[a.Node])
		if !ok {
			w.t.Fatalf("the engine knows no prober on %s", a.Node)
		}
		if !reflect.DeepEqual(a, got) {
			w.t.Fatalf("engine differs from Build:\n%s", cmp.Diff(a, got))
		}
		if _, isDirty := slices.BinarySearch(dirty.Nodes, a.Node); isDirty {
			w.report(a.Node, got.Spec)
			continue
		}
		if old := w.previous[a.Node]; old == nil {
			w.t.Fatalf("%s is new and not dirty", a.Node)
		} else if before, now := withoutEndpoints(old.Spec), withoutEndpoints(got.Spec); !reflect.DeepEqual(before, now) {
			w.t.Fatalf("%s changed and is not dirty:\n%s", a.Node, cmp.Diff(before, now))
		}
	}
	for name := range w.previous {
		if planned[name] {
			continue
		}
		if _, ok := slices.BinarySearch(dirty.Nodes, name); !ok {
			w.t.Fatalf("%s lost its prober and is not dirty", name)
		}
		delete(w.previous, name)
		w.engine.SetDoubts(name, nil)
	}
	for name, p := range w.previous {
		w.engine.SetDoubts(name, Doubts(p))
	}
	for _, want := range resolveAll(w.in.Checks, w.in.Cluster, w.in.Settings, w.in.Now) {
		got := w.engine.Resolved(want.Check)
		if d := cmp.Diff(want.Paths, got.Paths, cmp.Comparer(sameGroup)); d != "" {
			w.t.Fatalf("resolved differs:\n%s", d)
		}
	}
	w.permitted(want)
	if w.in.Settings.SizeLimit == 0 {
		w.held(want)
	}
}

// withoutEndpoints is a spec without what climbs need, which may be out of date
// until something else changes.
func withoutEndpoints(s v1alpha1.ProbeAssignmentSpec) v1alpha1.ProbeAssignmentSpec {
	s.Services = nil
	return s
}

// rungsOf are a climb that reaches every node, and no endpoint.
func rungsOf(spec *v1alpha1.ProbeAssignmentSpec) []v1alpha1.RungStatus {
	on := map[string]bool{}
	var out []v1alpha1.RungStatus
	for _, t := range spec.Targets {
		if !on[t.Node] {
			on[t.Node] = true
			out = append(out, v1alpha1.RungStatus{Rung: v1alpha1.RungPodNetwork, Probe: v1alpha1.ProbeMeshTCP, Target: t.Node + "/IPv4", Verdict: v1alpha1.VerdictConnected})
		}
	}
	for _, s := range spec.Services {
		for _, e := range s.Endpoints {
			out = append(out, v1alpha1.RungStatus{Rung: v1alpha1.RungEndpoints, Probe: v1alpha1.ProbeTCP, Target: fmt.Sprintf("%s:%d", e.IP, e.Port), Verdict: v1alpha1.VerdictDropped})
		}
	}
	return out
}

func sameGroup(a, b *Group) bool {
	return a.Key == b.Key && a.Kind == b.Kind && a.Content == b.Content && slices.Equal(a.Sources, b.Sources)
}

// report writes an assignment, and some bad pairs of it to its status.
func (w *world) report(node string, spec v1alpha1.ProbeAssignmentSpec) {
	p := &v1alpha1.ProbeAssignment{Spec: spec}
	for i := range spec.Groups {
		g := &spec.Groups[i]
		if len(g.Members) == 0 || rapid.IntRange(0, 3).Draw(w.t, "bad") > 0 {
			continue
		}
		m := g.Members[rapid.IntRange(0, len(g.Members)-1).Draw(w.t, "member")]
		s := v1alpha1.PairStatus{Group: g.Key, State: v1alpha1.StateFailing, Verdict: v1alpha1.VerdictDropped}
		for _, pair := range spec.Pairs(g) {
			if pair.Member < len(g.Members) && g.Members[pair.Member] == m {
				s.Target = pair.Key
			}
		}
		p.Status.NotPassing = append(p.Status.NotPassing, s)
	}
	p.Status.Rungs = rungsOf(&spec)
	got, _ := w.engine.Assign(node, p)
	p.Spec = got.Spec
	w.previous[node] = p
}
