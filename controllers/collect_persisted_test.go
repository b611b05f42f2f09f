// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	testingclock "k8s.io/utils/clock/testing"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/test/builders"
)

// ofPaths are how the names begin of what a controller exports that does not lead.
func ofPaths() []string { return []string{"netladder_path_", "netladder_cause_"} }

// seriesOf a registry whose names begin so, as "name{labels} value".
func seriesOf(t *testing.T, registry *prometheus.Registry, prefixes ...string) (out []string) {
	t.Helper()
	families, err := registry.Gather()
	must(t, err)
	for _, family := range families {
		if !slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(family.GetName(), p) }) {
			continue
		}
		for _, metric := range family.GetMetric() {
			var labels []string
			for _, l := range metric.GetLabel() {
				labels = append(labels, fmt.Sprintf("%s=%q", l.GetName(), l.GetValue()))
			}
			out = append(out, fmt.Sprintf("%s{%s} %v", family.GetName(), strings.Join(labels, ","), metric.GetGauge().GetValue()))
		}
	}
	return out
}

// follows is a registry of a controller that does not lead and knows these checks.
func follows(t *testing.T, alive bool, list *[]v1alpha1.ConnectivityCheck) *prometheus.Registry {
	t.Helper()
	return repeats(t, true, alive, list)
}

// repeats is the same where it is said whether it waits to lead.
func repeats(t *testing.T, waits, alive bool, list *[]v1alpha1.ConnectivityCheck) *prometheus.Registry {
	t.Helper()
	m := newMetrics()
	m.snapshot.standby.Store(&persisted{
		waits: func() bool { return waits },
		alive: func() bool { return alive },
		list:  func() ([]v1alpha1.ConnectivityCheck, bool) { return *list, true },
	})
	registry := prometheus.NewRegistry()
	_, err := m.register(registry)
	must(t, err)
	return registry
}

// hostile is a check whose status says more than a controller would.
func hostile() *v1alpha1.ConnectivityCheck {
	c := builders.MakeCheck("shop").Namespace(tenant).Path("db", builders.ToMesh(v1alpha1.MeshScopeAny)).
		Path("canary", v1alpha1.Target{Canary: &v1alpha1.CanaryTarget{Direction: v1alpha1.PolicyIngress}}).Obj()
	for _, name := range []string{"db", "db", "gone", "canary"} {
		c.Status.Paths = append(c.Status.Paths, v1alpha1.PathStatus{
			Name: name, State: v1alpha1.StateFailing, LastTransitionTime: metav1.Unix(1700000000, 0), Pairs: v1alpha1.PairCounts{Failing: 2},
			WorstPairs: []v1alpha1.WorstPair{{State: v1alpha1.StateFailing, SourceNode: "node1", TargetNode: "node2"}},
			Diagnosis: &v1alpha1.PathDiagnosis{
				Rung: v1alpha1.RungOverlay, Reason: "Broken\xff", Message: "node1 and node2 hear nothing within 2s " + strings.Repeat("é", 400) + "\xff",
			},
		})
	}
	return c
}

// What a status says is exported once, of paths that are declared, within bounds.
func TestPersistedPaths(t *testing.T) {
	list := []v1alpha1.ConnectivityCheck{*hostile()}
	before := list[0].DeepCopy()
	registry := follows(t, true, &list)
	const path = `check="shop",check_namespace="tenant",`
	text := "node1 and node2 hear nothing within 2s " + strings.Repeat("é", 129) + "…"
	want := []string{
		fmt.Sprintf("netladder_cause_info{message=%q,object=\"node1 and node2\",reason=\"Broken\uFFFD\",rung=\"Overlay\"} 1", text),
		`netladder_cause_paths{object="node1 and node2",reason="Broken` + "\uFFFD" + `",rung="Overlay"} 1`,
		`netladder_path_diagnosis{` + path + `path="db",reason="Broken` + "\uFFFD" + `",rung="Overlay"} 1`,
		fmt.Sprintf("netladder_path_diagnosis_info{%smessage=%q,path=\"db\",reason=\"Broken\uFFFD\",rung=\"Overlay\"} 1", path, text),
		`netladder_path_failing_since_timestamp_seconds{` + path + `path="db"} 1.7e+09`,
	}
	names := []string{"netladder_cause_", "netladder_path_diagnosis", "netladder_path_failing"}
	if diff := cmp.Diff(want, seriesOf(t, registry, names...)); diff != "" {
		t.Error(diff)
	}
	if all := seriesOf(t, registry, "netladder_path_state"); len(all) != len(states()) || !slices.ContainsFunc(all, func(s string) bool {
		return strings.Contains(s, `state="Failing"} 1`)
	}) {
		t.Errorf("states: %s", all)
	}
	if diff := cmp.Diff(before, &list[0]); diff != "" {
		t.Errorf("what is cached changed: %s", diff)
	}
	// The same in other numbers is no other series.
	for i := range list[0].Status.Paths {
		d := list[0].Status.Paths[i].Diagnosis
		d.Message = strings.Replace(d.Message, "2s", "3s", 1)
	}
	if diff := cmp.Diff(want, seriesOf(t, registry, names...)); diff != "" {
		t.Errorf("in other numbers: %s", diff)
	}
	list = nil
	if got := seriesOf(t, registry, ofPaths()...); len(got) > 0 {
		t.Errorf("of a check that is gone: %s", got)
	}
	if got := seriesOf(t, registry, "netladder_failing_pair", "netladder_policy", "netladder_plan_nodes", "netladder_node"); len(got) > 0 {
		t.Errorf("what only the leader knows: %s", got)
	}
}

// Who was elected exports nothing until it has judged by itself.
func TestPersistedPathsOfTheElected(t *testing.T) {
	list := []v1alpha1.ConnectivityCheck{*hostile()}
	if got := seriesOf(t, repeats(t, false, true, &list), append(ofPaths(), "netladder_controller_leader_alive")...); len(got) > 0 {
		t.Errorf("%s", got)
	}
}

// Statuses that nobody keeps prove nothing.
func TestPersistedPathsOfNobody(t *testing.T) {
	list := []v1alpha1.ConnectivityCheck{*hostile()}
	if got := seriesOf(t, follows(t, false, &list), ofPaths()...); len(got) > 0 {
		t.Errorf("%s", got)
	}
}

// holdLease holds the Lease of a test's namespace for somebody who is not there.
func (h *cluster) holdLease() (renew func(), release func()) {
	h.t.Helper()
	object := &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Namespace: h.namespace, Name: leaseName}}
	object.Spec = coordinationv1.LeaseSpec{
		HolderIdentity: ptr.To("somebody"), LeaseDurationSeconds: ptr.To(int32(leaseDuration.Seconds())),
		AcquireTime: ptr.To(metav1.NowMicro()), RenewTime: ptr.To(metav1.NowMicro()),
	}
	h.create(object)
	update := func(holder string) {
		object.Spec.HolderIdentity, object.Spec.RenewTime = ptr.To(holder), ptr.To(metav1.NowMicro())
		must(h.t, h.client.Update(h.t.Context(), object))
	}
	return func() { update("somebody") }, func() { update("") }
}

// TestStandbyExportsWhatIsPersisted: the same of paths and causes as the leader,
// while the Lease is renewed, and until it leads itself.
func TestStandbyExportsWhatIsPersisted(t *testing.T) {
	h, nodes := readyMesh(t)
	h.clock.Step(2 * time.Minute) // nothing is young any more
	report := func() {
		h.reportAll(nodes[1:])
		h.report(nodes[0], "cross")
		a, err := h.assignment(nodes[0])
		must(t, err)
		for _, node := range nodes[1:] {
			a.Status.Rungs = append(a.Status.Rungs, v1alpha1.RungStatus{
				Rung: v1alpha1.RungUnderlay, Probe: v1alpha1.ProbeICMP, Target: node + "/IPv4", Verdict: v1alpha1.VerdictUnreachable, Evidence: "no route to host",
			})
		}
		must(t, h.applyReport(nodes[0], a.Status))
	}
	report()
	h.readyIs("mesh", metav1.ConditionFalse, v1alpha1.ReasonPathsFailing)

	renew, release := h.holdLease()
	other := &cluster{t: t, client: h.client, clock: testingclock.NewFakeClock(h.clock.Now()), namespace: h.namespace, options: h.options}
	other.options.LeaderElection = true
	t.Cleanup(other.stop)
	other.start()
	h.eventually("the same series as the leader's", func() error {
		renew()
		report()
		want, got := seriesOf(t, h.registry, ofPaths()...), seriesOf(t, other.registry, ofPaths()...)
		if len(want) == 0 || !slices.ContainsFunc(want, func(s string) bool { return strings.HasPrefix(s, "netladder_cause_info{") }) {
			return fmt.Errorf("the leader says %s", want)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			return errors.New(diff)
		}
		return nil
	})
	if leads, _ := other.metric("netladder_controller_leader"); leads != 0 {
		t.Error("it says that it leads")
	}
	if alive, _ := other.metric("netladder_controller_leader_alive"); alive != 1 {
		t.Error("it does not say that somebody leads")
	}
	if _, ok := h.metric("netladder_controller_leader_alive"); ok {
		t.Error("the leader says that somebody else leads")
	}

	// The statuses stand, and nobody renews.
	other.clock.Step(leaseDuration + time.Second)
	if got := seriesOf(t, other.registry, ofPaths()...); len(got) > 0 {
		t.Errorf("while nobody leads: %s", got)
	}
	if alive, ok := other.metric("netladder_controller_leader_alive"); !ok || alive != 0 {
		t.Errorf("while nobody leads: alive is %v (exported: %t)", alive, ok)
	}
	h.eventually("it to follow again", func() error {
		renew()
		if len(seriesOf(t, other.registry, ofPaths()...)) == 0 {
			return errors.New("nothing is exported")
		}
		return nil
	})

	h.stop()
	release()
	other.eventually("it to lead", func() error {
		if leads, _ := other.metric("netladder_controller_leader"); leads != 1 {
			return errors.New("it does not lead")
		}
		return nil
	})
	if _, ok := other.metric("netladder_controller_leader_alive"); ok {
		t.Error("it leads, and says that somebody else does")
	}
	var lease coordinationv1.Lease
	must(t, h.client.Get(t.Context(), client.ObjectKey{Namespace: h.namespace, Name: leaseName}, &lease))
	if ptr.Deref(lease.Spec.HolderIdentity, "") != other.options.Identity {
		t.Errorf("the Lease is %v's", lease.Spec.HolderIdentity)
	}
}
