// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"testing"

	"k8s.io/apimachinery/pkg/types"

	"github.com/netladder/netladder/api/v1alpha1"
)

// doubting is a report of node1 that does not reach a pod on node2, and a
// Service with an endpoint there.
func doubting() *v1alpha1.ProbeAssignment {
	a := &v1alpha1.ProbeAssignment{Spec: v1alpha1.ProbeAssignmentSpec{
		Targets: []v1alpha1.AssignedTarget{
			{IP: "10.0.2.5", Port: 80, Node: "node2", UID: "a"}, {IP: "10.96.0.9", Port: 80}, {IP: "10.0.2.6", Port: 80, Node: "node2", UID: "b"},
		},
		Services: []v1alpha1.AssignedService{{Targets: []int32{1, -1, 9}, Endpoints: []v1alpha1.AssignedTarget{
			{IP: "10.0.2.7", Port: 8080, Node: "node2"}, {IP: "10.0.3.7", Port: 8080, Node: "node3"}, {IP: "10.0.2.8", Port: 8080, Node: "node2"}, {IP: "nonsense", Port: 1},
		}}},
		Groups: []v1alpha1.ProbeGroup{
			{Key: "shop/a/pods/TCPHalfOpen", Kind: v1alpha1.ProbeTCPHalfOpen, Members: []int32{0, 2}},
			{Key: "shop/b/service/HTTP", Kind: v1alpha1.ProbeHTTP, Members: []int32{1}},
		},
	}}
	fails := func(group, target string) v1alpha1.PairStatus {
		return v1alpha1.PairStatus{Group: group, Target: target, State: v1alpha1.StateFailing, Verdict: v1alpha1.VerdictDropped}
	}
	a.Status.NotPassing = []v1alpha1.PairStatus{fails("shop/a/pods/TCPHalfOpen", "10.0.2.5:80"), fails("shop/b/service/HTTP", "10.96.0.9:80"), fails("shop/a/pods/TCPHalfOpen", "10.0.9.9:80")}
	silent := func(target string) v1alpha1.RungStatus {
		return v1alpha1.RungStatus{Rung: v1alpha1.RungEndpoints, Probe: v1alpha1.ProbeTCPHalfOpen, Target: target, Verdict: v1alpha1.VerdictDropped}
	}
	a.Status.Rungs = []v1alpha1.RungStatus{
		{Rung: v1alpha1.RungPodNetwork, Probe: v1alpha1.ProbeMeshTCP, Target: "node2/IPv4", Verdict: v1alpha1.VerdictConnected},
		{Rung: v1alpha1.RungPodNetwork, Probe: v1alpha1.ProbeMeshTCP, Target: "node3/IPv4", Verdict: v1alpha1.VerdictDropped},
		silent("10.0.2.7:8080"), silent("10.0.3.7:8080"), silent("10.0.2.9:8080"),
	}
	return a
}

func TestDoubts(t *testing.T) {
	for name, c := range map[string]struct {
		change func(a *v1alpha1.ProbeAssignment)
		want   string
	}{
		"as it is":                       {func(*v1alpha1.ProbeAssignment) {}, "[{shop/a 10.0.2.5:80} {shop/b 10.0.2.7:8080}]"},
		"the whole node is out of reach": {func(a *v1alpha1.ProbeAssignment) { a.Status.Rungs[0].Verdict = v1alpha1.VerdictDropped }, "[]"},
		"nobody tried":                   {func(a *v1alpha1.ProbeAssignment) { a.Status.Rungs = a.Status.Rungs[1:] }, "[]"},
		"the pod refuses":                {func(a *v1alpha1.ProbeAssignment) { a.Status.NotPassing[0].Verdict = v1alpha1.VerdictRefused }, "[{shop/b 10.0.2.7:8080}]"},
		"it connects, and stalls": {func(a *v1alpha1.ProbeAssignment) {
			a.Status.NotPassing[0].Evidence = "connected after 0.3 ms, then no answer within 1s"
		}, "[{shop/b 10.0.2.7:8080}]"},
		"it must be blocked": {func(a *v1alpha1.ProbeAssignment) { a.Spec.Groups[0].Expect = v1alpha1.ExpectDeny }, "[{shop/b 10.0.2.7:8080}]"},
		"it is UDP":          {func(a *v1alpha1.ProbeAssignment) { a.Spec.Groups[0].Kind = v1alpha1.ProbeUDP }, "[{shop/b 10.0.2.7:8080}]"},
		"it recovers":        {func(a *v1alpha1.ProbeAssignment) { a.Status.NotPassing = a.Status.NotPassing[1:] }, "[{shop/b 10.0.2.7:8080}]"},
		"the Service works":  {func(a *v1alpha1.ProbeAssignment) { a.Status.NotPassing = a.Status.NotPassing[:1] }, "[{shop/a 10.0.2.5:80}]"},
	} {
		t.Run(name, func(t *testing.T) {
			a := doubting()
			c.change(a)
			if got := fmt.Sprint(Doubts(a)); got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
		})
	}
	if got := Doubts(nil); got != nil {
		t.Errorf("of nothing: %v", got)
	}
}

// The node of a doubtful pod is told once, looks at a few, and at none that the
// check may know nothing of.
func TestDoubtsInAssignments(t *testing.T) {
	in := fixture(3)
	in.Settings.Namespace = home
	e := in.engine()
	pod := func(i int, namespace string) netip.AddrPort {
		ip := netip.AddrFrom4([4]byte{10, 0, 2, byte(i)})
		e.SetPod(&Pod{UID: types.UID(fmt.Sprint("uid-", i)), Key: types.NamespacedName{Namespace: namespace, Name: fmt.Sprint("pod-", i)}, Node: "node-00001", IPs: []netip.Addr{ip}})
		return netip.AddrPortFrom(ip, 80)
	}
	e.SetNamespace(&Namespace{Name: "open", Labels: map[string]string{v1alpha1.LabelDiscloseTo: "shop"}})
	mine, closed, open := pod(1, "shop"), pod(2, "closed"), pod(3, "open")
	e.TakeDirty()
	shop := types.NamespacedName{Namespace: "shop", Name: "a"}
	list := []Doubt{{shop, mine}, {shop, closed}, {shop, open}}
	set := func(source string, list []Doubt) []string {
		e.SetDoubts(source, list)
		return e.TakeDirty().Nodes
	}
	if dirty := set("node-00000", list); !slices.Equal(dirty, []string{"node-00001"}) {
		t.Errorf("dirty %v", dirty)
	}
	if dirty := append(set("node-00000", slices.Clone(list)), set("node-00002", list[:1])...); len(dirty) > 0 {
		t.Errorf("what is known costs writes: %v", dirty)
	}
	looksAt := func() (out []string) {
		a, _ := e.Assign("node-00001", nil)
		for _, row := range a.Spec.Doubts {
			target := a.Spec.Targets[row]
			if !slices.ContainsFunc(a.Spec.Pods, func(p v1alpha1.AssignedPod) bool { return p.UID == target.UID && p.IPs[0] == target.IP }) {
				t.Errorf("%+v is no pod of %+v", target, a.Spec.Pods)
			}
			out = append(out, target.IP)
		}
		return out
	}
	if got := looksAt(); !slices.Equal(got, []string{"10.0.2.1", "10.0.2.3"}) {
		t.Errorf("looks at %v", got)
	}
	if got := e.Doubtful("node-00001"); !slices.Equal(got, []types.NamespacedName{shop}) {
		t.Errorf("for %v", got)
	}
	if dirty := set("node-00000", nil); len(dirty) != 1 {
		t.Errorf("some are doubtful no more: %v", dirty)
	}
	if got := looksAt(); !slices.Equal(got, []string{"10.0.2.1"}) {
		t.Errorf("looks at %v, which node-00002 does not reach", got)
	}
	e.DeletePod("uid-1")
	if dirty := e.TakeDirty().Nodes; !slices.Equal(dirty, []string{"node-00001"}) || len(looksAt()) > 0 {
		t.Errorf("the pod is gone: dirty %v", dirty)
	}
	var many []Doubt
	for i := range 3 * maxDoubted {
		many = append(many, Doubt{types.NamespacedName{Namespace: home, Name: "any"}, pod(i+10, "shop")})
	}
	set("node-00002", many)
	if n := len(looksAt()); n != maxDoubted {
		t.Errorf("looks at %d at once", n)
	}
}

// In a cluster of which a part is broken many reports come: what one costs goes
// by what fails in it.
func TestDoubtsCostNothingForWhatWorks(t *testing.T) {
	cost := func(working int) float64 {
		a := doubting()
		for i := range working {
			a.Spec.Groups = append(a.Spec.Groups, v1alpha1.ProbeGroup{Key: fmt.Sprintf("shop/a/%d/TCP", i), Kind: v1alpha1.ProbeTCP, Members: []int32{0, 1, 2}})
		}
		return testing.AllocsPerRun(10, func() { Doubts(a) })
	}
	if few, many := cost(0), cost(50); few != many {
		t.Errorf("%v allocations, and %v with 50 groups that work", few, many)
	}
}

// What is doubtful goes by reports, pods and namespaces: it is not gone through
// again for every other change.
func TestDoubtsAreGoneThroughWhenTheyMayChange(t *testing.T) {
	in := fixture(3)
	in.Settings.Namespace = home
	e := in.engine()
	e.TakeDirty()
	check, at := types.NamespacedName{Namespace: home, Name: "any"}, netip.MustParseAddrPort("10.0.2.1:80")
	pod := &Pod{UID: "uid", Key: types.NamespacedName{Namespace: "shop", Name: "pod"}, Node: "node-00001", IPs: []netip.Addr{at.Addr()}}
	for _, c := range []struct {
		name   string
		change func()
		again  bool
	}{
		{"a report", func() { e.SetDoubts("node-00000", []Doubt{{check, at}}) }, true},
		{"a pod", func() { e.SetPod(pod) }, true},
		{"a node", func() { e.DeleteNode("node-00002") }, false},
		{"a namespace", func() { e.SetNamespace(&Namespace{Name: "shop", Labels: map[string]string{"a": "b"}}) }, true},
		{"a pod that goes", func() { e.DeletePod("uid") }, true},
	} {
		before := reflect.ValueOf(e.doubts.byNode).Pointer()
		c.change()
		e.TakeDirty()
		if got := reflect.ValueOf(e.doubts.byNode).Pointer() != before; got != c.again {
			t.Errorf("%s: gone through again: %t", c.name, got)
		}
	}
}
