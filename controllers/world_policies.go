// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"
	"time"

	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/netladder/netladder/controllers/diagnosis"
	"github.com/netladder/netladder/controllers/plan"
	"github.com/netladder/netladder/controllers/policy"
)

// policies is what the world knows of NetworkPolicies and of what they speak
// of. The lock of the world guards it.
type policies struct {
	index *policy.Index
	// known is true once all policies were taken in, refused while they may not
	// be read.
	known, refused bool
	// changed are the policies that changed of late, by their namespace; swept is
	// when those that did so longer ago were last forgotten.
	changed map[string]map[string]diagnosis.PolicyChange
	swept   time.Time
	// pods and namespaces that changed of late.
	pods       recent[types.UID]
	namespaces recent[string]
	labels     map[string]*plan.Namespace
	// services by their ClusterIPs.
	services owners[types.NamespacedName]
	// nodes by their addresses.
	nodes owners[string]
	// readers are the checks whose judgement depends on a namespace, and reads
	// the same the other way round. Only failing paths are diagnosed, so these
	// are few.
	readers map[string]map[types.NamespacedName]struct{}
	reads   map[types.NamespacedName][]string
	// touched are the namespaces in which something changed; relabelled is true
	// if one of them is new, gone, or has other labels.
	touched    map[string]struct{}
	relabelled bool
	// counts of policies, of the namespaces that have any.
	counts map[string]int
}

func newPolicies() policies {
	return policies{
		index:    policy.NewIndex(),
		changed:  map[string]map[string]diagnosis.PolicyChange{},
		pods:     recent[types.UID]{at: map[types.UID]time.Time{}},
		labels:   map[string]*plan.Namespace{},
		services: owners[types.NamespacedName]{},
		nodes:    owners[string]{},
		readers:  map[string]map[types.NamespacedName]struct{}{},
		reads:    map[types.NamespacedName][]string{},
		touched:  map[string]struct{}{},
		counts:   map[string]int{},

		namespaces: recent[string]{at: map[string]time.Time{}},
	}
}

// observePolicy takes in a NetworkPolicy; nil if it is deleted.
func (w *world) observePolicy(key types.NamespacedName, p *networkingv1.NetworkPolicy) touched {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.policies.set(w.clock.Now(), key, p)
	return w.takeDirty()
}

// observePolicies takes in all NetworkPolicies there are. Before it was done
// once, nothing is said about policies.
func (w *world) observePolicies(list []*networkingv1.NetworkPolicy) touched {
	w.mu.Lock()
	defer w.mu.Unlock()
	p, present := &w.policies, map[types.NamespacedName]bool{}
	for _, each := range list {
		key := types.NamespacedName{Namespace: each.Namespace, Name: each.Name}
		present[key] = true
		p.set(w.clock.Now(), key, each)
	}
	for _, n := range p.index.Namespaces() {
		p.forgetOthers(w.clock.Now(), n.Name, present)
	}
	if !p.known {
		p.known, p.refused = true, false
		p.begin(w.clock.Now(), list)
	}
	return w.takeDirty(slices.Collect(maps.Keys(w.checks))...)
}

// begin with policies that were there before anybody looked. Of one that is as
// young as a change that counts it is known when it came, though not by which
// clock.
func (p *policies) begin(now time.Time, list []*networkingv1.NetworkPolicy) {
	clear(p.changed)
	for _, each := range list {
		at := each.CreationTimestamp.Time
		if at.After(now) {
			at = now
		}
		if now.Sub(at) < diagnosis.ProgrammingTime {
			p.change(at, types.NamespacedName{Namespace: each.Namespace, Name: each.Name}, nil, each)
		}
	}
}

// policiesRefused notes that policies cannot be read: what was known of them is
// not told any more.
func (w *world) policiesRefused() touched {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.policies.refused {
		return touched{}
	}
	w.policies.known, w.policies.refused = false, true
	return w.takeDirty(slices.Collect(maps.Keys(w.checks))...)
}

// forgetOthers removes the policies of a namespace that are not present.
func (p *policies) forgetOthers(now time.Time, namespace string, present map[types.NamespacedName]bool) {
	for _, each := range p.index.Policies(namespace) {
		if key := (types.NamespacedName{Namespace: each.Namespace, Name: each.Name}); !present[key] {
			p.set(now, key, nil)
		}
	}
}

func (p *policies) set(now time.Time, key types.NamespacedName, object *networkingv1.NetworkPolicy) {
	before := p.index.Policy(key)
	switch {
	case object == nil && before == nil:
		return
	case object == nil:
		p.index.DeletePolicy(key)
		p.count(key.Namespace, -1)
	default:
		p.index.SetPolicy(object)
		if before == nil {
			p.count(key.Namespace, 1)
		}
	}
	p.touched[key.Namespace] = struct{}{}
	if object != nil && before != nil && object.UID == before.UID && object.Generation == before.Generation {
		return // who manages it may have changed, but not what it says
	}
	p.forgetChanges(now)
	if earlier, ok := p.changed[key.Namespace][key.Name]; ok && now.Sub(earlier.At) < diagnosis.ProgrammingTime {
		before = earlier.Before
	}
	p.change(now, key, before, object)
}

func (p *policies) change(at time.Time, key types.NamespacedName, before, after *networkingv1.NetworkPolicy) {
	if p.changed[key.Namespace] == nil {
		p.changed[key.Namespace] = map[string]diagnosis.PolicyChange{}
	}
	p.changed[key.Namespace][key.Name] = diagnosis.PolicyChange{At: at, Before: before, After: after}
}

// forgetChanges that are too long ago to count.
func (p *policies) forgetChanges(now time.Time) {
	if now.Sub(p.swept) < diagnosis.ProgrammingTime {
		return
	}
	p.swept = now
	for namespace, changes := range p.changed {
		maps.DeleteFunc(changes, func(_ string, c diagnosis.PolicyChange) bool { return now.Sub(c.At) >= diagnosis.ProgrammingTime })
		if len(changes) == 0 {
			delete(p.changed, namespace)
		}
	}
}

func (p *policies) count(namespace string, more int) {
	if p.counts[namespace] += more; p.counts[namespace] == 0 {
		delete(p.counts, namespace)
	}
}

// setPod takes in a pod as the plan knows it; before is how it was.
func (p *policies) setPod(now time.Time, before, pod *plan.Pod) {
	p.index.SetPod(pod)
	p.touched[pod.Key.Namespace] = struct{}{}
	if before != nil {
		p.pods.note(now, pod.UID)
	}
}

func (p *policies) deletePod(pod *plan.Pod) {
	if pod != nil {
		p.index.DeletePod(pod.UID)
		p.touched[pod.Key.Namespace] = struct{}{}
	}
}

// setNamespace takes in a namespace; nil if it is deleted.
func (p *policies) setNamespace(now time.Time, name string, n *plan.Namespace) {
	before := p.labels[name]
	switch {
	case n == nil:
		delete(p.labels, name)
		p.index.DeleteNamespace(name)
	case before != nil && maps.Equal(before.Labels, n.Labels):
		return
	default:
		p.labels[name] = n
		p.index.SetNamespace(n)
		if before != nil {
			p.namespaces.note(now, name)
		}
	}
	p.touched[name] = struct{}{}
	p.relabelled = true
}

// setService takes in which addresses a Service has; each may be nil.
func (p *policies) setService(key types.NamespacedName, before, s *plan.Service) {
	p.services.replace(key, clusterIPs(before), clusterIPs(s))
}

func clusterIPs(s *plan.Service) []netip.Addr {
	if s == nil {
		return nil
	}
	return s.ClusterIPs
}

// setNode takes in which addresses a node has; each may be nil.
func (p *policies) setNode(name string, before, n *plan.Node) {
	p.nodes.replace(name, nodeIPs(before), nodeIPs(n))
}

func nodeIPs(n *plan.Node) []netip.Addr {
	if n == nil {
		return nil
	}
	return n.IPs
}

// owners says whose an address is. One that goes from one owner to another is
// the last one's that said so.
type owners[K comparable] map[netip.Addr]K

func (o owners[K]) replace(owner K, before, now []netip.Addr) {
	for _, ip := range before {
		if o[ip] == owner {
			delete(o, ip)
		}
	}
	for _, ip := range now {
		o[ip] = owner
	}
}

// takeTouched adds the checks that read something that changed, and returns the
// namespaces in which it did.
func (p *policies) takeTouched(to map[types.NamespacedName]struct{}) (namespaces map[string]struct{}, relabelled bool) {
	if len(p.touched) == 0 {
		return nil, false
	}
	for namespace := range p.touched {
		maps.Copy(to, p.readers[namespace])
	}
	namespaces, relabelled = p.touched, p.relabelled
	p.touched, p.relabelled = map[string]struct{}{}, false
	return namespaces, relabelled
}

// read notes which namespaces a check's judgement depends on.
func (p *policies) read(check types.NamespacedName, namespaces []string) {
	for _, namespace := range p.reads[check] {
		delete(p.readers[namespace], check)
		if len(p.readers[namespace]) == 0 {
			delete(p.readers, namespace)
		}
	}
	if len(namespaces) == 0 {
		delete(p.reads, check)
		return
	}
	p.reads[check] = namespaces
	for _, namespace := range namespaces {
		if p.readers[namespace] == nil {
			p.readers[namespace] = map[types.NamespacedName]struct{}{}
		}
		p.readers[namespace][check] = struct{}{}
	}
}

// policiesFor one check.
func (w *world) policiesFor(check types.NamespacedName) diagnosis.Policies {
	if !w.workloads || w.policies.refused {
		return nil
	}
	return policiesOf{w, check}
}

// policiesOf lends what is known to the judgement of one check.
type policiesOf struct {
	world *world
	check types.NamespacedName
}

// Read implements diagnosis.Policies.
func (p policiesOf) Read(f func(diagnosis.PolicyView) []string) {
	p.world.mu.Lock()
	defer p.world.mu.Unlock()
	namespaces := f(policyView{p.world})
	if p.world.checks[p.check] == nil {
		namespaces = nil
	}
	p.world.policies.read(p.check, namespaces)
}

// policyView of a world whose lock is held.
type policyView struct{ world *world }

// Index implements diagnosis.PolicyView.
func (v policyView) Index() *policy.Index {
	if !v.world.policies.known {
		return nil
	}
	return v.world.policies.index
}

// PodAt implements diagnosis.PolicyView.
func (v policyView) PodAt(ip netip.Addr) *plan.Pod { return v.world.engine.PodAt(ip) }

// NodeAt implements diagnosis.PolicyView.
func (v policyView) NodeAt(ip netip.Addr) string { return v.world.policies.nodes[ip] }

// ServiceAt implements diagnosis.PolicyView.
func (v policyView) ServiceAt(ip netip.Addr) *plan.Service {
	key, ok := v.world.policies.services[ip]
	if !ok {
		return nil
	}
	return v.world.engine.Service(key)
}

// PolicyChanges implements diagnosis.PolicyView.
func (v policyView) PolicyChanges(namespace string) []diagnosis.PolicyChange {
	var out []diagnosis.PolicyChange
	now := v.world.clock.Now()
	for _, name := range slices.Sorted(maps.Keys(v.world.policies.changed[namespace])) {
		if c := v.world.policies.changed[namespace][name]; now.Sub(c.At) < diagnosis.ProgrammingTime {
			out = append(out, c)
		}
	}
	return out
}

// PodChangedAt implements diagnosis.PolicyView.
func (v policyView) PodChangedAt(uid types.UID) time.Time {
	return v.world.policies.pods.of(v.world.clock.Now(), uid)
}

// NamespaceChangedAt implements diagnosis.PolicyView.
func (v policyView) NamespaceChangedAt(name string) time.Time {
	return v.world.policies.namespaces.of(v.world.clock.Now(), name)
}

// recent is what changed in the last ProgrammingTime.
type recent[K cmp.Ordered] struct {
	at    map[K]time.Time
	swept time.Time
}

func (r *recent[K]) note(now time.Time, key K) {
	if now.Sub(r.swept) >= diagnosis.ProgrammingTime {
		maps.DeleteFunc(r.at, func(_ K, at time.Time) bool { return now.Sub(at) >= diagnosis.ProgrammingTime })
		r.swept = now
	}
	r.at[key] = now
}

func (r *recent[K]) of(now time.Time, key K) time.Time {
	if at := r.at[key]; now.Sub(at) < diagnosis.ProgrammingTime {
		return at
	}
	return time.Time{}
}
