// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package oracle

import (
	"maps"
	"os"
	"slices"
	"strconv"
	"testing"

	"github.com/netladder/netladder/controllers/policy"
)

// TestDifferential asks our evaluator and the engine the same. ORACLE_SEED and
// ORACLE_FLOWS choose another run.
func TestDifferential(t *testing.T) {
	o := Options{Seed: number(t, "ORACLE_SEED", 1), Flows: int(number(t, "ORACLE_FLOWS", 10000))}
	o.Measured = min(o.Flows, 20000)
	report, err := Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	log(t, o, report)
	for _, verdict := range []policy.Verdict{policy.Allow, policy.Deny} {
		if 100*report.Verdicts[verdict] < 20*report.Comparable {
			t.Errorf("%s: %d of %d comparable flows, want 20 %% at least", verdict, report.Verdicts[verdict], report.Comparable)
		}
	}
	for _, denied := range []string{"Egress", "Ingress", "Egress and Ingress"} {
		if 100*report.Denied[denied] < report.Comparable {
			t.Errorf("denied by %s: %d of %d comparable flows, want 1 %% at least", denied, report.Denied[denied], report.Comparable)
		}
	}
	for _, clause := range []policy.Clause{
		policy.ClausePodSelector, policy.ClauseNamespaceSelector, policy.ClauseCIDR, policy.ClauseExcept, policy.ClausePort, policy.ClauseProtocol,
	} {
		if 100*report.Nearest[clause] < report.Flows {
			t.Errorf("%s is the nearest miss of %d of %d flows, want 1 %% at least", clause, report.Nearest[clause], report.Flows)
		}
	}
	for _, clause := range Clauses() {
		if 100*report.Decided[clause.Name] < report.Measured {
			t.Errorf("the clause %q decided %d of %d flows, want 1 %% at least", clause.Name, report.Decided[clause.Name], report.Measured)
		}
	}
}

// TestDeviationsAreReal: leaving one out must make the engine differ, or panic.
// A newer engine may need fewer of them.
func TestDeviationsAreReal(t *testing.T) {
	all := Deviations()
	if len(all) > 10 {
		t.Errorf("%d deviations, want 10 at most", len(all))
	}
	for i, deviation := range all {
		t.Run(deviation.Name, func(t *testing.T) {
			without, err := NewReference()
			if err != nil {
				t.Fatal(err)
			}
			without.deviations = slices.Delete(slices.Clone(all), i, i+1)
			for number := range uint64(500) {
				if differs(t, without, number) {
					return
				}
			}
			t.Error("it was not needed in 500 clusters")
		})
	}
}

// differs tells whether a reference finds anything wrong with our evaluator in
// one cluster.
func differs(t *testing.T, reference *Reference, number uint64) (found bool) {
	t.Helper()
	g := NewGenerator(1, number)
	c := g.Cluster()
	if err := reference.Load(c); err != nil {
		t.Fatal(err)
	}
	ours := NewOurs(c)
	defer func() {
		if recover() != nil {
			found = true // as the engine does at a nil protocol
		}
	}()
	for range flowsPerCluster {
		f := g.Flow(c)
		_, problem, err := compare(t.Context(), reference, Case{Cluster: c, Flow: f}, ours.Evaluate(f))
		if err != nil {
			t.Fatal(err)
		}
		if problem != "" {
			return true
		}
	}
	return false
}

func TestTheSameSeedGivesTheSameCase(t *testing.T) {
	text := func(seed, number uint64) string {
		g := NewGenerator(seed, number)
		c := g.Cluster()
		return Case{Cluster: c, Flow: g.Flow(c)}.YAML()
	}
	if again := text(1, 2); text(1, 2) != again {
		t.Error("the same seed and number give two cases")
	}
	if text(1, 2) == text(2, 2) || text(1, 2) == text(1, 3) {
		t.Error("another seed or number gives the same case")
	}
}

func log(t *testing.T, o Options, r Report) {
	t.Helper()
	t.Logf("seed %d: %d flows, %d comparable", o.Seed, r.Flows, r.Comparable)
	table(t, "verdict", r.Verdicts, r.Flows)
	table(t, "denied", r.Denied, r.Comparable)
	table(t, "left to the plugin", r.Why, r.Flows)
	table(t, "nearest miss", r.Nearest, r.Flows)
	table(t, "decided", r.Decided, r.Measured)
}

func table[K ~string](t *testing.T, title string, counts map[K]int, of int) {
	t.Helper()
	for _, key := range slices.Sorted(maps.Keys(counts)) {
		t.Logf("%-20s %-50s %6d  %5.1f %%", title, key, counts[key], 100*float64(counts[key])/float64(max(of, 1)))
	}
}

func number(t *testing.T, variable string, otherwise uint64) uint64 {
	t.Helper()
	text := os.Getenv(variable)
	if text == "" {
		return otherwise
	}
	value, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatalf("%s: %v", variable, err)
	}
	return value
}
