// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package status

import (
	"fmt"
	"strings"

	"github.com/netladder/netladder/api/v1alpha1"
)

// EventPathDiagnosed: a path that already failed fails for another reason than
// was said of it, or for one that was not known when it came to fail.
const EventPathDiagnosed = "PathDiagnosed"

// Diagnosed tells of paths that fail in both statuses and whose diagnosis has
// another reason in the second. first says of a path with a diagnosis whether it
// was not yet told to have that reason since it began to fail, and notes that it
// is now: what goes to and fro is told once. That a path is Undetermined is no
// news.
func Diagnosed(old, updated v1alpha1.ConnectivityCheckStatus, first func(*v1alpha1.PathStatus) bool) []Event {
	before := make(map[string]*v1alpha1.PathStatus, len(old.Paths))
	for i := range old.Paths {
		before[old.Paths[i].Name] = &old.Paths[i]
	}
	var news []*v1alpha1.PathStatus
	for i := range updated.Paths {
		p := &updated.Paths[i]
		if p.State != v1alpha1.StateFailing || p.Diagnosis == nil || p.Diagnosis.Rung == v1alpha1.RungUndetermined || !first(p) {
			continue
		}
		if was := before[p.Name]; was != nil && was.State == v1alpha1.StateFailing && reasonOf(was) != p.Diagnosis.Reason {
			news = append(news, p)
		}
	}
	if len(news) > maxEvents {
		parts := make([]string, len(news))
		for i, p := range news {
			parts[i] = p.Name + " " + p.Diagnosis.Reason
		}
		return []Event{{Type: Warning, Reason: EventPathDiagnosed, Message: cutNote(fmt.Sprintf("%d paths that fail have a diagnosis: %s",
			len(news), strings.Join(parts, ", ")))}}
	}
	var events []Event
	for _, p := range news {
		events = append(events, Event{Type: Warning, Reason: EventPathDiagnosed, Path: p.Name,
			Message: cutNote(fmt.Sprintf("path %s is Failing (%s): %s", p.Name, p.Diagnosis.Reason, p.Diagnosis.Message))})
	}
	return events
}

func reasonOf(p *v1alpha1.PathStatus) string {
	if p.Diagnosis == nil {
		return ""
	}
	return p.Diagnosis.Reason
}
