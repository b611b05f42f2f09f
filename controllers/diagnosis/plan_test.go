// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package diagnosis_test

import (
	"net/netip"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	"pgregory.net/rapid"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/controllers/diagnosis"
	"github.com/netladder/netladder/controllers/plan"
)

// TestCountsAreThePlans: whatever the cluster looks like, the pairs of a path
// whose probers report what they were told are the pairs that the plan
// assigned, and all of them pass.
func TestCountsAreThePlans(t *testing.T) {
	scopes := []v1alpha1.MeshScope{v1alpha1.MeshScopeAny, v1alpha1.MeshScopeSameNode, v1alpha1.MeshScopeCrossNode}
	rapid.Check(t, func(t *rapid.T) {
		check := &v1alpha1.ConnectivityCheck{ObjectMeta: metav1.ObjectMeta{Namespace: "netladder-system", Name: "fleet", UID: "u", Generation: 1}}
		from := v1alpha1.Source{Probers: &v1alpha1.ProbersSource{}}
		check.Spec.Interval.Duration = 10e9
		for _, scope := range scopes {
			mesh := &v1alpha1.MeshTarget{Scope: scope, Protocols: []v1alpha1.MeshProtocol{v1alpha1.MeshTCP, v1alpha1.MeshICMP}}
			check.Spec.Paths = append(check.Spec.Paths, v1alpha1.Path{
				Name: "mesh-" + map[v1alpha1.MeshScope]string{"Any": "any", "SameNode": "same", "CrossNode": "cross"}[scope], From: from, To: v1alpha1.Target{Mesh: mesh}})
		}
		check.Spec.Paths = append(check.Spec.Paths,
			v1alpha1.Path{Name: "svc", From: from, To: v1alpha1.Target{Service: &v1alpha1.ServiceTarget{Name: "svc", Port: intstr.FromInt32(80)}}},
			v1alpha1.Path{Name: "dns", From: from, To: v1alpha1.Target{DNS: &v1alpha1.DNSTarget{Name: "a.b."}}})
		s := newSim()
		s.check = check
		cluster := drawCluster(t, s)
		for _, a := range plan.Build(plan.Input{
			Checks: []*v1alpha1.ConnectivityCheck{check}, Cluster: cluster, Settings: plan.Settings{Namespace: "netladder-system"}, Now: s.now,
		}) {
			s.nodes[a.Node].report.Assignment.Spec = a.Spec
		}
		s.heartbeat()
		in := s.input()
		in.Resolved = plan.Resolve(check, cluster, plan.Settings{Namespace: "netladder-system"}, s.now)
		for i, p := range diagnosis.Summarize(in).Paths {
			if p.Coverage == nil {
				continue
			}
			want := int32(p.Coverage.AssignedPairs)
			if p.State != v1alpha1.StatePassing || p.Pairs != counts(0, want, 0, 0, 0) {
				t.Errorf("%s: %d pairs assigned, judged %+v: %s\n%+v", p.Name, want, p.Pairs, p.Message, in.Resolved.Paths[i])
			}
		}
	})
}

// drawCluster draws a cluster of which some nodes lack a prober, an echo pod
// or an IP family.
func drawCluster(t *rapid.T, s *sim) *plan.Cluster {
	key := types.NamespacedName{Namespace: "netladder-system", Name: "svc"}
	c := &plan.Cluster{Nodes: map[string]*plan.Node{}, Services: map[types.NamespacedName]*plan.Service{
		key: {Key: key, ClusterIPs: []netip.Addr{netip.MustParseAddr("10.96.0.9")}, Ports: []plan.ServicePort{{
			Port: 80, Endpoints: []netip.AddrPort{netip.MustParseAddrPort("10.244.0.9:8080")},
		}}},
	}}
	for i := range rapid.IntRange(1, 40).Draw(t, "nodes") {
		name := "node" + string(rune('a'+i/26)) + string(rune('a'+i%26))
		s.addNode(name, t0.Add(-3600e9))
		f := s.nodes[name].facts
		n := &plan.Node{Name: name, UID: types.UID(name), Prober: rapid.IntRange(0, 5).Draw(t, "prober") > 0}
		if !n.Prober {
			f.Prober = nil
		}
		ips := []netip.Addr{netip.AddrFrom4([4]byte{10, 244, byte(i), 2}), netip.MustParseAddr("fd00::2")}
		switch rapid.IntRange(0, 5).Draw(t, "echo") {
		case 0:
			f.Echo = nil
		case 1:
			n.Echo = &plan.Echo{UID: types.UID(f.Echo.UID), IPs: ips}
		default:
			n.Echo = &plan.Echo{UID: types.UID(f.Echo.UID), IPs: ips[:1]}
		}
		c.Nodes[name] = n
	}
	return c
}
