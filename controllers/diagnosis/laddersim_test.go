// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package diagnosis_test

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/controllers/diagnosis"
	"github.com/netladder/netladder/controllers/plan"
	"github.com/netladder/netladder/controllers/policy"
)

// ladderGolden is a situation as a person writes it: one path of one check on
// node1 to node3, and what the probers of the nodes saw. Each node also has the
// paths same-node and underlay of the check cluster-network, which pass.
type ladderGolden struct {
	About string `json:"about"`
	// Namespace of the check; default netladder-system.
	Namespace string
	// Path of the check, and the kind of probe that it becomes.
	Path v1alpha1.Path
	Kind v1alpha1.ProbeKind
	// Pods by name; those that are Sources, by name, are pods or nodes.
	Pods    map[string]ladderPod
	Sources []string
	// Targets that each source aims at; of a mesh its nodes.
	Targets []v1alpha1.AssignedTarget
	Mesh    []string
	// Services in the assignments, and what is known of Services.
	Services []v1alpha1.AssignedService
	Facts    []ladderService
	// Doubts are what nodes look at of their own.
	Doubts []v1alpha1.AssignedTarget
	// Tunnels is true if the assignments have some, of the Encapsulation, which is
	// VXLAN by default.
	Tunnels       bool
	Encapsulation v1alpha1.Encapsulation
	// Fails are pairs of the path, and of the checks around it.
	Fails []ladderSeen
	// Rungs are what the probers' climbs saw, by node.
	Rungs map[string][]v1alpha1.RungStatus
	// NotReady nodes by the seconds since; Silent probers; Unpinged nodes have no
	// path underlay.
	NotReady map[string]int
	Silent   []string
	Unpinged bool
	// Restricted is true where policies are not read.
	Restricted bool
	Policies   []networkingv1.NetworkPolicy
	Discloses  []string
}

type ladderPod struct {
	Namespace, Node, IP string
	Labels              map[string]string
}

type ladderService struct {
	Name, Namespace, ClusterIP string
	Port, NodePort             int32
	Protocol                   v1alpha1.Protocol
	Endpoints, Nodes, NotReady []string
	Selector                   map[string]string
	Local, Sticky              bool
}

// ladderSeen is a pair that fails: from a pod or a node to the key of a target.
// Of the checks around the path it is by its Group.
type ladderSeen struct {
	From, To, Group string
	Verdict         v1alpha1.Verdict
	Evidence        string
	Streak          int32
	Reason          string
}

// Groups around the path.
const (
	sameNodeKey = "netladder-system/cluster-network/same-node/MeshTCP"
	pingKey     = "netladder-system/cluster-network/underlay/ICMP"
	tunnelKey   = "netladder-system/cluster-network/overlay/Tunnel"
)

func ladderNodes() []string { return []string{"node1", "node2", "node3"} }

// key of the path's group.
func (g *ladderGolden) key() string {
	return g.namespace() + "/shop/" + g.Path.Name + "/" + string(g.Kind)
}

func (g *ladderGolden) namespace() string {
	if g.Namespace == "" {
		return "netladder-system"
	}
	return g.Namespace
}

// spec of a node's assignment, as the plan would write it.
func (g *ladderGolden) spec(name string) v1alpha1.ProbeAssignmentSpec {
	spec := v1alpha1.ProbeAssignmentSpec{Heartbeat: metav1.Duration{Duration: time.Minute}, Targets: slices.Clone(g.Targets), Services: g.Services}
	main, same, ping, tunnel := group(g.key(), g.Kind), group(sameNodeKey, v1alpha1.ProbeMeshTCP), group(pingKey, v1alpha1.ProbeICMP), group(tunnelKey, v1alpha1.ProbeTunnel)
	same.Port, main.Port = plan.EchoPort, plan.EchoPort
	ping.From, tunnel.From = v1alpha1.SourceHost, v1alpha1.SourceHost
	for i, n := range ladderNodes() {
		row := v1alpha1.AssignedNode{Name: n, IPs: []string{fmt.Sprintf("172.30.0.1%d", i+1)}, EchoIPs: []string{fmt.Sprintf("10.244.%d.2", i+1)}, EchoUID: "echo-" + n}
		if g.Tunnels {
			row.Tunnels = []v1alpha1.AssignedTunnel{{Encapsulation: cmp.Or(g.Encapsulation, v1alpha1.EncapsulationVXLAN), IP: fmt.Sprintf("10.244.%d.0", i+1)}}
		}
		spec.Nodes = append(spec.Nodes, row)
		if slices.Contains(g.Mesh, n) {
			main.Members = append(main.Members, int32(i))
		}
		if n == name {
			same.Members = []int32{int32(i)}
			continue
		}
		ping.Members = append(ping.Members, int32(len(spec.Targets)))
		spec.Targets = append(spec.Targets, v1alpha1.AssignedTarget{IP: row.IPs[0], Node: n})
		tunnel.Members = append(tunnel.Members, int32(len(spec.Targets)))
		spec.Targets = append(spec.Targets, v1alpha1.AssignedTarget{IP: fmt.Sprintf("10.244.%d.0", i+1), Node: n})
	}
	if len(g.Mesh) == 0 {
		for i := range g.Targets {
			main.Members = append(main.Members, int32(i))
		}
	}
	for _, d := range g.Doubts {
		if d.Node == name {
			spec.Doubts = append(spec.Doubts, int32(len(spec.Targets)))
			spec.Targets = append(spec.Targets, d)
		}
	}
	g.from(&spec, &main, name)
	if main.Hash != "" {
		spec.Groups = append(spec.Groups, main)
	}
	spec.Groups = append(spec.Groups, same)
	if !g.Unpinged {
		spec.Groups = append(spec.Groups, ping)
	}
	if g.Tunnels {
		spec.Groups = append(spec.Groups, tunnel)
	}
	for i := range spec.Groups {
		spec.Groups[i].Hash, spec.Groups[i].FailureThreshold = "content-1", 2
	}
	return spec
}

// from gives the group of a node its sources; without any it has no hash.
func (g *ladderGolden) from(spec *v1alpha1.ProbeAssignmentSpec, main *v1alpha1.ProbeGroup, name string) {
	if g.Kind == v1alpha1.ProbeDNS {
		main.DNS = g.Path.To.DNS
	}
	if g.Path.From.Nodes != nil {
		main.From = v1alpha1.SourceHost
	}
	for _, s := range g.Sources {
		p, isPod := g.Pods[s]
		switch {
		case isPod && p.Node == name:
			main.From, main.Hash = v1alpha1.SourcePods, "content-1"
			main.Sources = append(main.Sources, int32(len(spec.Pods)))
			spec.Pods = append(spec.Pods, v1alpha1.AssignedPod{UID: "uid-" + s, Namespace: p.Namespace, Name: s, IPs: []string{p.IP}})
		case s == name:
			main.Hash = "content-1"
		}
	}
}

// badSince is when the pairs of a golden began to be bad, by their probers.
var badSince = t0.Add(-70 * time.Second)

// status of a node's prober.
func (g *ladderGolden) status(name string, spec *v1alpha1.ProbeAssignmentSpec) v1alpha1.ProbeAssignmentStatus {
	st := v1alpha1.ProbeAssignmentStatus{PodUID: "prober-" + name, Heartbeat: ptr(metav1.NewTime(t0)), Rungs: g.Rungs[name]}
	for i := range spec.Groups {
		pg := &spec.Groups[i]
		said := v1alpha1.GroupStatus{Key: pg.Key, Hash: pg.Hash, Pairs: v1alpha1.PairCounts{Passing: int32(len(spec.Pairs(pg)))}}
		for _, f := range g.Fails {
			key, group := f.To, f.Group
			if group == "" {
				group = g.key()
			}
			p, isPod := g.Pods[f.From]
			if isPod {
				key = "uid-" + f.From + ">" + f.To
			}
			if group != pg.Key || f.From != name && p.Node != name {
				continue
			}
			said.Pairs.Passing--
			said.Pairs.Failing++
			st.NotPassing = append(st.NotPassing, v1alpha1.PairStatus{
				Group: pg.Key, Target: key, State: v1alpha1.StateFailing, Verdict: f.Verdict, Evidence: f.Evidence, Streak: max(f.Streak, 2), Reason: f.Reason,
				Since: ptr(metav1.NewTime(t0.Add(-time.Minute))), BadSince: ptr(metav1.NewMicroTime(badSince)),
			})
		}
		st.Groups = append(st.Groups, said)
	}
	return st
}

// input of the judgement.
func (g *ladderGolden) input() diagnosis.Input {
	check := &v1alpha1.ConnectivityCheck{ObjectMeta: metav1.ObjectMeta{Namespace: g.namespace(), Name: "shop", Generation: 1}}
	check.Spec.Interval.Duration = 10 * time.Second
	check.Spec.Paths = []v1alpha1.Path{g.Path}
	in := diagnosis.Input{
		Check: check, Now: t0, Settings: diagnosis.Settings{Namespace: "netladder-system"}, DNS: types.NamespacedName{Namespace: "kube-system", Name: "kube-dns"},
		Nodes: map[string]*diagnosis.NodeFacts{}, Reports: map[string]*diagnosis.Report{}, Pods: map[string]*diagnosis.WorkloadPod{},
		Services: map[types.NamespacedName]*diagnosis.ServiceFacts{}, Disclosing: map[string]bool{},
	}
	main := &plan.Group{Key: g.key(), Kind: g.Kind, Content: "content"}
	for _, name := range ladderNodes() {
		old := t0.Add(-time.Hour)
		pod := func(kind string) *diagnosis.PodFacts {
			return &diagnosis.PodFacts{UID: kind + "-" + name, Ready: true, StartedAt: old, ReadySince: old}
		}
		in.Nodes[name] = &diagnosis.NodeFacts{Ready: true, ReadySince: old, CreatedAt: old, Prober: pod("prober"), Echo: pod("echo")}
		if ago, ok := g.NotReady[name]; ok {
			in.Nodes[name].Ready, in.Nodes[name].NotReadySince = false, t0.Add(-time.Duration(ago)*time.Second)
		}
		a := &v1alpha1.ProbeAssignment{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: g.spec(name)}
		a.Status = g.status(name, &a.Spec)
		in.Reports[name] = &diagnosis.Report{Assignment: a, SeenAt: t0, HeardAt: t0, ChangedAt: old}
		if slices.Contains(g.Silent, name) {
			in.Reports[name].SeenAt, in.Reports[name].HeardAt = t0.Add(-10*time.Minute), t0.Add(-10*time.Minute)
		}
		if slices.ContainsFunc(a.Spec.Groups, func(pg v1alpha1.ProbeGroup) bool { return pg.Key == g.key() }) {
			main.Sources = append(main.Sources, name)
		}
	}
	in.Resolved = &plan.Resolved{Paths: []plan.ResolvedPath{{Name: g.Path.Name, Accepted: true, Groups: []*plan.Group{main}}}}
	in.Previous.Paths = []v1alpha1.PathStatus{{Name: g.Path.Name, State: v1alpha1.StateFailing, Pairs: v1alpha1.PairCounts{Failing: 50}, LastTransitionTime: metav1.NewTime(t0.Add(-time.Minute))}}
	if len(g.Fails) == 0 { // nothing is probed of a Service without endpoints
		in.Resolved.Paths[0].Groups = nil
		in.Resolved.Paths[0].Reason, in.Resolved.Paths[0].Message = v1alpha1.ReasonNoEndpoints, "the Service has no endpoints"
	}
	for name, p := range g.Pods {
		in.Pods["uid-"+name] = &diagnosis.WorkloadPod{Namespace: p.Namespace, Name: name, Node: p.Node, StartedAt: t0.Add(-time.Hour)}
	}
	for _, n := range g.Discloses {
		in.Disclosing[n] = true
	}
	for i := range g.Facts {
		f := g.Facts[i].facts()
		in.Services[f.Key] = f
	}
	if !g.Restricted {
		in.Policies = g.policies(in.Services)
	}
	return in
}

func (s *ladderService) facts() *diagnosis.ServiceFacts {
	f := &diagnosis.ServiceFacts{
		Service:  &plan.Service{Key: types.NamespacedName{Namespace: s.Namespace, Name: s.Name}, ClusterIPs: []netip.Addr{netip.MustParseAddr(s.ClusterIP)}},
		Selector: s.Selector, Local: s.Local, Sticky: s.Sticky, NotReadyCount: len(s.NotReady),
	}
	port := plan.ServicePort{Port: s.Port, NodePort: s.NodePort, Protocol: s.Protocol, On: s.Nodes}
	for _, e := range s.Endpoints {
		port.Endpoints = append(port.Endpoints, netip.MustParseAddrPort(e))
	}
	f.Ports = append(f.Ports, port)
	if s.Port == 53 {
		tcp := port
		tcp.Protocol = ""
		f.Ports = append(f.Ports, tcp)
	}
	for _, ip := range s.NotReady {
		f.NotReady = append(f.NotReady, netip.MustParseAddr(ip))
	}
	return f
}

// policies of the cluster, which has the pods of the situation and Netladder's own.
func (g *ladderGolden) policies(services map[types.NamespacedName]*diagnosis.ServiceFacts) diagnosis.Policies {
	s := &policySim{index: policy.NewIndex(), planned: map[string]*plan.Pod{}, nodeIPs: map[netip.Addr]string{}}
	spaces := map[string]bool{"netladder-system": true, "kube-system": true}
	add := func(name string, p ladderPod) {
		spaces[p.Namespace] = true
		pod := &plan.Pod{UID: types.UID("uid-" + name), Key: types.NamespacedName{Namespace: p.Namespace, Name: name}, Labels: p.Labels, Node: p.Node, IPs: []netip.Addr{netip.MustParseAddr(p.IP)}}
		if p.Namespace == "netladder-system" {
			pod.UID = types.UID(name)
		}
		s.planned[name] = pod
		s.index.SetPod(pod)
	}
	for name, p := range g.Pods {
		add(name, p)
	}
	for i, n := range ladderNodes() {
		add("prober-"+n, ladderPod{"netladder-system", n, fmt.Sprintf("10.244.%d.3", i+1), map[string]string{"app.kubernetes.io/component": "prober"}})
		add("echo-"+n, ladderPod{"netladder-system", n, fmt.Sprintf("10.244.%d.2", i+1), map[string]string{"app.kubernetes.io/component": "echo"}})
		s.nodeIPs[netip.MustParseAddr(fmt.Sprintf("172.30.0.1%d", i+1))] = n
	}
	for name := range spaces {
		s.space(name, nil)
	}
	for _, f := range services {
		s.services = append(s.services, f.Service)
	}
	for i := range g.Policies {
		s.policy(&g.Policies[i])
	}
	return s
}

// judge the path.
func (g *ladderGolden) judge(t testing.TB) v1alpha1.PathStatus {
	t.Helper()
	return diagnosis.Summarize(g.input()).Paths[0]
}
