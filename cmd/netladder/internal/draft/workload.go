// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package draft

import (
	"cmp"
	"fmt"
	"hash/fnv"
	"maps"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/netladder/netladder/controllers/plan"
)

// workload are pods that nobody tells apart: those with the same labels, but for
// the ones that controllers add.
type workload struct {
	name   string
	labels map[string]string
	pods   []*plan.Pod
	ports  []int32
}

func (w *workload) selector() *metav1.LabelSelector {
	return &metav1.LabelSelector{MatchLabels: w.labels}
}

// generated is true for labels that nobody writes, and that a rollout changes.
func generated(key string) bool {
	switch key {
	case "pod-template-hash", "controller-revision-hash", "pod-template-generation", "statefulset.kubernetes.io/pod-name",
		"apps.kubernetes.io/pod-index", "controller-uid", "job-name":
		return true
	}
	return strings.HasPrefix(key, "batch.kubernetes.io/")
}

// workloadsOf a namespace, by name.
func (d *drafter) workloadsOf(namespace string) []*workload {
	groups := map[string][]*plan.Pod{}
	all := d.index.Pods(namespace)
	for _, p := range all {
		own := maps.Clone(p.Labels)
		maps.DeleteFunc(own, func(key, _ string) bool { return generated(key) })
		switch {
		case p.HostNetwork:
			d.noteOwn(namespace, "pod %s shares its node's network: policies do not hold there, and no probe starts in it", p.Key.Name)
		case p.Sandboxed:
			d.noteOwn(namespace, "pod %s runs in a sandbox that no probe can start in", p.Key.Name)
		case len(own) == 0:
			d.noteOwn(namespace, "pod %s has no labels of its own, by which a check could select it", p.Key.Name)
		default:
			groups[labels.FormatLabels(own)] = append(groups[labels.FormatLabels(own)], p)
		}
	}
	var out []*workload
	taken := map[string]bool{}
	for _, key := range slices.Sorted(maps.Keys(groups)) {
		w := distinguish(groups[key], all)
		for base, n := w.name, 2; taken[w.name]; n++ {
			w.name = fmt.Sprintf("%s-%d", base, n)
		}
		taken[w.name] = true
		out = append(out, w)
	}
	slices.SortFunc(out, func(a, b *workload) int { return strings.Compare(a.name, b.name) })
	return out
}

// noteOwn notes something of the namespace that is drafted for.
func (d *drafter) noteOwn(namespace, format string, args ...any) {
	if namespace == d.in.Namespace {
		d.note(format, args...)
	}
}

// distinguish finds the fewest labels that select these pods and no others of
// the namespace; where all of them select others too, those belong to it.
func distinguish(pods, all []*plan.Pod) *workload {
	own := maps.Clone(pods[0].Labels)
	maps.DeleteFunc(own, func(key, _ string) bool { return generated(key) })
	keys := slices.SortedFunc(maps.Keys(own), func(a, b string) int { return cmp.Or(telling(a)-telling(b), strings.Compare(a, b)) })
	try := func(keys ...string) *workload {
		set := map[string]string{}
		for _, key := range keys {
			set[key] = own[key]
		}
		w := &workload{name: nameOf(keys, set), labels: set}
		for _, p := range all {
			if labels.SelectorFromSet(set).Matches(labels.Set(p.Labels)) && !p.HostNetwork {
				w.pods = append(w.pods, p)
			}
		}
		return w
	}
	// A label that says what it is, alone or with another, and then any: what is
	// the only version a today need not be so tomorrow.
	tells := 0
	for tells < len(keys) && telling(keys[tells]) < len(tellingKeys()) {
		tells++
	}
	for _, some := range [][]string{keys[:tells], keys} {
		for i := range some {
			if w := try(some[i]); len(w.pods) == len(pods) {
				return w
			}
		}
		for i := range some {
			for j := i + 1; j < len(keys); j++ {
				if w := try(some[i], keys[j]); len(w.pods) == len(pods) {
					return w
				}
			}
		}
	}
	return try(keys...)
}

// tellingKeys are those under which people put what a workload is.
func tellingKeys() []string {
	return []string{"app.kubernetes.io/name", "app", "k8s-app", "name", "run", "role", "app.kubernetes.io/component", "component", "tier"}
}

// telling orders keys, those that tell what a workload is first.
func telling(key string) int {
	order := tellingKeys()
	if at := slices.Index(order, key); at >= 0 {
		return at
	}
	return len(order)
}

// nameOf a workload by the labels that select it, at most two of them.
func nameOf(keys []string, set map[string]string) string {
	var parts []string
	for _, key := range keys[:min(len(keys), 2)] {
		value := set[key]
		if telling(key) == len(tellingKeys()) { // a value such as "true" says nothing without its key
			value = key[strings.LastIndexByte(key, '/')+1:] + "-" + value
		}
		parts = append(parts, value)
	}
	return dnsLabel(strings.Join(parts, "-"))
}

// dnsLabel makes a DNS label of a text, without bounding its length.
func dnsLabel(text string) string {
	text = strings.Trim(strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			return r
		case r >= 'A' && r <= 'Z':
			return r + 'a' - 'A'
		}
		return '-'
	}, text), "-")
	return cmp.Or(text, "pods")
}

// name of a path.
func name(source, verb, target string, port int32) string {
	return fmt.Sprintf("%s-%s-%s-%d", source, verb, target, port)
}

// maxName of a path, as the API has it.
const maxName = 63

// unique makes a name one that no other path has, and short enough.
func (d *drafter) unique(name string) string {
	if len(name) > maxName {
		hash := fnv.New32a()
		hash.Write([]byte(name))
		name = fmt.Sprintf("%s-%08x", strings.TrimRight(name[:maxName-9], "-"), hash.Sum32())
	}
	out := name
	for n := 2; d.names[out]; n++ {
		suffix := fmt.Sprintf("-%d", n)
		out = strings.TrimRight(name[:min(len(name), maxName-len(suffix))], "-") + suffix
	}
	d.names[out] = true
	return out
}
