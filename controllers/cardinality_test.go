// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	testingclock "k8s.io/utils/clock/testing"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/controllers/diagnosis"
	"github.com/netladder/netladder/controllers/diagnosis/causes"
	"github.com/netladder/netladder/controllers/plan"
	"github.com/netladder/netladder/test/builders"
	"github.com/netladder/netladder/test/golden"
)

// pathsPerCheck in the worlds whose series are counted; the last one aims at the
// canary pods.
const pathsPerCheck = 3

// maxSeries is what docs/metrics.md says of the controller.
func maxSeries(paths, canaryPaths int) int { return 1100 + 12*paths + 4*canaryPaths }

// maxRepeated is what it says of a controller that does not lead.
func maxRepeated(paths int) int { return 250 + 12*paths }

// TestSeriesOfTheController counts them in worlds of many sizes, where all is well
// and where everything fails. The table is that of docs/performance.md.
func TestSeriesOfTheController(t *testing.T) {
	var table strings.Builder
	table.WriteString("| nodes | checks | paths | all is well | everything fails | at most |\n|---:|---:|---:|---:|---:|---:|\n")
	for _, nodes := range []int{10, 100, 1000} {
		for _, checks := range []int{1, 10, 100} {
			w, clock := sizedWorld(nodes, checks)
			judgeAll(w, nodes, false)
			well := countSeries(t, w)
			clock.Step(time.Hour) // nobody is heard any more
			judgeAll(w, nodes, true)
			bad := countSeries(t, w)
			most := maxSeries(checks*pathsPerCheck, checks)
			if well > most || bad > most || bad <= well {
				t.Errorf("%d nodes, %d checks: %d and %d series, want at most %d", nodes, checks, well, bad, most)
			}
			fmt.Fprintf(&table, "| %d | %d | %d | %d | %d | %d |\n", nodes, checks, checks*pathsPerCheck, well, bad, most)
		}
	}
	golden.Section(t, "../docs/performance.md", "series of the controller", table.String())
}

// TestSeriesOfTheStandby counts those of the controller that does not lead in the
// same worlds.
func TestSeriesOfTheStandby(t *testing.T) {
	var table strings.Builder
	table.WriteString("| nodes | checks | paths | all is well | everything fails | at most |\n|---:|---:|---:|---:|---:|---:|\n")
	for _, nodes := range []int{10, 100, 1000} {
		for _, checks := range []int{1, 10, 100} {
			w, _ := sizedWorld(nodes, checks)
			judgeAll(w, nodes, false)
			well := countFollowed(t, w)
			judgeAll(w, nodes, true)
			bad := countFollowed(t, w)
			most := maxRepeated(checks * pathsPerCheck)
			if well > most || bad > most || bad <= well {
				t.Errorf("%d nodes, %d checks: %d and %d series, want at most %d", nodes, checks, well, bad, most)
			}
			fmt.Fprintf(&table, "| %d | %d | %d | %d | %d | %d |\n", nodes, checks, checks*pathsPerCheck, well, bad, most)
		}
	}
	golden.Section(t, "../docs/performance.md", "series of the standby", table.String())
}

// persistedIn are the checks of a world with the statuses that they were judged to
// have.
func persistedIn(w *world) []v1alpha1.ConnectivityCheck {
	list := make([]v1alpha1.ConnectivityCheck, 0, len(w.checks))
	for _, known := range w.checks {
		c := *known.object
		c.Status = *known.status
		list = append(list, c)
	}
	return list
}

func countFollowed(t *testing.T, w *world) int {
	t.Helper()
	list := persistedIn(w)
	return countIn(t, follows(t, true, &list))
}

// BenchmarkScrape of a controller with 100 checks and 1000 nodes, where everything
// fails: of the leader, and of the one that repeats the statuses. The list is the
// shallow one that a cache without copies gives.
func BenchmarkScrape(b *testing.B) {
	w, _ := sizedWorld(1000, 100)
	judgeAll(w, 1000, true)
	cached := persistedIn(w)
	leader, standby := newCollector(), newCollector()
	leader.world.Store(w)
	standby.standby.Store(&persisted{
		waits: func() bool { return true }, alive: func() bool { return true },
		list: func() ([]v1alpha1.ConnectivityCheck, bool) { return slices.Clone(cached), true },
	})
	for name, c := range map[string]*collector{"leader": leader, "standby": standby} {
		b.Run(name, func(b *testing.B) {
			registry := prometheus.NewRegistry()
			registry.MustRegister(c)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := registry.Gather(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// sizedWorld has so many nodes with their pods, and so many checks.
func sizedWorld(nodes, checks int) (*world, *testingclock.FakeClock) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	clock, old := testingclock.NewFakeClock(now), now.Add(-time.Hour)
	w := newWorld(clock, plan.Settings{Namespace: system})
	var s snapshot
	for i := range nodes {
		name := nodeName(i)
		s.nodes.Items = append(s.nodes.Items, *builders.MakeNode(name).UID(name).Ready(corev1.ConditionTrue, old).Obj())
		s.pods.Items = append(s.pods.Items, *builders.MakeProberPod("prober-"+name, name).UID("prober-"+name).Started(old).Ready(corev1.ConditionTrue, old).Obj())
		a := v1alpha1.ProbeAssignment{Status: v1alpha1.ProbeAssignmentStatus{PodUID: "prober-" + name}}
		a.Name = name
		s.assignments.Items = append(s.assignments.Items, a)
	}
	for i := range checks {
		c := builders.MakeCheck(fmt.Sprintf("check-%03d", i)).Namespace(system)
		for k := range pathsPerCheck {
			c.Path(fmt.Sprint("path-", k), builders.ToMesh(v1alpha1.MeshScopeAny))
		}
		s.checks.Items = append(s.checks.Items, *c.Obj())
	}
	w.prime(&s, false)
	return w, clock
}

func nodeName(i int) string { return fmt.Sprintf("node-%05d", i) }

// judgeAll gives each check a status in which all is well, or everything fails
// on every node, each path for a cause of its own.
func judgeAll(w *world, nodes int, fails bool) {
	for key, known := range w.checks {
		status, summary := &v1alpha1.ConnectivityCheckStatus{}, &diagnosis.Summary{}
		enforcement := diagnosis.Enforcement{Path: fmt.Sprint("path-", pathsPerCheck-1), Direction: v1alpha1.PolicyIngress, Enforced: nodes}
		for i := range known.object.Spec.Paths {
			path := v1alpha1.PathStatus{Name: known.object.Spec.Paths[i].Name, State: v1alpha1.StatePassing, Pairs: v1alpha1.PairCounts{Passing: int32(nodes)}}
			if fails {
				failAll(&path, summary, key, nodes)
			}
			status.Paths = append(status.Paths, path)
		}
		if fails {
			enforcement.Enforced, enforcement.NotEnforced = 0, nodes
			for i := range nodes {
				enforcement.Nodes = append(enforcement.Nodes, nodeName(i))
			}
		}
		summary.Enforcement = []diagnosis.Enforcement{enforcement}
		w.judged(key, status, summary)
	}
}

func failAll(path *v1alpha1.PathStatus, summary *diagnosis.Summary, key types.NamespacedName, nodes int) {
	var number, of int // a pair of nodes of its own, of those that are shown
	if _, err := fmt.Sscanf(key.Name+path.Name, "check-%dpath-%d", &number, &of); err != nil {
		panic(err)
	}
	number = number*pathsPerCheck + of
	source := number % 10
	target := (source + 1 + number/10%9) % 10
	text := fmt.Sprintf("%s of %s is broken between %s and %s: %s", path.Name, key, nodeName(source), nodeName(target), strings.Repeat("see there; ", 50))
	path.LastTransitionTime = metav1.Unix(1700000000, 0)
	path.State, path.Pairs = v1alpha1.StateFailing, v1alpha1.PairCounts{Failing: int32(nodes)}
	path.Diagnosis = &v1alpha1.PathDiagnosis{Rung: v1alpha1.RungOverlay, Reason: "Broken", Message: text}
	for i := range min(nodes, 10) {
		path.WorstPairs = append(path.WorstPairs, v1alpha1.WorstPair{
			Source: nodeName(i), SourceNode: nodeName(i), Target: nodeName((i + 1) % nodes), TargetNode: nodeName((i + 1) % nodes), State: v1alpha1.StateFailing, Verdict: v1alpha1.VerdictDropped,
		})
	}
	summary.Causes = append(summary.Causes, causes.Found{Path: path.Name, Rung: v1alpha1.RungOverlay, Reason: "Broken", Object: text[:40], Text: text})
}

// countSeries counts the samples of the leader's registry, as a scrape has them:
// each classic bucket is one.
func countSeries(t *testing.T, w *world) int {
	t.Helper()
	m := newMetrics()
	defer m.leading(w)()
	for _, kind := range []string{writeAssignment, writeCheckStatus, writeEvent, writeInstall, writeAudit} {
		m.wrote(kind)
	}
	registry := prometheus.NewRegistry()
	_, err := m.register(registry)
	must(t, err)
	return countIn(t, registry)
}

func countIn(t *testing.T, registry *prometheus.Registry) (n int) {
	t.Helper()
	families, err := registry.Gather()
	must(t, err)
	for _, family := range families {
		for _, metric := range family.GetMetric() {
			n++
			if family.GetType() == dto.MetricType_HISTOGRAM {
				n += len(metric.GetHistogram().GetBucket()) + 2 // +Inf, sum and count instead of one
			}
		}
	}
	return n
}
