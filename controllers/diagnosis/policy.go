// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package diagnosis

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/controllers/policy"
)

const (
	// maxPolicies that a diagnosis lists.
	maxPolicies = 8
	// maxAsked is how many connections of one check are asked about at once:
	// nothing is observed meanwhile.
	maxAsked = 2000
	// maxCompared is how much that may cost, in comparisons with policies and
	// their clauses, of which some ten million take a second.
	maxCompared = 2_000_000
	// maxManaged is how long it is said who manages policies, in bytes.
	maxManaged = 320
)

// explainer finds out what NetworkPolicies have to do with the pairs that fail.
type explainer struct {
	*judge
	view  PolicyView
	index *policy.Index
	// looked are the namespaces on which what was found depends.
	looked map[string]struct{}
	// asked is how many connections were asked about, and compared what it cost.
	asked, compared int
	// typos by namespace and direction, found once.
	typos map[typoAt][]typo
}

// explain adds to each path that fails why, as far as policies are why. Only
// the pairs that may be shown are looked at.
func (j *judge) explain(paths []*tally) {
	if j.in.Policies == nil {
		return
	}
	j.in.Policies.Read(func(v PolicyView) []string {
		e := &explainer{judge: j, view: v, index: v.Index(), looked: map[string]struct{}{}, typos: map[typoAt][]typo{}}
		for _, t := range paths {
			if t.canary == "" { // what those say is said already
				t.status.Diagnosis = e.path(t)
			}
		}
		return slices.Sorted(maps.Keys(e.looked))
	})
	for _, t := range paths {
		if t.canary == "" {
			t.say(t.status.Diagnosis)
		}
	}
}

// say ends the message of a path with its diagnosis.
func (t *tally) say(d *v1alpha1.PathDiagnosis) {
	if d == nil {
		return
	}
	end := "; " + strings.TrimPrefix(d.Message, Open)
	if !strings.HasSuffix(t.status.Message, end) {
		t.status.Message = cut(t.status.Message, max(maxMessage-len(end), leastMessage)) + end
		t.status.Message = cut(t.status.Message, maxMessage)
	}
}

// leastMessage is what is left at least of a message before its diagnosis.
const leastMessage = 256

// cause of one pair's failure.
type cause struct {
	reason string
	// key is the same for pairs that fail for the same cause.
	key string
	// text is the sentence about this pair.
	text string
	// unenforced are the nodes, in words, on which policies are not enforced.
	unenforced []string
	policies   []v1alpha1.DecidingPolicy
}

// causes are pairs that fail for the same cause.
type causes struct {
	first *cause
	// source and target of first.
	source, target string
	unenforced     map[string]struct{}
	pairs          int
}

// path says why a path fails; nil if policies are not known to be why.
func (e *explainer) path(t *tally) *v1alpha1.PathDiagnosis {
	if t.status.State != v1alpha1.StateFailing || t.status.Reason != "" {
		return nil
	}
	if e.index == nil || t.counts.Failing == 0 {
		// It is not known yet, or the path only keeps the state that it had.
		if p := t.previous; p != nil && p.State == v1alpha1.StateFailing {
			return p.Diagnosis.DeepCopy()
		}
		return nil
	}
	by, shown := map[string]*causes{}, 0
	for i := range t.worst {
		w := &t.worst[i]
		if w.show.State != v1alpha1.StateFailing {
			continue
		}
		shown++
		c := e.pair(t, w)
		if c == nil {
			continue
		}
		c.key = c.reason + " " + c.key
		if by[c.key] == nil {
			by[c.key] = &causes{unenforced: map[string]struct{}{}}
		}
		by[c.key].add(c, &w.show)
	}
	main := mainCause(by)
	if main == nil {
		return nil
	}
	return &v1alpha1.PathDiagnosis{
		Rung: v1alpha1.RungPolicy, Reason: main.first.reason,
		Message:  printable(main.sentence(shown, e.managed(main.first.policies)), maxMessage),
		Policies: main.first.policies,
	}
}

func (c *causes) add(one *cause, shown *v1alpha1.WorstPair) {
	c.pairs++
	for _, where := range one.unenforced {
		c.unenforced[where] = struct{}{}
	}
	if c.first == nil || cmp.Or(cmp.Compare(shown.Source, c.source), cmp.Compare(shown.Target, c.target)) < 0 {
		c.first, c.source, c.target = one, shown.Source, shown.Target
	}
}

// mainCause is the cause of most of the pairs, among equals always the same.
func mainCause(by map[string]*causes) *causes {
	var main *causes
	for _, key := range slices.Sorted(maps.Keys(by)) {
		if main == nil || by[key].pairs > main.pairs {
			main = by[key]
		}
	}
	return main
}

// sentence about the cause of so many of the pairs that are shown.
func (c *causes) sentence(shown int, managed string) string {
	text := c.first.text
	if len(c.unenforced) > 0 {
		text += ", and policies are not enforced on " + names(slices.Sorted(maps.Keys(c.unenforced))) +
			": see whether the network plugin there enforces NetworkPolicies, or has policies of its own kind that allow this"
	}
	if c.pairs < shown {
		head := fmt.Sprintf("%d of the %d pairs shown: ", c.pairs, shown)
		if rest, ok := strings.CutPrefix(text, Open); ok {
			text = Open + head + rest
		} else {
			text = head + text
		}
	}
	return cut(text, maxMessage-len(managed)) + managed
}

// managed says which of the policies must not be changed by hand.
func (e *explainer) managed(policies []v1alpha1.DecidingPolicy) string {
	seen := map[string]bool{}
	var parts []string
	room := maxManaged
	for _, p := range policies {
		name := p.Namespace + "/" + p.Name
		part := cut(name+" is managed by "+p.ManagedBy, maxManaged)
		if p.ManagedBy != "" && !seen[name] && room >= len(part) {
			parts, room = append(parts, part), room-len(part)
		}
		seen[name] = true
	}
	if len(parts) == 0 {
		return ""
	}
	return "; " + strings.Join(parts, ", ") + ": change it there, a manual fix will be overwritten"
}

// pair says why one pair fails; nil if policies are not known to be why.
func (e *explainer) pair(t *tally, w *worst) *cause {
	flows := e.flows(t, w)
	e.asked += len(flows)
	if len(flows) == 0 || e.asked > maxAsked {
		return nil
	}
	asked := make([]question, len(flows))
	for i := range flows {
		if e.compared += e.index.Cost(flows[i].Flow); e.compared > maxCompared {
			return nil
		}
		asked[i] = question{flow: flows[i], result: e.index.Evaluate(flows[i].Flow)}
		if flows[i].unnamed && !asked[i].forgetTarget() {
			return nil
		}
	}
	if t.deny {
		return e.open(asked)
	}
	if !deniable(w.show.Verdict) {
		return nil
	}
	return e.denied(asked)
}

// question that was asked about one connection, and its answer.
type question struct {
	flow   flow
	result policy.Result
}

// decisions of an answer, ingress first: the target is what a path is about.
func (q *question) decisions() []*policy.Decision {
	return []*policy.Decision{&q.result.Ingress, &q.result.Egress}
}

// forgetTarget leaves of an answer what does not tell whose pod the target is;
// false if then nothing is left.
func (q *question) forgetTarget() bool {
	if q.result.Egress.Verdict != policy.Deny {
		return false
	}
	q.result.Verdict, q.result.Ingress = policy.Deny, policy.Decision{Direction: policy.Ingress, Verdict: policy.Allow}
	q.flow.Destination.Pod = nil
	// Which rule is near depends on the target's labels.
	q.result.Egress.Nearest = &policy.Miss{}
	return true
}

// deniable is true for a verdict that a policy may be why of. Some plugins drop,
// some reject, some reset.
func deniable(v v1alpha1.Verdict) bool {
	return v.Denies() || v == v1alpha1.VerdictDNSTimeout
}
