// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package status

import (
	"fmt"
	"strings"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/controllers/diagnosis"
)

// Reasons of events.
const (
	// EventPathFailing: a path came to fail: what must work does not, or what
	// must be blocked is open.
	EventPathFailing = "PathFailing"
	// EventPathDegraded: a path works, slowly or with losses.
	EventPathDegraded = "PathDegraded"
	// EventPathRecovered: a path that failed or was degraded passes: what was
	// open is blocked again, and proven to be.
	EventPathRecovered = "PathRecovered"
	// EventPathPassing: a path of which nothing was known passes.
	EventPathPassing = "PathPassing"
	// EventPathUnknown: nothing can be said any more of a path, or nothing for
	// another reason.
	EventPathUnknown = "PathUnknown"
	// EventPathNotAccepted: a path cannot be probed as it is written; again when
	// the reason is another.
	EventPathNotAccepted = "PathNotAccepted"
)

// Types of events, as in core/v1.
const (
	Normal  = "Normal"
	Warning = "Warning"
)

const (
	// maxEvents is above how many transitions at once those of one kind share
	// an event.
	maxEvents = 5
	// maxNote is the length of an event's message, in bytes.
	maxNote = 1000
)

// Event is to be recorded on the check once its status is persisted.
type Event struct {
	// Type is Normal or Warning.
	Type string
	// Reason is one of the constants.
	Reason string
	// Message of at most 1,000 bytes.
	Message string
	// Path it is about; empty if it is about several.
	Path string
}

// order of events, the most urgent first, with their types.
func order() []Event {
	return []Event{
		{Type: Warning, Reason: EventPathFailing},
		{Type: Warning, Reason: EventPathNotAccepted},
		{Type: Normal, Reason: EventPathDegraded},
		{Type: Normal, Reason: EventPathUnknown},
		{Type: Normal, Reason: EventPathRecovered},
		{Type: Normal, Reason: EventPathPassing},
	}
}

// Events tells of the transitions from one persisted status to the next, one
// for each path, or one for each kind of transition where they are many.
func Events(old, updated v1alpha1.ConnectivityCheckStatus) []Event {
	before := make(map[string]*v1alpha1.PathStatus, len(old.Paths))
	for i := range old.Paths {
		before[old.Paths[i].Name] = &old.Paths[i]
	}
	by, n := map[string][]*v1alpha1.PathStatus{}, 0
	for i := range updated.Paths {
		p := &updated.Paths[i]
		if reason := transition(before[p.Name], p); reason != "" {
			by[reason] = append(by[reason], p)
			n++
		}
	}
	var events []Event
	for _, e := range order() {
		paths := by[e.Reason]
		if n > maxEvents && len(paths) > 1 {
			e.Message = together(paths)
			events = append(events, e)
			continue
		}
		for _, p := range paths {
			e.Path, e.Message = p.Name, alone(p)
			events = append(events, e)
		}
	}
	return events
}

// transition is the reason of the event that tells of one path, empty if none
// does. before is nil for a new path.
func transition(before, after *v1alpha1.PathStatus) string {
	was := v1alpha1.StatePending
	if before != nil {
		was = before.State
	}
	if notAccepted(after) {
		if before == nil || !notAccepted(before) || before.Reason != after.Reason {
			return EventPathNotAccepted
		}
		return ""
	}
	if was == after.State {
		if was == v1alpha1.StateUnknown && before.Reason != after.Reason && !isPassing(after.Reason) {
			return EventPathUnknown
		}
		return ""
	}
	switch after.State {
	case v1alpha1.StateFailing:
		return EventPathFailing
	case v1alpha1.StateDegraded:
		return EventPathDegraded
	case v1alpha1.StatePassing:
		if was == v1alpha1.StateFailing || was == v1alpha1.StateDegraded {
			return EventPathRecovered
		}
		return EventPathPassing
	case v1alpha1.StateUnknown:
		// Who suspends a check knows that its paths are unknown.
		if was != v1alpha1.StatePending && after.Reason != v1alpha1.ReasonSuspended {
			return EventPathUnknown
		}
	}
	return ""
}

// isPassing is true for a reason that comes and goes with nodes, pods and
// probers that start and stop. Who suspends a check knows that its paths are
// unknown.
func isPassing(reason string) bool {
	switch reason {
	case v1alpha1.ReasonSuspended, v1alpha1.ReasonProberNotReady, v1alpha1.ReasonNodeNotReady, v1alpha1.ReasonNodeGone,
		v1alpha1.ReasonTargetReplaced, v1alpha1.ReasonSourceReplaced, v1alpha1.ReasonUnmeasured, v1alpha1.ReasonReportInconsistent:
		return true
	}
	return false
}

func notAccepted(p *v1alpha1.PathStatus) bool {
	return !p.Accepted && p.State == v1alpha1.StateUnknown
}

func alone(p *v1alpha1.PathStatus) string {
	what := fmt.Sprintf("path %s is %s", p.Name, p.State)
	if notAccepted(p) {
		what = fmt.Sprintf("path %s is not accepted", p.Name)
	}
	if p.Reason != "" {
		what += " (" + p.Reason + ")"
	}
	if p.Message != "" {
		what += ": " + p.Message
	}
	return cutNote(what)
}

func together(paths []*v1alpha1.PathStatus) string {
	names := make([]string, len(paths))
	for i, p := range paths {
		names[i] = p.Name
		if isOpen(p) {
			names[i] += " (open)"
		}
	}
	what := "are " + string(paths[0].State)
	if notAccepted(paths[0]) {
		what = "are not accepted"
	}
	return cutNote(fmt.Sprintf("%d paths %s: %s", len(paths), what, strings.Join(names, ", ")))
}

// isOpen is true for a Deny path that something got through.
func isOpen(p *v1alpha1.PathStatus) bool {
	return p.State == v1alpha1.StateFailing && strings.HasPrefix(p.Message, diagnosis.Open)
}

// cutNote shortens s at a character's boundary.
func cutNote(s string) string {
	if len(s) <= maxNote {
		return s
	}
	return strings.ToValidUTF8(s[:maxNote-3], "") + "..."
}
