// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/test/builders"
)

// TestWindowsMoveAfterAFreshInstall: a controller that starts before there is
// anybody to probe has no reason yet to look at the clock. The nodes that come
// later are more than a window holds, so theirs must move.
func TestWindowsMoveAfterAFreshInstall(t *testing.T) {
	h := newCluster(t)
	h.create(builders.MakeCheck("mesh").Namespace(h.namespace).Path("cross", builders.ToMesh(v1alpha1.MeshScopeCrossNode)).Obj())
	h.start()
	h.installed()
	nodes := names(40)
	for i, name := range nodes {
		h.createNode(name, i)
	}
	full := func() error {
		for _, name := range nodes {
			a, err := h.assignment(name)
			if err != nil {
				return err
			}
			if len(a.Spec.Groups) != 1 || len(a.Spec.Groups[0].Members) < 32 {
				return errors.New(name + " has no full window yet")
			}
		}
		return nil
	}
	h.eventually("full windows", full)
	// The last nodes may still be on their way into some windows.
	h.pass(10 * time.Second)
	before := h.peers(nodes[0])
	h.eventually("another window", func() error {
		h.clock.Step(time.Minute)
		if slices.Equal(before, h.peers(nodes[0])) {
			return errors.New("the same peers as before")
		}
		return nil
	})
}

// peers are the nodes that a node's mesh aims at.
func (h *cluster) peers(node string) []string {
	h.t.Helper()
	a, err := h.assignment(node)
	must(h.t, err)
	var out []string
	for i := range a.Spec.Nodes {
		out = append(out, a.Spec.Nodes[i].Name)
	}
	slices.Sort(out)
	return out
}
