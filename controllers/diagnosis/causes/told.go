// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package causes

import (
	"slices"
	"time"
)

const (
	// Settle is for how long a cause must stand before it is told: what one tunnel
	// seems to be may turn out to be a node.
	Settle = 5 * time.Second
	// Gone is for how long it must be away before its end is told: what comes and
	// goes is one story.
	Gone = time.Minute
	// maxTold is how many are told at once; of more nobody reads.
	maxTold = 10
)

// Told are the causes that are followed, in no order.
type Told []told

type told struct {
	cause Cause
	// since is when it came, seen when it last was there.
	since, seen time.Time
	told        bool
}

// News are what there is to tell.
type News struct {
	// Begun and Ended causes.
	Begun, Ended []Cause
	// Again is when there may be more to tell because time passed; zero if not
	// before something changes.
	Again time.Time
}

// Follow takes in the causes of now, as All gives them, and says which begin and
// end: each once, and those on nodes alone. It changes nothing of before.
func (before Told) Follow(all []Cause, now time.Time) (after Told, news News) {
	after = slices.Clone(before)
	for _, c := range all {
		if c.Node == "" {
			continue
		}
		at := slices.IndexFunc(after, func(t told) bool { return t.cause.Rung == c.Rung && t.cause.Node == c.Node })
		if at < 0 {
			at, after = len(after), append(after, told{since: now})
		}
		after[at].cause, after[at].seen = c, now
	}
	after = slices.DeleteFunc(after, func(t told) bool {
		over := !t.seen.Equal(now) && (!t.told || now.Sub(t.seen) >= Gone)
		if over && t.told && len(news.Ended) < maxTold {
			news.Ended = append(news.Ended, t.cause)
		}
		return over
	})
	for i := range after {
		t := &after[i]
		var due time.Time
		switch {
		case !t.seen.Equal(now):
			due = t.seen.Add(Gone)
		case t.told:
			continue
		case now.Sub(t.since) < Settle:
			due = t.since.Add(Settle)
		case len(news.Begun) < maxTold:
			t.told = true
			news.Begun = append(news.Begun, t.cause)
			continue
		default:
			continue
		}
		if news.Again.IsZero() || due.Before(news.Again) {
			news.Again = due
		}
	}
	return after, news
}
