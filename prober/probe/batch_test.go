// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package probe_test

import (
	"context"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/netladder/netladder/prober/probe"
	"github.com/netladder/netladder/test/netns"
)

// batched are the kinds that have a Batch and connect.
var batched = []probe.Kind{probe.TCP, probe.TCPHalfOpen}

func newBatch(t *testing.T, kind probe.Kind) probe.Batch {
	t.Helper()
	batch, err := probe.Kinds()[kind].NewBatch()
	if err != nil {
		t.Fatal(err)
	}
	return batch
}

// Probes that nothing answers end each at its own deadline; those that can
// wait see the answer when it comes.
func TestBatchWaits(t *testing.T) {
	const each = 20
	n := netns.New(t, "batch")
	runTCP(t, n, "127.0.0.1:8000", func(conn *net.TCPConn) { _, _ = conn.Read(make([]byte, 1)) })
	for _, kind := range batched {
		n.RunInput(t, "table inet t { chain c { type filter hook input priority 0;\ndrop\n}\n}\n", "nft", "-f", "-")
		batch := newBatch(t, kind)
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
				t.Errorf("%s: %+v", kind, r)
			}
		}
		if len(long) > 0 {
			t.Errorf("%s ended early: %+v", kind, <-long)
		}
		n.Run(t, "nft", "flush", "ruleset")
		for range each { // by the next SYN
			if r := <-long; r.Verdict != probe.Connected || r.Latency < brief {
				t.Errorf("%s: %+v", kind, r)
			}
		}
	}
}

// Each probe of a batch starts in its own namespace, from its own address, and
// gets its own answer, in whatever order they come.
func TestBatchOfManyPlaces(t *testing.T) {
	l := newLab(t)
	second := netip.MustParseAddr("10.77.1.3")
	l.Source.IP(t, "addr add 10.77.1.3/24 dev eth0")
	nft(router, "forward", "tcp dport 82 reject with icmp admin-prohibited\nip saddr 10.77.1.3 tcp dport 83 reject with tcp reset\nip6 daddr fd77:2::2 tcp dport 83 reject with icmpv6 no-route")(t, l)
	there, here := enter(t, l.Source), enter(t, l.Target)
	type place struct {
		entry        probe.Entry
		source, addr netip.Addr
		port         uint16
		want         probe.Verdict
	}
	places := []place{
		{there, netns.SourceV4, netns.TargetV4, echoPort, probe.Connected},
		{there, second, netns.TargetV4, echoPort, probe.Connected},
		{there, netip.Addr{}, netns.TargetV6, echoPort, probe.Connected},
		{here, netip.Addr{}, netns.TargetV4, echoPort, probe.Connected},
		{here, netip.Addr{}, loopback, closedPort, probe.Refused},
		{there, netip.Addr{}, loopback, echoPort, probe.Refused}, // nobody is there
		{there, second, netns.TargetV4, 83, probe.Refused},
		{there, netns.SourceV6, netns.TargetV6, 83, probe.Unreachable},
		{there, netip.Addr{}, netns.TargetV4, 82, probe.Rejected},
		{there, netns.SourceV6, netns.TargetV6, closedPort, probe.Refused},
		{there, netns.TargetV4, netns.TargetV4, echoPort, probe.LocalError}, // not its address
		{closedEntry{}, netip.Addr{}, netns.TargetV4, echoPort, probe.LocalError},
		{funcEntry(there.Do), netip.Addr{}, netns.TargetV4, echoPort, probe.Connected},
	}
	for _, kind := range batched {
		batch := newBatch(t, kind)
		for range 5 {
			type end struct {
				place
				got probe.Result
			}
			ends := make(chan end, 100)
			var starts []probe.Start
			for _, p := range append(slices.Clone(places), places...) {
				target := at(p.addr, p.port)
				target.Entry, target.Source, target.Timeout = p.entry, p.source, patient
				starts = append(starts, probe.Start{Ctx: t.Context(), Target: target, Done: func(r probe.Result) { ends <- end{p, r} }})
			}
			rand.Shuffle(len(starts), func(i, j int) { starts[i], starts[j] = starts[j], starts[i] })
			batch.Start(starts)
			for range starts {
				if e := <-ends; e.got.Verdict != e.want {
					t.Errorf("%s from %v to %v: %+v", kind, e.source, netip.AddrPortFrom(e.addr, e.port), e.got)
				}
			}
		}
	}
}

// funcEntry is an Entry that cannot be compared.
type funcEntry func(func() error) error

func (e funcEntry) Do(f func() error) error   { return e(f) }
func (funcEntry) ResolvConf() ([]byte, error) { return nil, errSecret }

// Starts that follow one another while answers come lose none.
func TestBatchLosesNothing(t *testing.T) {
	const rounds, each = 100, 10
	l := newLab(t)
	pod := enter(t, l.Source)
	for _, kind := range batched {
		batch := newBatch(t, kind)
		ends := make(chan probe.Result, rounds*each)
		for round := range rounds {
			// Contexts end all the time, those of others.
			ctx, cancel := context.WithCancel(t.Context())
			var starts []probe.Start
			for i := range each {
				target := at(netns.TargetV4, []uint16{echoPort, closedPort}[(i+round)%2])
				target.Entry, target.Timeout = pod, patient
				starts = append(starts, probe.Start{Ctx: t.Context(), Target: target, Done: func(r probe.Result) { ends <- r }})
			}
			starts[round%each].Ctx = ctx
			batch.Start(starts)
			cancel()
		}
		verdicts := map[probe.Verdict]int{}
		for range rounds * each {
			r := <-ends
			verdicts[r.Verdict]++
			if r.Latency > patient/2 {
				t.Errorf("%s: %+v", kind, r)
			}
		}
		if verdicts[probe.Connected]+verdicts[probe.Refused]+verdicts[probe.LocalError] != rounds*each || verdicts[probe.LocalError] > rounds {
			t.Errorf("%s: %v", kind, verdicts)
		}
	}
}
