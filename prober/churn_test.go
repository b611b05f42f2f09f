// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package prober

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/prober/probe"
	"github.com/netladder/netladder/test/netns"
)

// resources are what a process can leak.
type resources struct{ descriptors, goroutines, namespaces int }

func holding(t *testing.T) resources {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	r := resources{descriptors: len(entries), goroutines: runtime.NumGoroutine()}
	for _, e := range entries {
		if link, err := os.Readlink("/proc/self/fd/" + e.Name()); err == nil && strings.HasPrefix(link, "net:") {
			r.namespaces++
		}
	}
	return r
}

// live is how much memory is in use, in bytes, whatever garbage there is.
func live() uint64 {
	runtime.GC()
	runtime.GC() // pools are emptied by the second
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// eventually waits until ok.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal(what)
		}
	}
}

// churnSpec has a path that must not work from each pod, and looks at what
// each listens on.
func churnSpec(uids []string) v1alpha1.ProbeAssignmentSpec {
	s := v1alpha1.ProbeAssignmentSpec{}
	group := v1alpha1.ProbeGroup{
		Hash: "a-1", FailureThreshold: 1, SuccessThreshold: 1,
		Interval: metav1.Duration{Duration: time.Second}, Timeout: metav1.Duration{Duration: 500 * time.Millisecond},
	}
	one, many, look := group, group, group
	one.Key, one.Kind, one.From, one.Expect = "ns/check/one/HTTP", v1alpha1.ProbeHTTP, v1alpha1.SourcePods, v1alpha1.ExpectDeny
	many.Key, many.Kind, many.From, many.Expect = "ns/check/many/TCP", v1alpha1.ProbeTCP, v1alpha1.SourcePods, v1alpha1.ExpectDeny
	look.Key, look.Kind = "ns/check/many/Listener", v1alpha1.ProbeListener
	one.Members, many.Members = []int32{0}, []int32{0}
	s.Targets = []v1alpha1.AssignedTarget{{IP: "127.0.0.1", Port: 9}}
	for i, uid := range uids {
		s.Pods = append(s.Pods, v1alpha1.AssignedPod{UID: uid, Namespace: "ns", Name: fmt.Sprint("pod", i), IPs: []string{"127.0.0.1"}})
		s.Targets = append(s.Targets, v1alpha1.AssignedTarget{IP: fmt.Sprintf("127.0.1.%d", i+1), Port: 9, UID: uid})
		one.Sources, many.Sources = append(one.Sources, int32(i)), append(many.Sources, int32(i))
		look.Members = append(look.Members, int32(i+1))
	}
	s.Groups = []v1alpha1.ProbeGroup{one, many, look}
	return s
}

// 200 pods come and go, in real namespaces, and go before the assignment
// knows: nothing of them is left, and nothing is said against a path.
func TestChurnLeavesNothing(t *testing.T) {
	netns.Require(t)
	const generations, pods, warm, grown = 10, 20, 3, 512 << 10
	node := newNode(t, netns.New(t, "host"))
	baseline := holding(t)
	a := newAgent(Options{NodeName: "node0", PodUID: "uid", Log: logr.Discard(), Probes: probe.Kinds()}, nowhere{})
	a.setLevel(Options{Level: v1alpha1.LevelFull, ProcRoot: node.proc})
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { a.scheduler.Run(ctx) })
	running.Go(func() { a.reporter.Run(ctx) })

	var early uint64
	for generation := range generations {
		if generation == warm {
			early = live()
		}
		t.Run(fmt.Sprint(generation), func(t *testing.T) {
			var uids []string
			for i := range pods {
				uid := fmt.Sprintf("%08d-0000-4000-8000-%012d", generation, i)
				uids = append(uids, uid)
				node.start(t, uid, netns.New(t, "pod"))
			}
			// The pods of before are gone for a while, and still assigned.
			_, bad := a.tracker.Snapshot()
			for _, p := range bad {
				if p.State == v1alpha1.StateFailing && p.Verdict != v1alpha1.VerdictNotListening {
					t.Errorf("a pod that is gone is held against the path: %+v", p)
				}
			}
			a.assigned(&v1alpha1.ProbeAssignment{Spec: churnSpec(uids)})
			eventually(t, "not all pods are probed", func() bool {
				groups, _ := a.tracker.Snapshot()
				return groups[0].Pairs.Passing == pods && groups[1].Pairs.Passing == pods && groups[2].Pairs.Failing == pods
			})
			if held := a.spaces.Held(); held < pods || held > pods+1 {
				t.Errorf("%d namespaces held for %d pods", held, pods)
			}
		})
	}
	// The memory of the process says little: it has garbage of its own size.
	if late := live(); late > early+grown {
		t.Errorf("%d KiB are in use after %d pods, and %d KiB after %d", late>>10, generations*pods, early>>10, warm*pods)
	}
	a.assigned(nil)
	if held := a.spaces.Held(); held > 1 {
		t.Errorf("%d namespaces held without an assignment", held)
	}
	cancel()
	running.Wait()
	a.release()
	// A batch keeps its one epoll descriptor for the life of the process.
	baseline.descriptors += len(a.batches)
	eventually(t, "something was left behind", func() bool {
		now := holding(t)
		return now.descriptors <= baseline.descriptors && now.goroutines <= baseline.goroutines && now.namespaces <= baseline.namespaces
	})
	runtime.KeepAlive(a) // what is left must not be left to its finalizers
}
