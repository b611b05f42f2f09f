// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package fromstatus_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/controllers/diagnosis/causes"
	"github.com/netladder/netladder/controllers/diagnosis/fromstatus"
	"github.com/netladder/netladder/test/builders"
)

// broken is a path that fails between pairs of nodes, as "node1 node2".
func broken(name string, d *v1alpha1.PathDiagnosis, pairs ...string) fromstatus.Path {
	c := builders.MakeCheck("mesh").Namespace("shop").Path(name, builders.ToMesh(v1alpha1.MeshScopeCrossNode)).Obj()
	status := &v1alpha1.PathStatus{Name: name, State: v1alpha1.StateFailing, Diagnosis: d}
	for _, pair := range pairs {
		source, target, _ := strings.Cut(pair, " ")
		status.WorstPairs = append(status.WorstPairs, v1alpha1.WorstPair{State: v1alpha1.StateFailing, SourceNode: source, TargetNode: target})
	}
	return fromstatus.Path{Check: c, Spec: &c.Spec.Paths[0], Status: status}
}

func because(rung v1alpha1.Rung, reason, message string) *v1alpha1.PathDiagnosis {
	return &v1alpha1.PathDiagnosis{Rung: rung, Reason: reason, Message: message}
}

// TestTold: what a status tells of nodes is told, with the sentence as it is said
// of the cause alone; what has no node is not, but the cluster's DNS.
func TestTold(t *testing.T) {
	const overlay, broke = v1alpha1.RungOverlay, v1alpha1.ReasonTunnelBroken
	for name, c := range map[string]struct {
		paths []fromstatus.Path
		want  []string
	}{
		"nothing": {},
		"a pair of nodes": {
			[]fromstatus.Path{broken("a", because(overlay, broke, "node1 hears nothing from node2: see there"), "node1 node2")},
			[]string{"Overlay of node1 and node2: 1 path of 1 check (node1 hears nothing from node2: see there)"},
		},
		"around a node": {
			[]fromstatus.Path{broken("a", because(overlay, broke, "around node2: node1 hears nothing"), "node1 node2", "node2 node3")},
			[]string{"Overlay of node2: 1 path of 1 check (node1 hears nothing)"},
		},
		"around a node, some of the pairs": {
			[]fromstatus.Path{broken("a", because(overlay, broke, "2 of the 3 pairs shown: around node2: node1 hears nothing"), "node1 node2", "node2 node3", "node1 node1")},
			[]string{"Overlay of node2: 1 path of 1 check (node1 hears nothing)"},
		},
		"one node": {
			[]fromstatus.Path{broken("a", because(v1alpha1.RungNode, v1alpha1.ReasonNodeNotReady, "node2 is not Ready"), "node1 node2")},
			[]string{"Node of node2: 1 path of 1 check (node2 is not Ready)"},
		},
		"a hidden node": {
			[]fromstatus.Path{broken("a", because(overlay, broke, "node1 hears nothing from the target's node"), "node1 ")},
			[]string{"Overlay of node1 and the target's node: 1 path of 1 check (node1 hears nothing from the target's node)"},
		},
		"a hidden node, and what it is": {
			[]fromstatus.Path{
				broken("a", because(overlay, broke, "node1 hears nothing from the target's node"), "node1 "),
				broken("b", because(overlay, broke, "node1 hears nothing from node2"), "node1 node2"),
			},
			[]string{"Overlay of node1 and node2: 1 path of 1 check (node1 hears nothing from node2)"},
		},
		"the cluster's DNS": {
			[]fromstatus.Path{broken("a", because(v1alpha1.RungDNS, v1alpha1.ReasonDNSServersDown, "kube-dns does not answer"))},
			[]string{"DNS of the cluster's DNS: 1 path of 1 check ()"},
		},
		"nothing of nodes": {
			[]fromstatus.Path{
				broken("a", because(v1alpha1.RungDNS, v1alpha1.ReasonDNSNameNotFound, "there is no such name")),
				broken("b", because(v1alpha1.RungUndetermined, v1alpha1.ReasonUnexplained, "node1 or node2"), "node1 node2"),
				broken("c", because(v1alpha1.RungEndpoints, v1alpha1.ReasonNoEndpoints, "it has none")),
				broken("d", because(overlay, broke, "nobody knows which nodes"), "node1 node2"),
				broken("e", nil, "node1 node2"),
			},
			nil,
		},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, cause := range causes.All(fromstatus.Told(c.paths)) {
				got = append(got, cause.String()+" ("+cause.Text+")")
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestFirstPolicy: the object is the policy that the sentence names first, and not
// one whose name another one begins or ends with.
func TestFirstPolicy(t *testing.T) {
	for message, want := range map[string]string{
		"denied by shop/web-egress (egress from web-0); nearest rule: web admits TCP 80": "shop/web-egress",
		"denied by shop/web (egress from web-0), which admits nothing":                   "shop/web",
		"denied by my-shop/web (egress from web-0), and by shop/web.v2":                  "shop/web.v2",
		"open: a policy of namespace vault admits it, and shop/web admits it":            "vault/*",
	} {
		d := because(v1alpha1.RungPolicy, v1alpha1.ReasonPolicyDenies, message)
		for _, p := range []string{"shop/web", "shop/web-egress", "shop/web.v2", "vault/"} {
			namespace, name, _ := strings.Cut(p, "/")
			d.Policies = append(d.Policies, v1alpha1.DecidingPolicy{Namespace: namespace, Name: name})
		}
		path := broken("db", d)
		if found := fromstatus.Found(&path, nil); len(found) != 1 || found[0].Object != "NetworkPolicy "+want {
			t.Errorf("%s: %+v, want %s", message, found, want)
		}
	}
}
