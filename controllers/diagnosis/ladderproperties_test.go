// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package diagnosis_test

import (
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/controllers/diagnosis"
)

func rungOf(p *v1alpha1.PathStatus) v1alpha1.Rung {
	if p.Diagnosis == nil {
		return v1alpha1.RungUndetermined
	}
	return p.Diagnosis.Rung
}

// TestLessOfAReportNeverAnotherRung: whatever rows the reports lack, no golden
// situation is told to have another rung.
func TestLessOfAReportNeverAnotherRung(t *testing.T) {
	goldens := ladderGoldens(t)
	for name, g := range goldens {
		t.Run(name, func(t *testing.T) {
			whole := g.judge(t)
			rapid.Check(t, func(t *rapid.T) {
				less := *g
				less.Rungs = map[string][]v1alpha1.RungStatus{}
				for _, node := range ladderNodes() {
					for _, r := range g.Rungs[node] {
						if rapid.Bool().Draw(t, "keep") {
							less.Rungs[node] = append(less.Rungs[node], r)
						}
					}
				}
				got := diagnosis.Summarize(less.input()).Paths[0]
				if r := rungOf(&got); r != v1alpha1.RungUndetermined && r != rungOf(&whole) {
					t.Fatalf("%+v instead of %+v", got.Diagnosis, whole.Diagnosis)
				}
			})
		})
	}
}

// TestLadderWhateverTheOrder: rows, pairs and tables in another order are told
// the same way.
func TestLadderWhateverTheOrder(t *testing.T) {
	for name, g := range ladderGoldens(t) {
		t.Run(name, func(t *testing.T) {
			want := g.judge(t)
			in := g.input()
			for _, r := range in.Reports {
				slices.Reverse(r.Assignment.Status.Rungs)
				slices.Reverse(r.Assignment.Status.NotPassing)
				slices.Reverse(r.Assignment.Status.Groups)
			}
			got := diagnosis.Summarize(in).Paths[0]
			if d := cmp.Diff(want.Diagnosis, got.Diagnosis); d != "" {
				t.Error(d)
			}
		})
	}
}

// TestLadderDisclosure: a check of a namespace to which nobody discloses anything
// is told of no pod, label or address of others, on whatever rung.
func TestLadderDisclosure(t *testing.T) {
	for name, g := range ladderGoldens(t) {
		t.Run(name, func(t *testing.T) {
			tenant := *g
			tenant.Namespace = "tenant"
			if to := g.Path.To.Pods; to != nil {
				to := *to
				to.NamespaceSelector = &metav1.LabelSelector{}
				tenant.Path.To.Pods = &to
			}
			p := tenant.judge(t)
			if g.Path.From.Nodes != nil || p.Diagnosis == nil { // nodes are no source of tenants
				return
			}
			text := p.Diagnosis.Message
			secrets := []string{"app=", "coredns", "api-0", "api-1", "db-0", "10.244.", "172.30.", "flannel"}
			for _, s := range secrets {
				if strings.Contains(text, s) {
					t.Errorf("tells of %q: %s", s, text)
				}
			}
		})
	}
}

// TestLadderHostileRows: a report may say what it likes of what it was not told
// to try, and whoever is not the node's present prober is not believed at all.
func TestLadderHostileRows(t *testing.T) {
	g := ladderGoldens(t)["undetermined-no-rows"]
	lie := []v1alpha1.RungStatus{
		{Rung: v1alpha1.RungPodNetwork, Probe: v1alpha1.ProbeMeshTCP, Target: "node3/IPv4", Verdict: v1alpha1.VerdictDropped},
		{Source: "Host", Rung: v1alpha1.RungUnderlay, Probe: v1alpha1.ProbeICMP, Target: "node3/IPv4", Verdict: v1alpha1.VerdictUnreachable},
	}
	with := func(change func(*ladderGolden, *diagnosis.Input)) v1alpha1.Rung {
		c := *g
		c.Rungs = map[string][]v1alpha1.RungStatus{"node1": slices.Clone(lie)}
		in := c.input()
		change(&c, &in)
		p := diagnosis.Summarize(in).Paths[0]
		return rungOf(&p)
	}
	if got := with(func(*ladderGolden, *diagnosis.Input) {}); got != v1alpha1.RungUnderlay {
		t.Fatalf("what is no lie is told to be %s", got)
	}
	rows := func(in *diagnosis.Input) *[]v1alpha1.RungStatus { return &in.Reports["node1"].Assignment.Status.Rungs }
	for name, change := range map[string]func(*ladderGolden, *diagnosis.Input){
		"of another node": func(_ *ladderGolden, in *diagnosis.Input) {
			in.Reports["node2"].Assignment.Status.Rungs, *rows(in) = *rows(in), nil
		},
		"by another prober": func(_ *ladderGolden, in *diagnosis.Input) { in.Nodes["node1"].Prober.UID = "new" },
		"long ago": func(_ *ladderGolden, in *diagnosis.Input) {
			in.Reports["node1"].SeenAt = t0.Add(-3 * 60 * 1e9)
		},
		"said twice": func(_ *ladderGolden, in *diagnosis.Input) {
			again := lie[0]
			again.Verdict = v1alpha1.VerdictConnected
			*rows(in) = append(*rows(in), again)
		},
		"by another probe": func(_ *ladderGolden, in *diagnosis.Input) { (*rows(in))[0].Probe = v1alpha1.ProbeDNS },
		"of what is not assigned": func(_ *ladderGolden, in *diagnosis.Input) {
			for i := range *rows(in) {
				(*rows(in))[i].Target = "node9/IPv4"
			}
		},
		"too many": func(_ *ladderGolden, in *diagnosis.Input) {
			for len(*rows(in)) <= 128 {
				*rows(in) = append(*rows(in), lie[0])
			}
		},
		"no verdict": func(_ *ladderGolden, in *diagnosis.Input) { (*rows(in))[1].Verdict = "Doomed" },
	} {
		t.Run(name, func(t *testing.T) {
			if got := with(change); got != v1alpha1.RungUndetermined {
				t.Errorf("told to be %s", got)
			}
		})
	}
	c := *g
	c.Rungs = map[string][]v1alpha1.RungStatus{"node1": slices.Clone(lie)}
	c.Rungs["node1"][1].Evidence = strings.Repeat("\x1b[31m", 1000)
	p := c.judge(t)
	if m := p.Diagnosis.Message; strings.Contains(m, "\x1b") || len(m) > 1024 || !utf8.ValidString(m) || rungOf(&p) != v1alpha1.RungUnderlay {
		t.Errorf("%q", m)
	}
}

// TestWhatIsOlderThanTheFailureIsNoEvidence: rows that were seen before a pair
// began to be bad count for no more than rows that are not there, whatever they
// say; the others count whenever they were seen.
func TestWhatIsOlderThanTheFailureIsNoEvidence(t *testing.T) {
	for name, g := range ladderGoldens(t) {
		t.Run(name, func(t *testing.T) {
			near := map[string]bool{}
			for _, d := range g.Doubts {
				near[d.Node] = true // told to look because of the failure: no clock is compared
			}
			rapid.Check(t, func(t *rapid.T) {
				aged, less := *g, *g
				aged.Rungs, less.Rungs = map[string][]v1alpha1.RungStatus{}, map[string][]v1alpha1.RungStatus{}
				for _, node := range ladderNodes() {
					for _, r := range g.Rungs[node] {
						ms := rapid.IntRange(0, 60_000).Draw(t, "after, in ms")
						r.At = ptr(metav1.NewMicroTime(badSince.Add(time.Duration(ms) * time.Millisecond)))
						if !near[node] && rapid.Bool().Draw(t, "old") {
							r.At = ptr(metav1.NewMicroTime(badSince.Add(-time.Duration(ms+1) * time.Millisecond)))
							r.Verdict = rapid.SampledFrom([]v1alpha1.Verdict{r.Verdict, v1alpha1.VerdictConnected, v1alpha1.VerdictDropped, v1alpha1.VerdictRefused}).Draw(t, "verdict")
							aged.Rungs[node] = append(aged.Rungs[node], r)
							continue
						}
						aged.Rungs[node], less.Rungs[node] = append(aged.Rungs[node], r), append(less.Rungs[node], r)
					}
				}
				want, got := diagnosis.Summarize(less.input()).Paths[0], diagnosis.Summarize(aged.input()).Paths[0]
				if d := cmp.Diff(want.Diagnosis, got.Diagnosis); d != "" {
					t.Fatalf("old rows are evidence: %s", d)
				}
			})
		})
	}
}
