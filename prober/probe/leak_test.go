// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package probe_test

import (
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/netladder/netladder/prober/probe"
	"github.com/netladder/netladder/test/netns"
)

// Descriptors in a pod's namespace keep it alive after the pod: no probe
// leaves one, however it ends.
func TestProbesCloseWhatTheyOpen(t *testing.T) {
	l := newLab(t)
	pod := enter(t, l.Source)
	pod.resolvConf = []byte("nameserver " + netns.TargetV4.String() + "\n")
	every := map[probe.Kind]map[string]probe.Func{}
	for kind := range probe.Kinds() {
		every[kind] = ways(t, kind) // batches keep a descriptor of their own
	}
	all := func() {
		for kind := range probe.Kinds() {
			for _, foreign := range []bool{false, true} {
				for _, port := range []uint16{echoPort, closedPort} {
					target := at(netns.TargetV4, port)
					target.Entry, target.Timeout, target.DNS.Name = pod, brief, "good.test."
					if foreign {
						target.Source = netns.SourceV4.Next()
					}
					for _, f := range every[kind] {
						probeBy(t, l.Source, f, target)
					}
				}
			}
		}
		canceled := dropTimeout(at(netns.TargetV4, echoPort))
		canceled.Entry = closedEntry{}
		for kind := range probe.Kinds() {
			for _, f := range every[kind] {
				probeBy(t, l.Source, f, canceled)
			}
		}
	}
	all() // whatever is opened once for all
	before, goroutines := descriptors(t), runtime.NumGoroutine()
	for range 3 {
		all()
	}
	for until := time.Now().Add(patient); descriptors(t) > before || runtime.NumGoroutine() > goroutines; {
		if time.Now().After(until) {
			t.Fatalf("%d descriptors and %d goroutines, before %d and %d", descriptors(t), runtime.NumGoroutine(), before, goroutines)
		}
		runtime.Gosched()
	}
}

// descriptors counts those of this process.
func descriptors(t *testing.T) int {
	t.Helper()
	open, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(open)
}
