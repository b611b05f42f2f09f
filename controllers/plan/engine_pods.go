// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"maps"
	"net/netip"

	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"

	"github.com/netladder/netladder/api/v1alpha1"
)

// SetPod adds or changes a workload pod. The engine keeps p: do not change it.
func (e *Engine) SetPod(p *Pod) {
	old := e.view.cluster.Pods[p.UID]
	e.view.cluster.Pods[p.UID] = p
	if old == nil || !samePod(old, p) || !maps.Equal(old.Labels, p.Labels) {
		e.notePod(p.UID, old)
	}
}

// DeletePod removes a workload pod.
func (e *Engine) DeletePod(uid types.UID) {
	if old, ok := e.view.cluster.Pods[uid]; ok {
		delete(e.view.cluster.Pods, uid)
		e.notePod(uid, old)
	}
}

func (e *Engine) notePod(uid types.UID, old *Pod) {
	if _, ok := e.pending.pods[uid]; !ok {
		e.pending.pods[uid] = old
	}
}

// SetNamespace adds or changes a namespace. The engine keeps n: do not change
// it.
func (e *Engine) SetNamespace(n *Namespace) {
	old := e.view.cluster.Namespaces[n.Name]
	e.view.cluster.Namespaces[n.Name] = n
	if old == nil || !maps.Equal(old.Labels, n.Labels) {
		e.noteNamespace(n.Name, old)
	}
}

// DeleteNamespace removes a namespace.
func (e *Engine) DeleteNamespace(name string) {
	if old, ok := e.view.cluster.Namespaces[name]; ok {
		delete(e.view.cluster.Namespaces, name)
		e.noteNamespace(name, old)
	}
}

func (e *Engine) noteNamespace(name string, old *Namespace) {
	if _, ok := e.pending.namespaces[name]; !ok {
		e.pending.namespaces[name] = old
	}
}

// Pod returns a workload pod as it was set; nil if unknown.
func (e *Engine) Pod(uid types.UID) *Pod { return e.view.cluster.Pods[uid] }

// PodAt returns the workload pod with an address of its own, as of the last
// question about what is dirty; nil without one.
func (e *Engine) PodAt(ip netip.Addr) *Pod { return e.view.podAt(ip) }

// readers are the checks that read sets of pods, by the key of the selector,
// and those that asked for the pod behind an address.
type readers struct {
	sets map[string]map[types.NamespacedName]struct{}
	ips  map[netip.Addr]map[types.NamespacedName]struct{}
}

func newReaders() readers {
	return readers{
		sets: map[string]map[types.NamespacedName]struct{}{},
		ips:  map[netip.Addr]map[types.NamespacedName]struct{}{},
	}
}

// replace what a check reads, as it was noted in state, by what it reads now;
// a check that is gone reads nothing.
func (r *readers) replace(check types.NamespacedName, state *checkState, now *checkState) {
	for _, key := range state.readSets {
		forget(r.sets, key, check)
	}
	for _, ip := range state.readIPs {
		forget(r.ips, ip, check)
	}
	if now == nil {
		return
	}
	now.readSets = nil
	for i := range now.compiled.paths {
		for _, sel := range now.compiled.paths[i].podSelectors() {
			now.readSets = append(now.readSets, sel.key)
			note(r.sets, sel.key, check)
		}
	}
	now.readIPs = now.alone.ips
	for _, ip := range now.readIPs {
		note(r.ips, ip, check)
	}
}

func note[K comparable](in map[K]map[types.NamespacedName]struct{}, key K, check types.NamespacedName) {
	if in[key] == nil {
		in[key] = map[types.NamespacedName]struct{}{}
	}
	in[key][check] = struct{}{}
}

func forget[K comparable](in map[K]map[types.NamespacedName]struct{}, key K, check types.NamespacedName) {
	delete(in[key], check)
	if len(in[key]) == 0 {
		delete(in, key)
	}
}

// podSelectors that a path reads.
func (c *compiledPath) podSelectors() []*podSelector {
	var out []*podSelector
	if c.idle != nil {
		return nil
	}
	if c.fromPods != nil {
		out = append(out, c.fromPods)
	}
	if c.pods != nil {
		out = append(out, c.pods.sel)
	}
	return out
}

// changePods brings sets of pods up to date with the pending changes, and adds
// the checks that read what changed to stale.
func (e *Engine) changePods(p *pending, stale map[types.NamespacedName]struct{}) {
	changed := map[string]bool{}
	for uid, old := range p.pods {
		now := e.view.cluster.Pods[uid]
		e.view.file(old, now)
		for _, pod := range []*Pod{old, now} {
			if pod != nil && (old == nil || now == nil || !samePod(old, now)) {
				for _, ip := range pod.IPs {
					maps.Copy(stale, e.readers.ips[ip])
				}
			}
		}
		e.view.changeSets(old, now, changed)
	}
	for _, ip := range p.serviceIPs {
		maps.Copy(stale, e.readers.ips[ip])
	}
	e.changeNamespaces(p, changed, stale)
	e.changeProbers(p, changed)
	for key := range changed {
		maps.Copy(stale, e.readers.sets[key])
	}
}

// changeSets brings the sets that a changed pod belongs to up to date; each of
// both versions may be nil.
func (v *view) changeSets(old, now *Pod, changed map[string]bool) {
	for _, pod := range []*Pod{old, now} {
		if pod == nil {
			continue
		}
		v.changeSetsOf(pod.Key.Namespace, old, now, changed)
		v.changeSetsOf("", old, now, changed)
		break // a pod never changes its namespace
	}
}

func (v *view) changeSetsOf(namespace string, old, now *Pod, changed map[string]bool) {
	for key, set := range v.setsOf[namespace] {
		var was *Pod
		if old != nil {
			was = set.members[old.UID]
		}
		is := now != nil && set.sel.pods.sel.Matches(labels.Set(now.Labels)) &&
			(namespace != "" || set.sel.namespaceMatches(v.cluster.Namespaces[now.Key.Namespace]))
		if was == nil && !is || was != nil && is && samePod(was, now) {
			continue
		}
		changed[key] = true
		if was != nil {
			set.remove([]*Pod{was})
		}
		if is {
			set.put([]*Pod{now})
		}
	}
}

// changeNamespaces brings the sets up to date whose namespaceSelector a changed
// namespace matches, or does no longer.
func (e *Engine) changeNamespaces(p *pending, changed map[string]bool, stale map[types.NamespacedName]struct{}) {
	v := e.view
	for name, old := range p.namespaces {
		now := v.cluster.Namespaces[name]
		for key, set := range v.setsOf[""] {
			was, is := set.sel.namespaceMatches(old), set.sel.namespaceMatches(now)
			if was == is {
				continue
			}
			// Pods that changed as well are where they belong already.
			var move []*Pod
			for _, pod := range v.podsIn(name) {
				if member := set.members[pod.UID]; member != nil && !is {
					move = append(move, member)
				} else if member == nil && is && set.sel.pods.sel.Matches(labels.Set(pod.Labels)) {
					move = append(move, pod)
				}
			}
			if is {
				set.put(move)
			} else {
				set.remove(move)
			}
			changed[key] = changed[key] || len(move) > 0
		}
		if was, is := disclosure(old), disclosure(now); was != is {
			for key := range e.checks {
				if key.Namespace == was || key.Namespace == is {
					stale[key] = struct{}{}
				}
			}
		}
	}
}

func disclosure(n *Namespace) string {
	if n == nil {
		return ""
	}
	return n.Labels[v1alpha1.LabelDiscloseTo]
}

// changeProbers notes the sets with pods on a node that got a prober or lost
// it.
func (e *Engine) changeProbers(p *pending, changed map[string]bool) {
	for name, old := range p.nodes {
		if asSource.plays(old) == asSource.plays(e.view.cluster.Nodes[name]) {
			continue
		}
		for key, set := range e.view.podSets {
			if set.byNode[name] != nil {
				changed[key] = true
			}
		}
	}
}

// sweepPods forgets sets of pods that no check reads.
func (e *Engine) sweepPods() {
	for key, set := range e.view.podSets {
		if len(e.readers.sets[key]) == 0 {
			delete(e.view.podSets, key)
			delete(e.view.setsOf[set.sel.namespace], key)
		}
	}
}
