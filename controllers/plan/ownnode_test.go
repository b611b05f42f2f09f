// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/netladder/netladder/api/v1alpha1"
)

// No policy applies between a node and the pods on it, so that a Deny from
// nodes leaves them out, and says so where nothing else is left.
func TestDenyFromNodesLeavesOwnPodsOut(t *testing.T) {
	const deny, allow = v1alpha1.ExpectDeny, v1alpha1.ExpectAllow
	for name, tc := range map[string]struct {
		expect  v1alpha1.Expectation
		to      string
		nodes   []string // that are gone
		pairs   []string
		reason  string
		message string
	}{
		"every node but its own": {expect: deny, to: "web", pairs: []string{
			"0 Listener 10.128.0.0:80", "0 TCPHalfOpen 10.128.0.1:80", "0 Wire node-00001/IPv4",
			"1 Listener 10.128.0.1:80", "1 TCPHalfOpen 10.128.0.0:80", "1 Wire node-00000/IPv4",
			"2 TCPHalfOpen 10.128.0.0:80", "2 TCPHalfOpen 10.128.0.1:80", "2 Wire node-00000/IPv4", "2 Wire node-00001/IPv4",
		}},
		"one source": {expect: deny, to: "web", nodes: []string{"node-00001", "node-00002"}, pairs: []string{
			"0 TCPHalfOpen 10.128.0.1:80",
		}},
		"nothing left": {expect: deny, to: "db", nodes: []string{"node-00000", "node-00002"},
			reason: v1alpha1.ReasonNotProvable, message: "every target is on node node-00001, which is the only source too"},
		"an Allow leaves nothing out": {expect: allow, to: "db", nodes: []string{"node-00000", "node-00002"}, pairs: []string{
			"1 TCPHalfOpen 10.128.0.2:80",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			in := denyFixture()
			for _, gone := range tc.nodes {
				delete(in.Cluster.Nodes, gone)
			}
			c := in.addPath(home, "check", fromNodes(), toPods(tc.to, 80), tc.expect)
			c.Spec.Paths[0].To.Pods.NamespaceSelector = anywhere(toPods("x", 80)).Pods.NamespaceSelector
			delete(in.Cluster.Pods, "bank-safe")
			r := in.resolved(c)
			if r.Accepted != (tc.reason == "") || r.Reason != tc.reason || !strings.Contains(r.Message, tc.message) {
				t.Errorf("accepted %t, %s: %s", r.Accepted, r.Reason, r.Message)
			}
			got := pairsOf(Build(in))
			slices.Sort(got)
			if d := cmp.Diff(tc.pairs, got); d != "" {
				t.Errorf("pairs (-want +got):\n%s", d)
			}
		})
	}
}

// Many targets are dealt out in windows: who holds only pods of its own has
// nothing to do in that epoch, and nobody waits for it.
func TestDenyFromNodesInManyWindows(t *testing.T) {
	in := full(4)
	for i := range 100 {
		in.addPod("shop", fmt.Sprintf("db-%d", i), "db", 0)
	}
	c := in.addPath(home, "check", fromNodes(), anywhere(toPods("db", 80)), v1alpha1.ExpectDeny)
	r := in.resolved(c)
	if want := []string{"node-00001", "node-00002", "node-00003"}; !slices.Equal(r.Groups[0].Sources, want) {
		t.Errorf("sources %v, want %v", r.Groups[0].Sources, want)
	}
	in.addPod("shop", "db-x", "db", 1)
	r = in.resolved(c)
	main := 0
	for _, pair := range pairsOf(Build(in)) {
		if strings.Contains(pair, "HalfOpen") {
			main++
		}
	}
	possible := 0
	for _, source := range r.Groups[0].Sources {
		for _, pod := range in.Cluster.Pods {
			if pod.Node != source {
				possible++
			}
		}
	}
	if got := r.Coverage; got.AssignedPairs != int64(main) || main == 0 || got.PossiblePairs != int64(possible) {
		t.Errorf("%+v, want %d of %d", got, main, possible)
	}
}

// A bad pair that an earlier plan had is not kept where this one would not have
// it.
func TestBadPairsThatMayNotBeAreNotKept(t *testing.T) {
	in := full(2)
	for i := range 40 {
		in.addPod("shop", fmt.Sprintf("db-%d", i), "db", i%2)
	}
	c := in.addPath(home, "check", fromNodes(), anywhere(toPods("db", 80)), v1alpha1.ExpectAllow)
	a := in.assign("node-00000", nil)
	previous := &v1alpha1.ProbeAssignment{Spec: a.Spec}
	c.Spec.Paths[0].Expect = v1alpha1.ExpectDeny
	deny := in.assign("node-00000", nil)
	for i := range deny.Spec.Groups {
		for j := range previous.Spec.Groups {
			if deny.Spec.Groups[i].Key == previous.Spec.Groups[j].Key {
				previous.Spec.Groups[j].Hash = deny.Spec.Groups[i].Hash
			}
		}
	}
	for i := range a.Spec.Groups {
		for _, pair := range a.Spec.Pairs(&a.Spec.Groups[i]) {
			previous.Status.NotPassing = append(previous.Status.NotPassing, v1alpha1.PairStatus{Group: a.Spec.Groups[i].Key, Target: pair.Key, State: v1alpha1.StateFailing})
		}
	}
	now := in.assign("node-00000", previous)
	for i := range now.Spec.Groups {
		g := &now.Spec.Groups[i]
		for _, pair := range now.Spec.Pairs(g) {
			if g.Kind == v1alpha1.ProbeTCPHalfOpen && pair.NodeName == "node-00000" {
				t.Errorf("%s is kept", pair.Key)
			}
		}
	}
}

// What a change of something that only names read makes dirty.
func TestNamesAreDirty(t *testing.T) {
	in, s := viaFixture()
	s.IngressNames = []string{"a.example.com"}
	out := &Service{Key: s.Key, ExternalName: "a.example.com"}
	out.Key.Name = "out"
	in.Cluster.Services[out.Key] = out
	external := via("")
	external.Name = "out"
	in.addPath("shop", "balanced", fromPods("web"), v1alpha1.Target{Service: via("LoadBalancer")}, "")
	in.addPath("shop", "external", fromPods("web"), v1alpha1.Target{Service: external}, "")
	wrong := via("")
	wrong.Port = intstr.FromInt32(9)
	in.addPath("bank", "wrong", fromPods("db"), v1alpha1.Target{Service: wrong}, "")
	for name, do := range map[string]func(e *Engine){
		"ingress":  func(e *Engine) { n := *s; n.IngressNames = []string{"b.example.com"}; e.SetService(&n) },
		"external": func(e *Engine) { n := *out; n.ExternalName = "b.example.com"; e.SetService(&n) },
	} {
		e := in.engine()
		before, _ := e.Assign("node-00000", nil)
		do(e)
		if d := e.TakeDirty(); !slices.Equal(d.Nodes, []string{"node-00000", "node-00001"}) || len(d.Checks) != 1 {
			t.Errorf("%s: dirty %v and %v", name, d.Nodes, d.Checks)
		}
		after, _ := e.Assign("node-00000", nil)
		changed := 0
		for i := range before.Spec.Groups {
			if before.Spec.Groups[i].Hash != after.Spec.Groups[i].Hash {
				changed++
			}
		}
		if changed != 1 {
			t.Errorf("%s: %d hashes changed", name, changed)
		}
	}
	e := in.engine()
	key := in.Checks[2]
	message := func() string { return e.Resolved(compile(key, in.Settings).key).Paths[0].Message }
	before := message()
	e.SetNamespace(&Namespace{Name: "shop", Labels: map[string]string{v1alpha1.LabelDiscloseTo: "bank"}})
	if d := e.TakeDirty(); len(d.Checks) != 1 || before == message() {
		t.Errorf("%v: %q then %q", d.Checks, before, message())
	}
}
