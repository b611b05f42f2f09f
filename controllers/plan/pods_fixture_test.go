// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"fmt"
	"net/netip"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/netladder/netladder/api/v1alpha1"
)

// full is a fixture of level Full, with the namespaces shop and bank.
func full(nodes int) Input {
	in := fixture(nodes)
	in.Settings.Level = v1alpha1.LevelFull
	in.Cluster.Pods, in.Cluster.Namespaces = map[types.UID]*Pod{}, map[string]*Namespace{}
	for _, name := range []string{home, "shop", "bank"} {
		in.Cluster.Namespaces[name] = &Namespace{Name: name, Labels: map[string]string{"name": name}}
	}
	for i, name := range nodeNames(nodes) {
		in.Cluster.Nodes[name].IPs = []netip.Addr{netip.AddrFrom4([4]byte{192, 168, byte(i >> 8), byte(i)})}
	}
	return in
}

// addPod adds a pod with the label app on a node; its UID is "NAMESPACE-NAME".
func (in *Input) addPod(namespace, name, app string, node int) *Pod {
	n := len(in.Cluster.Pods)
	p := &Pod{
		UID: types.UID(namespace + "-" + name), Key: types.NamespacedName{Namespace: namespace, Name: name},
		Labels: map[string]string{"app": app}, Node: fmt.Sprintf("node-%05d", node),
		IPs: []netip.Addr{netip.AddrFrom4([4]byte{10, byte(128 + n>>16), byte(n >> 8), byte(n)})},
	}
	in.Cluster.Pods[p.UID] = p
	return p
}

func app(name string) *metav1.LabelSelector {
	if name == "" {
		return nil
	}
	return &metav1.LabelSelector{MatchLabels: map[string]string{"app": name}}
}

func fromPods(name string) v1alpha1.Source {
	return v1alpha1.Source{Pods: &v1alpha1.PodsSource{PodSelector: app(name)}}
}

func fromProbers() v1alpha1.Source { return v1alpha1.Source{Probers: &v1alpha1.ProbersSource{}} }
func fromNodes() v1alpha1.Source   { return v1alpha1.Source{Nodes: &v1alpha1.NodesSource{}} }

func toPods(name string, port int) v1alpha1.Target {
	return v1alpha1.Target{Pods: &v1alpha1.PodsTarget{PodSelector: *app(name), Port: intstr.FromInt(port)}}
}

func toHost(ip string, port int32) v1alpha1.Target {
	return v1alpha1.Target{Host: &v1alpha1.HostTarget{IP: ip, Port: port}}
}

func toNodes(port int32) v1alpha1.Target {
	return v1alpha1.Target{Nodes: &v1alpha1.NodesTarget{Port: port}}
}

// anywhere makes a target of pods one in all namespaces.
func anywhere(to v1alpha1.Target) v1alpha1.Target {
	to.Pods.NamespaceSelector = &metav1.LabelSelector{}
	return to
}

// addPath adds a check with one path.
func (in *Input) addPath(namespace, name string, from v1alpha1.Source, to v1alpha1.Target, expect v1alpha1.Expectation) *v1alpha1.ConnectivityCheck {
	c := &v1alpha1.ConnectivityCheck{}
	c.Namespace, c.Name, c.UID = namespace, name, types.UID("uid-"+name)
	c.Spec.Paths = []v1alpha1.Path{{Name: "path", From: from, To: to, Expect: expect}}
	in.Checks = append(in.Checks, c)
	return c
}

// resolved is what the only path of a check means.
func (in *Input) resolved(c *v1alpha1.ConnectivityCheck) ResolvedPath {
	return Resolve(c, in.Cluster, in.Settings, in.Now).Paths[0]
}

// pairsOf lists all pairs of all assignments: NODE KIND PAIR.
func pairsOf(assignments []Assignment) []string {
	var out []string
	for i := range assignments {
		a := &assignments[i]
		for g := range a.Spec.Groups {
			for _, p := range a.Spec.Pairs(&a.Spec.Groups[g]) {
				out = append(out, strings.TrimPrefix(a.Node, "node-0000")+" "+string(a.Spec.Groups[g].Kind)+" "+p.Key)
			}
		}
	}
	return out
}
