// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"fmt"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/controllers/status"
)

// EventFindingResolved is the reason of the event that says that a finding is
// gone. That it came has its code for a reason.
const EventFindingResolved = "FindingResolved"

// EventMoreFindings is the reason of the event that stands for those which came
// at the same time as many others.
const EventMoreFindings = "MoreFindings"

// maxEvents of findings that come, and as many that go, at a time.
const maxEvents = 10

// Event is to be recorded once the status is persisted.
type Event struct {
	status.Event
	// Policy that it is about, by name; empty if it is about the audit.
	Policy string
}

// Events tell what changed from one status to the next, given all findings that
// stand: one that is merely not listed any more is not gone.
func Events(old, updated v1alpha1.NetworkPolicyAuditStatus, standing []Finding) []Event {
	before, still := map[string]bool{}, map[string]bool{}
	for i := range old.Findings {
		before[old.Findings[i].ID] = true
	}
	for _, f := range standing {
		still[f.ID] = true
	}
	var out []Event
	came, went := 0, 0
	for i := range updated.Findings {
		f := &updated.Findings[i]
		if before[f.ID] {
			continue
		}
		if came++; came <= maxEvents {
			out = append(out, Event{status.Event{Type: eventType(f.Severity), Reason: string(f.Code), Message: in(f) + f.Message}, f.Policy})
		}
	}
	if more := came - maxEvents; more > 0 {
		out = append(out, Event{Event: status.Event{
			Type: status.Normal, Reason: EventMoreFindings, Message: fmt.Sprintf("%d more findings came at the same time: see the status", more),
		}})
	}
	for i := range old.Findings {
		f := &old.Findings[i]
		if still[f.ID] {
			continue
		}
		if went++; went <= maxEvents {
			out = append(out, Event{status.Event{Type: status.Normal, Reason: EventFindingResolved, Message: in(f) + string(f.Code) + " is gone"}, f.Policy})
		}
	}
	return out
}

// in says where a finding is.
func in(f *v1alpha1.PolicyFinding) string {
	if f.Clause == "" {
		return ""
	}
	return f.Clause + ": "
}

func eventType(s v1alpha1.FindingSeverity) string {
	if s == v1alpha1.FindingWarning {
		return status.Warning
	}
	return status.Normal
}
