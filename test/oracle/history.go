// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package oracle

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/netladder/netladder/controllers/index"
	"github.com/netladder/netladder/controllers/plan"
	"github.com/netladder/netladder/controllers/policy"
)

// Lived fills our evaluator as a cluster does over time: in any order, with
// older versions of objects first, with objects that come and go, and asked in
// between. What it answers must not tell.
func (g *Generator) Lived(c Cluster) *Ours {
	o := &Ours{index: policy.NewIndex(), pods: map[*corev1.Pod]*plan.Pod{}}
	var now, before, after []func()
	for _, p := range c.Policies {
		now = append(now, func() { o.index.SetPolicy(p) })
		before = append(before, func() { o.index.SetPolicy(g.policy(p.Namespace, p.Name)) })
	}
	for _, pod := range c.Pods {
		o.pods[pod] = index.Workload(pod)
		now = append(now, func() { o.index.SetPod(o.pods[pod]) })
		before = append(before, func() {
			older := *o.pods[pod]
			older.Labels = g.labels(labelPool(), 50)
			if g.chance(20) {
				older.Key.Namespace = one(g, namespaceNames())
			}
			o.index.SetPod(&older)
		})
	}
	for _, n := range c.Namespaces {
		now = append(now, func() { o.index.SetNamespace(index.Namespace(n)) })
		before = append(before, func() {
			o.index.SetNamespace(&plan.Namespace{Name: n.Name, Labels: g.labels(namespaceLabelPool(), 50)})
		})
		for range 2 {
			gone := g.policy(n.Name, "gone")
			before = append(before, func() { o.index.SetPolicy(gone) })
		}
		after = append(after, func() { o.index.DeletePolicy(types.NamespacedName{Namespace: n.Name, Name: "gone"}) })
	}
	stranger := index.Workload(g.pod(one(g, namespaceNames()), "stranger", 99))
	before = append(before, func() { o.index.SetPod(stranger) })
	after = append(after, func() { o.index.DeletePod(stranger.UID) })

	for _, steps := range [][]func(){before, append(now, after...)} {
		g.rand.Shuffle(len(steps), func(i, j int) { steps[i], steps[j] = steps[j], steps[i] })
		for _, step := range steps {
			step()
			// What it has found out must not outlive the next change.
			for _, pod := range c.Pods {
				o.index.Isolating(o.index.Pod(pod.UID), policy.Ingress)
			}
		}
	}
	return o
}
