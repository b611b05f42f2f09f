// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/cmd/netladder/internal/attempt"
	"github.com/netladder/netladder/cmd/netladder/internal/overview"
)

// conclude says what came of it; the cause is nil where the path does not fail.
func (a *Attempt) conclude(check *v1alpha1.ConnectivityCheck, around []v1alpha1.ConnectivityCheck, seen map[v1alpha1.Rung]string) *overview.Cause {
	a.Result, a.Status = resultUnknown, attempt.PathOf(check)
	steps, cause := overview.One(check, around, seen)
	a.Ladder = steps
	if cause != nil {
		for _, next := range cause.Next {
			if !strings.HasSuffix(next, " "+check.Name) { // it is gone by then
				a.Next = append(a.Next, next)
			}
		}
	}
	if a.Status == nil {
		return cause
	}
	switch a.Status.State {
	case v1alpha1.StatePassing, v1alpha1.StateDegraded:
		a.Result = resultExpected
	case v1alpha1.StateFailing:
		a.Result = resultNotExpected
	}
	return cause
}

// exit is nil for a path that is as expected.
func (a *Attempt) exit() error {
	switch a.Result {
	case resultExpected:
		return nil
	case resultNotExpected:
		return exitCode(overview.ExitBroken)
	}
	return exitCode(overview.ExitUnknown)
}

// text is an attempt for people. waited is how long was waited at most.
func (a *Attempt) text(cause *overview.Cause, s overview.Style, waited time.Duration) string {
	var b strings.Builder
	title := "Nothing can be said"
	var message string
	switch {
	case a.Status == nil:
		message = fmt.Sprintf("no controller looked at the check within %s: see whether Netladder's controller runs "+
			"(kubectl get pods -A -l app.kubernetes.io/name=netladder), and whether --netladder-namespace is right", waited)
	case a.Result == resultExpected && a.Expect == v1alpha1.ExpectDeny:
		title, message = "As expected: it is proven to be blocked", a.Status.Message
	case a.Result == resultExpected:
		title, message = "As expected: it works", a.Status.Message
		if a.Status.State == v1alpha1.StateDegraded {
			title = "It works, slowly or with losses"
		}
		if l := a.Status.Latency; l != nil {
			title += fmt.Sprintf(" (p50 %s, p99 %s)", l.P50.Duration, l.P99.Duration)
		}
	case cause != nil && cause.Rung != v1alpha1.RungUndetermined:
		title = fmt.Sprintf("Not as expected: %s is broken (%s)", cause.Rung, cause.Reason)
		if a.Expect == v1alpha1.ExpectDeny {
			title = fmt.Sprintf("Not as expected: it is open (%s)", cause.Reason)
		}
		message = cause.Message
	case a.Result == resultNotExpected:
		title, message = "Not as expected, and the rung could not be told", a.Status.Message
		if cause != nil {
			message = cause.Message
		}
	default:
		message = a.Status.Message
		if a.Status.Reason != "" {
			title += " (" + a.Status.Reason + ")"
		}
	}
	overview.Wrap(&b, "", fmt.Sprintf("%s, after %s", title, a.Took), s)
	if a.Result != resultUnknown && len(a.Ladder) > 0 {
		b.WriteString("\n" + overview.DrawLadder(a.Ladder, s))
	}
	if message != "" {
		b.WriteString("\n")
		overview.Wrap(&b, "    ", message, s)
	}
	for i, next := range a.Next {
		if i == 0 {
			b.WriteString("\n")
		}
		overview.Wrap(&b, "    ", "next: "+next, overview.Style{Width: len(next) + 20})
	}
	return b.String()
}
