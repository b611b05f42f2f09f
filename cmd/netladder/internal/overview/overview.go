// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

// Package overview puts the statuses of checks together: what is broken now and
// for which causes, of what nothing is known, and why. It is pure, and knows of
// a check what `kubectl get ccheck -o yaml` shows.
package overview

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/cmd/netladder/internal/attempt"
	"github.com/netladder/netladder/controllers/diagnosis/causes"
	"github.com/netladder/netladder/controllers/diagnosis/fromstatus"
)

// Report says how the declared paths are. Its JSON is what `-o json` prints.
type Report struct {
	// Checks that were looked at.
	Checks int `json:"checks"`
	// Paths of them, by state.
	Paths Counts `json:"paths"`
	// Causes of the paths that fail, those of most paths first.
	Causes []Cause `json:"causes"`
	// Degraded paths work, slowly or with losses.
	Degraded []Path `json:"degraded,omitempty"`
	// Unknown paths by reason, and those that are Pending.
	Unknown []Unknown `json:"unknown"`
	// Suspended checks, as NAMESPACE/NAME.
	Suspended []string `json:"suspended,omitempty"`
}

// Counts are numbers of paths by state.
type Counts struct {
	Passing  int `json:"passing"`
	Degraded int `json:"degraded"`
	Failing  int `json:"failing"`
	Unknown  int `json:"unknown"`
	Pending  int `json:"pending"`
}

// Path of a check.
type Path struct {
	Namespace string `json:"namespace"`
	Check     string `json:"check"`
	Path      string `json:"path"`
	// Expect is Allow or Deny.
	Expect v1alpha1.Expectation `json:"expect"`
	// Severity of the path, or else the check's.
	Severity v1alpha1.Severity `json:"severity,omitempty"`
	// Since when it is in its state; zero where that is not known.
	Since metav1.Time `json:"since,omitzero"`
	// Message about it.
	Message string `json:"message,omitempty"`
}

// String is NAMESPACE/CHECK PATH.
func (p *Path) String() string { return p.Namespace + "/" + p.Check + " " + p.Path }

// Cause of paths that fail.
type Cause struct {
	// Rung that is broken; Undetermined where that is not known.
	Rung   v1alpha1.Rung `json:"rung"`
	Reason string        `json:"reason,omitempty"`
	// Object that is broken, such as "node2" or "Service shop/api".
	Object string `json:"object,omitempty"`
	// Since is when the first of the paths began to fail.
	Since metav1.Time `json:"since,omitzero"`
	// Message is the sentence about that path.
	Message string `json:"message"`
	// Next are commands that show more.
	Next []string `json:"next,omitempty"`
	// Ladder from the top to the bottom.
	Ladder []Step `json:"ladder"`
	// Paths that fail for it, those that fail for longest first.
	Paths []Path `json:"paths"`
	// Checks is how many checks they are of.
	Checks int `json:"checks"`
}

// Unknown are paths of which nothing is known for one reason.
type Unknown struct {
	Reason string `json:"reason"`
	// Since is when the first of them came to be so.
	Since metav1.Time `json:"since,omitzero"`
	Paths []Path      `json:"paths"`
}

// ReasonNotJudged is that of the paths of a check, or of a generation of it,
// which no controller has looked at.
const ReasonNotJudged = "NotJudgedYet"

// Exit codes of a report.
const (
	// ExitHealthy: everything is as declared.
	ExitHealthy = 0
	// ExitBroken: a path fails.
	ExitBroken = 2
	// ExitUnknown: nothing fails, and of some path nothing is known.
	ExitUnknown = 3
)

// ExitCode is what a script needs to know. Degraded paths work.
func (r *Report) ExitCode() int {
	switch {
	case len(r.Causes) > 0:
		return ExitBroken
	case len(r.Unknown) > 0:
		return ExitUnknown
	}
	return ExitHealthy
}

// entry is one path with its spec and its status.
type entry struct {
	check  *v1alpha1.ConnectivityCheck
	spec   *v1alpha1.Path
	status *v1alpha1.PathStatus
}

func (e *entry) path(message string) Path {
	p := Path{
		Namespace: e.check.Namespace, Check: e.check.Name, Path: e.spec.Name,
		Expect: cmp.Or(e.spec.Expect, v1alpha1.ExpectAllow), Severity: e.check.Spec.Severity, Message: message,
	}
	if e.spec.Severity != nil {
		p.Severity = *e.spec.Severity
	}
	if e.status != nil {
		p.Since = e.status.LastTransitionTime
	}
	return p
}

// Of says how the paths of checks are. around are checks that are only looked at
// for what they prove of the network, such as cluster-network; they may be among
// the checks. Those that a probe of the plugin makes for a moment are left out.
func Of(checks, around []v1alpha1.ConnectivityCheck) Report {
	r := Report{Causes: []Cause{}, Unknown: []Unknown{}}
	var failing, unknown []entry
	for i := range checks {
		c := &checks[i]
		if c.Annotations[v1alpha1.AnnotationTTL] != "" && c.Labels[attempt.LabelManagedBy] == attempt.ManagedBy {
			continue
		}
		r.Checks++
		if c.Spec.Suspend {
			r.Suspended = append(r.Suspended, c.Namespace+"/"+c.Name)
			continue
		}
		for _, e := range entries(c) {
			switch {
			case e.status == nil || e.status.State == v1alpha1.StatePending:
				r.Paths.Pending++
				unknown = append(unknown, e)
			case e.status.State == v1alpha1.StateFailing:
				r.Paths.Failing++
				failing = append(failing, e)
			case e.status.State == v1alpha1.StateDegraded:
				r.Paths.Degraded++
				r.Degraded = append(r.Degraded, e.path(e.status.Message))
			case e.status.State == v1alpha1.StateUnknown:
				r.Paths.Unknown++
				if counts(e.status) {
					unknown = append(unknown, e)
				}
			default:
				r.Paths.Passing++
			}
		}
	}
	r.Causes = causesOf(failing, proofsOf(checks, around))
	r.Unknown = unknownOf(unknown)
	slices.Sort(r.Suspended)
	slices.SortFunc(r.Degraded, byAge)
	return r
}

// entries are the paths of a check; those whose status is about another
// generation of it have none.
func entries(c *v1alpha1.ConnectivityCheck) []entry {
	out := make([]entry, len(c.Spec.Paths))
	for i := range c.Spec.Paths {
		out[i] = entry{check: c, spec: &c.Spec.Paths[i]}
		if c.Status.ObservedGeneration != c.Generation {
			continue
		}
		at := slices.IndexFunc(c.Status.Paths, func(p v1alpha1.PathStatus) bool { return p.Name == out[i].spec.Name })
		if at >= 0 {
			out[i].status = &c.Status.Paths[at]
		}
	}
	return out
}

// counts is false for a path that has nothing to test on this cluster: it does
// not count in the condition Ready either.
func counts(p *v1alpha1.PathStatus) bool {
	return p.Reason != v1alpha1.ReasonNoOverlay && p.Reason != v1alpha1.ReasonNoClusterDNS
}

func byAge(a, b Path) int {
	return cmp.Or(a.Since.Compare(b.Since.Time), strings.Compare(a.String(), b.String()))
}

// causesOf groups paths that fail as the controller groups them.
func causesOf(failing []entry, proven proofs) []Cause {
	var found []causes.Found
	var of []*entry
	paths := make([]fromstatus.Path, len(failing))
	for i := range failing {
		paths[i] = fromstatus.Path{Check: failing[i].check, Spec: failing[i].spec, Status: failing[i].status}
	}
	nodes := fromstatus.Nodes(paths)
	for i := range failing {
		for _, f := range fromstatus.Found(&paths[i], nodes) {
			found, of = append(found, f), append(of, &failing[i])
		}
	}
	shared := causes.Shared(found)
	members := map[string][]*entry{}
	for i := range found {
		k := keyOf(found[i].Rung, causes.Object(found[i], shared))
		if !slices.Contains(members[k], of[i]) {
			members[k] = append(members[k], of[i])
		}
	}
	out := []Cause{}
	for _, c := range causes.All(found) {
		list := members[keyOf(c.Rung, c.Object)]
		if len(list) > 0 {
			out = append(out, causeOf(&c, list, proven))
		}
	}
	return out
}

func keyOf(rung v1alpha1.Rung, object string) string { return string(rung) + " " + object }

func causeOf(c *causes.Cause, list []*entry, proven proofs) Cause {
	slices.SortFunc(list, func(a, b *entry) int { return byAge(a.path(""), b.path("")) })
	first := list[0]
	out := Cause{
		Rung: c.Rung, Reason: c.Reason, Object: c.Object, Since: first.status.LastTransitionTime,
		Message: sentence(first.status), Checks: c.Checks, Ladder: ladderOf(c, list, proven),
	}
	for _, e := range list {
		out.Paths = append(out.Paths, e.path(sentence(e.status)))
	}
	out.Next = nextSteps(c, first)
	return out
}

// sentence about a path that fails: why, or else what is seen.
func sentence(p *v1alpha1.PathStatus) string {
	if p.Diagnosis != nil && p.Diagnosis.Message != "" {
		if p.Diagnosis.Rung == v1alpha1.RungUndetermined && p.Message != "" {
			return p.Message + "; " + p.Diagnosis.Message
		}
		return p.Diagnosis.Message
	}
	return p.Message
}

func unknownOf(list []entry) []Unknown {
	by := map[string]*Unknown{}
	var reasons []string
	for i := range list {
		e := &list[i]
		reason, message := ReasonNotJudged, "no controller has looked at it yet"
		if e.status != nil {
			reason, message = cmp.Or(e.status.Reason, string(e.status.State)), e.status.Message
		}
		if fresh := meta.FindStatusCondition(e.check.Status.Conditions, v1alpha1.ConditionFresh); fresh != nil &&
			fresh.Status == metav1.ConditionFalse && message == "" {
			message = fresh.Message
		}
		if by[reason] == nil {
			by[reason] = &Unknown{Reason: reason}
			reasons = append(reasons, reason)
		}
		by[reason].Paths = append(by[reason].Paths, e.path(message))
	}
	out := make([]Unknown, 0, len(reasons))
	for _, reason := range reasons {
		u := by[reason]
		slices.SortFunc(u.Paths, byAge)
		u.Since = u.Paths[0].Since
		out = append(out, *u)
	}
	slices.SortFunc(out, func(a, b Unknown) int {
		return cmp.Or(len(b.Paths)-len(a.Paths), strings.Compare(a.Reason, b.Reason))
	})
	return out
}

// Age is a time until now, as kubectl writes one.
func Age(since metav1.Time, now time.Time) string {
	if since.IsZero() {
		return "an unknown time"
	}
	d := max(now.Sub(since.Time), 0).Truncate(time.Second)
	switch {
	case d < 2*time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm%ds", int(d.Minutes()), int(d.Seconds())%60)
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh%dm", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%dd", int(d.Hours())/24)
}
