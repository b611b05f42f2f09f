// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"slices"
	"sync"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/controllers/diagnosis/causes"
	"github.com/netladder/netladder/controllers/diagnosis/fromstatus"
)

// persisted is what a controller that does not lead exports: what the leader
// wrote into the statuses of checks. If that leader is cut off from Prometheus,
// it is all that alerts about paths have.
type persisted struct {
	// waits is false as soon as this controller leads: what is not judged by
	// itself is none of its business then.
	waits func() bool
	// alive is true while somebody else leads. Statuses that nobody keeps prove
	// nothing.
	alive func() bool
	// list has all checks, which are not changed; false if they are not known.
	list func() ([]v1alpha1.ConnectivityCheck, bool)

	mu sync.Mutex
	// before are the checks as last exported, whose sentences are kept.
	before map[types.NamespacedName]check
}

// collectPersisted exports the paths that statuses tell of.
func (c *collector) collectPersisted(p *persisted, gauge gauges) {
	if !p.waits() {
		return
	}
	alive := p.alive()
	gauge(c.alive, oneIf(alive))
	if !alive {
		return
	}
	if list, ok := p.list(); ok {
		c.collectJudged(p.judged(list), gauge)
	}
}

// judged are the checks of a list as the leader would know them, sorted.
func (p *persisted) judged(list []v1alpha1.ConnectivityCheck) []check {
	p.mu.Lock()
	defer p.mu.Unlock()
	judged := make([]check, 0, len(list))
	var failing []fromstatus.Path
	for i := range list {
		object := &list[i]
		status := &v1alpha1.ConnectivityCheckStatus{Paths: pathsOf(object)}
		for k := range status.Paths {
			path := &status.Paths[k]
			if path.State == v1alpha1.StateFailing {
				failing = append(failing, fromstatus.Path{Check: object, Spec: specOf(object, path.Name), Status: path})
			}
		}
		judged = append(judged, check{object: object, status: status, sentences: sentencesOf(status, p.before[client.ObjectKeyFromObject(object)].sentences)})
	}
	sortChecks(judged)
	of := map[types.NamespacedName][]causes.Found{}
	for _, f := range fromstatus.Told(failing) {
		of[f.Check] = append(of[f.Check], f)
	}
	after := make(map[types.NamespacedName]check, len(judged))
	for i := range judged {
		key := client.ObjectKeyFromObject(judged[i].object)
		judged[i].causes = of[key]
		keepTexts(judged[i].causes, p.before[key].causes)
		if len(judged[i].causes)+len(judged[i].sentences) > 0 {
			after[key] = check{causes: judged[i].causes, sentences: judged[i].sentences}
		}
	}
	p.before = after
	return judged
}

// pathsOf are those of a check's status that the check declares, each once. Not
// those to canary pods: without netladder_policy_enforcement_nodes, which a
// status does not have, one that fails would look like a breach of segmentation.
func pathsOf(c *v1alpha1.ConnectivityCheck) []v1alpha1.PathStatus {
	out := make([]v1alpha1.PathStatus, 0, len(c.Status.Paths))
	for i := range c.Status.Paths {
		path := &c.Status.Paths[i]
		spec := specOf(c, path.Name)
		if spec == nil || spec.To.Canary != nil || slices.ContainsFunc(out, func(p v1alpha1.PathStatus) bool { return p.Name == path.Name }) {
			continue
		}
		out = append(out, *path)
	}
	return out
}

// specOf is the path of that name; nil if there is none.
func specOf(c *v1alpha1.ConnectivityCheck, name string) *v1alpha1.Path {
	for i := range c.Spec.Paths {
		if c.Spec.Paths[i].Name == name {
			return &c.Spec.Paths[i]
		}
	}
	return nil
}
