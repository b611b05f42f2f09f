// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"fmt"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	"k8s.io/apimachinery/pkg/types"

	"github.com/netladder/netladder/api/v1alpha1"
)

// populous is a cluster of applications of 20 pods, each with a check of its own
// namespace that a neighbour reaches it and, every other, that another does
// not; ten applications to a namespace.
func populous(nodes, pods, checks int) Input {
	in := full(nodes)
	const size = 20
	name := func(i int) (namespace, app string) {
		i %= pods / size
		return fmt.Sprintf("team-%d", i/10), fmt.Sprintf("app-%d", i)
	}
	for i := range pods {
		namespace, app := name(i / size)
		if in.Cluster.Namespaces[namespace] == nil {
			in.Cluster.Namespaces[namespace] = &Namespace{Name: namespace, Labels: map[string]string{"name": namespace}}
		}
		in.addPod(namespace, fmt.Sprintf("%s-%d", app, i%size), app, int(hash64(fmt.Sprint(i))%uint64(nodes)))
	}
	for i := range checks {
		namespace, app := name(i)
		_, next := name(i/10*10 + (i+1)%10)
		_, other := name(i/10*10 + (i+5)%10)
		c := in.addPath(namespace, fmt.Sprintf("check-%04d", i), fromPods(app), toPods(next, 8080), "")
		if i%2 == 0 {
			c.Spec.Paths = append(c.Spec.Paths, v1alpha1.Path{Name: "deny", From: fromPods(other), To: toPods(app, 8080), Expect: "Deny"})
		}
		if i%50 == 0 {
			in.addCheck(fmt.Sprintf("mesh-%04d", i), meshOf(v1alpha1.MeshScopeAny), "")
		}
	}
	return in
}

// cpuTime that this process has used, for machines that have other work too.
func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var use unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &use); err != nil {
		b.Fatal(err)
	}
	return time.Duration(use.Utime.Nano() + use.Stime.Nano())
}

func BenchmarkBuildPods(b *testing.B) {
	for _, size := range []struct{ nodes, pods, checks int }{{1000, 30_000, 200}, {5000, 150_000, 1000}} {
		b.Run(fmt.Sprintf("nodes=%d/pods=%d/checks=%d", size.nodes, size.pods, size.checks), func(b *testing.B) {
			in := populous(size.nodes, size.pods, size.checks)
			bytes, largest, cpu := 0, 0, time.Duration(0)
			b.ReportAllocs()
			for b.Loop() {
				before := cpuTime(b)
				plan := Build(in)
				cpu += cpuTime(b) - before
				b.StopTimer()
				bytes, largest = 0, 0
				for _, a := range plan {
					n := len(mustJSON(&a.Spec))
					bytes, largest = bytes+n, max(largest, n)
				}
				b.StartTimer()
			}
			b.ReportMetric(float64(cpu.Milliseconds())/float64(b.N), "cpu-ms/op")
			b.ReportMetric(float64(bytes)/float64(size.nodes), "bytes/assignment")
			b.ReportMetric(float64(largest), "bytes/largest")
		})
	}
}

func BenchmarkReplanPods(b *testing.B) {
	for _, size := range []struct{ nodes, pods, checks int }{{1000, 30_000, 200}, {5000, 150_000, 1000}} {
		in := populous(size.nodes, size.pods, size.checks)
		idle := in.addPod("team-0", "idle", "idle", 3)
		far := in.addPod("elsewhere", "far", "x", 3)
		target := in.Cluster.Pods["team-0-app-1-3"]
		changed := func(p *Pod, i int) *Pod {
			c := *p
			c.Labels = map[string]string{"app": p.Labels["app"], "run": fmt.Sprint(i)}
			c.IPs = in.Cluster.Nodes[fmt.Sprintf("node-%05d", i%2)].Echo.IPs
			return &c
		}
		for _, c := range []struct {
			name string
			do   func(e *Engine, i int)
		}{
			{"a pod without a reader", func(e *Engine, i int) { e.SetPod(changed(far, i)) }},
			{"a pod beside others that are read", func(e *Engine, i int) { e.SetPod(changed(idle, i)) }},
			{"source and target", func(e *Engine, i int) { e.SetPod(changed(target, i)) }},
			{"source and target comes or goes", func(e *Engine, i int) {
				if i%2 == 1 {
					e.DeletePod(target.UID)
				} else {
					e.SetPod(target)
				}
			}},
		} {
			b.Run(fmt.Sprintf("nodes=%d/pods=%d/checks=%d/%s", size.nodes, size.pods, size.checks, c.name), func(b *testing.B) {
				e := in.engine()
				dirty, before := 0, cpuTime(b)
				b.ReportAllocs()
				for i := 0; b.Loop(); i++ {
					c.do(e, i+1)
					dirty = replan(b, e)
				}
				b.ReportMetric(float64((cpuTime(b)-before).Microseconds())/float64(b.N), "cpu-µs/op")
				b.ReportMetric(float64(dirty), "dirty")
			})
		}
	}
}

// A pod that nobody selects must cost next to nothing, whatever else there is.
func TestAPodThatNobodyReadsIsNearlyFree(t *testing.T) {
	in := populous(50, 2000, 100)
	p := in.addPod("team-0", "idle", "idle", 3)
	e := in.engine()
	versions := [2]*Pod{p, {UID: p.UID, Key: p.Key, Labels: map[string]string{"app": "other"}, Node: p.Node, IPs: p.IPs}}
	i := 0
	allocs := testing.AllocsPerRun(20, func() {
		i++
		e.SetPod(versions[i%2])
		e.flush()
	})
	if allocs > 30 {
		t.Errorf("%.0f allocations for a pod that nobody reads", allocs)
	}
	e.SetPod(&Pod{UID: "new", Key: types.NamespacedName{Namespace: "team-0", Name: "new"}, Labels: map[string]string{"app": "app-1"}, Node: "node-00000", IPs: p.IPs})
	if d := e.TakeDirty(); len(d.Checks) == 0 {
		t.Error("a pod that somebody reads changes nothing")
	}
}
