// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package report

import (
	"cmp"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/netladder/netladder/api/v1alpha1"
)

// The API's bounds on what a status holds.
const (
	maxPairs    = 50
	maxGroups   = 2048
	maxPodUID   = 64
	maxKey      = 512
	maxHash     = 64
	maxTarget   = 320
	maxVerdict  = 32
	maxReason   = 64
	maxEvidence = 256

	maxRungs        = 128
	maxRungEvidence = 160
	maxSource       = 64
	maxRung         = 32
)

// Build makes a status of at most the API's bounds. The pairs are those that
// are neither Pending nor Passing. Failing ones come first, then Degraded,
// then Unknown; among those each group shows one pair before any shows its
// second, so that one large failure does not hide the others.
func Build(podUID string, now time.Time, groups []v1alpha1.GroupStatus, pairs []v1alpha1.PairStatus) *v1alpha1.ProbeAssignmentStatus {
	groups = groups[:min(len(groups), maxGroups)]
	for i := range groups {
		groups[i].Key, groups[i].Hash = clean(groups[i].Key, maxKey), clean(groups[i].Hash, maxHash)
	}
	rank(pairs)
	cut := max(len(pairs)-maxPairs, 0)
	pairs = slices.Clip(pairs[:len(pairs)-cut])
	for i := range pairs {
		p := &pairs[i]
		p.Group, p.Target = clean(p.Group, maxKey), clean(p.Target, maxTarget)
		p.Verdict = v1alpha1.Verdict(clean(string(p.Verdict), maxVerdict))
		p.Reason, p.Evidence = clean(p.Reason, maxReason), clean(p.Evidence, maxEvidence)
		p.Streak = max(p.Streak, 0)
		if p.Since != nil {
			p.Since = wholeSeconds(p.Since.Time)
		}
		p.BadSince = micro(p.BadSince)
	}
	return &v1alpha1.ProbeAssignmentStatus{
		PodUID: clean(podUID, maxPodUID), Heartbeat: wholeSeconds(now), Groups: groups, NotPassing: pairs, Cut: int32(cut),
	}
}

// bounded keeps what climbs saw within the API's bounds, in place.
func bounded(rungs []v1alpha1.RungStatus) []v1alpha1.RungStatus {
	rungs = rungs[:min(len(rungs), maxRungs)]
	for i := range rungs {
		r := &rungs[i]
		r.Source, r.Rung = clean(r.Source, maxSource), v1alpha1.Rung(clean(string(r.Rung), maxRung))
		r.Probe, r.Target = v1alpha1.ProbeKind(clean(string(r.Probe), maxRung)), clean(r.Target, maxTarget)
		r.Verdict, r.Evidence = v1alpha1.Verdict(clean(string(r.Verdict), maxVerdict)), clean(r.Evidence, maxRungEvidence)
		r.At = micro(r.At)
	}
	return rungs
}

// rank sorts pairs in place into the order in which they are shown.
func rank(pairs []v1alpha1.PairStatus) {
	slices.SortFunc(pairs, func(a, b v1alpha1.PairStatus) int {
		return cmp.Or(severity(a.State)-severity(b.State), strings.Compare(a.Group, b.Group), strings.Compare(a.Target, b.Target))
	})
	type ranked struct {
		nth  int // of its group and state
		pair v1alpha1.PairStatus
	}
	order := make([]ranked, len(pairs))
	for i, p := range pairs {
		if i > 0 && pairs[i-1].State == p.State && pairs[i-1].Group == p.Group {
			order[i].nth = order[i-1].nth + 1
		}
		order[i].pair = p
	}
	slices.SortStableFunc(order, func(a, b ranked) int {
		return cmp.Or(severity(a.pair.State)-severity(b.pair.State), a.nth-b.nth)
	})
	for i := range order {
		pairs[i] = order[i].pair
	}
}

func severity(s v1alpha1.State) int {
	switch s {
	case v1alpha1.StateFailing:
		return 0
	case v1alpha1.StateDegraded:
		return 1
	default:
		return 2
	}
}

func wholeSeconds(t time.Time) *metav1.Time {
	return &metav1.Time{Time: t.UTC().Truncate(time.Second)}
}

// micro is a time as the API server keeps it; nil stays nil.
func micro(t *metav1.MicroTime) *metav1.MicroTime {
	if t == nil {
		return nil
	}
	return &metav1.MicroTime{Time: t.UTC().Truncate(time.Microsecond)}
}

// clean returns text of at most limit bytes in which what is not printable is
// a question mark.
func clean(text string, limit int) string {
	text = strings.Map(func(r rune) rune {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, text)
	if len(text) <= limit {
		return text
	}
	for limit > 0 && !utf8.RuneStart(text[limit]) {
		limit--
	}
	return text[:limit]
}
