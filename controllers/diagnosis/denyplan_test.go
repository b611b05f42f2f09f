// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package diagnosis_test

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	"pgregory.net/rapid"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/controllers/diagnosis"
	"github.com/netladder/netladder/controllers/plan"
)

// TestPlannedProofsProve: what the plan assigns to prove a Deny path proves
// it, wherever its pods run, when all probers report what they were told; and
// with one target that does not listen no path to it is proven.
func TestPlannedProofsProve(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, in, cluster := drawWorkloads(t)
		settings := plan.Settings{Namespace: "netladder-system", Level: v1alpha1.LevelFull}
		for _, a := range plan.Build(plan.Input{Checks: []*v1alpha1.ConnectivityCheck{s.check}, Cluster: cluster, Settings: settings, Now: s.now}) {
			s.nodes[a.Node].report.Assignment.Spec = a.Spec
		}
		s.heartbeat()
		judge := func() []v1alpha1.PathStatus {
			whole := s.input()
			whole.Pods, whole.Settings.Namespace = in.Pods, settings.Namespace
			whole.Resolved = plan.Resolve(s.check, cluster, settings, s.now)
			return diagnosis.Summarize(whole).Paths
		}
		for _, p := range judge() {
			if p.Accepted && p.Pairs.Total() > 0 && (p.State != passing || p.Pairs.Passing != p.Pairs.Total()) {
				t.Errorf("%s is %s with %+v: %s", p.Name, p.State, p.Pairs, p.Message)
			}
			if p.Coverage != nil && int64(p.Pairs.Total()) != p.Coverage.AssignedPairs {
				t.Errorf("%s: %+v of %+v", p.Name, p.Pairs, p.Coverage)
			}
		}
		for _, n := range s.nodes {
			for i := range n.report.Assignment.Spec.Groups {
				if g := &n.report.Assignment.Spec.Groups[i]; g.Kind == v1alpha1.ProbeListener || g.Kind == v1alpha1.ProbeHostControl {
					for _, pair := range n.report.Assignment.Spec.Pairs(g) {
						n.results[g.Key+pair.Key] = failingAs(v1alpha1.VerdictNotListening)
					}
				}
			}
		}
		s.heartbeat()
		for _, n := range s.nodes { // as a prober cuts its report
			if st := &n.report.Assignment.Status; len(st.NotPassing) > 50 {
				st.Cut, st.NotPassing = int32(len(st.NotPassing)-50), st.NotPassing[:50]
			}
		}
		for i, p := range judge() {
			if deny := s.check.Spec.Paths[i].Expect == v1alpha1.ExpectDeny; p.Pairs.Total() > 0 && deny == (p.State == passing) {
				t.Errorf("%s is %s with %+v: %s", p.Name, p.State, p.Pairs, p.Message)
			}
		}
	})
}

// drawWorkloads draws nodes, all with a prober and an echo pod, and pods on
// them, and a check with each kind of path that can be proven.
func drawWorkloads(t *rapid.T) (*sim, diagnosis.Input, *plan.Cluster) {
	s := newSim()
	in := diagnosis.Input{Pods: map[string]*diagnosis.WorkloadPod{}}
	key := types.NamespacedName{Namespace: "netladder-system", Name: "svc"}
	service := &plan.Service{Key: key, ClusterIPs: []netip.Addr{netip.MustParseAddr("10.96.0.9")}, Ports: []plan.ServicePort{{Port: 80, NodePort: 30080}},
		LoadBalancer: true, Ingress: []netip.Addr{netip.MustParseAddr("198.51.100.1")}}
	outside := types.NamespacedName{Namespace: key.Namespace, Name: "outside"}
	c := &plan.Cluster{
		Nodes: map[string]*plan.Node{}, Pods: map[types.UID]*plan.Pod{},
		Namespaces: map[string]*plan.Namespace{"netladder-system": {Name: "netladder-system"}},
		Services:   map[types.NamespacedName]*plan.Service{key: service, outside: {Key: outside, ExternalName: "db.example.com"}},
	}
	nodes := rapid.IntRange(1, 8).Draw(t, "nodes")
	for i := range nodes {
		name := fmt.Sprintf("node%d", i)
		s.addNode(name, t0.Add(-time.Hour))
		c.Nodes[name] = &plan.Node{
			Name: name, UID: types.UID(name), Prober: true, IPs: []netip.Addr{netip.AddrFrom4([4]byte{192, 168, 0, byte(i + 1)})},
			Echo: &plan.Echo{UID: types.UID(s.nodes[name].facts.Echo.UID), IPs: []netip.Addr{netip.AddrFrom4([4]byte{10, 244, byte(i), 2})}},
		}
	}
	for i := range rapid.IntRange(0, 40).Draw(t, "pods") {
		role := rapid.SampledFrom([]string{"web", "db"}).Draw(t, "role")
		ip := netip.AddrFrom4([4]byte{10, 245, 0, byte(i + 1)})
		p := &plan.Pod{
			UID: types.UID(fmt.Sprintf("uid-%d", i)), Key: types.NamespacedName{Namespace: key.Namespace, Name: fmt.Sprintf("%s-%d", role, i)},
			Labels: map[string]string{"role": role}, Node: fmt.Sprintf("node%d", rapid.IntRange(0, nodes-1).Draw(t, "node")), IPs: []netip.Addr{ip},
		}
		c.Pods[p.UID] = p
		in.Pods[string(p.UID)] = &diagnosis.WorkloadPod{Namespace: p.Key.Namespace, Name: p.Key.Name, Node: p.Node, StartedAt: t0.Add(-time.Hour)}
		if role == "db" {
			if rapid.IntRange(0, 9).Draw(t, "no pod") == 0 {
				delete(c.Pods, p.UID)
			}
			service.Ports[0].Endpoints = append(service.Ports[0].Endpoints, netip.AddrPortFrom(ip, 5432))
		}
	}
	slices.SortFunc(service.Ports[0].Endpoints, netip.AddrPort.Compare)
	service.Headless = rapid.Bool().Draw(t, "headless")
	if service.Headless {
		service.ClusterIPs = nil
	}
	s.check = provable()
	return s, in, c
}

func provable() *v1alpha1.ConnectivityCheck {
	check := &v1alpha1.ConnectivityCheck{ObjectMeta: metav1.ObjectMeta{Namespace: "netladder-system", Name: "deny", UID: "u", Generation: 1}}
	check.Spec.Interval.Duration = 10 * time.Second
	role := func(is string) *metav1.LabelSelector {
		return &metav1.LabelSelector{MatchLabels: map[string]string{"role": is}}
	}
	pods := v1alpha1.Source{Pods: &v1alpha1.PodsSource{PodSelector: role("web")}}
	probers, hosts := v1alpha1.Source{Probers: &v1alpha1.ProbersSource{}}, v1alpha1.Source{Nodes: &v1alpha1.NodesSource{}}
	db := v1alpha1.Target{Pods: &v1alpha1.PodsTarget{PodSelector: *role("db"), Port: intstr.FromInt32(5432)}}
	udp := v1alpha1.Target{Pods: &v1alpha1.PodsTarget{PodSelector: *role("db"), Port: intstr.FromInt32(53), Protocol: v1alpha1.ProtocolUDP}}
	svc := v1alpha1.Target{Service: &v1alpha1.ServiceTarget{Name: "svc", Port: intstr.FromInt32(80)}}
	via := func(way v1alpha1.ServiceVia) v1alpha1.Target {
		return v1alpha1.Target{Service: &v1alpha1.ServiceTarget{Name: "svc", Port: intstr.FromInt32(80), Via: way}}
	}
	outside := v1alpha1.Target{Service: &v1alpha1.ServiceTarget{Name: "outside", Port: intstr.FromInt32(80)}}
	host := v1alpha1.Target{Host: &v1alpha1.HostTarget{IP: "169.254.169.254", Port: 80}}
	name := v1alpha1.Target{Host: &v1alpha1.HostTarget{Hostname: "db.example.com", Port: 443}}
	nodes := v1alpha1.Target{Nodes: &v1alpha1.NodesTarget{Port: 10250}}
	ping := v1alpha1.Target{Nodes: &v1alpha1.NodesTarget{}}
	for _, expect := range []v1alpha1.Expectation{v1alpha1.ExpectDeny, v1alpha1.ExpectAllow} {
		for i, p := range []struct {
			from v1alpha1.Source
			to   v1alpha1.Target
		}{
			{pods, db}, {pods, udp}, {pods, svc}, {pods, host}, {pods, name}, {pods, nodes}, {pods, ping},
			{probers, db}, {probers, svc}, {probers, host}, {hosts, db},
			{pods, via(v1alpha1.ViaNodePort)}, {pods, via(v1alpha1.ViaLoadBalancer)}, {pods, via(v1alpha1.ViaEndpoints)}, {pods, outside},
			{probers, via(v1alpha1.ViaNodePort)}, {probers, via(v1alpha1.ViaEndpoints)},
		} {
			check.Spec.Paths = append(check.Spec.Paths, v1alpha1.Path{Name: fmt.Sprintf("p%d-%s", i, map[v1alpha1.Expectation]string{"Deny": "deny", "Allow": "allow"}[expect]), From: p.from, To: p.to, Expect: expect})
		}
	}
	return check
}
