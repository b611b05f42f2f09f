// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package prober

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/go-logr/logr"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/prober/probe"
	"github.com/netladder/netladder/prober/schedule"
)

// BenchmarkAllFail: every pair of an assignment is bad for the first time, on as
// many nodes, and is looked for in a new assignment afterwards.
func BenchmarkAllFail(b *testing.B) {
	for _, n := range []int{100, 1000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			none := func(context.Context, probe.Target) probe.Result { return probe.Result{Verdict: probe.Dropped} }
			probes := map[probe.Kind]probe.Method{}
			for kind := range probe.Kinds() {
				probes[kind] = probe.Method{Probe: none}
			}
			second := metav1.Duration{Duration: time.Second}
			spec := &v1alpha1.ProbeAssignmentSpec{}
			for i := range n {
				node := fmt.Sprintf("node-%04d", i)
				spec.Nodes = append(spec.Nodes, v1alpha1.AssignedNode{Name: node, EchoIPs: []string{fmt.Sprintf("10.0.%d.%d", i/250, i%250+1)}, EchoUID: node})
				spec.Targets = append(spec.Targets, v1alpha1.AssignedTarget{IP: fmt.Sprintf("10.1.%d.%d", i/250, i%250+1), Port: 80, Node: node})
			}
			for i := 0; i < n; i += 100 {
				g := v1alpha1.ProbeGroup{
					Key: fmt.Sprintf("shop/check-%d/path/TCP", i), Hash: "a-1", Kind: v1alpha1.ProbeTCP, Interval: second, Timeout: second, FailureThreshold: 2, SuccessThreshold: 1,
				}
				for m := range 100 {
					g.Members = append(g.Members, int32(i+m))
				}
				spec.Groups = append(spec.Groups, g)
			}
			for b.Loop() {
				b.StopTimer()
				a := newAgent(Options{NodeName: "node", PodUID: "uid", Log: logr.Discard(), Probes: probes}, nil)
				a.tracker.Update(spec, nil, time.Now())
				groups, _, _ := a.groups(spec)
				b.StartTimer()
				for i := range groups {
					for j := range groups[i].Pairs {
						groups[i].Pairs[j].Recorder.Record(&schedule.Outcome{Result: probe.Result{Verdict: probe.Dropped}, At: time.Now()})
					}
				}
				changed := *spec
				changed.Heartbeat = second
				a.assigned(&v1alpha1.ProbeAssignment{Spec: changed})
				b.StopTimer()
				a.release()
				b.StartTimer()
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*n), "µs/pair")
		})
	}
}
