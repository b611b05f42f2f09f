// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package draft

import (
	"fmt"

	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/netladder/netladder/controllers/policy"
)

// admitted says which rules admit a connection; empty if nothing isolates, so
// that nothing was meant.
func (d *drafter) admitted(r *policy.Result) string {
	var parts []string
	for _, each := range []policy.Decision{r.Egress, r.Ingress} {
		if each.Admitting != nil {
			parts = append(parts, d.shortName(each.Admitting)+" "+clause(each.Direction, each.Admitting))
		}
	}
	switch len(parts) {
	case 0:
		return ""
	case 1:
		return parts[0] + " admits it"
	}
	return joined(parts) + " admit it"
}

// denied says which policies isolate, and that no rule admits.
func (d *drafter) denied(r *policy.Result) string {
	var parts []string
	for _, each := range []policy.Decision{r.Egress, r.Ingress} {
		if each.Verdict != policy.Deny {
			continue
		}
		end := "target"
		if each.Direction == policy.Egress {
			end = "source"
		}
		parts = append(parts, fmt.Sprintf("%s isolate the %s and admit no such connection", d.policies(each.Isolating), end))
		if len(each.Isolating) == 1 {
			parts[len(parts)-1] = fmt.Sprintf("%s isolates the %s and admits no such connection", d.policies(each.Isolating), end)
		}
	}
	return joined(parts)
}

func (d *drafter) policies(list []types.NamespacedName) string {
	var names []string
	for _, key := range list {
		names = append(names, d.shortName(&policy.Rule{Policy: key}))
	}
	return joined(names)
}

// clause as one finds it in the policy.
func clause(direction policy.Direction, r *policy.Rule) string {
	side, peers := "ingress", "from"
	if direction == policy.Egress {
		side, peers = "egress", "to"
	}
	text := fmt.Sprintf("spec.%s[%d]", side, r.Index)
	if r.Peer >= 0 {
		text += fmt.Sprintf(".%s[%d]", peers, r.Peer)
	}
	return text
}

// contradiction says so where the policies of one end admit by name what those
// of the other deny; empty elsewhere. What is admitted to everybody is none.
func (d *drafter) contradiction(r *policy.Result) string {
	admits, denies := &r.Egress, &r.Ingress
	if admits.Admitting == nil {
		admits, denies = denies, admits
	}
	if admits.Admitting == nil || denies.Verdict != policy.Deny || !d.specific(admits.Admitting, admits.Direction) {
		return ""
	}
	verb := "does"
	if len(denies.Isolating) > 1 {
		verb = "do"
	}
	return fmt.Sprintf("%s %s admits it, and %s %s not", d.shortName(admits.Admitting), clause(admits.Direction, admits.Admitting), d.policies(denies.Isolating), verb)
}

// specific is true for a rule that names the other end by some label, and not
// just a whole namespace of everybody.
func (d *drafter) specific(r *policy.Rule, direction policy.Direction) bool {
	object := d.index.Policy(r.Policy)
	if object == nil || r.Peer < 0 {
		return false
	}
	var peers []networkingv1.NetworkPolicyPeer
	switch {
	case direction == policy.Ingress && r.Index < len(object.Spec.Ingress):
		peers = object.Spec.Ingress[r.Index].From
	case direction == policy.Egress && r.Index < len(object.Spec.Egress):
		peers = object.Spec.Egress[r.Index].To
	}
	if r.Peer >= len(peers) {
		return false
	}
	p := &peers[r.Peer]
	return names(p.PodSelector) || names(p.NamespaceSelector)
}

func names(s *metav1.LabelSelector) bool {
	return s != nil && len(s.MatchLabels)+len(s.MatchExpressions) > 0
}
