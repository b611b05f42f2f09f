// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"maps"
	"slices"
	"strings"
	"time"
)

// How long a finding has to stand before it is told, and how long that grows for
// one that comes and goes.
const (
	// Grace of a finding that was not told before: a rollout or an installation
	// passes through states that look like mistakes.
	Grace = time.Minute
	// MaxGrace of one that comes back again and again.
	MaxGrace = 24 * time.Hour
	// forgetAfter it was gone for so long, a finding that comes back is a new one.
	forgetAfter = 2 * MaxGrace
	// maxTraces that are kept of findings that are gone.
	maxTraces = 1000
)

// Memory of the findings of one namespace, by ID. It is replaced, never changed.
type Memory map[string]Trace

// Trace of one finding.
type Trace struct {
	// Since when it has stood, without a gap.
	Since time.Time
	// Gone since when; zero while it stands.
	Gone time.Time
	// Wait is for how long it has to stand before it is told.
	Wait time.Duration
	// Told is true once it was, until it comes back after it was gone.
	Told bool
}

// Settling is the input of Settle.
type Settling struct {
	// Found just now.
	Found []Finding
	// Memory that the last Settle returned; nil for the first.
	Memory Memory
	// Known are the IDs that are told already, by whoever was here before. They
	// count where there is no Memory.
	Known []string
	// Now is the time.
	Now time.Time
}

// Settled is what Settle makes of it.
type Settled struct {
	// Standing are the findings to tell, in the order of Found.
	Standing []Finding
	// Memory for the next time.
	Memory Memory
	// Deadline is when another of those found is to be told; zero if none is.
	Deadline time.Time
}

// Settle says which findings to tell: those that have stood for a while. A
// finding that is gone is not told any more at once; when one that was told
// comes back, it has to stand twice as long as the time before.
func Settle(in Settling) Settled {
	out := Settled{Memory: Memory{}}
	for id, t := range in.Memory {
		if t.Gone.IsZero() || in.Now.Sub(t.Gone) < forgetAfter {
			out.Memory[id] = t
		}
	}
	present := map[string]bool{}
	for _, f := range in.Found {
		present[f.ID] = true
		t, known := out.Memory[f.ID]
		switch {
		case !known:
			t = Trace{Since: in.Now, Wait: Grace, Told: in.Memory == nil && slices.Contains(in.Known, f.ID)}
		case !t.Gone.IsZero():
			if t.Told {
				t.Wait = min(2*t.Wait, MaxGrace)
			}
			t.Since, t.Gone, t.Told = in.Now, time.Time{}, false
		}
		due := t.Since.Add(t.Wait)
		t.Told = t.Told || !in.Now.Before(due)
		out.Memory[f.ID] = t
		switch {
		case t.Told:
			out.Standing = append(out.Standing, f)
		case out.Deadline.IsZero() || due.Before(out.Deadline):
			out.Deadline = due
		}
	}
	out.Memory.leave(present, in.Now)
	return out
}

// leave marks what is not present as gone, and drops those that are gone for
// longest where they are too many.
func (m Memory) leave(present map[string]bool, now time.Time) {
	for id, t := range m {
		if !present[id] && t.Gone.IsZero() {
			t.Gone = now
			m[id] = t
		}
	}
	gone := slices.DeleteFunc(slices.Collect(maps.Keys(m)), func(id string) bool { return present[id] })
	if len(gone) <= maxTraces {
		return
	}
	slices.SortFunc(gone, func(a, b string) int {
		if c := m[a].Gone.Compare(m[b].Gone); c != 0 {
			return c
		}
		return strings.Compare(a, b)
	})
	for _, id := range gone[:len(gone)-maxTraces] {
		delete(m, id)
	}
}
