// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"fmt"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	"pgregory.net/rapid"

	"github.com/netladder/netladder/api/v1alpha1"
)

// What a node starts is within its budgets, whatever is asked.
func TestNodesAreWithinTheirBudgets(t *testing.T) {
	in := populous(20, 600, 40)
	for _, c := range in.Checks {
		every(c, time.Second)
	}
	in.Settings.Budgets = Budgets{Target: MaxBudget, Namespace: 3, Node: 10}
	for _, a := range Build(in) {
		byNamespace := map[string]float64{}
		for i := range a.Spec.Groups {
			g := a.Spec.Groups[i]
			one := a.Spec
			one.Groups = []v1alpha1.ProbeGroup{g}
			byNamespace[g.Key[:strings.IndexByte(g.Key, '/')]] += ProbeRate(&one)
		}
		sum := 0.0
		for namespace, r := range byNamespace {
			sum += r
			if namespace != home && r > 3*9/8.+1e-3 {
				t.Errorf("%s starts %.2f for %s", a.Node, r, namespace)
			}
		}
		if sum > 10*9/8.+1e-3 {
			t.Errorf("%s starts %.2f", a.Node, sum)
		}
	}
}

// gets is what each target gets by the assignments of all nodes, in probes per
// second.
func gets(plan []Assignment) map[string]float64 {
	out := map[string]float64{}
	for i := range plan {
		spec := &plan[i].Spec
		for j := range spec.Groups {
			g := &spec.Groups[j]
			if g.Port != 0 || g.Window == 0 || g.Kind == v1alpha1.ProbeListener && spec.Targets[g.Members[0]].Protocol != v1alpha1.ProtocolUDP {
				continue
			}
			each := perRound(spec, g) / float64(g.Window) / g.Interval.Seconds()
			for _, m := range g.Members {
				t := spec.Targets[m]
				out[fmt.Sprintf("%s:%d/%s", t.IP, t.Port, t.Protocol)] += each
			}
		}
	}
	return out
}

// No target gets more than its budget, whoever asks for it from wherever, as
// long as every source holds all targets: else it is an average.
func TestTargetsAreWithinTheirBudget(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := full(rapid.IntRange(1, 12).Draw(t, "nodes"))
		budget := rapid.SampledFrom([]float64{0, 0.1, 1, 7}).Draw(t, "budget")
		in.Settings.Budgets = Budgets{Target: budget, Namespace: MaxBudget, Node: MaxBudget}
		for i := range rapid.IntRange(1, 30).Draw(t, "pods") {
			in.addPod("shop", fmt.Sprint("pod-", i), fmt.Sprint("app-", rapid.IntRange(0, 2).Draw(t, "app")), rapid.IntRange(0, len(in.Cluster.Nodes)-1).Draw(t, "on"))
		}
		for i := range rapid.IntRange(1, 10).Draw(t, "checks") {
			app := func(name string) string { return fmt.Sprint("app-", rapid.IntRange(0, 2).Draw(t, name)) }
			expect := rapid.SampledFrom([]v1alpha1.Expectation{"Allow", "Deny"}).Draw(t, "expect")
			c := in.addPath("shop", fmt.Sprint("check-", i), fromPods(app("from")), toPods(app("to"), 8080), expect)
			c.Spec.Paths[0].To.Pods.Protocol = rapid.SampledFrom([]v1alpha1.Protocol{"TCP", "UDP"}).Draw(t, "protocol")
			every(c, rapid.SampledFrom([]time.Duration{time.Second, 3 * time.Second, 10 * time.Second}).Draw(t, "interval"))
		}
		if budget == 0 {
			budget = DefaultTargetBudget
		}
		for at, r := range gets(Build(in)) {
			if r > budget*9/8+1e-3 {
				t.Fatalf("%s gets %.3f probes per second, the budget is %g", at, r, budget)
			}
		}
	})
}

// What comes of budgets does not depend on the order in which checks come, nor
// on what was before: see also TestEngineAgreesWithBuild.
func TestEngineAgreesWithBuildOnSmallBudgets(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t, 0)
		w.in.Settings.Budgets = Budgets{
			Target:    rapid.SampledFrom([]float64{0.05, 0.3, 2}).Draw(t, "target"),
			Namespace: rapid.SampledFrom([]float64{0.1, 1}).Draw(t, "namespace"),
			Node:      rapid.SampledFrom([]float64{0.3, 2}).Draw(t, "node"),
		}
		w.engine = NewEngine(w.in.Settings)
		w.engine.Advance(w.in.Now)
		w.nodes = rapid.SampledFrom([]int{3, 6}).Draw(t, "nodes")
		for i := range w.nodes {
			w.setNode(i)
		}
		for i := range namespaces {
			w.setNamespace(i)
		}
		for i := range 12 {
			w.setPod(i)
		}
		for i := range 4 {
			w.setCheck(i)
			w.setService(i)
		}
		w.compare()
		for range rapid.IntRange(1, 8).Draw(t, "changes") {
			w.change()
			w.compare()
		}
	})
}

// rival is a check of a world that aims at the same few targets as others.
func (w *world) rival(i int) {
	c := &v1alpha1.ConnectivityCheck{}
	key := checkKey(i)
	c.Namespace, c.Name, c.UID = key.Namespace, key.Name, types.UID(fmt.Sprint(i))
	c.Spec.Interval = metav1.Duration{Duration: rapid.SampledFrom([]time.Duration{time.Second, 10 * time.Second, time.Minute}).Draw(w.t, "interval")}
	to := v1alpha1.Target{Pods: &v1alpha1.PodsTarget{Port: intstr.FromInt32(8080)}}
	from := v1alpha1.Source{Pods: &v1alpha1.PodsSource{}}
	if rapid.Bool().Draw(w.t, "to a Service") {
		to = v1alpha1.Target{Service: &v1alpha1.ServiceTarget{Namespace: "shop", Name: "service-0", Port: intstr.FromInt32(80)}}
	}
	if key.Namespace == home && rapid.Bool().Draw(w.t, "from everywhere") {
		from = fromProbers()
	}
	c.Spec.Paths = []v1alpha1.Path{{Name: "path", From: from, To: to, Expect: rapid.SampledFrom([]v1alpha1.Expectation{"", "Deny"}).Draw(w.t, "expect")}}
	w.checks[c.Name] = c
	w.engine.SetCheck(c)
}

func TestEngineAgreesWithBuildAmongRivals(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t, 0)
		w.nodes = 4
		for i := range w.nodes {
			w.setNode(i)
		}
		for i := range namespaces {
			w.setNamespace(i)
		}
		w.setService(0)
		for i := range 6 {
			w.setPod(i)
			w.rival(i)
		}
		w.compare()
		for range rapid.IntRange(1, 10).Draw(t, "changes") {
			i := rapid.IntRange(0, 5).Draw(t, "which")
			switch rapid.IntRange(0, 5).Draw(t, "change") {
			case 0:
				delete(w.checks, checkKey(i).Name)
				w.engine.DeleteCheck(checkKey(i))
			case 1:
				w.setService(0)
			case 2:
				w.setPod(i)
			case 3:
				w.setNode(i % w.nodes)
			default:
				w.rival(i)
			}
			w.compare()
		}
	})
}
