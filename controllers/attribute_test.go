// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"
	testingclock "k8s.io/utils/clock/testing"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/controllers/diagnosis"
	"github.com/netladder/netladder/controllers/diagnosis/causes"
)

// What the paths of a check fail for is told once on the node, and its end.
func TestCausesAreToldOnNodes(t *testing.T) {
	w, _, _, _ := shopWorld(t)
	clock := w.clock.(*testingclock.FakeClock)
	r := &reporter{world: w, events: newAnnouncer(nil, nil, clock, "test")}
	judge := func(found ...causes.Found) time.Time {
		w.judged(types.NamespacedName{Namespace: tenant, Name: "shop"}, &v1alpha1.ConnectivityCheckStatus{}, &diagnosis.Summary{Causes: found})
		return r.attribute(t.Context())
	}
	told := func(reason string) {
		t.Helper()
		select {
		case got := <-r.events.waiting:
			o := r.events.object(got)
			if got.event.Reason != reason || o.Regarding.Kind != "Node" || o.Regarding.Name != "node1" || o.Regarding.UID == "" || o.Namespace != "default" || o.Regarding.Namespace != "" {
				t.Errorf("%s %+v", got.event, o.Regarding)
			}
		default:
			if reason != "" {
				t.Errorf("%s is not told", reason)
			}
		}
	}
	broken := causes.Found{Path: "db", Rung: v1alpha1.RungPodNetwork, Reason: v1alpha1.ReasonSameNodeBroken, Nodes: []string{"node1"}}
	gone := causes.Found{Path: "db", Rung: v1alpha1.RungNode, Reason: v1alpha1.ReasonNodeGone, Nodes: []string{"node9"}}
	if again := judge(broken, gone); !again.Equal(clock.Now().Add(causes.Settle)) {
		t.Errorf("looks again at %s", again)
	}
	told("")
	clock.Step(causes.Settle)
	judge(broken, gone)
	told(eventRungBroken)
	clock.Step(time.Second)
	judge(broken)
	told("")
	clock.Step(time.Second)
	if again := judge(); again.IsZero() {
		t.Error("the end is not waited for")
	}
	told("")
	clock.Step(causes.Gone)
	judge()
	told(eventRungRepaired)
	told("")
}
