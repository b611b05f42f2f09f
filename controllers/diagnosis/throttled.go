// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package diagnosis

import (
	"fmt"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/controllers/diagnosis/words"
	"github.com/netladder/netladder/controllers/plan"
)

// pace is how often a path is tested.
type pace struct {
	// planned is the interval that the plan has for every source.
	planned time.Duration
	// why it is longer than the check asks for; empty if it is not.
	why string
	// nodes that are assigned a longer one still, and the longest.
	nodes   map[string]bool
	longest time.Duration
}

// asked is the interval that the check asks for.
func (j *judge) asked() time.Duration {
	if d := j.in.Check.Spec.Interval.Duration; d > 0 {
		return d
	}
	return plan.DefaultInterval
}

func (j *judge) paceOf(r *plan.ResolvedPath) pace {
	p := pace{planned: j.asked()}
	if r != nil && r.Stretched != nil {
		p.planned, p.why = r.Stretched.Interval, r.Stretched.Why
	}
	return p
}

// note what a source is assigned.
func (p *pace) note(node string, interval time.Duration) {
	if interval <= p.planned {
		return
	}
	if p.nodes == nil {
		p.nodes = map[string]bool{}
	}
	p.nodes[node], p.longest = true, max(p.longest, interval)
}

// text says how often the path is tested and why; empty if as often as the
// check asks for.
func (p *pace) text() string {
	out := ""
	if p.why != "" {
		out = fmt.Sprintf(" every %s, because %s", short(p.planned), p.why)
	}
	if len(p.nodes) == 0 {
		return out
	}
	if out != "" {
		out += ", and"
	}
	return out + fmt.Sprintf(" every %s from %d %s, because a node may start only so many probes per second for one namespace and in all",
		short(p.longest), len(p.nodes), words.Plural(len(p.nodes), "node", "nodes"))
}

// throttled says which paths are tested less often than the check asks for;
// nil if none is.
func (j *judge) throttled(paths []*tally) *metav1.Condition {
	if j.in.Check.Spec.Suspend {
		return nil
	}
	var slow []string
	for _, t := range paths {
		if text := t.pace.text(); text != "" {
			slow = append(slow, t.status.Name+text)
		}
	}
	if len(slow) == 0 {
		return nil
	}
	message := fmt.Sprintf("%d of %d paths %s tested less often than every %s: ", len(slow), len(paths),
		words.Plural(len(slow), "is", "are"), short(j.asked()))
	more := ""
	if n := len(slow) - maxExplained; n > 0 {
		slow, more = slow[:maxExplained], fmt.Sprintf("; and %d more", n)
	}
	return &metav1.Condition{
		Type: v1alpha1.ConditionThrottled, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonIntervalStretched,
		Message: message + printable(strings.Join(slow, "; "), maxMessage-len(message)-len(more)) + more,
	}
}

// short writes a duration without the zeros at its end.
func short(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}
