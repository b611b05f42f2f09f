// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package attempt

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/netladder/netladder/api/v1alpha1"
)

const (
	// climbWithin is how long after a path began to fail it is worth to wait for
	// the rung: the prober climbs for 3.5 s, and then reports.
	climbWithin = 9 * time.Second
	// steady is how long a reason must stand to be believed to last.
	steady = 5 * time.Second
)

// Progress follows a check until enough is known. The zero value has seen
// nothing.
type Progress struct {
	said   []string
	state  v1alpha1.State
	reason string
	// since the state and the reason are what they are.
	since time.Time
}

// News takes in the check as it is, and says what is new of it, for people, and
// whether enough is known. Again is after how long to ask again even if the
// check does not change; 0 if time alone tells nothing.
func (p *Progress) News(check *v1alpha1.ConnectivityCheck, now time.Time) (news []string, done bool, again time.Duration) {
	status := PathOf(check)
	if status == nil {
		return nil, false, 0
	}
	if status.State != p.state || status.Reason != p.reason {
		p.state, p.reason, p.since = status.State, status.Reason, now
		news = p.say(news, stateText(status))
	}
	for i := range status.WorstPairs {
		news = p.say(news, pairText(&status.WorstPairs[i]))
	}
	if d := status.Diagnosis; d != nil {
		news = p.say(news, "diagnosis: "+string(d.Rung)+" "+d.Reason)
	}
	wait := p.patience(status)
	if left := wait - now.Sub(p.since); wait >= 0 && left > 0 {
		return news, false, left
	}
	return news, wait >= 0, 0
}

// maxNews is how many lines are said in all.
const maxNews = 30

func (p *Progress) say(news []string, line string) []string {
	if slices.Contains(p.said, line) || len(p.said) >= maxNews {
		return news
	}
	p.said = append(p.said, line)
	return append(news, line)
}

// patience is how long a state has to stand until it is the answer; negative
// for one that is none.
func (p *Progress) patience(status *v1alpha1.PathStatus) time.Duration {
	switch status.State {
	case v1alpha1.StatePassing, v1alpha1.StateDegraded:
		return 0
	case v1alpha1.StateFailing:
		if d := status.Diagnosis; d != nil && d.Rung != v1alpha1.RungUndetermined {
			return 0
		}
		return climbWithin
	case v1alpha1.StateUnknown:
		if !status.Accepted {
			return 0
		}
		switch status.Reason {
		case v1alpha1.ReasonNodeNotReady, v1alpha1.ReasonProberNotReady, v1alpha1.ReasonTargetReplaced, v1alpha1.ReasonSourceReplaced,
			v1alpha1.ReasonUnmeasured, v1alpha1.ReasonReportInconsistent, v1alpha1.ReasonNoEndpoints:
			return -1 // it passes, or becomes something else
		}
		return steady
	}
	switch status.Reason {
	case v1alpha1.ReasonNoSources, v1alpha1.ReasonNoTargets:
		return steady
	}
	return -1
}

// PathOf is the status of a check's only path; nil before there is one.
func PathOf(check *v1alpha1.ConnectivityCheck) *v1alpha1.PathStatus {
	if check.Status.ObservedGeneration != check.Generation || len(check.Status.Paths) == 0 {
		return nil
	}
	return &check.Status.Paths[0]
}

func stateText(s *v1alpha1.PathStatus) string {
	text := string(s.State)
	if s.Reason != "" && s.Reason != text {
		text += " (" + s.Reason + ")"
	}
	if n := s.Pairs.Total(); n > 0 {
		text += fmt.Sprintf(", pairs: %d", n)
	}
	return text
}

func pairText(w *v1alpha1.WorstPair) string {
	text := fmt.Sprintf("%s → %s: %s", w.Source, w.Target, w.State)
	if w.Verdict != "" {
		text += " " + string(w.Verdict)
	}
	if w.Evidence != "" {
		text += " (" + w.Evidence + ")"
	} else if w.Reason != "" {
		text += " (" + w.Reason + ")"
	}
	return text
}

// Climbed is what the prober of a pair's source saw of the rungs below the pair:
// those that work, with what was tried. What failed is left to the diagnosis.
func Climbed(a *v1alpha1.ProbeAssignment, pair *v1alpha1.WorstPair) map[v1alpha1.Rung]string {
	out, failed := map[v1alpha1.Rung]string{}, map[v1alpha1.Rung]bool{}
	for i := range a.Status.Rungs {
		r := &a.Status.Rungs[i]
		node, _, ok := strings.Cut(r.Target, "/")
		if !ok || pair.TargetNode == "" || node != pair.TargetNode {
			continue
		}
		if r.Verdict != v1alpha1.VerdictConnected {
			failed[r.Rung] = true
			continue
		}
		out[r.Rung] = fmt.Sprintf("%s to %s: %s", r.Probe, node, r.Verdict)
	}
	for rung := range failed {
		delete(out, rung)
	}
	return out
}
