// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package diagnosis

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/controllers/plan"
	"github.com/netladder/netladder/controllers/policy"
)

// maxPolicyNames is how many policies a sentence names for one direction.
const maxPolicyNames = 3

// secret is true for a namespace of which this check is shown no more than the
// name, whatever a path aims at.
func (j *judge) secret(namespace string) bool {
	return j.in.Check.Namespace != j.in.Settings.Namespace && namespace != j.in.Check.Namespace && !j.in.Disclosing[namespace]
}

// subject is the end that a decision is about, in words, and its pod.
func (q *question) subject(d *policy.Decision) (string, *plan.Pod) {
	if d.Direction == policy.Ingress {
		return q.flow.destination, q.flow.Destination.Pod
	}
	return q.flow.source, q.flow.Source.Pod
}

// other is the end at the other side of a decision.
func (q *question) other(d *policy.Decision) (string, *plan.Pod) {
	if d.Direction == policy.Ingress {
		return q.flow.source, q.flow.Source.Pod
	}
	return q.flow.destination, q.flow.Destination.Pod
}

// about is what a decision is about: "ingress to db-0".
func (q *question) about(d *policy.Decision) string {
	name, _ := q.subject(d)
	if d.Direction == policy.Ingress {
		return "ingress to " + name
	}
	if q.flow.lookup {
		// What such a path aims at is a name: which way is cut has to be said.
		port := q.flow.Port
		if q.flow.Service.IsValid() {
			port = int32(q.flow.Service.Port())
		}
		return fmt.Sprintf("egress from %s to %s on %s %d", name, q.flow.destination, q.flow.Protocol, port)
	}
	return "egress from " + name
}

// policyNames lists policies, all of one namespace, as far as they may be named.
func (e *explainer) policyNames(list []types.NamespacedName) string {
	if len(list) == 0 {
		return ""
	}
	if namespace := list[0].Namespace; e.secret(namespace) {
		return "a policy of namespace " + namespace
	}
	parts := make([]string, 0, maxPolicyNames)
	for _, p := range list[:min(len(list), maxPolicyNames)] {
		parts = append(parts, p.String())
	}
	text := strings.Join(parts, ", ")
	if more := len(list) - maxPolicyNames; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

// policyObject is a policy as the object of a cause.
func (e *explainer) policyObject(key types.NamespacedName) string {
	if e.secret(key.Namespace) {
		key.Name = "*"
	}
	return "NetworkPolicy " + key.String()
}

// deciding adds policies to those that are listed, as far as they may be.
func (e *explainer) deciding(to []v1alpha1.DecidingPolicy, d *policy.Decision, list ...types.NamespacedName) []v1alpha1.DecidingPolicy {
	for _, key := range list {
		p := v1alpha1.DecidingPolicy{Namespace: key.Namespace, Direction: v1alpha1.PolicyDirection(d.Direction)}
		if !e.secret(key.Namespace) {
			p.Name = key.Name
			if object := e.index.Policy(key); object != nil {
				p.ManagedBy = printable(policy.ManagedBy(object), maxEvidence)
			}
		}
		if len(to) < maxPolicies && !slices.Contains(to, p) {
			to = append(to, p)
		}
	}
	return to
}

// keyOf tells causes apart by the policies that decide.
func keyOf(policies []v1alpha1.DecidingPolicy) string {
	var b strings.Builder
	for _, p := range policies {
		fmt.Fprintf(&b, "%s %s/%s,", p.Direction, p.Namespace, p.Name)
	}
	return b.String()
}

// clock is a time as a sentence has it.
func clockTime(t time.Time) string { return t.UTC().Format("15:04:05") + " UTC" }
