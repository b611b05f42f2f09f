// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package diagnosis

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/types"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/controllers/diagnosis/words"
	"github.com/netladder/netladder/controllers/policy"
)

// denied says why nothing gets through that must. Of several endpoints, all
// must be denied: else it may be another one that does not answer.
func (e *explainer) denied(asked []question) *cause {
	for i := range asked {
		switch asked[i].result.Verdict {
		case policy.Deny:
			if !slices.ContainsFunc(asked[i].decisions(), func(d *policy.Decision) bool { return e.enforced(&asked[i], d) }) {
				return nil
			}
		case policy.Allow:
			return e.admittedNow(asked)
		default:
			return nil
		}
	}
	q := &asked[0]
	c := &cause{reason: v1alpha1.ReasonPolicyDenies}
	var parts []string
	for _, d := range q.decisions() {
		if e.enforced(q, d) {
			c.policies = e.deciding(c.policies, d, d.Isolating...)
			text, first := e.denial(q, d)
			parts = append(parts, text)
			c.object = cmp.Or(c.object, e.policyObject(first))
		}
	}
	c.key = keyOf(c.policies)
	c.text = "denied by " + strings.Join(parts, "; and by ")
	return c
}

// enforced is true for a denial, unless the canary pod of the node where it
// should happen shows that policies are not enforced there: then something else
// is why.
func (e *explainer) enforced(q *question, d *policy.Decision) bool {
	_, pod := q.subject(d)
	return d.Verdict == policy.Deny && (pod == nil || !e.in.NotEnforcing[v1alpha1.PolicyDirection(d.Direction)][pod.Node])
}

// denial names the policies that deny in one direction, and the rule that is
// the nearest to admitting; first is the one that it names first.
func (e *explainer) denial(q *question, d *policy.Decision) (text string, first types.NamespacedName) {
	by := d.Isolating
	near := e.nearest(q, d)
	if near != "" && len(by) > 1 {
		by = slices.DeleteFunc(slices.Clone(by), func(p types.NamespacedName) bool { return p == d.Nearest.Policy })
	}
	text = fmt.Sprintf("%s (%s)", e.policyNames(by), q.about(d))
	switch {
	case near != "":
		text += "; nearest rule: " + near
	case d.Nearest == nil && !e.secret(d.Isolating[0].Namespace):
		text += words.Plural(len(by), ", which admits nothing", ", which admit nothing")
	}
	return text, by[0]
}

// nearest is the rule that missed by the least. Nothing is said of it where that
// would tell of the labels or ports of a pod that this check must not learn of.
func (e *explainer) nearest(q *question, d *policy.Decision) string {
	m := d.Nearest
	if m == nil || m.Policy.Name == "" || e.secret(m.Policy.Namespace) {
		return ""
	}
	other, pod := q.other(d)
	if pod != nil && e.secret(pod.Key.Namespace) {
		return ""
	}
	var text string
	switch m.Clause {
	case policy.ClausePort, policy.ClauseProtocol:
		text = fmt.Sprintf("%s admits %s, this is %s", m.Policy.Name, m.Wants, m.Got)
	case policy.ClauseCIDR, policy.ClauseExcept:
		text = fmt.Sprintf("%s admits %s, this is %s", m.Policy.Name, m.Wants, m.Got)
	case policy.ClauseNamespaceSelector:
		text = fmt.Sprintf("%s requires %s of the namespace, that of %s has %s", m.Policy.Name, m.Wants, other, m.Got)
		if rest, ok := strings.CutPrefix(m.Got, "namespace "); ok {
			text = fmt.Sprintf("%s admits only %s, %s is in %s", m.Policy.Name, m.Wants, other, rest)
		}
	default:
		text = fmt.Sprintf("%s requires %s, %s has %s", m.Policy.Name, m.Wants, other, m.Got)
	}
	if pod == nil && (m.Clause == policy.ClausePodSelector || m.Clause == policy.ClauseNamespaceSelector) {
		text = fmt.Sprintf("%s admits %s, this is %s", m.Policy.Name, m.Wants, m.Got)
	}
	if len(m.Also) > 0 {
		also := make([]string, len(m.Also))
		for i, clause := range m.Also {
			also[i] = string(clause)
		}
		text += ", and misses by its " + strings.Join(also, " and ") + " too"
	}
	return text
}
