// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
)

// podSelector selects pods as a peer of a NetworkPolicy does.
type podSelector struct {
	// key is the canonical text.
	key string
	// namespace whose pods are selected; empty where namespaces says which.
	namespace  string
	namespaces selector
	pods       selector
}

// parsePods parses a selector of pods; a nil namespaceSelector means the
// namespace of the check.
func parsePods(field, namespace string, namespaces, pods *metav1.LabelSelector) (*podSelector, *idle) {
	var s podSelector
	var err error
	if s.pods, err = parseSelector(pods); err != nil {
		return nil, invalidSelector(field+".podSelector", err)
	}
	if namespaces == nil {
		s.namespace = namespace
		s.key = namespace + "//" + s.pods.key
		return &s, nil
	}
	if s.namespaces, err = parseSelector(namespaces); err != nil {
		return nil, invalidSelector(field+".namespaceSelector", err)
	}
	s.key = "/" + s.namespaces.key + "/" + s.pods.key
	return &s, nil
}

// String says where and which, for people.
func (s *podSelector) String() string {
	where := "in namespace " + s.namespace
	if s.namespace == "" {
		where = "in any namespace"
		if s.namespaces.key != "" {
			where = "in the namespaces with the labels " + cut(s.namespaces.key)
		}
	}
	if s.pods.key == "" {
		return where
	}
	return where + " with the labels " + cut(s.pods.key)
}

// namespaceMatches says whether pods of a namespace, which may be nil, can be
// selected by its labels.
func (s *podSelector) namespaceMatches(n *Namespace) bool {
	return n != nil && s.namespaces.sel.Matches(labels.Set(n.Labels))
}

// podSet is the pods that a selector matches. It changes as pods do; what it
// hands out does not.
type podSet struct {
	sel     *podSelector
	members map[types.UID]*Pod
	byNode  map[string]*nodePods
}

// nodePods are the pods of a set on one node. They are never changed.
type nodePods struct {
	// all pods, in an order that does not depend on the others.
	all []*Pod
	// sources are those that probes can start in.
	sources []*Pod
}

func newPodSet(sel *podSelector) *podSet {
	return &podSet{sel: sel, members: map[types.UID]*Pod{}, byNode: map[string]*nodePods{}}
}

// put adds pods, none of which is a member, many at once.
func (s *podSet) put(pods []*Pod) {
	byNode := map[string][]*Pod{}
	for _, p := range pods {
		s.members[p.UID] = p
		byNode[p.Node] = append(byNode[p.Node], p)
	}
	for node, more := range byNode {
		if known := s.byNode[node]; known != nil {
			more = append(more, known.all...)
		}
		s.byNode[node] = newNodePods(more)
	}
}

// remove members, many at once.
func (s *podSet) remove(pods []*Pod) {
	byNode := map[string]map[types.UID]bool{}
	for _, p := range pods {
		delete(s.members, p.UID)
		if byNode[p.Node] == nil {
			byNode[p.Node] = map[types.UID]bool{}
		}
		byNode[p.Node][p.UID] = true
	}
	for node, gone := range byNode {
		left := slices.DeleteFunc(slices.Clone(s.byNode[node].all), func(p *Pod) bool { return gone[p.UID] })
		if len(left) == 0 {
			delete(s.byNode, node)
			continue
		}
		s.byNode[node] = newNodePods(left)
	}
}

func newNodePods(all []*Pod) *nodePods {
	slices.SortFunc(all, func(a, b *Pod) int {
		return cmp.Or(cmp.Compare(hash64(string(a.UID)), hash64(string(b.UID))), strings.Compare(string(a.UID), string(b.UID)))
	})
	out := &nodePods{all: all}
	for _, p := range all {
		if usable(p) {
			out.sources = append(out.sources, p)
		}
	}
	return out
}

// usable says whether probes can start in a pod. One in the host network has no
// identity of its own, and a sandbox keeps its addresses to itself.
func usable(p *Pod) bool { return !p.HostNetwork && !p.Sandboxed && len(p.IPs) > 0 }

// parts is into how many windows of k the sources are cut: a power of two, so
// that it seldom changes as pods come and go.
func (n *nodePods) parts(k int) uint64 {
	c := uint64(1)
	for c*uint64(k) < uint64(len(n.sources)) {
		c *= 2
	}
	return c
}

// window is the k sources that have their turn. A pod that comes or goes moves
// each end of it by one at most, unless it changes the number of parts.
func (n *nodePods) window(k int, turn uint64) []*Pod {
	if len(n.sources) <= k {
		return n.sources
	}
	parts := n.parts(k)
	start := min(int(turn%parts)*len(n.sources)/int(parts), len(n.sources)-k)
	return n.sources[start : start+k]
}

// samePod says whether the plan reads the same from both, apart from labels.
func samePod(a, b *Pod) bool {
	return a.Key == b.Key && a.Node == b.Node && a.HostNetwork == b.HostNetwork && a.Sandboxed == b.Sandboxed &&
		slices.Equal(a.IPs, b.IPs) && slices.Equal(a.Ports, b.Ports)
}

// sameRows says whether pods have the same rows in an assignment.
func sameRows(a, b []*Pod) bool {
	return slices.EqualFunc(a, b, func(x, y *Pod) bool {
		return x == y || x.UID == y.UID && x.Key == y.Key && x.Sandboxed == y.Sandboxed && slices.Equal(x.IPs, y.IPs)
	})
}

// pods that a selector matches.
func (v *view) pods(sel *podSelector) *podSet {
	if set, ok := v.podSets[sel.key]; ok {
		return set
	}
	set := newPodSet(sel)
	if sel.namespace != "" {
		set.put(v.matching(sel, sel.namespace))
	} else {
		for name, n := range v.cluster.Namespaces {
			if sel.namespaceMatches(n) {
				set.put(v.matching(sel, name))
			}
		}
	}
	v.podSets[sel.key] = set
	if v.setsOf[sel.namespace] == nil {
		v.setsOf[sel.namespace] = map[string]*podSet{}
	}
	v.setsOf[sel.namespace][sel.key] = set
	return set
}

// matching pods of one namespace.
func (v *view) matching(sel *podSelector, namespace string) []*Pod {
	var out []*Pod
	for _, p := range v.podsIn(namespace) {
		if sel.pods.sel.Matches(labels.Set(p.Labels)) {
			out = append(out, p)
		}
	}
	return out
}

// podsIn a namespace.
func (v *view) podsIn(namespace string) map[types.UID]*Pod {
	if v.byNamespace == nil {
		v.byNamespace = map[string]map[types.UID]*Pod{}
		for _, p := range v.cluster.Pods {
			v.fileByNamespace(p)
		}
	}
	return v.byNamespace[namespace]
}

func (v *view) fileByNamespace(p *Pod) {
	in := v.byNamespace[p.Key.Namespace]
	if in == nil {
		in = map[types.UID]*Pod{}
		v.byNamespace[p.Key.Namespace] = in
	}
	in[p.UID] = p
}

// podAt is the pod with an address; nil without one. Pods in the host network
// have none of their own. Of two, of which one is about to go, it is always the
// same.
func (v *view) podAt(ip netip.Addr) *Pod {
	if v.byIP == nil {
		v.byIP = map[netip.Addr][]*Pod{}
		for _, p := range v.cluster.Pods {
			v.fileByIP(p)
		}
	}
	var found *Pod
	for _, p := range v.byIP[ip] {
		if found == nil || p.UID < found.UID {
			found = p
		}
	}
	return found
}

func (v *view) fileByIP(p *Pod) {
	if p.HostNetwork {
		return
	}
	for _, ip := range p.IPs {
		v.byIP[ip] = append(v.byIP[ip], p)
	}
}

// file brings the indexes of pods up to date with one that changed; each of
// both may be nil.
func (v *view) file(old, now *Pod) {
	if v.byNamespace != nil {
		if old != nil {
			delete(v.byNamespace[old.Key.Namespace], old.UID)
		}
		if now != nil {
			v.fileByNamespace(now)
		}
	}
	if v.byIP == nil {
		return
	}
	if old != nil && !old.HostNetwork {
		for _, ip := range old.IPs {
			left := slices.DeleteFunc(slices.Clone(v.byIP[ip]), func(p *Pod) bool { return p.UID == old.UID })
			if len(left) == 0 {
				delete(v.byIP, ip)
			} else {
				v.byIP[ip] = left
			}
		}
	}
	if now != nil {
		v.fileByIP(now)
	}
}

// podSources are the pods that a group's probes start in.
type podSources struct {
	// schedule of the windows of all nodes.
	schedule
	perNode int
	byNode  map[string]*nodePods
}

// newPodSources are the sources of a set on some nodes; each window stands for
// length.
func newPodSources(set *podSet, nodes *nodeSet, perNode int) *podSources {
	s := &podSources{schedule: still(), perNode: perNode, byNode: make(map[string]*nodePods, nodes.len())}
	for _, name := range nodes.names {
		s.byNode[name] = set.byNode[name]
	}
	return s
}

// parts is the most of any node.
func (s *podSources) parts() uint64 {
	parts := uint64(1)
	for _, n := range s.byNode {
		parts = max(parts, n.parts(s.perNode))
	}
	return parts
}

// window is the pods of a node that have their turn.
func (s *podSources) window(node string) []*Pod {
	return s.byNode[node].window(s.perNode, uint64(s.index))
}

// equal says whether a node has the same sources in both.
func (s *podSources) equal(b *podSources, node string) bool {
	x, y := s.byNode[node], b.byNode[node]
	if x == y && s.perNode == b.perNode && (s.index == b.index || x == nil || len(x.sources) <= s.perNode) {
		return true
	}
	return x != nil && y != nil && sameRows(s.window(node), b.window(node))
}

// usableNodes are the names of the nodes with a usable pod of a set.
func (s *podSet) usableNodes() []string {
	return slices.Sorted(maps.Keys(maps.Collect(func(yield func(string, struct{}) bool) {
		for name, n := range s.byNode {
			if len(n.sources) > 0 && !yield(name, struct{}{}) {
				return
			}
		}
	})))
}
