// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func nodeNames(n int) []string {
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprintf("node-%05d", i)
	}
	return names
}

func targetSet(names []string) *nodeSet {
	ips := make([]int, len(names))
	for i := range ips {
		ips[i] = 1
	}
	return newNodeSet(names, ips)
}

// drawNames draws 1 to limit sorted names, most often more than a window.
func drawNames(t *rapid.T, limit int) []string {
	n := rapid.OneOf(rapid.IntRange(1, 40), rapid.Just(34), rapid.Just(limit), rapid.Map(
		rapid.IntRange(0, limit-34), func(i int) int { return limit - i })).Draw(t, "nodes")
	seed := rapid.Uint64().Draw(t, "seed")
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprintf("ip-10-0-%x", combine(seed, uint64(i)))
	}
	slices.Sort(names)
	return names
}

// uniform is the view of a mesh whose sources are its targets.
func uniform(names []string) *meshView {
	s := targetSet(names)
	return newMeshView(s, s)
}

// at is the ring of one epoch, counted from 0.
func (v *meshView) at(epoch uint64) *ring {
	first := v.ring(0, time.Unix(0, 0))
	if first.count <= 1 {
		return first
	}
	s := first.schedule
	s.index = int64(epoch % s.count)
	return newRing(v.sources, v.targets, v.bits, s)
}

func TestEveryNodeHasTheSameDegree(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		names := drawNames(t, 400)
		v := uniform(names)
		epoch := rapid.Uint64Range(0, 1<<20).Draw(t, "epoch")
		perRound := rapid.IntRange(1, 20).Draw(t, "perRound")
		round := rapid.IntRange(0, 1000).Draw(t, "round")
		checkDegrees(t, v.at(epoch), names, perRound, round)
	})
}

func checkDegrees(t rapid.TB, r *ring, names []string, perRound, round int) {
	t.Helper()
	want := min(WindowSize, len(names)-1)
	inWindow, inRound := map[string]int{}, map[string]int{}
	for _, source := range names {
		w := r.window(source, nil)
		if len(w) != want || slices.Contains(w, source) || len(slices.Compact(slices.Sorted(slices.Values(w)))) != want {
			t.Fatalf("window of %s: %v, want %d different others", source, w, want)
		}
		for _, target := range w {
			inWindow[target]++
		}
		for i := range min(perRound, len(w)) {
			inRound[w[(round*min(perRound, len(w))+i)%len(w)]]++
		}
	}
	for _, name := range names {
		if inWindow[name] != want || inRound[name] != min(perRound, want) {
			t.Fatalf("%s is in %d windows (want %d) and probed by %d in a round (want %d)",
				name, inWindow[name], want, inRound[name], min(perRound, want))
		}
	}
}

func TestEpochsCoverEveryPair(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		names := drawNames(t, 150)
		checkCoverage(t, uniform(names), names, names)
	})
}

func TestEpochsCoverEveryPairOfDifferentSets(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		names := drawNames(t, 150)
		cut := rapid.IntRange(0, len(names)).Draw(t, "cut")
		overlap := rapid.IntRange(0, cut).Draw(t, "overlap")
		sources, targets := names[:cut], names[overlap:]
		checkCoverage(t, newMeshView(newNodeSet(sources, nil), targetSet(targets)), sources, targets)
	})
}

func checkCoverage(t rapid.TB, v *meshView, sources, targets []string) {
	t.Helper()
	type pair struct{ from, to string }
	seen := map[pair]bool{}
	first := v.at(0)
	if !v.full {
		t.Fatalf("%d and %d nodes found no bins", len(sources), len(targets))
	}
	for e := range first.count {
		r := v.at(e)
		for _, s := range sources {
			for _, target := range r.window(s, nil) {
				seen[pair{s, target}] = true
			}
		}
	}
	for _, s := range sources {
		for _, target := range targets {
			if s != target && !seen[pair{s, target}] {
				t.Fatalf("%s never aims at %s in %d epochs", s, target, first.count)
			}
		}
	}
}

func TestAJoinTouchesOneWindowOfNodes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		names := drawNames(t, 400)
		gone := rapid.SampledFrom(names).Draw(t, "gone")
		rest := slices.DeleteFunc(slices.Clone(names), func(n string) bool { return n == gone })
		a, b := uniform(names), uniform(rest)
		if a.rotates != b.rotates || a.bits != b.bits {
			t.Skip("the number of bins changes")
		}
		epoch := rapid.Uint64Range(0, 1<<20).Draw(t, "epoch")
		x, y := a.at(epoch), b.at(epoch)
		touched := 0
		for _, name := range rest {
			if !sameWindow(x, y, name) {
				touched++
			}
		}
		if touched > WindowSize+1 {
			t.Fatalf("%d of %d nodes touched when %s leaves", touched, len(names), gone)
		}
		var held []string
		x.holders(gone, func(s string) { held = append(held, s) })
		if touched != len(held) {
			t.Fatalf("%d nodes touched, %d nodes held %s", touched, len(held), gone)
		}
	})
}

func TestHoldersAreThoseWithTheTargetInTheirWindow(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		names := drawNames(t, 200)
		cut := rapid.IntRange(1, len(names)).Draw(t, "cut")
		overlap := rapid.IntRange(0, cut-1).Draw(t, "overlap")
		v := newMeshView(newNodeSet(names[:cut], nil), targetSet(names[overlap:]))
		r := v.at(rapid.Uint64Range(0, 1<<20).Draw(t, "epoch"))
		target := rapid.SampledFrom(names[overlap:]).Draw(t, "target")
		var got, want []string
		r.holders(target, func(s string) { got = append(got, s) })
		for _, s := range names[:cut] {
			w := r.window(s, nil)
			if slices.Contains(w, target) {
				want = append(want, s)
			}
			if n := r.windowIPs(r.order[r.pos[s]]); n != int64(len(w)) {
				t.Fatalf("windowIPs of %s is %d, its window %d", s, n, len(w))
			}
		}
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Fatalf("holders of %s: %v, want %v", target, got, want)
		}
	})
}

// Large meshes, always the same ones: degrees, a bound on the epochs that the
// documentation states, and how fast coverage comes before the guarantee.
func TestLargeMeshes(t *testing.T) {
	for _, tc := range []struct {
		nodes     int
		fullAfter time.Duration
	}{
		{1000, 512 * 10 * time.Minute},
		{5000, 2048 * 40 * time.Minute},
	} {
		names := nodeNames(tc.nodes)
		v := uniform(names)
		r := v.at(7)
		checkDegrees(t, r, names, 3, 12345)
		full, ok := r.fullAfter()
		if !ok || full > tc.fullAfter {
			t.Errorf("%d nodes: full after %s (%t), documented %s", tc.nodes, full, ok, tc.fullAfter)
		}
		t.Logf("%d nodes: %d bins, %d epochs of %s, full after %s", tc.nodes, 1<<v.bits, r.count, r.length, full)
	}
}

func TestAThousandNodesAreCovered(t *testing.T) {
	if testing.Short() {
		t.Skip("many epochs")
	}
	names := nodeNames(1000)
	v := uniform(names)
	index := v.sources.index
	seen := make([]bool, len(names)*len(names))
	pairs, all := 0, len(names)*(len(names)-1)
	half := false
	for e := range v.at(0).count {
		r := v.at(e)
		for i, s := range names {
			for _, target := range r.window(s, nil) {
				if at := i*len(names) + int(index[target]); !seen[at] {
					seen[at] = true
					pairs++
				}
			}
		}
		if !half && pairs*100 >= all*90 {
			half = true
			t.Logf("90 %% of %d pairs after %d epochs", all, e+1)
		}
	}
	if pairs != all {
		t.Fatalf("%d of %d pairs covered", pairs, all)
	}
}
