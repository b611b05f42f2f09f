// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"math"
	"time"
)

// epochUnit is the shortest time for which windows stand still; all epochs
// are multiples of it.
const epochUnit = 10 * time.Minute

// schedule says when windows move: epoch number unix-time/length, of which
// count different ones follow each other in a circle.
type schedule struct {
	// count of different epochs; 1 means that the windows never move.
	count uint64
	// length of one epoch.
	length time.Duration
	// full is true if each pair is in a window during at least one epoch.
	full bool
	// index of the current epoch, counted from the Unix epoch.
	index int64
}

// still is the schedule of windows that hold everything there is.
func still() schedule { return schedule{count: 1, full: true} }

// moving is a schedule of count epochs of at least the given length.
func moving(count uint64, length time.Duration, full bool, now time.Time) schedule {
	s := schedule{count: count, length: roundUp(length, epochUnit), full: full}
	s.index = s.at(now)
	return s
}

// at is the index of the epoch at a time.
func (s schedule) at(now time.Time) int64 {
	if s.count <= 1 {
		return 0
	}
	return now.Unix() / int64(s.length/time.Second)
}

// epoch is the number of the current epoch, below count.
func (s schedule) epoch() uint64 {
	if s.count <= 1 {
		return 0
	}
	return uint64(s.index) % s.count
}

// next is when the current epoch ends; zero if never.
func (s schedule) next() time.Time {
	if s.count <= 1 {
		return time.Time{}
	}
	return time.Unix((s.index+1)*int64(s.length/time.Second), 0).UTC()
}

// fullAfter is how long it takes until each pair was in a window; false if
// that is not guaranteed.
func (s schedule) fullAfter() (time.Duration, bool) {
	if !s.full || float64(s.count)*float64(s.length) > math.MaxInt64 {
		return 0, false
	}
	return time.Duration(s.count) * s.length, true
}

// rotation is how long the prober takes to go once through a window.
func rotation(window, perRound int, interval time.Duration) time.Duration {
	if perRound <= 0 {
		return interval
	}
	return time.Duration((window+perRound-1)/perRound) * interval
}

// minEpoch is the shortest epoch in which each member of a window is tested
// for certain: two rotations, since writing the new windows takes a while and
// reaches each node at its own time.
func minEpoch(perRound int, interval time.Duration) time.Duration {
	return max(epochUnit, roundUp(2*rotation(WindowSize+1, perRound, interval), epochUnit))
}

func roundUp(d, unit time.Duration) time.Duration {
	return (d + unit - 1) / unit * unit
}
