// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package causes

import (
	"slices"
	"time"

	"github.com/netladder/netladder/api/v1alpha1"
)

// begun is when an object of a node began to be broken, as the first of the paths
// that fail for it tells.
type begun struct {
	at     time.Time
	within time.Duration
}

// add takes in what one more path tells.
func (b *begun) add(f *Found) {
	switch {
	case b.at.IsZero(), !f.Began.IsZero() && f.Began.Before(b.at):
		b.at, b.within = f.Began, f.Within
	case f.Began.Equal(b.at):
		b.within = max(b.within, f.Within)
	}
}

// near is true for what is known to have begun at about the same time.
func (b *begun) near(a *begun) bool {
	return !b.at.IsZero() && !a.at.IsZero() && b.at.Sub(a.at).Abs() <= b.within+a.within
}

// broken are the objects of one rung that are broken on one node, by their names;
// the node itself by none.
type broken map[string]*begun

// part is true for an object that is no more than a part of its node's trouble:
// another one began to be broken there at about the same time, or the node itself
// was found to be broken no later. What began apart in time stays apart: a proxy
// that stops leaves its Services behind one by one, but so do two that have
// nothing to do with each other, and nothing that was seen tells which.
func (b broken) part(object string) bool {
	own := b[object]
	for other, at := range b {
		switch {
		case other == object:
		case own.near(at):
			return true
		case other == "" && !own.at.IsZero() && !at.at.IsZero() && at.at.Before(own.at):
			return true
		}
	}
	return false
}

// Whole puts the node in the place of what is broken on it, where more than one
// object of a rung began to be so at about the same time, or where the node itself
// was found to be broken by then: one Service without rules is that Service, two
// that lost them at once are their node's proxy.
func Whole(found []Found) []Found {
	type at struct {
		rung v1alpha1.Rung
		node string
	}
	objects := map[at]broken{}
	for i := range found {
		f := &found[i]
		node, object := f.On, f.Object
		if nodes := unique(f.Nodes); node == "" && len(nodes) == 1 {
			node, object = nodes[0], ""
		}
		if node == "" {
			continue
		}
		k := at{f.Rung, node}
		if objects[k] == nil {
			objects[k] = broken{}
		}
		if objects[k][object] == nil {
			objects[k][object] = &begun{}
		}
		objects[k][object].add(f)
	}
	out := slices.Clone(found)
	for i := range out {
		f := &out[i]
		if f.On == "" || !objects[at{f.Rung, f.On}].part(f.Object) {
			continue
		}
		f.Nodes = []string{f.On}
		if f.Reason == v1alpha1.ReasonServiceNotProgrammed {
			f.Reason = v1alpha1.ReasonProxyBroken
		}
	}
	return out
}
