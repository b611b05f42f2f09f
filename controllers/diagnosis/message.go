// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package diagnosis

import (
	"fmt"
	"slices"
	"strings"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/controllers/diagnosis/words"
)

// failingMessage says which pairs fail and what they have in common, and no
// more than the results prove.
func (t *tally) failingMessage(sources int) string {
	c := t.counts
	var b strings.Builder
	b.WriteString(t.common(sources))
	b.WriteString(": ")
	b.WriteString(t.examples(v1alpha1.StateFailing, int(c.Failing)))
	if c.Passing > 0 && c.Passing+c.Failing == c.Total() {
		fmt.Fprintf(&b, "; %s", words.Plural(int(c.Passing), "the other pair passes", "the other %d pairs pass"))
	}
	return cut(b.String(), maxMessage)
}

// common says what all failing pairs have in common.
func (t *tally) common(sources int) string {
	n := int(t.counts.Failing)
	f := &t.failing
	target, toTarget := most(f.byTarget)
	switch {
	case n == 1 && t.counts.Total() == 1:
		return "the only pair fails"
	case n == 1:
		return fmt.Sprintf("1 of %d pairs fails", t.counts.Total())
	case toTarget == n && !f.mesh && !f.apart && n == sources:
		return fmt.Sprintf("from all %d nodes to %s", n, printable(target, maxTarget))
	case n == int(t.counts.Total()):
		return fmt.Sprintf("all %d pairs fail", n)
	}
	if f.apart {
		if what := f.apartCommon(n, "failing"); what != "" {
			return what
		}
		return fmt.Sprintf("%d of %d pairs fail", n, t.counts.Total())
	}
	var nodes []string
	for node, pairs := range f.byNode {
		if pairs == n {
			nodes = append(nodes, node)
		}
	}
	switch {
	case len(nodes) == 1 && f.bySource[nodes[0]] == n:
		return fmt.Sprintf("all %d failing pairs start at %s", n, nodes[0])
	case len(nodes) == 1 && f.byTarget[nodes[0]] == n:
		return fmt.Sprintf("all %d failing pairs aim at %s", n, nodes[0])
	case len(nodes) == 1:
		return fmt.Sprintf("all %d failing pairs involve %s", n, nodes[0])
	case len(nodes) == 2:
		return fmt.Sprintf("all %d failing pairs are between %s and %s", n, min(nodes[0], nodes[1]), max(nodes[0], nodes[1]))
	case toTarget == n && !f.mesh:
		return fmt.Sprintf("all %d failing pairs aim at %s", n, printable(target, maxTarget))
	}
	return fmt.Sprintf("%d of %d pairs fail", n, t.counts.Total())
}

// apartCommon says what n pairs have in common that start in pods or aim at
// what is on nodes; nothing if that is nothing.
func (f *involved) apartCommon(n int, which string) string {
	source, fromSource := most(f.bySource)
	target, toTarget := most(f.byTarget)
	from, fromNode := most(f.fromNode)
	to, toNode := most(f.toNode)
	var all []string
	for node, pairs := range f.byNode {
		if pairs == n {
			all = append(all, node)
		}
	}
	slices.Sort(all)
	switch {
	case fromSource == n && toTarget == n:
		return ""
	case fromSource == n:
		return fmt.Sprintf("all %d %s pairs start at %s", n, which, source)
	case toTarget == n:
		return fmt.Sprintf("all %d %s pairs aim at %s", n, which, target)
	case len(all) == 2:
		return fmt.Sprintf("all %d %s pairs are between nodes %s and %s", n, which, all[0], all[1])
	case fromNode == n:
		return fmt.Sprintf("all %d %s pairs start on node %q", n, which, from)
	case toNode == n:
		return fmt.Sprintf("all %d %s pairs aim at node %q", n, which, to)
	case len(all) == 1:
		return fmt.Sprintf("all %d %s pairs involve node %q", n, which, all[0])
	}
	return ""
}

// most returns the key with the greatest count, by name among equals.
func most(counts map[string]int) (string, int) {
	best, n := "", 0
	for k, c := range counts {
		if c > n || c == n && k < best {
			best, n = k, c
		}
	}
	return best, n
}

// examples names the worst pairs of a state, of n in all.
func (t *tally) examples(s v1alpha1.State, n int) string {
	var b strings.Builder
	shown := 0
	for i := range t.worst {
		w := &t.worst[i].show
		if w.State != s || shown == maxNamed {
			continue
		}
		if shown > 0 {
			b.WriteString(", ")
		}
		b.WriteString(w.Source + "→" + w.Target)
		if w.Verdict != "" {
			b.WriteString(" " + string(w.Verdict))
		}
		// Who rejected stands in the evidence, and which nameserver was asked.
		telling := n == 1 || shown == 0 && (t.failing.apart || isLookup(w.Verdict))
		if telling && w.Evidence != "" {
			b.WriteString(" (" + w.Evidence + ")")
		}
		shown++
	}
	switch {
	case shown == 0:
		b.WriteString("which pairs is not known, the reports have no room for them")
	case shown < n:
		fmt.Fprintf(&b, " and %d more", n-shown)
	}
	return b.String()
}

// isLookup is true for what a lookup may end with.
func isLookup(v v1alpha1.Verdict) bool { return strings.HasPrefix(string(v), "DNS") }

func (t *tally) degradedMessage() string {
	n := int(t.counts.Degraded)
	if t.deny {
		return cut(fmt.Sprintf("%d of %d pairs %s open now and then, in at least one round in ten: %s", n, t.counts.Total(),
			words.Plural(n, "is", "are"), t.examples(v1alpha1.StateDegraded, n)), maxMessage)
	}
	message := fmt.Sprintf("%d of %d pairs %s slow or lossy: %s", n, t.counts.Total(),
		words.Plural(n, "is", "are"), t.examples(v1alpha1.StateDegraded, n))
	if t.queries > 1 {
		message += "; " + t.lookupMessage()
	}
	return cut(message, maxMessage)
}

// unknownMessage gives the reasons, the most common first, with the nodes
// they are about.
func (t *tally) unknownMessage() string {
	var b strings.Builder
	b.WriteString("nothing is known of " + words.Plural(int(t.counts.Total()), "the only pair", "any of %d pairs") + ": ")
	for i, reason := range t.sortedReasons() {
		if i > 0 {
			b.WriteString(", ")
		}
		why := t.reasons[reason]
		fmt.Fprintf(&b, "%d %s", why.pairs, reason)
		if len(why.nodes) > 0 {
			b.WriteString(" (" + why.named() + ")")
		}
	}
	if t.counts.Pending > 0 {
		fmt.Fprintf(&b, ", %d %s", t.counts.Pending, v1alpha1.ReasonPending)
	}
	if why := t.reasons[t.mainReason()]; why != nil && why.text != "" {
		fmt.Fprintf(&b, "; %s→%s: %s", why.source, why.target, why.text)
	}
	return cut(b.String(), maxMessage)
}

func (t *tally) pendingMessage() string {
	switch {
	case !t.deny && t.counts.Passing+t.counts.Degraded > 0:
		return "not all pairs have a result yet" // how many, the counts say
	case t.unassigned > 0:
		return fmt.Sprintf("not yet assigned to %s", words.Plural(t.unassigned, "1 node", "%d nodes"))
	case t.waiting > 0:
		return "nothing got through, and the proof that something blocks it is still to come"
	}
	return "assigned, and not attempted yet"
}

func (t *tally) passingMessage() string {
	switch left := t.leftOutMessage(); {
	case !t.deny && left != "" && t.queries > 1:
		return t.lookupMessage() + "; " + left
	case !t.deny && t.queries > 1:
		return t.lookupMessage()
	case !t.deny:
		return left
	case left != "":
		return provenMessage + "; " + left
	}
	return provenMessage
}

func (t *tally) leftOutMessage() string {
	if len(t.leftOut) == 0 {
		return ""
	}
	return "fewer pairs than asked for are tested from " + names(t.leftOut) + ": the assignment is at its size limit"
}

// names lists nodes, as many as a sentence can bear.
func names(nodes []string) string {
	if len(nodes) <= maxNamed {
		return strings.Join(nodes, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(nodes[:maxNamed], ", "), len(nodes)-maxNamed)
}
