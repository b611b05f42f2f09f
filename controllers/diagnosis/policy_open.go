// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package diagnosis

import (
	"cmp"
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/types"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/controllers/diagnosis/words"
	"github.com/netladder/netladder/controllers/policy"
)

// open says why something gets through that must not. Which of several endpoints
// was reached is not known: if policies admit to one of them, it may be that one.
func (e *explainer) open(asked []question) *cause {
	var admitted *question
	for i := range asked {
		q := &asked[i]
		if q.result.Verdict == policy.ImplementationDefined || q.result.Ingress.Exempt != "" || q.result.Egress.Exempt != "" {
			return nil
		}
		if q.result.Verdict == policy.Allow && admitted == nil {
			admitted = q
		}
	}
	switch {
	case admitted == nil:
		return e.notEnforced(asked)
	case len(admitted.result.Ingress.Isolating)+len(admitted.result.Egress.Isolating) == 0:
		return e.notIsolated(admitted)
	}
	return e.admitted(admitted)
}

// notIsolated: no policy is about either end.
func (e *explainer) notIsolated(q *question) *cause {
	var who []string
	var typos string
	for _, d := range q.decisions() {
		name, pod := q.subject(d)
		if pod == nil {
			continue
		}
		who = append(who, fmt.Sprintf("%s (%s)", name, strings.ToLower(string(d.Direction))))
		if typos == "" {
			typos = e.meant(pod, d.Direction)
		}
	}
	if len(who) == 0 {
		return nil
	}
	c := &cause{reason: v1alpha1.ReasonNoPolicyIsolates, key: typos}
	c.text = Open + "no policy isolates " + strings.Join(who, " or ") + typos
	return c
}

// admitted: policies are about an end, and a rule admits.
func (e *explainer) admitted(q *question) *cause {
	c := &cause{reason: v1alpha1.ReasonPolicyAdmits}
	var parts []string
	for _, d := range q.decisions() {
		name, pod := q.subject(d)
		switch {
		case d.Admitting != nil:
			c.policies = e.deciding(c.policies, d, d.Admitting.Policy)
			c.object = cmp.Or(c.object, e.policyObject(d.Admitting.Policy))
			parts = append(parts, fmt.Sprintf("%s admits it (%s)%s", e.policyNames([]types.NamespacedName{d.Admitting.Policy}), q.about(d), e.rule(q, d)))
		case pod != nil:
			parts = append(parts, fmt.Sprintf("no policy isolates %s (%s)", name, strings.ToLower(string(d.Direction)))+e.meant(pod, d.Direction))
		}
	}
	c.key = keyOf(c.policies)
	c.text = Open + strings.Join(parts, ", and ")
	return c
}

// rule that admits, as one finds it in the policy.
func (e *explainer) rule(q *question, d *policy.Decision) string {
	r := d.Admitting
	_, other := q.other(d)
	if e.secret(r.Policy.Namespace) || other != nil && e.secret(other.Key.Namespace) {
		return ""
	}
	side, peers := "ingress", "from"
	if d.Direction == policy.Egress {
		side, peers = "egress", "to"
	}
	if r.Peer < 0 {
		return fmt.Sprintf(" by spec.%s[%d], which is for everybody", side, r.Index)
	}
	return fmt.Sprintf(" by spec.%s[%d].%s[%d]", side, r.Index, peers, r.Peer)
}

// notEnforced: policies deny, and did so for some time. The connection was made,
// so the target listens.
func (e *explainer) notEnforced(asked []question) *cause {
	q := &asked[0]
	c := &cause{reason: v1alpha1.ReasonPolicyNotEnforced}
	var parts []string
	for _, d := range q.decisions() {
		if d.Verdict != policy.Deny {
			continue
		}
		c.policies = e.deciding(c.policies, d, d.Isolating...)
		c.object = cmp.Or(c.object, e.policyObject(d.Isolating[0]))
		parts = append(parts, fmt.Sprintf("%s (%s)", e.policyNames(d.Isolating), q.about(d)))
	}
	denies := strings.Join(parts, " and ") + words.Plural(len(c.policies), " denies it", " deny it")
	if change := e.changed(asked); !change.at.IsZero() {
		c.reason, c.text = v1alpha1.ReasonPolicyProgrammingSlow, Open+denies+", and "+e.soon(change)
		c.key = keyOf(c.policies)
		return c
	}
	// Behind a Service it was one of the endpoints, on a node that is not known.
	if len(asked) == 1 {
		c.unenforced = e.enforcers(q)
	}
	c.key = keyOf(c.policies)
	if c.text = Open + denies; len(c.unenforced) == 0 {
		c.text += ", and policies are not enforced: see whether the network plugin enforces NetworkPolicies"
	}
	return c
}

// enforcers are the nodes on which a policy should have denied.
func (e *explainer) enforcers(q *question) []string {
	var out []string
	for _, d := range q.decisions() {
		name, pod := q.subject(d)
		switch {
		case d.Verdict != policy.Deny || pod == nil:
		case e.secret(pod.Key.Namespace) && d.Direction == policy.Ingress:
			out = append(out, "the node of "+name)
		default:
			out = append(out, pod.Node)
		}
	}
	return out
}
