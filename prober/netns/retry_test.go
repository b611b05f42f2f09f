// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package netns

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-logr/logr"
)

// A pod that cannot be found is looked for after 1, 2, 4, … and at most 30
// seconds, however often it is asked for.
func TestRetriesBackOff(t *testing.T) {
	fake := newFakeProc(t)
	synctest.Test(t, func(t *testing.T) {
		r, err := New(Options{ProcRoot: fake.root, Log: logr.Discard()})
		must(t, err)
		defer r.Close()
		began := time.Now()
		r.Update(v4Pod(uidA))
		var at []time.Duration
		for len(at) < 9 {
			synctest.Wait()
			if n := int(r.scans.Load()); n > len(at) {
				at = append(at, time.Since(began))
			}
			for range 3 {
				_, err := r.Pod(uidA)
				wantReason(t, err, ReasonNotFound)
			}
			time.Sleep(100 * time.Millisecond)
		}
		for i, want := range []time.Duration{0, 1, 3, 7, 15, 31, 61, 91, 121} {
			// A scan costs no time here but the real one that it takes.
			if got := at[i].Round(time.Second / 2); got != want*time.Second {
				t.Errorf("scan %d after %v, want %v", i, got, want*time.Second)
			}
		}
	})
}

// However often pods come and go, scans have a distance.
func TestScansAreRateLimited(t *testing.T) {
	fake := newFakeProc(t)
	synctest.Test(t, func(t *testing.T) {
		r, err := New(Options{ProcRoot: fake.root, Log: logr.Discard()})
		must(t, err)
		defer r.Close()
		for range 1000 {
			r.Update(v4Pod(newUID()))
			synctest.Wait()
			time.Sleep(time.Millisecond)
		}
		// One second: at once, and then one for each minGap.
		if n := r.scans.Load(); n < 9 || n > 11 {
			t.Errorf("%d scans in a second", n)
		}
	})
}

// Nobody is held up longer than lookWait by a look that must wait for its turn.
func TestPodDoesNotWaitLong(t *testing.T) {
	fake := newFakeProc(t)
	synctest.Test(t, func(t *testing.T) {
		r, err := New(Options{ProcRoot: fake.root, Log: logr.Discard()})
		must(t, err)
		defer r.Close()
		r.notBefore = time.Now().Add(maxGap)
		r.Update(v4Pod(uidA))
		began := time.Now()
		_, err = r.Pod(uidA)
		wantReason(t, err, ReasonPending)
		if waited := time.Since(began); waited != lookWait {
			t.Errorf("waited %v", waited)
		}
		// It leaves while somebody waits.
		go func() {
			time.Sleep(lookWait / 2)
			r.Update(nil)
		}()
		_, err = r.Pod(uidA)
		wantReason(t, err, ReasonNotWanted)
	})
}
