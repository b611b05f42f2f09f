// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

// Package causes puts together what the paths of all checks fail for: many
// pairs, one cause. It is pure.
package causes

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/controllers/diagnosis/ladder"
)

// Found is one cause of one path.
type Found struct {
	// Check and Path that fail.
	Check types.NamespacedName
	Path  string
	// Rung that is broken, and why.
	Rung   v1alpha1.Rung
	Reason string
	// Object that is broken, in words; of no matter where there are Nodes.
	Object string
	// On is the node that the Object is broken on, where that is less than the
	// node.
	On string
	// Nodes that are broken, or between which something is.
	Nodes []string
	// Began is when the first pair of the path that fails for it began to fail, by
	// the clock of its prober, give or take Within; zero where that is not known.
	Began  time.Time
	Within time.Duration
	// Text is the sentence about it, as the check's owner is told.
	Text string
}

// Cause of some paths.
type Cause struct {
	// Rung that is broken, and why: what is the cause before what follows from it,
	// then the reason of most of the paths.
	Rung   v1alpha1.Rung
	Reason string
	// Object that is broken, such as "node2", "node1 and node3" or
	// "Service shop/api".
	Object string
	// Node that is broken; empty where it is something else.
	Node string
	// Text is the sentence about one of the paths that have this reason, always
	// the same one.
	Text string
	// Paths and Checks that fail for it.
	Paths, Checks int
}

// String says what is broken, and how much fails for it: "node2's overlay: 14
// paths of 6 checks".
func (c *Cause) String() string {
	return fmt.Sprintf("%s of %s: %s of %s", c.Rung, c.Object, counted(c.Paths, "path"), counted(c.Checks, "check"))
}

func counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// key of a cause while it is put together.
type key struct {
	rung   v1alpha1.Rung
	object string
}

// All causes, those of most paths first. A node that is at one end of all that is
// broken on a rung, and of more than one pair of nodes, is the cause by itself.
func All(found []Found) []Cause {
	found = Whole(found)
	shared := Shared(found)
	by := map[key][]Found{}
	for _, f := range found {
		k := key{f.Rung, Object(f, shared)}
		by[k] = append(by[k], f)
	}
	var out []Cause
	for k, list := range by {
		out = append(out, causeOf(k, list, shared[k.rung]))
	}
	slices.SortFunc(out, func(a, b Cause) int {
		return cmp.Or(b.Paths-a.Paths, ladder.Rank(a.Rung)-ladder.Rank(b.Rung), cmp.Compare(a.Object, b.Object))
	})
	return out
}

// Object that a finding is counted for, given what Shared says of all findings:
// the node that is broken by itself, the two between which something is, or what
// else is broken.
func Object(f Found, shared map[v1alpha1.Rung]string) string {
	nodes := unique(f.Nodes)
	switch {
	case len(nodes) == 1:
		return nodes[0]
	case len(nodes) > 1 && shared[f.Rung] != "":
		return shared[f.Rung]
	case len(nodes) > 1:
		return strings.Join(nodes, " and ")
	}
	return f.Object
}

func unique(nodes []string) []string { return slices.Compact(slices.Sorted(slices.Values(nodes))) }

func causeOf(k key, list []Found, shared string) Cause {
	c := Cause{Rung: k.rung, Object: k.object}
	paths, checks, reasons := map[string]struct{}{}, map[types.NamespacedName]struct{}{}, map[string]int{}
	for _, f := range list {
		paths[f.Check.String()+"/"+f.Path] = struct{}{}
		checks[f.Check] = struct{}{}
		reasons[f.Reason]++
		if n := len(unique(f.Nodes)); n == 1 || n > 1 && shared == k.object {
			c.Node = k.object
		}
	}
	for _, reason := range slices.Sorted(maps.Keys(reasons)) {
		if c.Reason == "" || cmp.Or(ladder.Strength(reason)-ladder.Strength(c.Reason), reasons[reason]-reasons[c.Reason]) > 0 {
			c.Reason = reason
		}
	}
	c.Paths, c.Checks = len(paths), len(checks)
	c.Text = textOf(list, c.Reason)
	return c
}

// textOf is the sentence about the first of the paths that have a reason.
func textOf(list []Found, reason string) string {
	var first *Found
	for i := range list {
		f := &list[i]
		if f.Reason == reason && f.Text != "" && (first == nil || f.compare(first) < 0) {
			first = f
		}
	}
	if first == nil {
		return ""
	}
	return first.Text
}

func (f *Found) compare(g *Found) int {
	return cmp.Or(cmp.Compare(f.Check.String(), g.Check.String()), cmp.Compare(f.Path, g.Path), cmp.Compare(f.Text, g.Text))
}

// Shared has for each rung the node that all pairs of nodes have in common
// that are broken there, where there is more than one of them.
func Shared(found []Found) map[v1alpha1.Rung]string {
	pairs := map[v1alpha1.Rung]map[[2]string]struct{}{}
	for _, f := range found {
		if len(f.Nodes) != 2 || f.Nodes[0] == f.Nodes[1] {
			continue
		}
		if pairs[f.Rung] == nil {
			pairs[f.Rung] = map[[2]string]struct{}{}
		}
		pairs[f.Rung][[2]string{min(f.Nodes[0], f.Nodes[1]), max(f.Nodes[0], f.Nodes[1])}] = struct{}{}
	}
	out := map[v1alpha1.Rung]string{}
	for rung, list := range pairs {
		ends := map[string]int{}
		for p := range list {
			ends[p[0]]++
			ends[p[1]]++
		}
		for node, n := range ends {
			if n > 1 && n == len(list) {
				out[rung] = node
			}
		}
	}
	return out
}
