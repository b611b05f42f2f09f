// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"k8s.io/apimachinery/pkg/types"

	"github.com/netladder/netladder/api/v1alpha1"
)

// What a climb needs stands in the assignment: a few endpoints of the Services
// that are dialled, the cluster's DNS where names matter, the nodes' addresses.
func TestWhatAClimbNeeds(t *testing.T) {
	in := fixture(3)
	for name, n := range in.Cluster.Nodes {
		n.IPs = []netip.Addr{netip.AddrFrom4([4]byte{172, 30, 0, name[len(name)-1]})}
	}
	dns := types.NamespacedName{Namespace: "kube-system", Name: "kube-dns"}
	server := netip.MustParseAddrPort("10.200.0.53:53")
	in.Cluster.Services[dns] = &Service{
		Key: dns, ClusterIPs: []netip.Addr{netip.MustParseAddr("10.96.0.10")},
		Ports: []ServicePort{
			{Name: "metrics", Port: 9153, Endpoints: []netip.AddrPort{netip.MustParseAddrPort("10.200.0.53:9153")}},
			{Name: "dns", Port: 53, Protocol: v1alpha1.ProtocolUDP, Endpoints: []netip.AddrPort{server}, On: []string{"node-00001"}},
		},
	}
	in.addCheck("mesh", meshOf(v1alpha1.MeshScopeCrossNode), "")
	in.addCheck("twice", in.addService("web", false, 90), "")
	in.addCheck("again", in.addService("web", false, 90), "")
	in.addCheck("one-by-one", in.addService("headless", true, 90), "")
	in.addCheck("none", in.addService("empty", false, 0), "")
	web := in.Cluster.Services[types.NamespacedName{Namespace: "shop", Name: "web"}]
	web.Ports[0].Endpoints[0] = netip.MustParseAddrPort("127.0.0.1:80") // written by hand, by somebody

	got := in.assign("node-00000", nil).Spec
	if len(got.Services) != 1 {
		t.Fatalf("services %+v", got.Services)
	}
	s := got.Services[0]
	if len(s.Targets) != 1 || got.Targets[s.Targets[0]].IP != web.ClusterIPs[0].String() || len(s.Endpoints) != maxClimbed || s.DNS {
		t.Errorf("the Service: %+v", s)
	}
	if !slices.IsSortedFunc(s.Endpoints, func(a, b v1alpha1.AssignedTarget) int {
		return netip.MustParseAddr(a.IP).Compare(netip.MustParseAddr(b.IP))
	}) || slices.ContainsFunc(s.Endpoints, func(e v1alpha1.AssignedTarget) bool { return e.IP == "127.0.0.1" }) {
		t.Errorf("endpoints %+v", s.Endpoints)
	}
	for _, n := range got.Nodes {
		if len(n.IPs) != 1 {
			t.Errorf("node %+v", n)
		}
	}

	in.addCheck("dns", dnsOf("kubernetes.default"), "")
	got = in.assign("node-00000", nil).Spec
	if len(got.Services) != 2 || !got.Services[0].DNS {
		t.Fatalf("services with names %+v", got.Services)
	}
	want := v1alpha1.AssignedService{
		DNS: true, Addresses: []v1alpha1.AssignedTarget{{IP: "10.96.0.10", Port: 53}},
		Endpoints: []v1alpha1.AssignedTarget{{IP: "10.200.0.53", Port: 53, Protocol: v1alpha1.ProtocolUDP, Node: "node-00001"}},
	}
	if fmt.Sprint(got.Services[0]) != fmt.Sprint(want) {
		t.Errorf("the DNS is %+v, want %+v", got.Services[0], want)
	}
}

// Endpoints that come and go cost no writes; who is made again anyway has those
// of the moment.
func TestEndpointsForClimbsCostNoWrites(t *testing.T) {
	in := fixture(3)
	in.addCheck("web", in.addService("web", false, 2), "")
	key := types.NamespacedName{Namespace: "shop", Name: "web"}
	e := in.engine()
	changed := *in.Cluster.Services[key]
	changed.Ports = slices.Clone(changed.Ports)
	changed.Ports[0].Endpoints = []netip.AddrPort{netip.MustParseAddrPort("10.200.9.9:8080")}
	e.SetService(&changed)
	if dirty := e.TakeDirty(); len(dirty.Nodes)+len(dirty.Checks) > 0 {
		t.Errorf("dirty: %+v", dirty)
	}
	a, _ := e.Assign("node-00000", nil)
	if s := a.Spec.Services; len(s) != 1 || len(s[0].Endpoints) != 1 || s[0].Endpoints[0].IP != "10.200.9.9" {
		t.Errorf("services %+v", s)
	}
}

// What is probed never makes way for what might explain it.
func TestClimbsTakeOnlyTheRoomThatIsLeft(t *testing.T) {
	in := fixture(3)
	for i := range 30 {
		in.addCheck(fmt.Sprint("web-", i), in.addService(fmt.Sprint("web-", i), false, 5), "")
	}
	whole := in.assign("node-00000", nil)
	size := len(mustJSON(whole.Spec))
	in.Settings.SizeLimit = size - 500
	tight := in.assign("node-00000", nil)
	if n := len(tight.Spec.Services); n == 0 || n >= len(whole.Spec.Services) || len(tight.LeftOut) > 0 || len(mustJSON(tight.Spec)) > in.Settings.SizeLimit {
		t.Errorf("%d of %d services, left out %v", n, len(whole.Spec.Services), tight.LeftOut)
	}
}
