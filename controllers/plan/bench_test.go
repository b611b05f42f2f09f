// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"fmt"
	"testing"

	"k8s.io/apimachinery/pkg/types"

	"github.com/netladder/netladder/api/v1alpha1"
)

// big is a cluster with checks as people write them: of each hundred, five
// meshes over all nodes, ten DNS names and five Services from everywhere, the
// others Services from one pool of nodes, every tenth of them headless.
func big(nodes, checks int) Input {
	in := fixture(nodes)
	for i := range checks {
		name := fmt.Sprintf("check-%04d", i)
		pool := fmt.Sprint(i % 10)
		switch at := i % 100; {
		case at < 5 && i < 200:
			c := in.addCheck(name, meshOf([]v1alpha1.MeshScope{"Any", "CrossNode", "SameNode"}[i%3]), "")
			c.Spec.Paths[0].To.Mesh.Protocols = []v1alpha1.MeshProtocol{"TCP", "UDP", "ICMP"}[:1+i%3]
		case at < 15:
			in.addCheck(name, dnsOf(name+".example.com"), pool)
		case at < 20 && i < 200:
			in.addCheck(name, in.addService(name, false, 10), "")
		default:
			in.addCheck(name, in.addService(name, i%10 == 0, 60), pool)
		}
	}
	return in
}

func BenchmarkBuild(b *testing.B) {
	for _, size := range []struct{ nodes, checks int }{{1000, 200}, {5000, 1000}} {
		b.Run(fmt.Sprintf("nodes=%d/checks=%d", size.nodes, size.checks), func(b *testing.B) {
			in := big(size.nodes, size.checks)
			bytes, largest := 0, 0
			b.ReportAllocs()
			for b.Loop() {
				bytes, largest = 0, 0
				for _, a := range Build(in) {
					b.StopTimer()
					n := len(mustJSON(&a.Spec))
					bytes, largest = bytes+n, max(largest, n)
					b.StartTimer()
				}
			}
			b.ReportMetric(float64(bytes)/float64(size.nodes), "bytes/assignment")
			b.ReportMetric(float64(largest), "bytes/largest")
		})
	}
}

// replan is what the controller does after a change: take what is dirty and
// assign it.
func replan(b *testing.B, e *Engine) int {
	b.Helper()
	d := e.TakeDirty()
	for _, name := range d.Nodes {
		e.Assign(name, nil)
	}
	return len(d.Nodes)
}

func BenchmarkReplan(b *testing.B) {
	for _, size := range []struct{ nodes, checks int }{{1000, 200}, {5000, 1000}} {
		in := big(size.nodes, size.checks)
		api := in.Cluster.Services[types.NamespacedName{Namespace: "shop", Name: "check-0021"}]
		db := in.Cluster.Services[types.NamespacedName{Namespace: "shop", Name: "check-0020"}]
		moved := *api
		moved.ClusterIPs = in.Cluster.Nodes["node-00001"].Echo.IPs
		apis := []*Service{api, withoutEndpoint(api, 3)}
		movedAPI := []*Service{api, &moved}
		dbs := []*Service{db, withoutEndpoint(db, 3)}
		node := in.Cluster.Nodes["node-00007"]
		changes := []struct {
			name string
			do   func(e *Engine, i int)
		}{
			{"echo pod", func(e *Engine, i int) { e.SetNode(withEcho(node, fmt.Sprint(i))) }},
			{"endpoint behind a cluster IP", func(e *Engine, i int) { e.SetService(apis[i%2]) }},
			{"endpoint of a headless Service", func(e *Engine, i int) { e.SetService(dbs[i%2]) }},
			{"cluster IP", func(e *Engine, i int) { e.SetService(movedAPI[i%2]) }},
			{"node joins or leaves", func(e *Engine, i int) {
				if i%2 == 1 {
					e.DeleteNode(node.Name)
				} else {
					e.SetNode(node)
				}
			}},
			{"epoch", func(e *Engine, _ int) { e.Advance(e.NextAdvance()) }},
		}
		for _, c := range changes {
			b.Run(fmt.Sprintf("nodes=%d/checks=%d/%s", size.nodes, size.checks, c.name), func(b *testing.B) {
				e := in.engine()
				dirty := 0
				b.ReportAllocs()
				for i := 0; b.Loop(); i++ {
					c.do(e, i+1)
					dirty = replan(b, e)
				}
				b.ReportMetric(float64(dirty), "dirty")
			})
		}
	}
}

// A change must cost what it touches. Allocations stand for the cost: they do
// not depend on what else the machine does.
func TestAChangeCostsLessThanTheWholePlan(t *testing.T) {
	in := big(500, 100)
	whole := testing.AllocsPerRun(1, func() { Build(in) })
	e := in.engine()
	node := in.Cluster.Nodes["node-00007"]
	i := 0
	change := testing.AllocsPerRun(3, func() {
		i++
		e.SetNode(withEcho(node, fmt.Sprint(i)))
		for _, name := range e.TakeDirty().Nodes {
			e.Assign(name, nil)
		}
	})
	if change*10 > whole {
		t.Errorf("one echo pod takes %.0f allocations, the whole plan %.0f", change, whole)
	}
}
