// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package oracle

import (
	"context"
	"fmt"
	"strings"

	"github.com/netladder/netladder/controllers/policy"
)

// flowsPerCluster are asked about before the next cluster is made up.
const flowsPerCluster = 40

// Options of a run.
type Options struct {
	// Seed of all that is made up.
	Seed uint64
	// Flows to ask about, at least.
	Flows int
	// Measured are how many of them are counted by clause too, which costs a
	// question for each clause.
	Measured int
}

// Report counts what a run asked about.
type Report struct {
	// Flows in all, and those that the reference gives a definite verdict for.
	Flows, Comparable int
	// Verdicts of the flows, reasons of what is ImplementationDefined, nearest
	// misses by clause, and in which directions a connection is denied.
	Verdicts map[policy.Verdict]int
	Why      map[policy.Why]int
	Nearest  map[policy.Clause]int
	Denied   map[string]int
	// Measured flows, those of Flows that were comparable and counted by clause,
	// and how many of these each clause decided.
	Measured int
	Decided  map[string]int
}

// Mismatch is a case about which the two do not agree.
type Mismatch struct {
	Case    Case
	Seed    uint64
	Cluster uint64
	Problem string
}

func (m *Mismatch) Error() string {
	return fmt.Sprintf("seed %d, cluster %d: %s\n%s", m.Seed, m.Cluster, m.Problem, m.Case.YAML())
}

// runner holds what a run needs again and again.
type runner struct {
	reference *Reference
	rewritten *engine
	report    Report
}

// Run asks both about as many flows as are wanted. It returns a Mismatch,
// shrunk, at the first case about which they differ.
func Run(ctx context.Context, o Options) (Report, error) {
	r := &runner{report: Report{
		Verdicts: map[policy.Verdict]int{}, Why: map[policy.Why]int{}, Nearest: map[policy.Clause]int{},
		Denied: map[string]int{}, Decided: map[string]int{},
	}}
	var err error
	if r.reference, err = NewReference(); err != nil {
		return r.report, err
	}
	if r.rewritten, err = newEngine(); err != nil {
		return r.report, err
	}
	for number := uint64(0); r.report.Flows < o.Flows; number++ {
		if err := r.cluster(ctx, o, number); err != nil {
			return r.report, err
		}
	}
	return r.report, nil
}

func (r *runner) cluster(ctx context.Context, o Options, number uint64) error {
	g := NewGenerator(o.Seed, number)
	c := g.Cluster()
	if err := r.reference.Load(c); err != nil {
		return err
	}
	ours := g.Lived(c)
	var flows []Flow
	for range flowsPerCluster {
		f := g.Flow(c)
		definite, problem, err := r.flow(ctx, ours, Case{Cluster: c, Flow: f})
		if err != nil {
			return err
		}
		if problem != "" {
			return r.shrunk(ctx, &Mismatch{Case: Case{Cluster: c, Flow: f}, Seed: o.Seed, Cluster: number, Problem: problem})
		}
		if definite {
			flows = append(flows, f)
		}
	}
	if r.report.Measured >= o.Measured {
		return nil
	}
	return r.measure(ctx, c, flows)
}

// flow compares and counts one; definite is true if it has a verdict that does
// not depend on the plugin.
func (r *runner) flow(ctx context.Context, ours *Ours, c Case) (definite bool, problem string, err error) {
	got := ours.Evaluate(c.Flow)
	want, problem, err := compare(ctx, r.reference, c, got)
	if err != nil || problem != "" {
		return false, problem, err
	}
	r.report.Flows++
	verdict := overall(want)
	r.report.Verdicts[verdict]++
	var denied []string
	for _, d := range directions() {
		one := decision(got, d)
		if one.Why != "" {
			r.report.Why[one.Why]++
		}
		if one.Nearest != nil {
			r.report.Nearest[one.Nearest.Clause]++
		}
		if one.Verdict == policy.Deny {
			denied = append(denied, string(d))
		}
	}
	if verdict == policy.Deny {
		r.report.Denied[strings.Join(denied, " and ")]++
	}
	if verdict == policy.ImplementationDefined {
		return false, "", nil
	}
	r.report.Comparable++
	return true, "", nil
}

// compare our result with the reference, and check how it is explained. The
// problem is empty where all is well.
func compare(ctx context.Context, reference *Reference, c Case, got policy.Result) (map[policy.Direction]Answer, string, error) {
	answers := map[policy.Direction]Answer{}
	for _, d := range directions() {
		want, err := reference.Decide(ctx, c.Flow, d)
		if err != nil {
			return nil, "", err
		}
		answers[d] = want
		one := decision(got, d)
		if ours := (Answer{one.Verdict, one.Why}); !reference.accepts(c.Flow, ours, want) {
			return nil, fmt.Sprintf("%s: ours is %s, the reference %s", d, ours, want), nil
		} else if ours.Verdict != want.Verdict {
			answers[d] = ours
		}
		if err := Explained(c, one); err != nil {
			return nil, fmt.Sprintf("%s is explained wrongly: %v", d, err), nil
		}
	}
	if want := overall(answers); got.Verdict != want {
		return nil, fmt.Sprintf("over both directions ours is %s, the reference %s", got.Verdict, want), nil
	}
	return answers, "", nil
}

func overall(answers map[policy.Direction]Answer) policy.Verdict {
	out := policy.Allow
	for _, a := range answers {
		if a.Verdict == policy.Deny || a.Verdict == policy.ImplementationDefined && out == policy.Allow {
			out = a.Verdict
		}
	}
	return out
}

// measure counts, for each clause, the flows that turn on it.
func (r *runner) measure(ctx context.Context, c Cluster, flows []Flow) error {
	r.report.Measured += len(flows)
	before := make([]bool, 0, len(flows))
	for _, f := range flows {
		allowed, err := both(ctx, r.reference.exact, f)
		if err != nil {
			return err
		}
		before = append(before, allowed)
	}
	for _, clause := range Clauses() {
		if err := r.rewritten.load(repaired(clause.Rewrite(c), r.reference.deviations)); err != nil {
			return err
		}
		for i, f := range flows {
			allowed, err := both(ctx, r.rewritten, f)
			if err != nil {
				return err
			}
			if allowed != before[i] {
				r.report.Decided[clause.Name]++
			}
		}
	}
	return nil
}

func both(ctx context.Context, e *engine, f Flow) (bool, error) {
	for _, d := range directions() {
		if allowed, err := e.allows(ctx, f, d); err != nil || !allowed {
			return false, err
		}
	}
	return true, nil
}

// shrunk makes a mismatch as small as it still shows.
func (r *runner) shrunk(ctx context.Context, m *Mismatch) error {
	problem := func(c Case) string {
		if err := r.reference.Load(c.Cluster); err != nil {
			return ""
		}
		_, problem, err := compare(ctx, r.reference, c, NewOurs(c.Cluster).Evaluate(c.Flow))
		if err != nil {
			return ""
		}
		return problem
	}
	if problem(m.Case) == "" {
		m.Problem += " (not in an index that was filled once: it has forgotten something, or remembers it)"
		return m
	}
	m.Case = Shrink(m.Case, func(c Case) bool { return problem(c) != "" })
	m.Problem = problem(m.Case)
	return m
}
