// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package status

import (
	"time"

	"k8s.io/apimachinery/pkg/api/equality"

	"github.com/netladder/netladder/api/v1alpha1"
)

// How long the least urgent news of each sort may wait since the last write.
const (
	// latencyEvery is for latency and coverage.
	latencyEvery = 5 * time.Minute
	// countsEvery is for the numbers of passing and pending pairs, which
	// change with every turn of a rotation.
	countsEvery = 10 * time.Second
)

// NeedsWrite is true if a status is worth a write now. lastWrite is when this
// controller last wrote it; before it did, when the controller started.
func NeedsWrite(old, updated v1alpha1.ConnectivityCheckStatus, lastWrite, now time.Time) bool {
	at, changed := Due(old, updated, lastWrite)
	return changed && !now.Before(at)
}

// Due is from when on a status is worth a write. It is the zero time if at
// once; changed is false if nothing differs.
func Due(old, updated v1alpha1.ConnectivityCheckStatus, lastWrite time.Time) (at time.Time, changed bool) {
	if equality.Semantic.DeepEqual(old, updated) {
		return time.Time{}, false
	}
	before, after := old.DeepCopy(), updated.DeepCopy()
	forgetLatency(before)
	forgetLatency(after)
	if equality.Semantic.DeepEqual(before, after) {
		if sameShape(old.Paths, updated.Paths) {
			return lastWrite.Add(latencyEvery), true
		}
		return lastWrite.Add(countsEvery), true
	}
	forgetCounts(before)
	forgetCounts(after)
	if equality.Semantic.DeepEqual(before, after) {
		return lastWrite.Add(countsEvery), true
	}
	return time.Time{}, true
}

func forgetLatency(s *v1alpha1.ConnectivityCheckStatus) {
	for i := range s.Paths {
		s.Paths[i].Latency, s.Paths[i].Coverage = nil, nil
	}
}

func forgetCounts(s *v1alpha1.ConnectivityCheckStatus) {
	for i := range s.Paths {
		s.Paths[i].Pairs.Passing, s.Paths[i].Pairs.Pending = 0, 0
	}
}

// sameShape is true if the same paths have a latency and a coverage at all.
func sameShape(a, b []v1alpha1.PathStatus) bool {
	for i := range a {
		if (a[i].Latency == nil) != (b[i].Latency == nil) || (a[i].Coverage == nil) != (b[i].Coverage == nil) {
			return false
		}
	}
	return true
}
