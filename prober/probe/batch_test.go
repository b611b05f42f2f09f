// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package probe_test

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/netladder/netladder/prober/probe"
	"github.com/netladder/netladder/test/netns"
)

// Probes that nothing answers end each at its own deadline; those that can
// wait see the answer when it comes.
func TestBatchWaits(t *testing.T) {
	const each = 20
	n := netns.New(t, "batch")
	n.RunInput(t, "table inet t { chain c { type filter hook input priority 0;\ndrop\n}\n}\n", "nft", "-f", "-")
	runTCP(t, n, "127.0.0.1:8000", func(conn *net.TCPConn) { _, _ = conn.Read(make([]byte, 1)) })
	batch, err := probe.Kinds()[probe.TCP].NewBatch()
	if err != nil {
		t.Fatal(err)
	}
	short, long := make(chan probe.Result, each), make(chan probe.Result, each)
	var starts []probe.Start
	for i := range each {
		target := at(loopback, 8000)
		target.Timeout = brief + time.Duration(i)*time.Millisecond
		starts = append(starts, probe.Start{Ctx: context.Background(), Target: target, Done: func(r probe.Result) { short <- r }})
		target.Timeout = patient
		starts = append(starts, probe.Start{Ctx: context.Background(), Target: target, Done: func(r probe.Result) { long <- r }})
	}
	n.Do(t, func() { batch.Start(starts) })
	for range each {
		if r := <-short; r.Verdict != probe.Dropped || r.Latency < brief {
			t.Errorf("%+v", r)
		}
	}
	if len(long) > 0 {
		t.Errorf("ended early: %+v", <-long)
	}
	n.Run(t, "nft", "flush", "ruleset")
	for range each { // by the next SYN
		if r := <-long; r.Verdict != probe.Connected || r.Latency < brief {
			t.Errorf("%+v", r)
		}
	}
}
