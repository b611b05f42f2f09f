// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"slices"
	"sort"
	"strings"

	"github.com/netladder/netladder/api/v1alpha1"
)

// What JSON adds to the values, in bytes; a little more than the truth.
const (
	nodeOverhead    = len(`{"name":"","echoIPs":[],"echoUID":""},`)
	targetOverhead  = len(`{"ip":"","port":65535},`)
	targetNode      = len(`,"node":""`)
	targetUID       = len(`,"uid":""`)
	targetProtocol  = len(`,"protocol":"UDP"`)
	podOverhead     = len(`{"uid":"","namespace":"","name":"","ips":[]},`)
	podSandboxed    = len(`,"sandboxed":true`)
	sourceOverhead  = len(`,"sources":[]`)
	sourceSize      = len("511,")
	groupOverhead   = len(`,"members":[],"window":999,"perRound":99`) + len("01234567-01234567") + stretchText
	tunnelsOverhead = len(`,"tunnels":[]`)
	bundleRow       = len(`,"caBundle":255`)
	bundlesRow      = len(`"caBundles":[],`)
	memberSize      = len("2047,")
	nodeIPs         = len(`"ips":[],`)
	servicesRow     = len(`"services":[],`)
	doubtsRow       = len(`"doubts":[],`)
	specOverhead    = len(`{"nodes":[],"targets":[],"pods":[],"groups":[],"heartbeat":"999h59m59s"}`)
)

// The schema's limits on tables.
const (
	maxNodes   = 1024
	maxTargets = 2048
	maxPods    = 512
	maxBundles = 256
	maxGroups  = 2048

	maxServices       = 256
	maxServiceTargets = 64
)

func (a *assigner) fits(r *rendered) bool {
	return r.size <= a.limit && len(r.spec.Nodes) <= maxNodes &&
		len(r.spec.Targets) <= maxTargets && len(r.spec.Pods) <= maxPods && len(r.spec.CABundles) <= maxBundles && len(r.spec.Groups) <= maxGroups
}

// step makes an assignment smaller: the window of one draft goes to size; 0
// drops the draft.
type step struct{ draft, size int }

// steps in their order: the largest windows are halved first, down to one
// member; then whole groups go, those with the last keys first.
func steps(drafts []draft) []step {
	var out []step
	for size := largestWindow(drafts) / 2; size >= 1; size /= 2 {
		for i := range drafts {
			if drafts[i].window > size {
				out = append(out, step{i, size})
			}
		}
	}
	for i := len(drafts) - 1; i >= 0; i-- {
		out = append(out, step{i, 0})
	}
	return out
}

func largestWindow(drafts []draft) int {
	n := WindowSize + 1
	for i := range drafts {
		n = max(n, drafts[i].window)
	}
	return n
}

// fit renders drafts, made smaller by as few steps as the limit asks for.
func (a *assigner) fit(drafts []draft, near []doubted) (v1alpha1.ProbeAssignmentSpec, []LeftOut) {
	whole := a.render(drafts)
	if a.fits(&whole) {
		a.doubts(&whole, near)
		a.services(&whole, drafts)
		return whole.spec, nil
	}
	all := steps(drafts)
	n := sort.Search(len(all), func(n int) bool {
		r := a.render(apply(drafts, all[:n]))
		return a.fits(&r)
	})
	kept := apply(drafts, all[:min(n, len(all))])
	shrunk := a.render(kept)
	a.doubts(&shrunk, near)
	a.services(&shrunk, kept)
	return shrunk.spec, leftOut(drafts, kept)
}

// apply steps to drafts; dropped ones are missing in the result.
func apply(drafts []draft, do []step) []draft {
	size := make([]int, len(drafts))
	for i := range drafts {
		size[i] = drafts[i].window + 1
	}
	for _, s := range do {
		size[s.draft] = s.size
	}
	out := make([]draft, 0, len(drafts))
	for i := range drafts {
		if size[i] > 0 {
			out = append(out, drafts[i].shrunk(size[i]))
		}
	}
	return out
}

// leftOut compares drafts with those kept, which are some of them in the same
// order. A group without members, such as DNS, counts as one.
func leftOut(drafts, kept []draft) []LeftOut {
	var out []LeftOut
	for i := range drafts {
		wanted := max(1, drafts[i].members())
		n := 0
		if len(kept) > 0 && kept[0].group == drafts[i].group {
			n = max(1, kept[0].members())
			kept = kept[1:]
		}
		if n < wanted {
			out = append(out, LeftOut{GroupKey: drafts[i].group.Key, Kept: n, Wanted: wanted})
		}
	}
	slices.SortFunc(out, func(a, b LeftOut) int { return strings.Compare(a.GroupKey, b.GroupKey) })
	return out
}
