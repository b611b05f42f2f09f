// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"sync/atomic"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"

	"github.com/netladder/netladder/controllers/plan"
)

// Index holds the pods, namespaces and policies of a cluster so that an
// evaluation costs what the pair's own policies cost. It keeps the pointers
// that it is given and never changes what they point to. Reading it from
// several goroutines at once is safe while nobody writes.
//
// Which policies select a pod is found out when it is first asked after a
// change of the pod's labels or of a policy of its namespace. So a change costs
// little, however many pods it is about.
type Index struct {
	pods   map[types.UID]*member
	spaces map[string]*space
}

// space is what the index knows of a namespace: some of it may be there before
// the namespace is, or after.
type space struct {
	namespace *plan.Namespace
	// members by name and UID, policies by name.
	members  []*member
	policies []*compiled
	// version of policies.
	version uint64
}

// member is a pod and what isolates it, as far as that is known.
type member struct {
	pod   *plan.Pod
	space *space
	known atomic.Pointer[isolations]
}

// isolations of a pod at a version of its namespace's policies.
type isolations struct {
	version         uint64
	ingress, egress isolation
}

// isolation of a pod in one direction, by name of the policy. It never changes:
// readers keep names.
type isolation struct {
	policies []*compiled
	names    []types.NamespacedName
}

// NewIndex returns an empty index.
func NewIndex() *Index {
	return &Index{pods: map[types.UID]*member{}, spaces: map[string]*space{}}
}

func (x *Index) space(namespace string) *space {
	s := x.spaces[namespace]
	if s == nil {
		s = &space{}
		x.spaces[namespace] = s
	}
	return s
}

// forget a namespace of which nothing is left.
func (x *Index) forget(namespace string) {
	if s := x.spaces[namespace]; s != nil && s.namespace == nil && len(s.members) == 0 && len(s.policies) == 0 {
		delete(x.spaces, namespace)
	}
}

// SetPod adds a pod or replaces the one with its UID.
func (x *Index) SetPod(p *plan.Pod) {
	if p == nil {
		return
	}
	m := x.pods[p.UID]
	if m != nil && m.pod.Key == p.Key {
		if !maps.Equal(m.pod.Labels, p.Labels) {
			m.known.Store(nil)
		}
		m.pod = p
		return
	}
	x.DeletePod(p.UID)
	s := x.space(p.Key.Namespace)
	m = &member{pod: p, space: s}
	at, _ := slices.BinarySearchFunc(s.members, m, compareMembers)
	s.members = slices.Insert(s.members, at, m)
	x.pods[p.UID] = m
}

func compareMembers(a, b *member) int {
	return cmp.Or(strings.Compare(a.pod.Key.Name, b.pod.Key.Name), strings.Compare(string(a.pod.UID), string(b.pod.UID)))
}

// DeletePod removes a pod.
func (x *Index) DeletePod(uid types.UID) {
	m := x.pods[uid]
	if m == nil {
		return
	}
	delete(x.pods, uid)
	namespace := m.pod.Key.Namespace
	s := x.spaces[namespace]
	if at, ok := slices.BinarySearchFunc(s.members, m, compareMembers); ok {
		s.members = slices.Delete(s.members, at, at+1)
	}
	x.forget(namespace)
}

// SetNamespace adds or replaces a namespace.
func (x *Index) SetNamespace(n *plan.Namespace) {
	if n != nil {
		x.space(n.Name).namespace = n
	}
}

// DeleteNamespace removes a namespace. Its pods and policies stay until they
// are deleted themselves.
func (x *Index) DeleteNamespace(name string) {
	if s := x.spaces[name]; s != nil {
		s.namespace = nil
		x.forget(name)
	}
}

// SetPolicy adds or replaces a policy. A policy that the API server would not
// have accepted, such as one with a selector that cannot be parsed, isolates
// what it can be seen to select and admits nothing by the broken clause.
func (x *Index) SetPolicy(p *networkingv1.NetworkPolicy) {
	if p == nil {
		return
	}
	s, c := x.space(p.Namespace), compile(p)
	s.version++
	if at, found := s.find(p.Name); found {
		s.policies[at] = c
	} else {
		s.policies = slices.Insert(s.policies, at, c)
	}
}

// DeletePolicy removes a policy.
func (x *Index) DeletePolicy(key types.NamespacedName) {
	s := x.spaces[key.Namespace]
	if s == nil {
		return
	}
	if at, found := s.find(key.Name); found {
		s.version++
		s.policies = slices.Delete(s.policies, at, at+1)
		x.forget(key.Namespace)
	}
}

func (s *space) find(policy string) (int, bool) {
	return slices.BinarySearchFunc(s.policies, policy, func(c *compiled, name string) int {
		return strings.Compare(c.key.Name, name)
	})
}

// isolation of a pod, which need not be in the index.
func (x *Index) isolation(p *plan.Pod, d Direction) isolation {
	m := x.pods[p.UID]
	switch {
	case m != nil && (m.pod == p || m.pod.Key == p.Key && maps.Equal(m.pod.Labels, p.Labels)):
		return m.isolation(d)
	case x.spaces[p.Key.Namespace] != nil:
		return isolationOf(x.spaces[p.Key.Namespace].policies, d, p.Labels)
	}
	return isolation{}
}

// isolation of a member. Readers that find it out at once come to the same.
func (m *member) isolation(d Direction) isolation {
	known := m.known.Load()
	if known == nil || known.version != m.space.version {
		known = &isolations{
			version: m.space.version,
			ingress: isolationOf(m.space.policies, Ingress, m.pod.Labels),
			egress:  isolationOf(m.space.policies, Egress, m.pod.Labels),
		}
		m.known.Store(known)
	}
	if d == Egress {
		return known.egress
	}
	return known.ingress
}

func isolationOf(policies []*compiled, d Direction, podLabels map[string]string) isolation {
	var out isolation
	for _, c := range policies {
		if c.isolates(d, podLabels) {
			out.policies = append(out.policies, c)
			out.names = append(out.names, c.key)
		}
	}
	return out
}

// namespaceLabels of a namespace. One that the index does not know has the label
// that every namespace has.
func (x *Index) namespaceLabels(name string) labels.Set {
	if s := x.spaces[name]; s != nil && s.namespace != nil {
		return s.namespace.Labels
	}
	return labels.Set{corev1.LabelMetadataName: name}
}

// Isolating are the policies that select a pod for a direction, sorted.
// Read-only.
func (x *Index) Isolating(p *plan.Pod, d Direction) []types.NamespacedName {
	if p == nil {
		return nil
	}
	return x.isolation(p, d).names
}

// Cost of evaluating a flow, in comparisons: of the policies of its pods'
// namespaces, and of the clauses of those that isolate the pods.
func (x *Index) Cost(f Flow) int {
	cost := 1
	for _, end := range []struct {
		pod *plan.Pod
		Direction
	}{{f.Source.Pod, Egress}, {f.Destination.Pod, Ingress}} {
		if end.pod == nil {
			continue
		}
		if s := x.spaces[end.pod.Key.Namespace]; s != nil {
			cost += len(s.policies)
		}
		for _, c := range x.isolation(end.pod, end.Direction).policies {
			cost += c.side(end.Direction).clauses
		}
	}
	return cost
}

// Policies of a namespace, sorted by name.
func (x *Index) Policies(namespace string) []*networkingv1.NetworkPolicy {
	s := x.spaces[namespace]
	if s == nil {
		return nil
	}
	out := make([]*networkingv1.NetworkPolicy, 0, len(s.policies))
	for _, c := range s.policies {
		out = append(out, c.object)
	}
	return out
}

// Policy by name; nil if there is none.
func (x *Index) Policy(key types.NamespacedName) *networkingv1.NetworkPolicy {
	if s := x.spaces[key.Namespace]; s != nil {
		if at, found := s.find(key.Name); found {
			return s.policies[at].object
		}
	}
	return nil
}

// Pods of a namespace, sorted by name.
func (x *Index) Pods(namespace string) []*plan.Pod {
	s := x.spaces[namespace]
	if s == nil {
		return nil
	}
	out := make([]*plan.Pod, 0, len(s.members))
	for _, m := range s.members {
		out = append(out, m.pod)
	}
	return out
}

// Pod by UID; nil if there is none.
func (x *Index) Pod(uid types.UID) *plan.Pod {
	if m := x.pods[uid]; m != nil {
		return m.pod
	}
	return nil
}

// Selected are the pods that a policy selects, sorted by name.
func (x *Index) Selected(key types.NamespacedName) []*plan.Pod {
	s := x.spaces[key.Namespace]
	if s == nil {
		return nil
	}
	at, found := s.find(key.Name)
	if !found {
		return nil
	}
	var out []*plan.Pod
	for _, m := range s.members {
		if s.policies[at].pods.Matches(labels.Set(m.pod.Labels)) {
			out = append(out, m.pod)
		}
	}
	return out
}

// Namespaces by name, sorted.
func (x *Index) Namespaces() []*plan.Namespace {
	var out []*plan.Namespace
	for _, s := range x.spaces {
		if s.namespace != nil {
			out = append(out, s.namespace)
		}
	}
	slices.SortFunc(out, func(a, b *plan.Namespace) int { return strings.Compare(a.Name, b.Name) })
	return out
}
