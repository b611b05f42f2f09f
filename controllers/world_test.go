// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	testingclock "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/controllers/plan"
	"github.com/netladder/netladder/test/builders"
)

const system, tenant = "netladder-system", "tenant"

// shopWorld is a primed and assigned world without an API server: a frontend
// on node0, a database on node1, a Deny path between them, and a bystander.
func shopWorld(t *testing.T) (w *world, frontend, db, bystander *corev1.Pod) {
	t.Helper()
	clock := testingclock.NewFakeClock(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
	w = newWorld(clock, plan.Settings{Namespace: system, Level: v1alpha1.LevelFull})
	pod := func(name, node, ip string) *corev1.Pod {
		return builders.MakePod(name, node).Namespace(tenant).UID("uid-"+name).Label("app", name).IPs(ip).Obj()
	}
	frontend, db, bystander = pod("frontend", "node0", "10.9.0.10"), pod("db", "node1", "10.9.1.10"), pod("bystander", "node1", "10.9.1.11")
	// It looks like a prober, and is a tenant's.
	forged := pod("forged", "node3", "10.9.3.2")
	forged.Labels = builders.MakeProberPod("", "").Obj().Labels
	var s snapshot
	for i, name := range []string{"node0", "node1", "node2", "node3"} {
		s.nodes.Items = append(s.nodes.Items, *builders.MakeNode(name).UID(name).Obj())
		if i < 3 {
			s.pods.Items = append(s.pods.Items,
				*builders.MakeProberPod("prober-"+name, name).UID("prober-" + name).Obj(),
				*builders.MakeEchoPod("echo-"+name, name).UID("echo-" + name).IPs("10.9." + string(rune('0'+i)) + ".3").Obj())
		}
	}
	s.pods.Items = append(s.pods.Items, *frontend, *db, *bystander, *forged)
	s.namespaces.Items = []corev1.Namespace{{ObjectMeta: metav1.ObjectMeta{Name: tenant}}}
	s.checks.Items = []v1alpha1.ConnectivityCheck{*builders.MakeCheck("shop").Namespace(tenant).UID("shop").
		Declare("db", builders.FromPods(app("frontend")), builders.ToPods(nil, app("db"), dbPort)).Deny().Obj()}
	w.prime(&s, true)
	assignAll(w)
	return w, frontend, db, bystander
}

// assignAll writes the assignments of all nodes as the assigner would.
func assignAll(w *world) {
	for _, name := range []string{"node0", "node1", "node2", "node3"} {
		if want, ok := w.assign(name, nil); ok {
			w.assigned(name, &v1alpha1.ProbeAssignment{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: want.Spec}, want.LeftOut, true)
		}
	}
}

func concerns(t touched) bool {
	_, ok := t.checks[types.NamespacedName{Namespace: tenant, Name: "shop"}]
	return ok
}

// restarted is the pod after its container started anew: the plan is the same.
func restarted(p *corev1.Pod) *corev1.Pod {
	p = p.DeepCopy()
	p.Status.ContainerStatuses = []corev1.ContainerStatus{{
		State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: metav1.NewTime(time.Unix(2_000_000_000, 0))}},
	}}
	return p
}

func TestOnlyOwnPodsAreProbers(t *testing.T) {
	w, _, _, _ := shopWorld(t)
	if _, ok := w.assign("node3", nil); ok {
		t.Error("a node is assigned work because of a tenant's pod with the labels of a prober")
	}
	if _, ok := w.assign("node2", nil); !ok {
		t.Error("nor is one with a prober, so this proves nothing")
	}
}

// TestTargetsNodeTouchesTheCheck: also where nothing is proven on it.
func TestTargetsNodeTouchesTheCheck(t *testing.T) {
	w, _, _, _ := shopWorld(t)
	key := types.NamespacedName{Namespace: tenant, Name: "shop"}
	w.observeCheck(key, builders.MakeCheck("shop").Namespace(tenant).UID("shop").
		Declare("db", builders.FromPods(app("frontend")), builders.ToPods(nil, app("db"), dbPort)).Obj())
	assignAll(w)
	n := builders.MakeNode("node1").UID("node1").Ready(corev1.ConditionFalse, time.Unix(2_000_000_000, 0)).Obj()
	if got, _ := w.observeNode("node1", n, nil); !concerns(got) {
		t.Errorf("that node1 is not Ready touches %+v", got)
	}
}

// TestFactsTouchTheChecksThatMentionThem: what changes no plan may change a
// judgement, and only that of the checks concerned.
func TestFactsTouchTheChecksThatMentionThem(t *testing.T) {
	w, frontend, db, bystander := shopWorld(t)
	for name, c := range map[string]struct {
		pod  *corev1.Pod
		want bool
	}{"source": {frontend, true}, "target": {db, true}, "neither": {bystander, false}} {
		got := w.observePod(client.ObjectKeyFromObject(c.pod), restarted(c.pod))
		if concerns(got) != c.want || len(got.nodes) > 0 {
			t.Errorf("the restart of the %s touches %+v", name, got)
		}
		if again := w.observePod(client.ObjectKeyFromObject(c.pod), restarted(c.pod)); len(again.checks)+len(again.nodes) > 0 {
			t.Errorf("the same again touches %+v", again)
		}
	}
	for node, want := range map[string]bool{"node0": true, "node1": true, "node2": false} {
		n := builders.MakeNode(node).UID(node).Ready(corev1.ConditionFalse, time.Unix(2_000_000_000, 0)).Obj()
		pods := []*corev1.Pod{
			builders.MakeProberPod("prober-"+node, node).UID("prober-" + node).Obj(),
			builders.MakeEchoPod("echo-"+node, node).UID("echo-" + node).IPs("10.9." + node[4:] + ".3").Obj(),
		}
		if got, _ := w.observeNode(node, n, pods); concerns(got) != want {
			t.Errorf("that %s is not Ready touches %+v, want the check: %t", node, got, want)
		}
	}
}

func TestFactsOfPods(t *testing.T) {
	w, frontend, db, bystander := shopWorld(t)
	input, ok := w.diagnosisInput(types.NamespacedName{Namespace: tenant, Name: "shop"})
	if !ok || input.Pods[string(frontend.UID)] == nil || input.Pods[string(db.UID)] == nil {
		t.Fatalf("pods: %v", input.Pods)
	}
	if input.Pods[string(bystander.UID)] != nil {
		t.Error("a pod that no assignment mentions is among the facts")
	}
	for _, node := range []string{"node0", "node1"} {
		if input.Reports[node] == nil {
			t.Errorf("the report of %s is missing", node)
		}
	}

	// Another pod of the same name: the one before is gone.
	another := db.DeepCopy()
	another.UID = "uid-another"
	if got := w.observePod(client.ObjectKeyFromObject(db), another); !concerns(got) || !slices.Contains(got.nodes, "node0") {
		t.Errorf("touches %+v", got)
	}
	if input, _ = w.diagnosisInput(types.NamespacedName{Namespace: tenant, Name: "shop"}); input.Pods[string(db.UID)] != nil {
		t.Error("a pod that is gone is among the facts")
	}
	assignAll(w)
	if len(w.mentions[string(db.UID)]) > 0 || len(w.mentions["uid-another"]) == 0 {
		t.Errorf("mentions: %v", w.mentions)
	}
	second := secondDB(db)
	w.observePod(client.ObjectKeyFromObject(second), second)
	// Being deleted it is no target any more, but not gone yet.
	dying := another.DeepCopy()
	dying.DeletionTimestamp = &metav1.Time{Time: time.Unix(2_000_000_000, 0)}
	w.observePod(client.ObjectKeyFromObject(db), dying)
	if input, _ = w.diagnosisInput(types.NamespacedName{Namespace: tenant, Name: "shop"}); input.Pods["uid-another"] == nil || !input.Pods["uid-another"].Terminating {
		t.Errorf("pods: %v", input.Pods)
	}
	assignAll(w)
	if len(w.mentions["uid-another"]) > 0 {
		t.Errorf("mentions: %v", w.mentions)
	}
	w.observePod(client.ObjectKeyFromObject(db), nil)
	for _, p := range []*corev1.Pod{frontend, bystander, second} {
		w.observePod(client.ObjectKeyFromObject(p), nil)
	}
	w.observePod(types.NamespacedName{Namespace: tenant, Name: "forged"}, nil)
	left := len(w.pods)
	for key := range w.pods {
		if key.Namespace == system {
			left--
		}
	}
	if left != 0 || len(w.podFacts) != len(w.pods) {
		t.Errorf("%d pods and %d facts are left: %v", left, len(w.podFacts), w.pods)
	}
}

func TestDisclosingFollowsLabels(t *testing.T) {
	w, _, _, _ := shopWorld(t)
	vault := func(to string) *corev1.Namespace {
		n := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "vault"}}
		if to != "" {
			n.Labels = map[string]string{v1alpha1.LabelDiscloseTo: to}
		}
		return n
	}
	shown := func() bool {
		input, _ := w.diagnosisInput(types.NamespacedName{Namespace: tenant, Name: "shop"})
		return input.Disclosing["vault"]
	}
	for i, step := range []struct {
		namespace      *corev1.Namespace
		touches, shown bool
	}{
		{vault(""), false, false}, {vault(tenant), true, true}, {vault(tenant), false, true}, {vault("others"), true, false},
		{vault(tenant), true, true}, {nil, true, false}, {vault("others"), false, false},
	} {
		before, _ := w.diagnosisInput(types.NamespacedName{Namespace: tenant, Name: "shop"})
		was := before.Disclosing["vault"]
		// A Deny path asks the plan too, so look at the checks that diagnosis names.
		w.mu.Lock()
		told := w.setNamespace("vault", step.namespace)
		w.mu.Unlock()
		if slices.Contains(told, tenant) != step.touches || shown() != step.shown {
			t.Errorf("step %d: told %v, shown %t", i, told, shown())
		}
		if before.Disclosing["vault"] != was {
			t.Errorf("step %d changed what diagnosis was given before", i)
		}
	}
}

// secondDB is another pod like it on the same node.
func secondDB(db *corev1.Pod) *corev1.Pod {
	second := db.DeepCopy()
	second.UID, second.Name = "uid-db2", "db2"
	second.Status.PodIP, second.Status.PodIPs = "10.9.1.12", []corev1.PodIP{{IP: "10.9.1.12"}}
	return second
}

// TestGroupsChangedAt: a change of one group says nothing of another.
func TestGroupsChangedAt(t *testing.T) {
	w, _, db, _ := shopWorld(t)
	clock := w.clock.(*testingclock.FakeClock)
	start := clock.Now()
	clock.Step(time.Minute)
	second := secondDB(db)
	w.observePod(client.ObjectKeyFromObject(second), second)
	assignAll(w)
	at := w.reports["node0"].GroupsChangedAt
	if wire := at[tenant+"/shop/db/Wire"]; !wire.Equal(start) {
		t.Errorf("the Wire group, which is as it was, changed at %s: %v", wire, at)
	}
	if listener := w.reports["node1"].GroupsChangedAt[tenant+"/shop/db/Listener"]; !listener.Equal(clock.Now()) {
		t.Errorf("the Listener group changed at %s: %v", listener, at)
	}
}
