// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package prober

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/prober/climb"
	"github.com/netladder/netladder/prober/probe"
	"github.com/netladder/netladder/prober/schedule"
	"github.com/netladder/netladder/test/golden"
)

// TestSeriesOfAProber counts them for assignments of many sizes, where all is
// well and where every path sees everything. The table is that of
// docs/performance.md.
func TestSeriesOfAProber(t *testing.T) {
	var table strings.Builder
	table.WriteString("| nodes | checks | paths | all is well | everything fails | at most |\n|---:|---:|---:|---:|---:|---:|\n")
	for _, nodes := range []int{10, 100, 1000} {
		for _, checks := range []int{1, 10, 100} {
			spec := sizedSpec(nodes, checks)
			paths := 3 * checks
			well := seriesOf(t, &spec, v1alpha1.VerdictConnected)
			bad := seriesOf(t, &spec, append(v1alpha1.Verdicts(), "FromTheFuture")...)
			// One path of a check has certificates, one makes lookups.
			most := 220 + 8*paths + 2*checks
			if well > most || bad > most || bad <= well {
				t.Errorf("%d nodes, %d checks: %d and %d series, want at most %d", nodes, checks, well, bad, most)
			}
			fmt.Fprintf(&table, "| %d | %d | %d | %d | %d | %d |\n", nodes, checks, paths, well, bad, most)
		}
	}
	golden.Section(t, "../docs/performance.md", "series of a prober", table.String())
}

// sizedSpec has for each check a mesh by three protocols, a TLS server and a
// name. A prober has at most 32 peers of a mesh, whatever the cluster's size.
func sizedSpec(nodes, checks int) v1alpha1.ProbeAssignmentSpec {
	spec := v1alpha1.ProbeAssignmentSpec{Targets: []v1alpha1.AssignedTarget{{IP: "10.0.0.1", Port: 443}, {IP: "10.96.0.10", Port: 53}}}
	var peers []int32
	for i := range min(nodes-1, 32) {
		spec.Nodes = append(spec.Nodes, v1alpha1.AssignedNode{Name: fmt.Sprint("node", i), EchoIPs: []string{fmt.Sprintf("10.1.0.%d", i)}, EchoUID: fmt.Sprint(i)})
		peers = append(peers, int32(i))
	}
	for i := range checks {
		add := func(path string, kind v1alpha1.ProbeKind, members ...int32) {
			spec.Groups = append(spec.Groups, v1alpha1.ProbeGroup{
				Key: fmt.Sprintf("ns/check-%03d/%s/%s", i, path, kind), Hash: "hash-1", Kind: kind, Members: members, Port: 1,
				Interval: metav1.Duration{Duration: 10 * time.Second}, Timeout: metav1.Duration{Duration: time.Second},
				FailureThreshold: 2, SuccessThreshold: 1,
			})
		}
		add("mesh", v1alpha1.ProbeMeshTCP, peers...)
		add("mesh", v1alpha1.ProbeMeshUDP, peers...)
		add("mesh", v1alpha1.ProbeMeshICMP, peers...)
		add("server", v1alpha1.ProbeTLS, 0)
		add("name", v1alpha1.ProbeDNS, 1)
		spec.Groups[len(spec.Groups)-1].DNS = &v1alpha1.DNSTarget{Name: "shop.example."}
	}
	return spec
}

// seriesOf counts the series of a prober all of whose pairs see these verdicts.
func seriesOf(t *testing.T, spec *v1alpha1.ProbeAssignmentSpec, verdicts ...v1alpha1.Verdict) int {
	t.Helper()
	a := newAgent(Options{NodeName: "node0", PodUID: "uid", Log: logr.Discard()}, nil)
	a.climber.Close()
	// Nothing is sent to the addresses of the assignment, which are made up.
	a.climber = climb.New(climb.Options{Run: func(context.Context, climb.Step, time.Duration) probe.Result { return probe.Result{} }, Changed: func() {}})
	defer a.climber.Close()
	a.metrics.setLevel(v1alpha1.LevelFull)
	a.tracker.Update(spec, nil, time.Now())
	groups, _, _ := a.groups(spec)
	for i := range groups {
		for k := range groups[i].Pairs {
			for _, v := range verdicts {
				o := &schedule.Outcome{Result: probe.Result{Verdict: probe.Verdict(v), Latency: time.Millisecond}, At: time.Now()}
				o.Timed = v == v1alpha1.VerdictConnected
				o.NotAfter, o.Queries = time.Unix(1, 0), 3
				for _, phase := range []string{"resolve", "connect", "tls", "exchange", "first_byte"} {
					o.Phases = append(o.Phases, probe.Phase{Name: phase, Duration: time.Millisecond})
				}
				groups[i].Pairs[k].Recorder.Record(o)
			}
		}
	}
	if len(verdicts) > 1 {
		for _, rung := range climbedRungs() {
			for _, v := range verdicts {
				a.metrics.climbed(rung, probe.Verdict(v))
			}
		}
	}
	return len(series(t, a.metrics))
}

// climbedRungs are those that a prober climbs.
func climbedRungs() []v1alpha1.Rung {
	return []v1alpha1.Rung{
		v1alpha1.RungDNS, v1alpha1.RungEndpoints, v1alpha1.RungListener, v1alpha1.RungPodNetwork,
		v1alpha1.RungOverlay, v1alpha1.RungMTU, v1alpha1.RungUnderlay,
	}
}
