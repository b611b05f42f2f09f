// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package causes_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/types"
	"pgregory.net/rapid"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/controllers/diagnosis/causes"
)

func found(check, path string, rung v1alpha1.Rung, object string, nodes ...string) causes.Found {
	return causes.Found{Check: types.NamespacedName{Namespace: "shop", Name: check}, Path: path, Rung: rung, Reason: "Broken", Object: object, Nodes: nodes}
}

// on makes a finding one of an object on a node, that began at the start.
func on(node string, f causes.Found) causes.Found {
	f.On = node
	return at(0, f)
}

// at makes a finding one that began so much after the start.
func at(after time.Duration, f causes.Found) causes.Found {
	f.Began, f.Within = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC).Add(after), 12500*time.Millisecond
	return f
}

// hourly makes a finding one of a path that is probed once an hour.
func hourly(f causes.Found) causes.Found {
	f.Within = time.Hour
	return f
}

func TestAll(t *testing.T) {
	for name, c := range map[string]struct {
		found []causes.Found
		want  []string
	}{
		"nothing": {},
		"one pair of nodes": {
			[]causes.Found{found("a", "x", v1alpha1.RungOverlay, "", "node2", "node1"), found("b", "x", v1alpha1.RungOverlay, "", "node1", "node2")},
			[]string{"Overlay of node1 and node2: 2 paths of 2 checks"},
		},
		"one node in all pairs": {
			[]causes.Found{found("a", "x", v1alpha1.RungOverlay, "", "node2", "node1"), found("a", "x", v1alpha1.RungOverlay, "", "node3", "node2"), found("a", "y", v1alpha1.RungOverlay, "", "node2", "node3")},
			[]string{"Overlay of node2: 2 paths of 1 check"},
		},
		"no node in all pairs": {
			[]causes.Found{found("a", "x", v1alpha1.RungOverlay, "", "node2", "node1"), found("a", "y", v1alpha1.RungOverlay, "", "node3", "node2"), found("b", "y", v1alpha1.RungOverlay, "", "node1", "node3")},
			[]string{"Overlay of node1 and node2: 1 path of 1 check", "Overlay of node1 and node3: 1 path of 1 check", "Overlay of node2 and node3: 1 path of 1 check"},
		},
		"a Service on a node": {
			[]causes.Found{on("node1", found("a", "x", v1alpha1.RungService, "Service a on node1")), on("node1", found("b", "y", v1alpha1.RungService, "Service a on node1")), on("node2", found("b", "z", v1alpha1.RungService, "Service b on node2"))},
			[]string{"Service of Service a on node1: 2 paths of 2 checks", "Service of Service b on node2: 1 path of 1 check"},
		},
		"two Services on a node": {
			[]causes.Found{on("node3", found("a", "x", v1alpha1.RungService, "Service a on node3")), on("node3", found("b", "y", v1alpha1.RungService, "Service b on node3"))},
			[]string{"Service of node3: 2 paths of 2 checks"},
		},
		"a Service on a node that is broken": {
			[]causes.Found{on("node3", found("a", "x", v1alpha1.RungService, "Service a on node3")), at(0, found("b", "y", v1alpha1.RungService, "node3", "node3"))},
			[]string{"Service of node3: 2 paths of 2 checks"},
		},
		"two Services on a node, that many seconds apart": {
			[]causes.Found{on("node3", found("a", "x", v1alpha1.RungService, "Service a on node3")), at(25*time.Second, on("node3", found("b", "y", v1alpha1.RungService, "Service b on node3")))},
			[]string{"Service of node3: 2 paths of 2 checks"},
		},
		"two Services on a node, hours apart": {
			[]causes.Found{on("node3", found("a", "x", v1alpha1.RungService, "Service a on node3")), at(3*time.Hour, on("node3", found("b", "y", v1alpha1.RungService, "Service b on node3")))},
			[]string{"Service of Service a on node3: 1 path of 1 check", "Service of Service b on node3: 1 path of 1 check"},
		},
		"two Services on a node, of one of which a check came late": {
			[]causes.Found{
				on("node3", found("a", "x", v1alpha1.RungService, "Service a on node3")),
				at(3*time.Hour, on("node3", found("c", "z", v1alpha1.RungService, "Service a on node3"))), at(3*time.Hour, on("node3", found("b", "y", v1alpha1.RungService, "Service b on node3"))),
			},
			[]string{"Service of Service a on node3: 2 paths of 2 checks", "Service of Service b on node3: 1 path of 1 check"},
		},
		"two Services on a node, an hour apart, with a check of one that is made hourly": {
			[]causes.Found{
				on("node3", found("a", "x", v1alpha1.RungService, "Service a on node3")), hourly(at(time.Minute, on("node3", found("c", "z", v1alpha1.RungService, "Service a on node3")))),
				at(50*time.Minute, on("node3", found("b", "y", v1alpha1.RungService, "Service b on node3"))),
			},
			[]string{"Service of Service a on node3: 2 paths of 2 checks", "Service of Service b on node3: 1 path of 1 check"},
		},
		"two Services on a node, and nobody knows since when": {
			[]causes.Found{on("node3", found("a", "x", v1alpha1.RungService, "Service a on node3")), {
				Check: types.NamespacedName{Namespace: "shop", Name: "b"}, Path: "y", Rung: v1alpha1.RungService, Reason: "Broken", Object: "Service b on node3", On: "node3",
			}},
			[]string{"Service of Service a on node3: 1 path of 1 check", "Service of Service b on node3: 1 path of 1 check"},
		},
		"a Service on a node that breaks after the node": {
			[]causes.Found{at(3*time.Hour, on("node3", found("a", "x", v1alpha1.RungService, "Service a on node3"))), at(0, found("b", "y", v1alpha1.RungService, "node3", "node3"))},
			[]string{"Service of node3: 2 paths of 2 checks"},
		},
		"a Service on a node that broke long before the node": {
			[]causes.Found{on("node3", found("a", "x", v1alpha1.RungService, "Service a on node3")), at(3*time.Hour, found("b", "y", v1alpha1.RungService, "node3", "node3"))},
			[]string{"Service of Service a on node3: 1 path of 1 check", "Service of node3: 1 path of 1 check"},
		},
		"two causes": {
			[]causes.Found{
				found("a", "x", v1alpha1.RungOverlay, "", "node2", "node1"), found("a", "y", v1alpha1.RungDNS, "kube-system/kube-dns"),
				found("b", "y", v1alpha1.RungDNS, "kube-system/kube-dns"), found("c", "z", v1alpha1.RungPodNetwork, "", "node3"),
			},
			[]string{"DNS of kube-system/kube-dns: 2 paths of 2 checks", "Overlay of node1 and node2: 1 path of 1 check", "PodNetwork of node3: 1 path of 1 check"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, each := range causes.All(c.found) {
				got = append(got, each.String())
				if (each.Node != "") != (each.Object == "node2" || each.Object == "node3") || each.Reason != "Broken" {
					t.Errorf("%+v", each)
				}
			}
			if d := cmp.Diff(c.want, got); d != "" {
				t.Error(d)
			}
		})
	}
}

// TestAllReason: what a kernel lacks is the cause of what others do not hear,
// however many those are; else the reason of most paths.
func TestAllReason(t *testing.T) {
	for want, reasons := range map[string][]string{
		v1alpha1.CauseTunnelForwardMissing: {v1alpha1.CauseTunnelNotHeard, v1alpha1.CauseTunnelNotHeard, v1alpha1.CauseTunnelForwardMissing, v1alpha1.ReasonTunnelBroken},
		v1alpha1.CauseTunnelWayThere:       {v1alpha1.CauseTunnelNotHeard, v1alpha1.CauseTunnelNotHeard, v1alpha1.CauseTunnelWayThere},
		v1alpha1.ReasonTunnelBroken:        {v1alpha1.ReasonCrossNodeBroken, v1alpha1.ReasonTunnelBroken, v1alpha1.ReasonTunnelBroken},
		v1alpha1.ReasonPacketsTooBig:       {v1alpha1.ReasonLargePacketsLost, v1alpha1.ReasonPacketsTooBig, v1alpha1.ReasonLargePacketsLost},
	} {
		var list []causes.Found
		for i, reason := range reasons {
			f := found("a", fmt.Sprint("path", i), v1alpha1.RungOverlay, "", "node1", "node2")
			f.Reason = reason
			list = append(list, f)
		}
		if all := causes.All(list); len(all) != 1 || all[0].Reason != want || all[0].Paths != len(reasons) {
			t.Errorf("%v: %+v, want %s", reasons, all, want)
		}
	}
}

// TestAllWhateverTheOrder: the same causes in the same order.
func TestAllWhateverTheOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		list := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) causes.Found {
			name := func(kind string, n int) string {
				return fmt.Sprint(kind, rapid.IntRange(1, n).Draw(t, kind))
			}
			f := found(name("check", 2), name("path", 2), rapid.SampledFrom([]v1alpha1.Rung{v1alpha1.RungOverlay, v1alpha1.RungDNS}).Draw(t, "rung"), name("object", 2))
			f.Reason = name("Reason", 2)
			for range rapid.IntRange(0, 2).Draw(t, "nodes") {
				f.Nodes = append(f.Nodes, name("node", 4))
			}
			return f
		}), 0, 8).Draw(t, "found")
		want := causes.All(list)
		got := causes.All(rapid.Permutation(slices.Clone(list)).Draw(t, "order"))
		if d := cmp.Diff(want, got); d != "" {
			t.Fatal(d)
		}
	})
}
