// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package diagnosis

import (
	"fmt"
	"slices"
	"time"

	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/controllers/plan"
	"github.com/netladder/netladder/controllers/policy"
)

// change of something that decides.
type change struct {
	at time.Time
	// what changed, in words.
	what string
	// decision that it is about, and the policy where it is one.
	decision *policy.Decision
	policy   types.NamespacedName
}

// later keeps the last of the changes that the plugin may not have followed yet.
func (e *explainer) later(a *change, b change) {
	over := b.at.Add(ProgrammingTime)
	if b.at.IsZero() || b.at.After(e.in.Now) || !e.in.Now.Before(over) {
		return
	}
	if a.at.Before(b.at) {
		*a = b
	}
}

// changed is the last of what changed of late among what decides; zero if
// nothing did.
func (e *explainer) changed(asked []question) change {
	var last change
	for i := range asked {
		q := &asked[i]
		for _, d := range q.decisions() {
			if _, pod := q.subject(d); pod != nil {
				e.changedFor(&last, q, d, pod)
			}
		}
	}
	if !last.at.IsZero() {
		e.wakeAt(last.at.Add(ProgrammingTime))
	}
	return last
}

func (e *explainer) changedFor(last *change, q *question, d *policy.Decision, pod *plan.Pod) {
	isolated := len(d.Isolating) > 0
	for _, c := range e.view.PolicyChanges(pod.Key.Namespace) {
		if !selects(c.Before, pod, d.Direction) && !selects(c.After, pod, d.Direction) {
			continue
		}
		isolated = true
		changed := c.After
		verb := "changed"
		switch {
		case c.After == nil:
			changed, verb = c.Before, "was deleted"
		case c.Before == nil:
			verb = "was created"
		}
		key := types.NamespacedName{Namespace: changed.Namespace, Name: changed.Name}
		e.later(last, change{at: c.At, what: e.policyNames([]types.NamespacedName{key}) + " " + verb, decision: d, policy: key})
	}
	if !isolated {
		return
	}
	for _, end := range []func(*policy.Decision) (string, *plan.Pod){q.subject, q.other} {
		name, pod := end(d)
		if pod == nil {
			continue
		}
		note := func(at time.Time, what string) {
			if e.secret(pod.Key.Namespace) {
				what = "something in namespace " + pod.Key.Namespace + " changed"
			}
			e.later(last, change{at: at, what: what, decision: d})
		}
		note(e.view.PodChangedAt(pod.UID), "the labels or addresses of "+name+" changed")
		note(e.view.NamespaceChangedAt(pod.Key.Namespace), "the labels of namespace "+pod.Key.Namespace+" changed")
		if facts := e.in.Pods[string(pod.UID)]; facts != nil {
			note(facts.StartedAt, name+" started")
		}
	}
}

// selects says whether a policy, which may be nil, isolates a pod in a direction.
func selects(p *networkingv1.NetworkPolicy, pod *plan.Pod, d policy.Direction) bool {
	if p == nil || !isolates(p, d) {
		return false
	}
	selector, err := metav1.LabelSelectorAsSelector(&p.Spec.PodSelector)
	return err == nil && selector.Matches(labels.Set(pod.Labels))
}

// soon says what changed, and by when the plugin should have followed.
func (e *explainer) soon(c change) string {
	return fmt.Sprintf("%s at %s: the network plugin may not have followed yet; look again after %s",
		c.what, clockTime(c.at), clockTime(c.at.Add(ProgrammingTime)))
}

// admittedNow: policies admit what does not get through, which says nothing
// unless something that decides changed a moment ago.
func (e *explainer) admittedNow(asked []question) *cause {
	if slices.ContainsFunc(asked, func(q question) bool { return q.result.Verdict != policy.Allow }) {
		return nil
	}
	last := e.changed(asked)
	if last.at.IsZero() {
		return nil
	}
	c := &cause{reason: v1alpha1.ReasonPolicyProgrammingSlow, text: "policies admit this now, and " + e.soon(last)}
	if last.policy.Name != "" && e.index.Policy(last.policy) != nil {
		c.policies, c.object = e.deciding(nil, last.decision, last.policy), e.policyObject(last.policy)
	}
	c.key = keyOf(c.policies)
	return c
}
