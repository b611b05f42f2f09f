// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/netladder/netladder/api/v1alpha1"
)

// canaryOf the i-th node.
func canaryOf(i int, uid string, dual bool) *Canary {
	c := &Canary{
		UID: types.UID(fmt.Sprintf("canary-%d-%s", i, uid)), Key: types.NamespacedName{Namespace: home, Name: fmt.Sprintf("canary-%d", i)},
		IPs: []netip.Addr{netip.AddrFrom4([4]byte{10, 7, byte(i >> 8), byte(i)})},
	}
	if dual {
		c.IPs = append(c.IPs, netip.MustParseAddr(fmt.Sprintf("fd00:7::%x", i+1)))
	}
	return c
}

// canaryFixture is n nodes with a canary pod and the path in one direction.
func canaryFixture(n int, direction v1alpha1.PolicyDirection) (Input, *v1alpha1.ConnectivityCheck) {
	in := full(n)
	for i, name := range nodeNames(n) {
		in.Cluster.Nodes[name].Canary = canaryOf(i, "a", false)
	}
	to := v1alpha1.Target{Canary: &v1alpha1.CanaryTarget{Direction: direction}}
	return in, in.addPath(home, "policy-enforcement", fromProbers(), to, v1alpha1.ExpectDeny)
}

// Each node tests itself, and nothing else.
func TestCanaryPairs(t *testing.T) {
	const ingress, egress = v1alpha1.PolicyIngress, v1alpha1.PolicyEgress
	for name, tc := range map[string]struct {
		direction v1alpha1.PolicyDirection
		change    func(in *Input, c *v1alpha1.ConnectivityCheck)
		pairs     []string
		lacking   []string
		reason    string
		message   string
	}{
		"ingress": {direction: ingress, pairs: []string{
			"0 TCP 10.7.0.0:8441", "0 Wire node-00000/IPv4", "1 TCP 10.7.0.1:8441", "1 Wire node-00001/IPv4",
		}},
		"egress": {direction: egress, pairs: []string{
			"0 TCP canary-0-a>10.0.0.7:8441", "0 Wire node-00000/IPv4", "1 TCP canary-1-a>10.0.1.7:8441", "1 Wire node-00001/IPv4",
		}},
		"ingress at level Restricted": {direction: ingress, change: func(in *Input, _ *v1alpha1.ConnectivityCheck) {
			in.Settings.Level = v1alpha1.LevelRestricted
			in.Cluster.Pods, in.Cluster.Namespaces = nil, nil
			delete(in.Cluster.Nodes, "node-00001")
		}, pairs: []string{"0 TCP 10.7.0.0:8441", "0 Wire node-00000/IPv4"}},
		"both families": {direction: ingress, change: func(in *Input, _ *v1alpha1.ConnectivityCheck) {
			in.Cluster.Nodes["node-00000"].Canary = canaryOf(0, "a", true)
			delete(in.Cluster.Nodes, "node-00001")
		}, pairs: []string{"0 TCP 10.7.0.0:8441", "0 TCP [fd00:7::1]:8441", "0 Wire node-00000/IPv4"}},
		"the family of both": {direction: egress, change: func(in *Input, _ *v1alpha1.ConnectivityCheck) {
			in.Cluster.Nodes["node-00000"].Canary = canaryOf(0, "a", true)
			delete(in.Cluster.Nodes, "node-00001")
		}, pairs: []string{"0 TCP canary-0-a>10.0.0.7:8441", "0 Wire node-00000/IPv4"}},
		"selected nodes": {direction: ingress, change: func(_ *Input, c *v1alpha1.ConnectivityCheck) {
			c.Spec.Paths[0].From.Probers.NodeSelector = &metav1.LabelSelector{MatchLabels: map[string]string{"pool": "1"}}
		}, pairs: []string{"1 TCP 10.7.0.1:8441", "1 Wire node-00001/IPv4"}},
		"a node without a canary pod": {direction: ingress, change: func(in *Input, _ *v1alpha1.ConnectivityCheck) {
			in.Cluster.Nodes["node-00000"].Canary = nil
		}, pairs: []string{"1 TCP 10.7.0.1:8441", "1 Wire node-00001/IPv4"}, lacking: []string{"node-00000"}},
		"a node without a prober": {direction: ingress, change: func(in *Input, _ *v1alpha1.ConnectivityCheck) {
			in.Cluster.Nodes["node-00000"].Prober = false
		}, pairs: []string{"1 TCP 10.7.0.1:8441", "1 Wire node-00001/IPv4"}},
		"without an echo pod ingress is not proven": {direction: ingress, change: func(in *Input, _ *v1alpha1.ConnectivityCheck) {
			in.Cluster.Nodes["node-00000"].Echo = nil
		}, pairs: []string{"0 TCP 10.7.0.0:8441", "1 TCP 10.7.0.1:8441", "1 Wire node-00001/IPv4"}},
		"and egress aims at nothing": {direction: egress, change: func(in *Input, _ *v1alpha1.ConnectivityCheck) {
			in.Cluster.Nodes["node-00000"].Echo = nil
		}, pairs: []string{"1 TCP canary-1-a>10.0.1.7:8441", "1 Wire node-00001/IPv4"}, lacking: []string{"node-00000"}},
		"no canary pods": {direction: egress, change: func(in *Input, _ *v1alpha1.ConnectivityCheck) {
			for _, n := range in.Cluster.Nodes {
				n.Canary = nil
			}
		}, reason: v1alpha1.ReasonCanaryNotReady, message: "no node with a prober has a canary pod and an echo pod; see whether the DaemonSet netladder-canary runs there"},
		"turned off": {direction: ingress, change: func(in *Input, _ *v1alpha1.ConnectivityCheck) { in.Settings.NoCanary = true },
			reason: v1alpha1.ReasonCanaryDisabled, message: "start it with --canary=true, or delete this path"},
		"egress at level Restricted": {direction: egress, change: func(in *Input, _ *v1alpha1.ConnectivityCheck) { in.Settings.Level = "" },
			reason: v1alpha1.ReasonUnsupported, message: "to.canary with direction Egress needs probers of level Full"},
		"a tenant's": {direction: ingress, change: func(_ *Input, c *v1alpha1.ConnectivityCheck) { c.Namespace = "shop" },
			reason: v1alpha1.ReasonSourceNotPermitted, message: "only in Netladder's own namespace"},
		"from pods": {direction: ingress, change: func(_ *Input, c *v1alpha1.ConnectivityCheck) { c.Spec.Paths[0].From = fromPods("web") },
			reason: v1alpha1.ReasonUnsupported, message: "to.canary goes with from.probers and expect Deny"},
		"to be reached": {direction: ingress, change: func(_ *Input, c *v1alpha1.ConnectivityCheck) { c.Spec.Paths[0].Expect = v1alpha1.ExpectAllow },
			reason: v1alpha1.ReasonUnsupported, message: "to.canary goes with from.probers and expect Deny"},
		"both ways at once": {direction: "Both", reason: v1alpha1.ReasonUnsupported, message: "knows only to.canary.direction Ingress and Egress"},
		"suspended":         {direction: ingress, change: func(_ *Input, c *v1alpha1.ConnectivityCheck) { c.Spec.Suspend = true }, reason: v1alpha1.ReasonSuspended},
	} {
		t.Run(name, func(t *testing.T) {
			in, c := canaryFixture(2, tc.direction)
			if tc.change != nil {
				tc.change(&in, c)
			}
			r := in.resolved(c)
			if r.Reason != tc.reason || !strings.Contains(r.Message, tc.message) {
				t.Errorf("%s: %s", r.Reason, r.Message)
			}
			if d := cmp.Diff(tc.lacking, r.Lacking); d != "" {
				t.Errorf("lacking (-want +got):\n%s", d)
			}
			got := pairsOf(Build(in))
			slices.Sort(got)
			if d := cmp.Diff(tc.pairs, got); d != "" {
				t.Errorf("pairs (-want +got):\n%s", d)
			}
			main := int64(0)
			for _, pair := range got {
				if strings.Contains(pair, " TCP ") {
					main++
				}
			}
			if cover := r.Coverage; main > 0 && (cover.AssignedPairs != main || cover.PossiblePairs != main || cover.FullAfter.Duration != 10*time.Second) {
				t.Errorf("%d pairs, covered: %+v", main, cover)
			}
		})
	}
}

// A canary pod that comes, goes or is replaced costs the assignment of its own
// node, and time costs nothing.
func TestCanaryTouchesItsOwnNode(t *testing.T) {
	for _, direction := range canaryDirections() {
		in, _ := canaryFixture(400, direction)
		for name, tc := range map[string]struct {
			change func(n *Node)
			nodes  int
		}{
			"nothing":      {func(n *Node) { n.Canary = canaryOf(7, "a", false) }, 0},
			"replaced":     {func(n *Node) { n.Canary = canaryOf(7, "b", false) }, 1},
			"gone":         {func(n *Node) { n.Canary = nil }, 1},
			"echo renewed": {func(n *Node) { n.Echo = &Echo{UID: "new", IPs: n.Echo.IPs} }, 1},
			"no prober":    {func(n *Node) { n.Prober = false }, 1},
		} {
			e := in.engine()
			if next := e.NextAdvance(); !next.IsZero() {
				t.Errorf("%s: moves at %s", direction, next)
			}
			n := *in.Cluster.Nodes["node-00007"]
			e.Assign(n.Name, nil) // who was told of an echo pod hears of its successor
			tc.change(&n)
			e.SetNode(&n)
			if d := e.TakeDirty(); len(d.Nodes) != tc.nodes {
				t.Errorf("%s, %s: %v are dirty", direction, name, d.Nodes)
			}
		}
	}
}

// A canary path is small, and its groups are the last that a full assignment
// can shrink.
func TestCanaryAtTheSizeLimit(t *testing.T) {
	in, _ := canaryFixture(2, v1alpha1.PolicyEgress)
	in.Cluster.Nodes["node-00000"].Canary = canaryOf(0, "a", true)
	in.Cluster.Nodes["node-00000"].Echo.IPs = append(in.Cluster.Nodes["node-00000"].Echo.IPs, netip.MustParseAddr("fd00::1"))
	whole := in.assign("node-00000", nil)
	if len(whole.LeftOut) > 0 {
		t.Fatalf("left out: %+v", whole.LeftOut)
	}
	previous := &v1alpha1.ProbeAssignment{Spec: whole.Spec}
	for i := range whole.Spec.Groups {
		for _, p := range whole.Spec.Pairs(&whole.Spec.Groups[i]) {
			previous.Status.NotPassing = append(previous.Status.NotPassing, v1alpha1.PairStatus{Group: whole.Spec.Groups[i].Key, Target: p.Key, State: v1alpha1.StateFailing})
		}
	}
	for limit := 100; limit < 2000; limit += 50 {
		in.Settings.SizeLimit = limit
		if got := in.assign("node-00000", previous); len(got.Spec.Groups) == 2 && len(got.LeftOut) == 0 {
			return
		}
	}
	t.Error("no limit below 2,000 bytes is enough")
}
