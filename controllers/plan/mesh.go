// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"time"

	"github.com/netladder/netladder/api/v1alpha1"
)

// epochPerBin makes epochs long enough for the write budget. It is counted in
// bins, not in nodes, so that a join does not change the length of epochs: a
// bin holds 4 to 8 nodes, hence 2 to 4 writes per second.
const epochPerBin = 2 * time.Second

// meshView is a mesh between two sets of nodes. It is shared by all paths
// with the same two selectors.
type meshView struct {
	sources, targets *nodeSet
	// same: the sources that are targets; cross: those that have another
	// node to aim at.
	same, cross *nodeSet
	// rotates is true if some source has more peers than a window holds.
	rotates bool
	// bits of the bins, and whether they bound the coverage.
	bits int
	full bool
	// rings by the shortest epoch that they may have.
	rings map[time.Duration]*ring
}

func newMeshView(sources, targets *nodeSet) *meshView {
	v := &meshView{sources: sources, targets: targets, full: true, rings: map[time.Duration]*ring{}}
	v.same = sources.subset(targets.has)
	v.cross = sources
	switch targets.len() {
	case 0:
		v.cross = newNodeSet(nil, nil)
	case 1:
		v.cross = sources.subset(func(name string) bool { return !targets.has(name) })
	}
	peers := targets.len()
	if v.same.len() == sources.len() {
		peers--
	}
	if v.rotates = peers > WindowSize; v.rotates {
		names := union(sources, targets)
		hashes := make([]uint64, len(names))
		for i, name := range names {
			hashes[i] = hash64(name)
		}
		v.bits, v.full = binBits(hashes, func(largest, second int) bool { return largest+second <= WindowSize+1 })
	}
	return v
}

// ring of the epoch at now, for paths that need epochs of at least length.
func (v *meshView) ring(length time.Duration, now time.Time) *ring {
	if !v.rotates {
		length = 0
	}
	if r, ok := v.rings[length]; ok {
		return r
	}
	s := still()
	if v.rotates {
		bins := uint64(1) << v.bits
		s = moving(2*bins, max(length, time.Duration(bins)*epochPerBin), v.full, now)
	}
	r := newRing(v.sources, v.targets, v.bits, s)
	v.rings[length] = r
	return r
}

// holding are the sources that hold something of a mesh of this scope.
func (v *meshView) holding(scope v1alpha1.MeshScope) *nodeSet {
	switch {
	case scope == v1alpha1.MeshScopeSameNode:
		return v.same
	case scope == v1alpha1.MeshScopeCrossNode:
		return v.cross
	case v.targets.len() == 0:
		return v.cross
	default:
		return v.sources
	}
}

// pairs counts source and target IP: those in windows now, and all.
func (v *meshView) pairs(scope v1alpha1.MeshScope, r *ring) (assigned, possible int64) {
	var own, all int64
	for i, name := range v.targets.names {
		ips := int64(v.targets.ips[i])
		all += ips * int64(v.sources.len())
		if v.sources.has(name) {
			own += ips
		}
	}
	if scope == v1alpha1.MeshScopeSameNode {
		return own, own
	}
	for _, n := range r.order {
		if n.source {
			assigned += r.windowIPs(n)
		}
	}
	if scope == v1alpha1.MeshScopeCrossNode {
		return assigned, all - own
	}
	return assigned + own, all
}
