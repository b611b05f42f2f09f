// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"errors"
	"fmt"
	"net"
	goruntime "runtime"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/netladder/netladder/api/v1alpha1"
)

func TestUntilDone(t *testing.T) {
	lost, away := errors.New("running the controllers: leader election lost"), fmt.Errorf("ended: %w for 12s", errAway)
	broken := errors.New("indexing pods: no such field")
	for name, c := range map[string]struct {
		ends []error
		want error
		runs int
	}{
		"stopped":                      {[]error{nil}, nil, 1},
		"cannot run":                   {[]error{broken}, broken, 1},
		"a role came":                  {[]error{fmt.Errorf("ended: %w", errPermitted), nil}, nil, 2},
		"an outage, and stopped":       {[]error{lost, nil}, nil, 2},
		"several outages, then broken": {[]error{lost, away, lost, broken}, broken, 4},
	} {
		runs := 0
		err := untilDone(t.Context(), func(context.Context) error {
			runs++
			return c.ends[runs-1]
		})
		if !errors.Is(err, c.want) || runs != c.runs {
			t.Errorf("%s: %d runs, %v", name, runs, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	if err := untilDone(ctx, func(context.Context) error { cancel(); return lost }); err == nil {
		t.Error("it ran on although it was stopped")
	}
}

// lostLock is a Lease that can be taken and never renewed.
type lostLock struct {
	held *resourcelock.LeaderElectionRecord
}

func (l *lostLock) Get(context.Context) (*resourcelock.LeaderElectionRecord, []byte, error) {
	if l.held == nil {
		return &resourcelock.LeaderElectionRecord{}, []byte("{}"), nil
	}
	return nil, nil, errors.New("connection refused")
}

func (l *lostLock) Create(context.Context, resourcelock.LeaderElectionRecord) error { return nil }

func (l *lostLock) Update(_ context.Context, r resourcelock.LeaderElectionRecord) error {
	if l.held != nil {
		return errors.New("connection refused")
	}
	l.held = &r
	return nil
}

func (l *lostLock) RecordEvent(string) {}
func (l *lostLock) Identity() string   { return "me" }
func (l *lostLock) Describe() string   { return "a lock that gets lost" }

// What a manager says when it lost its Lease has no name but its text.
func TestManagerSaysThatTheLeaseIsLost(t *testing.T) {
	mgr, err := manager.New(&rest.Config{Host: "http://" + freeAddress(t)}, manager.Options{
		Scheme: runtime.NewScheme(), Metrics: metricsserver.Options{BindAddress: "0"},
		LeaderElection: true, LeaderElectionResourceLockInterface: &lostLock{},
		LeaseDuration: ptr.To(300 * time.Millisecond), RenewDeadline: ptr.To(200 * time.Millisecond), RetryPeriod: ptr.To(20 * time.Millisecond),
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := mgr.Start(ctx); !beginsAnew(err) {
		t.Errorf("a lost lease ends the process: %v", err)
	}
}

// The manager before may still hold the port of the health probes.
func TestServeHealthWaitsForItsPort(t *testing.T) {
	before, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(3*portEvery, func() { _ = before.Close() })
	stop, err := serveHealth(t.Context(), before.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	stop()
}

// TestNothingIsLeftOfTheOneBefore: a controller that begins anew within its
// process leaves no goroutine of the one before, however often it does.
func TestNothingIsLeftOfTheOneBefore(t *testing.T) {
	h, nodes := meshCluster(t)
	h.options.Level = v1alpha1.LevelFull
	cycle := func() {
		h.start()
		h.assigned(nodes, 1)
		h.stop()
	}
	cycle() // connections that are kept come with the first
	before := goruntime.NumGoroutine()
	const cycles = 3
	for range cycles {
		cycle()
	}
	h.done = make(chan error)
	h.eventually("the goroutines of those before to end", func() error {
		// A connection more or less is nothing that grows.
		if now := goruntime.NumGoroutine(); now > before+2*cycles {
			return fmt.Errorf("%d goroutines, %d after the first", now, before)
		}
		return nil
	})
}
