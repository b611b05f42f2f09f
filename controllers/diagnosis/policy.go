// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package diagnosis

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/controllers/diagnosis/causes"
	"github.com/netladder/netladder/controllers/diagnosis/ladder"
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

// explainer finds out why pairs fail.
type explainer struct {
	*judge
	// view and index are nil where policies are not known.
	view  PolicyView
	index *policy.Index
	// looked are the namespaces on which what was found depends.
	looked map[string]struct{}
	// asked is how many connections were asked about, and compared what it cost.
	asked, compared int
	// typos by namespace and direction, found once.
	typos map[typoAt][]typo
	// climbs are the rows of each node, read once.
	climbs map[string]rungs
	// causes of all paths that are known.
	causes []causes.Found
}

// explain adds to each path that fails why, as far as that can be told, and
// returns all causes. Only the pairs that may be shown are looked at.
func (j *judge) explain(paths []*tally) []causes.Found {
	e := &explainer{judge: j, looked: map[string]struct{}{}, typos: map[typoAt][]typo{}, climbs: map[string]rungs{}}
	diagnose := func() {
		for _, t := range paths {
			if t.canary == "" { // what those say is said already
				t.status.Diagnosis = e.path(t)
			}
		}
	}
	if j.in.Policies == nil {
		diagnose()
	} else {
		j.in.Policies.Read(func(v PolicyView) []string {
			e.view, e.index = v, v.Index()
			diagnose()
			return slices.Sorted(maps.Keys(e.looked))
		})
	}
	for _, t := range paths {
		if t.canary == "" {
			t.say(t.status.Diagnosis)
		}
	}
	return e.causes
}

// say ends the message of a path with its diagnosis. What may be is not said
// there: it is no news.
func (t *tally) say(d *v1alpha1.PathDiagnosis) {
	if d == nil || d.Rung == v1alpha1.RungUndetermined {
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
	// rung that is broken; empty for Policy.
	rung   v1alpha1.Rung
	reason string
	// candidates where the rung is Undetermined.
	candidates []v1alpha1.Rung
	// object that is broken, of Policy the first policy that the text names, and
	// the nodes that are.
	object string
	on     string
	nodes  []string
	// began is when the pair began to fail, by its prober's clock, give or take
	// within; zero where that is not known.
	began  time.Time
	within time.Duration
	// key is the same for pairs that fail for the same cause.
	key string
	// text is the sentence about this pair.
	text string
	// unenforced are the nodes, in words, on which policies are not enforced.
	unenforced []string
	policies   []v1alpha1.DecidingPolicy
}

// group are pairs that fail for the same cause.
type group struct {
	first *cause
	// source and target of first.
	source, target string
	unenforced     map[string]struct{}
	pairs          int
	// began is when the first of them began to fail, give or take within.
	began  time.Time
	within time.Duration
	// node that all pairs of nodes have in common, where there are several.
	node string
}

// path says why a path fails; nil if nothing can be said.
func (e *explainer) path(t *tally) *v1alpha1.PathDiagnosis {
	switch {
	case t.status.State != v1alpha1.StateFailing:
		return nil
	case t.status.Reason == v1alpha1.ReasonNoEndpoints:
		return e.noEndpoints(t)
	case t.status.Reason != "":
		return nil
	}
	if e.in.Policies != nil && e.index == nil || t.counts.Failing == 0 {
		// It is not known yet, or the path only keeps the state that it had.
		if p := t.previous; p != nil && p.State == v1alpha1.StateFailing {
			return p.Diagnosis.DeepCopy()
		}
		return nil
	}
	by, shown := map[string]*group{}, 0
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
			by[c.key] = &group{unenforced: map[string]struct{}{}}
		}
		by[c.key].add(c, &w.show)
	}
	e.note(t, by)
	around(by)
	main := mainCause(by)
	if main == nil {
		return nil
	}
	return &v1alpha1.PathDiagnosis{
		Rung: cmp.Or(main.first.rung, v1alpha1.RungPolicy), Reason: main.first.reason, Candidates: main.first.candidates,
		Message:  printable(main.sentence(shown, e.managed(main.first.policies)), maxMessage),
		Policies: main.first.policies,
	}
}

// note keeps all causes of a path that are known, for the attribution over checks.
func (e *explainer) note(t *tally, by map[string]*group) {
	for _, key := range slices.Sorted(maps.Keys(by)) {
		g := by[key]
		c := g.first
		if c.rung == v1alpha1.RungUndetermined {
			continue
		}
		f := causes.Found{
			Path: t.status.Name, Rung: cmp.Or(c.rung, v1alpha1.RungPolicy), Reason: c.reason, Object: printable(c.object, maxTarget), On: c.on, Nodes: c.nodes,
			Began: g.began, Within: g.within, Text: printable(strings.TrimPrefix(c.text, Open), maxMessage),
		}
		e.causes = append(e.causes, f)
	}
}

// noEndpoints says why a Service whose endpoints are the targets has none. The
// servers of the cluster's DNS are such targets too.
func (e *explainer) noEndpoints(t *tally) *v1alpha1.PathDiagnosis {
	var f *ladder.Finding
	var object string
	key, ok := e.serviceKey(t.status.Name)
	to := e.target(t.status.Name)
	switch facts := e.in.Services[key]; {
	case ok && facts != nil:
		f = ladder.NoEndpoints(&ladder.Service{Name: key.String(), Empty: e.empty(facts)})
		object = "Service " + f.Object
	case to != nil && to.DNS != nil && e.in.DNS.Name != "":
		f = ladder.NoServers(&ladder.Service{Name: e.in.DNS.String()})
		object = f.Object // as of paths that ask the Service itself
	default:
		return nil
	}
	e.causes = append(e.causes, causes.Found{Path: t.status.Name, Rung: f.Rung, Reason: f.Reason, Object: object, Text: printable(f.Text, maxMessage)})
	return &v1alpha1.PathDiagnosis{Rung: f.Rung, Reason: f.Reason, Message: printable(f.Text, maxMessage)}
}

func (c *group) add(one *cause, shown *v1alpha1.WorstPair) {
	c.pairs++
	if c.began.IsZero() || !one.began.IsZero() && one.began.Before(c.began) {
		c.began, c.within = one.began, one.within
	}
	for _, where := range one.unenforced {
		c.unenforced[where] = struct{}{}
	}
	if c.first == nil || cmp.Or(cmp.Compare(shown.Source, c.source), cmp.Compare(shown.Target, c.target)) < 0 {
		c.first, c.source, c.target = one, shown.Source, shown.Target
	}
}

// mainCause is the cause of most of the pairs, among equals the one whose rung
// comes first, and then always the same. One that is not determined counts last.
func mainCause(by map[string]*group) *group {
	var main *group
	for _, key := range slices.Sorted(maps.Keys(by)) {
		if c := by[key]; main == nil || c.compare(main) < 0 {
			main = c
		}
	}
	return main
}

func (c *group) compare(b *group) int {
	undetermined := func(c *group) int {
		if c.first.rung == v1alpha1.RungUndetermined {
			return 1
		}
		return 0
	}
	return cmp.Or(undetermined(c)-undetermined(b), b.pairs-c.pairs, ladder.Rank(cmp.Or(c.first.rung, v1alpha1.RungPolicy))-ladder.Rank(cmp.Or(b.first.rung, v1alpha1.RungPolicy)),
		ladder.Strength(b.first.reason)-ladder.Strength(c.first.reason))
}

// sentence about the cause of so many of the pairs that are shown.
func (c *group) sentence(shown int, managed string) string {
	text := c.first.text
	if len(c.unenforced) > 0 {
		text += ", and policies are not enforced on " + names(slices.Sorted(maps.Keys(c.unenforced))) +
			": see whether the network plugin there enforces NetworkPolicies, or has policies of its own kind that allow this"
	}
	if c.node != "" && strings.Contains(text, c.node) { // else the check is not shown it
		text = "around " + c.node + ": " + text
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

// pair says why one pair fails; nil if nothing can be said.
func (e *explainer) pair(t *tally, w *worst) *cause {
	asked := e.ask(t, w)
	if t.deny {
		if len(asked) == 0 {
			return nil
		}
		return e.open(asked)
	}
	a := e.answer(w, asked)
	f := e.ladderOf(t, w, a)
	if f == nil {
		return nil
	}
	if f == a.denied || f == a.slow {
		return a.cause
	}
	return &cause{
		rung: f.Rung, reason: f.Reason, key: string(f.Rung) + " " + f.Object, text: f.Text, candidates: f.Candidates, object: f.Object, on: f.On, nodes: f.Nodes,
		began: w.dialled.began, within: within(w.dialled.group.Interval.Duration),
	}
}

// answered is what policies say about a pair that must work: at most one of
// denied, slow and admitted, with the cause that goes with it.
type answered struct {
	denied, slow *ladder.Finding
	admitted     bool
	cause        *cause
}

// ask evaluates the connections that a pair may have been; none if that is not
// known.
func (e *explainer) ask(t *tally, w *worst) []question {
	if e.index == nil {
		return nil
	}
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
	return asked
}

func (e *explainer) answer(w *worst, asked []question) (a answered) {
	if len(asked) == 0 || !deniable(w.show.Verdict) {
		return a
	}
	a.admitted = !slices.ContainsFunc(asked, func(q question) bool { return q.result.Verdict != policy.Allow })
	if a.cause = e.denied(asked); a.cause == nil {
		return a
	}
	f := &ladder.Finding{Rung: v1alpha1.RungPolicy, Reason: a.cause.reason, Text: a.cause.text}
	if a.cause.reason == v1alpha1.ReasonPolicyDenies {
		a.denied = f
	} else {
		a.slow = f
	}
	return a
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
