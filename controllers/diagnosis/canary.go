// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package diagnosis

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/controllers/plan"
)

// CanaryPolicies is what is known of the policies around the canary pods.
type CanaryPolicies struct {
	// Since is when the policy that isolates them was created, or the Doubts last
	// changed; zero if that is not known.
	Since time.Time
	// Doubts say, for each direction in which the canary pods say nothing about
	// enforcement, which policy is why.
	Doubts map[v1alpha1.PolicyDirection]string
}

// Enforcement is what a path to the canary pods says of the nodes.
type Enforcement struct {
	// Path and Direction that were tested.
	Path      string
	Direction v1alpha1.PolicyDirection
	// Enforced, NotEnforced, Inconclusive and Pending count nodes.
	Enforced, NotEnforced, Inconclusive, Pending int
	// Nodes that do not enforce, sorted.
	Nodes []string
}

// noteNode counts a node by what it added to the counts of its path. A policy
// that lets something through now and then is not enforced.
func (e *Enforcement) noteNode(name string, before, after v1alpha1.PairCounts) {
	switch {
	case after.Failing+after.Degraded > before.Failing+before.Degraded:
		e.NotEnforced++
		e.Nodes = append(e.Nodes, name)
	case after.Unknown > before.Unknown:
		e.Inconclusive++
	case after.Pending > before.Pending:
		e.Pending++
	default:
		e.Enforced++
	}
}

// noteLacking counts the nodes that have no canary pod to test.
func (j *judge) noteLacking(t *tally, r *plan.ResolvedPath) {
	for _, name := range r.Lacking {
		before := t.counts
		switch m := j.nodeMask(name, j.in.Nodes[name]); {
		case m.active():
			t.unknown(m, 1)
		case j.mayCome(t.previous, v1alpha1.ReasonCanaryNotReady):
			t.counts.Pending++
			t.unassigned++
		default:
			t.unknown(mask{reason: v1alpha1.ReasonCanaryNotReady, node: name}, 1)
		}
		t.enforcement.noteNode(name, before, t.counts)
	}
}

// findCanary says what the nodes make of a path to the canary pods. Each speaks
// for itself, so one that is away takes nothing from the others; one that is
// there and proves nothing does.
func (j *judge) findCanary(t *tally) finding {
	c := t.counts
	switch doubt := j.in.Canary.Doubts[t.canary]; {
	case doubt != "":
		*t.enforcement = Enforcement{Path: t.enforcement.Path, Direction: t.canary, Inconclusive: t.enforcement.nodes()}
		return finding{v1alpha1.StateUnknown, v1alpha1.ReasonCanaryNotIsolated, "whether nodes enforce " +
			strings.ToLower(string(t.canary)) + " policies is not known: " + doubt}
	case c.Failing > 0:
		return finding{v1alpha1.StateFailing, v1alpha1.ReasonPolicyNotEnforced, t.notEnforcedMessage()}
	case t.inconclusive() != "":
		return finding{v1alpha1.StateUnknown, t.inconclusive(), t.inconclusiveMessage()}
	case c.Pending > 0 && t.settling:
		return finding{v1alpha1.StatePending, v1alpha1.ReasonPending, t.pendingMessage()}
	case c.Degraded > 0:
		return finding{v1alpha1.StateDegraded, "", t.degradedMessage()}
	case c.Passing > 0:
		return finding{v1alpha1.StatePassing, "", t.enforcedMessage()}
	case c.Unknown > 0:
		return finding{v1alpha1.StateUnknown, t.mainReason(), t.inconclusiveMessage()}
	}
	return finding{v1alpha1.StatePending, v1alpha1.ReasonPending, t.pendingMessage()}
}

// inconclusive is the most common reason of nodes that are there and prove
// nothing; empty if there are none.
func (t *tally) inconclusive() string {
	for _, reason := range t.sortedReasons() {
		switch reason {
		case v1alpha1.ReasonPolicyProgrammingSlow, v1alpha1.ReasonNodeNotReady, v1alpha1.ReasonNodeGone, v1alpha1.ReasonProberNotReady,
			v1alpha1.ReasonTargetReplaced, v1alpha1.ReasonSourceReplaced, v1alpha1.ReasonUnmeasured:
		default:
			return reason
		}
	}
	return ""
}

// notEnforcedMessage names the nodes that let through what a policy denies.
func (t *tally) notEnforcedMessage() string {
	failing := make([]string, 0, len(t.failing.byNode))
	for name := range t.failing.byNode {
		failing = append(failing, name)
	}
	slices.Sort(failing)
	e := t.enforcement
	where, next := cut(names(failing), maxMessage/2), "see whether the network plugin's policy agent runs there"
	if n := len(failing); n > 1 && n == e.NotEnforced && e.Enforced+e.Inconclusive+e.Pending == 0 {
		where = fmt.Sprintf("all %d nodes", n)
		next = "see whether the network plugin of this cluster enforces NetworkPolicy at all"
	}
	one := len(failing) == 1
	what := "the prober there reached the canary pod of its node"
	switch {
	case t.canary == v1alpha1.PolicyEgress && one:
		what = "the canary pod there reached the echo pod of its node"
	case t.canary == v1alpha1.PolicyEgress:
		what = "the canary pods there reached the echo pods of their nodes"
	case !one:
		what = "the probers there reached the canary pods of their nodes"
	}
	return cut(fmt.Sprintf("%s policies are not enforced on %s: %s, which NetworkPolicy %s denies; %s",
		strings.ToLower(string(t.canary)), where, what, v1alpha1.CanaryName, next), maxMessage)
}

func (t *tally) enforcedMessage() string {
	text := strings.ToLower(string(t.canary)) + " policies are enforced, and proven to be: the canary pods live, and their nodes' network works"
	if t.counts.Unknown > 0 {
		text += "; nothing is known of " + t.whichUnknown()
	}
	return cut(text, maxMessage)
}

func (t *tally) inconclusiveMessage() string {
	return cut(fmt.Sprintf("of %d of %d nodes it is not known whether they enforce %s policies: %s", t.enforcement.Inconclusive,
		t.enforcement.nodes(), strings.ToLower(string(t.canary)), t.whichUnknown()), maxMessage)
}

func (e *Enforcement) nodes() int { return e.Enforced + e.NotEnforced + e.Inconclusive + e.Pending }

// whichUnknown lists the reasons of pairs that are Unknown, with their nodes.
func (t *tally) whichUnknown() string {
	var parts []string
	for _, reason := range t.sortedReasons() {
		why := t.reasons[reason]
		switch {
		case why.text != "":
			parts = append(parts, fmt.Sprintf("%s (%s)", reason, why.text))
		case len(why.nodes) > 0:
			parts = append(parts, fmt.Sprintf("%s (%s)", why.named(), reason))
		default:
			parts = append(parts, reason)
		}
	}
	return strings.Join(parts, ", ")
}

// diagnoseCanary names the policy that is not enforced. A path that is kept
// Failing keeps what was said of it.
func (t *tally) diagnoseCanary(f finding, namespace string) *v1alpha1.PathDiagnosis {
	switch {
	case f.state != v1alpha1.StateFailing:
		return nil
	case t.counts.Failing == 0:
		return t.previous.Diagnosis.DeepCopy()
	}
	return &v1alpha1.PathDiagnosis{
		Rung: v1alpha1.RungPolicy, Reason: v1alpha1.ReasonPolicyNotEnforced, Message: printable(f.message, maxMessage),
		Policies: []v1alpha1.DecidingPolicy{{Namespace: namespace, Name: v1alpha1.CanaryName, Direction: t.canary}},
	}
}

// nameCanary names both ends of a pair by the node that they are on.
func (j *judge) nameCanary(t *tally, c *claim, p *pair) bad {
	node := c.src.name
	note := "canary"
	if p.addr.Addr().Is6() && c.hasIPv4(p.target.UID) {
		note += ", IPv6"
	}
	b := bad{pair: p, source: node, sourceNode: node, target: fmt.Sprintf("%s (%s)", node, note), targetNode: node}
	if t.canary == v1alpha1.PolicyEgress {
		b.source, b.target = b.target, b.source
	}
	return b
}

// canaryUID is that of the canary pod of a pair.
func (p *pair) canaryUID() string {
	if p.pod != nil {
		return p.pod.UID
	}
	return p.targetPod()
}

// canaryMask excuses what gets through to or from a canary pod that comes or
// goes: policies are not programmed at once, and an address finds a new owner.
func (j *judge) canaryMask(t *tally, c *claim, p *pair) mask {
	f, heard := j.in.Nodes[c.src.name], c.src.report.SeenAt
	switch since := j.in.Canary.Since; {
	case f == nil:
		return mask{reason: v1alpha1.ReasonNodeGone, node: c.src.name, down: true}
	case j.recent(since), j.outlived(since, heard):
		return mask{reason: v1alpha1.ReasonPolicyProgrammingSlow, node: c.src.name, began: since}
	}
	m := mask{reason: v1alpha1.ReasonTargetReplaced, node: c.src.name}
	if t.canary != v1alpha1.PolicyEgress {
		return j.ownPodMask(m, f.Canary, p.targetPod(), heard)
	}
	if m := j.ownPodMask(m, f.Echo, p.targetPod(), heard); m.active() {
		return m
	}
	m.reason = v1alpha1.ReasonSourceReplaced
	return j.ownPodMask(m, f.Canary, p.canaryUID(), heard)
}

// canarySettles is true while the proof of a pair may be lacking because a pod
// of Netladder's own on that node comes or goes, or because the kubelet has yet
// to say again that the canary pod is Ready.
func (j *judge) canarySettles(t *tally, c *claim, p *pair) bool {
	f := j.in.Nodes[c.src.name]
	switch {
	case f == nil:
		return false
	case j.canaryMask(t, c, p).active():
		return true
	case f.Canary != nil && !f.Canary.Ready && j.recent(f.Canary.NotReadySince):
		return true
	}
	return f.Echo != nil && (f.Echo.Terminating || j.recent(f.Echo.StartedAt))
}

// proveCanary: the canary pod lives, which its kubelet says that dials the very
// port, as no policy may forbid it to; and the network of the node works, since
// its prober reaches the echo pod.
func (j *judge) proveCanary(t *tally, c *claim, p *pair) proof {
	node := c.src.name
	f := j.in.Nodes[node]
	lacks := func(what string) proof {
		return proof{reason: v1alpha1.ReasonCanaryNotReady, why: mask{node: node}, text: fmt.Sprintf(
			"%s on node %s %s, %s: see why in the pods of DaemonSet %s", "the canary pod", node, what, unprovenFor, v1alpha1.CanaryName)}
	}
	switch {
	case f == nil || f.Canary == nil:
		return lacks("is gone")
	case f.Canary.UID != p.canaryUID() || f.Canary.Terminating:
		return lacks("was replaced")
	case !f.Canary.Ready:
		return lacks("is not Ready")
	}
	return j.wired(t, c, node, p)
}

// canaryName names the target of a pair within a sentence.
func (t *tally) canaryName(p *pair) string {
	if t.canary == v1alpha1.PolicyEgress {
		return "the canary pod of node " + p.node + " on its way to the echo pod"
	}
	return "the canary pod of node " + p.node
}

// ownPodMask is m if a pod of Netladder's own comes or goes: e is the one that
// there is now, uid that of the one that a result is about.
func (j *judge) ownPodMask(m mask, e *PodFacts, uid string, heard time.Time) mask {
	switch {
	case e == nil, e.Terminating:
		m.down = true
	case e.UID != uid:
		m.down, m.began = true, e.StartedAt
	case j.recent(e.StartedAt), j.outlived(e.StartedAt, heard):
		m.began = e.StartedAt
	default:
		return mask{}
	}
	return m
}
