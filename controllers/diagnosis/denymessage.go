// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package diagnosis

import (
	"fmt"
	"strings"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/controllers/diagnosis/words"
)

// Open begins the message of a Deny path that something got through.
const Open = "open: "

const (
	// denyExpected ends it.
	denyExpected = "; this path expects Deny"
	// provenMessage is that of one that nothing gets through.
	provenMessage = "blocked, and proven: the targets listen, and the way to them works"
	// unprovenFor goes before the next step.
	unprovenFor = "so nothing proves that a policy blocks it"
)

// openMessage says who reached whom, and what those pairs have in common.
func (t *tally) openMessage() string {
	n := int(t.counts.Failing)
	var b strings.Builder
	b.WriteString(Open)
	shown := 0
	for i := range t.worst {
		w := &t.worst[i].show
		if w.State != v1alpha1.StateFailing || shown == maxNamed {
			continue
		}
		if shown > 0 {
			b.WriteString(", ")
		}
		b.WriteString(w.Source + " reached " + w.Target + seen(w.Verdict))
		shown++
	}
	switch {
	case shown == 0:
		fmt.Fprintf(&b, "%d pairs got through, which is not known, the reports have no room for them", n)
	case shown < n:
		fmt.Fprintf(&b, " and %d more", n-shown)
	}
	if common := t.failing.apartCommon(n, "open"); n > 1 && common != "" {
		b.WriteString("; " + common)
	}
	return cut(b.String(), maxMessage-len(denyExpected)) + denyExpected
}

// unprovenMessage says why it is not proven that the pairs are blocked: the
// most common reason first, each with one sentence.
func (t *tally) unprovenMessage() string {
	n := int(t.counts.Unknown)
	parts := make([]string, 0, len(t.reasons))
	for _, reason := range t.sortedReasons() {
		parts = append(parts, t.reasons[reason].sentence(reason, n))
	}
	return cut(fmt.Sprintf("%d of %d pairs %s not proven to be blocked: %s", n, t.counts.Total(),
		words.Plural(n, "is", "are"), strings.Join(parts, "; ")), maxMessage)
}

// sentence of one reason among n pairs.
func (b *because) sentence(reason string, n int) string {
	head := fmt.Sprintf("%d %s", b.pairs, reason)
	switch {
	case b.text != "" && n == 1:
		return b.text
	case b.text != "":
		return head + words.Plural(b.pairs, ": ", ", such as: ") + b.text
	case len(b.nodes) > 0:
		return head + " (" + b.named() + ")"
	}
	return head
}

// named are the nodes and pods that a reason is about.
func (b *because) named() string {
	if b.more {
		return strings.Join(b.nodes, ", ") + ", …"
	}
	return strings.Join(b.nodes, ", ")
}

// seen is a verdict in brackets.
func seen(v v1alpha1.Verdict) string {
	if v = verdictOf(v); v == "" {
		return ""
	}
	return " (" + string(v) + ")"
}

// targetOf names a target within a sentence.
func (j *judge) targetOf(t *tally, p *pair) string {
	uid := p.targetPod()
	w := j.in.Pods[uid]
	switch {
	case t.canary != "":
		return t.canaryName(p)
	case uid == "":
		return printable(p.aim(), maxTarget)
	case w == nil && t.foreign:
		return goneTarget
	case w == nil:
		return "the pod at " + printable(p.aim(), maxTarget)
	case j.hides(t, w.Namespace):
		return "a pod of namespace " + w.Namespace
	}
	return "pod " + j.podName(w.Namespace, w.Name)
}

// portOf names the port of a target pod within a sentence.
func portOf(p *pair) string {
	if p.target.Protocol == v1alpha1.ProtocolUDP {
		return fmt.Sprintf("UDP %d", p.target.Port)
	}
	return fmt.Sprintf("TCP %d", p.target.Port)
}

// notMade is what becomes of a pair whose proof a prober could not even try.
func notMade(node, target string, a answer) proof {
	next := "look at the prober's log"
	if a.entry.Verdict == v1alpha1.VerdictUnsupported {
		next = "run the probers with --level=Full, all of one version"
	}
	return proof{reason: v1alpha1.ReasonControlUnavailable, verdict: a.entry.Verdict, why: mask{node: node},
		text: fmt.Sprintf("the prober on node %s cannot tell (%s), so nothing proves that a policy blocks %s: %s",
			node, reasonOf(a.entry.Reason), target, next)}
}

// notPermitted: the check must not learn whether the target listens.
func (j *judge) notPermitted(namespaces []string) proof {
	which := "namespace " + namespaces[0] + " does"
	if len(namespaces) > 1 {
		which = "namespaces " + names(namespaces) + " do"
	}
	return proof{reason: v1alpha1.ReasonControlNotPermitted, text: fmt.Sprintf(
		"%s not disclose to namespace %s whether its pods listen, %s: label it %s=%s",
		which, j.in.Check.Namespace, unprovenFor, v1alpha1.LabelDiscloseTo, j.in.Check.Namespace)}
}
