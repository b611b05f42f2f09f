// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/selection"
)

// miss puts a candidate into words.
func (q *question) miss(c *candidate) *Miss {
	m := &Miss{Rule: c.rule.ref}
	if c.peer != nil {
		m.Rule = c.peer.ref
	}
	switch c.tier {
	case tierNone:
		m.Clause = c.ports
		m.Wants, m.Got = q.portText(c.rule.ports, c.ports)
	case tierPods:
		m.Clause = ClausePodSelector
		m.Wants, m.Got = selectorText(c.peer.pods, q.pod.Labels)
	case tierNamespace, tierBothSelectors:
		m.Clause = ClauseNamespaceSelector
		m.Wants, m.Got = q.namespaceText(c.peer)
		if c.tier == tierBothSelectors {
			m.Also = append(m.Also, ClausePodSelector)
		}
	case tierExcept:
		m.Clause = ClauseExcept
		b := c.peer.block
		m.Wants, m.Got = fmt.Sprintf("%s except %s", b.text, b.except[b.exception(q.ip)].text), q.address()
	default:
		m.Clause, m.Wants = q.foreign(c.peer)
		if m.Got = q.address(); c.peer.block == nil && q.pod == nil && q.node != "" {
			m.Got = "node " + q.node
		}
	}
	if c.tier != tierNone && c.ports != "" {
		m.Also = append(m.Also, c.ports)
	}
	m.Wants, m.Got = clip(m.Wants, MaxText), clip(m.Got, MaxText)
	return m
}

// portText says what a rule's ports want; where it is only about the protocol,
// the entries that have the port.
func (q *question) portText(ports []port, clause Clause) (wants, got string) {
	var texts []string
	for i := range ports {
		if clause != ClauseProtocol || q.otherProtocol(ports[i]) {
			texts = append(texts, q.entryText(&ports[i]))
		}
	}
	return list(texts, ", "), fmt.Sprintf("%s %d", q.protocol, q.port)
}

func (q *question) entryText(p *port) string {
	switch {
	case p.broken:
		return "an invalid port"
	case p.name != "":
		return fmt.Sprintf("%s %s (%s)", p.protocol, p.name, q.named(p))
	case p.first == 0:
		return fmt.Sprintf("any %s port", p.protocol)
	case p.first == p.last:
		return fmt.Sprintf("%s %d", p.protocol, p.first)
	}
	return fmt.Sprintf("%s %d to %d", p.protocol, p.first, p.last)
}

// named says which ports of the destination have the name of an entry.
func (q *question) named(p *port) string {
	var numbers []string
	if q.target != nil {
		for i := range q.target.Ports {
			if c := &q.target.Ports[i]; c.Name == p.name && string(c.Protocol) == p.protocol {
				numbers = append(numbers, fmt.Sprint(c.Port))
			}
		}
	}
	if len(numbers) == 0 {
		return "no such port there"
	}
	return list(numbers, ", ") + " there"
}

func (q *question) namespaceText(p *peer) (wants, got string) {
	if p.namespaces == nil {
		return "namespace " + p.ref.Policy.Namespace, "namespace " + q.pod.Key.Namespace
	}
	return selectorText(p.namespaces, q.namespace)
}

// selectorText says which requirements are not met, and what there is instead
// under their keys.
func selectorText(s labels.Selector, set labels.Set) (wants, got string) {
	var want, have []string
	for r := range unmet(s, set) {
		want = append(want, requirementText(r))
		if value, ok := set[r.Key()]; ok {
			have = append(have, r.Key()+"="+value)
		} else {
			have = append(have, "no label "+r.Key())
		}
	}
	for _, texts := range []*[]string{&want, &have} {
		slices.Sort(*texts)
		*texts = slices.Compact(*texts)
	}
	return list(want, ","), list(have, ", ")
}

func requirementText(r *labels.Requirement) string {
	values := r.ValuesUnsorted()
	switch r.Operator() {
	case selection.Exists:
		return "a label " + r.Key()
	case selection.DoesNotExist:
		return "no label " + r.Key()
	case selection.NotIn, selection.NotEquals:
		return r.Key() + " not in (" + list(values, ",") + ")"
	}
	if len(values) == 1 {
		return r.Key() + "=" + values[0]
	}
	return r.Key() + " in (" + list(values, ",") + ")"
}

// foreign says what a peer wants that the far end never has.
func (q *question) foreign(p *peer) (Clause, string) {
	switch {
	case p.broken == ClauseCIDR:
		return ClauseCIDR, "an invalid ipBlock"
	case p.broken != "":
		return p.broken, "an invalid selector"
	case p.block != nil:
		return ClauseCIDR, p.block.text
	}
	text := "a pod"
	if p.pods != nil && !p.pods.Empty() {
		text += " with " + allText(p.pods)
	}
	switch {
	case p.namespaces == nil:
		text += " in namespace " + p.ref.Policy.Namespace
	case !p.namespaces.Empty():
		text += " in a namespace with " + allText(p.namespaces)
	}
	if p.pods != nil {
		return ClausePodSelector, text
	}
	return ClauseNamespaceSelector, text
}

// allText is all that a selector requires.
func allText(s labels.Selector) string {
	all, _ := s.Requirements()
	texts := make([]string, 0, len(all))
	for i := range all {
		texts = append(texts, requirementText(&all[i]))
	}
	slices.Sort(texts)
	return list(texts, ",")
}

func (q *question) address() string {
	if !q.ip.IsValid() {
		return "an address that is not known"
	}
	return q.ip.String()
}

// maxItem is how long one of several things is at most, in bytes.
const maxItem = 100

// list joins texts as long as they fit, and says how many did not.
func list(texts []string, separator string) string {
	var out strings.Builder
	for i, text := range texts {
		text = clip(text, maxItem)
		if out.Len() > 0 && out.Len()+len(separator)+len(text) > MaxText-len(" and 10000 more") {
			fmt.Fprintf(&out, " and %d more", len(texts)-i)
			break
		}
		if i > 0 {
			out.WriteString(separator)
		}
		out.WriteString(text)
	}
	return out.String()
}

// clip makes a text printable and bounds its length.
func clip(text string, limit int) string {
	const cut = "..."
	if len(text) > limit {
		text = text[:limit-len(cut)] + cut
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, text)
}
