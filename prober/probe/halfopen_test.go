// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package probe_test

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/netladder/netladder/prober/probe"
	"github.com/netladder/netladder/test/netns"
)

const appPort = 5432

// listen opens a listener of an application in the target's namespace.
func listen(t *testing.T, n *netns.NS, network string, ip netip.Addr) *net.TCPListener {
	t.Helper()
	var l net.Listener
	var err error
	n.Do(t, func() { l, err = net.Listen(network, netip.AddrPortFrom(ip, appPort).String()) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l.(*net.TCPListener)
}

// The application is never told of a half-open probe. Its accept queue is
// first in, first out: had one become a connection, accept would return it
// before the full connection that is made at the end.
func TestHalfOpenIsNeverAccepted(t *testing.T) {
	const probes = 300
	l := newLab(t)
	pod := enter(t, l.Source)
	for _, c := range []struct {
		network        string
		source, target netip.Addr
	}{{"tcp4", netns.SourceV4, netns.TargetV4}, {"tcp6", netns.SourceV6, netns.TargetV6}} {
		l.Target.RunInput(t, `table inet t {
counter syns {}
counter resets {}
counter others {}
chain c { type filter hook input priority 0;
tcp dport 5432 tcp flags & (syn | rst) == syn counter name syns
tcp dport 5432 tcp flags & (syn | rst) == rst counter name resets
tcp dport 5432 tcp flags & (syn | rst) == 0 counter name others
}
}
`, "nft", "-f", "-")
		app := listen(t, l.Target, c.network, c.target)
		target := probe.Target{Entry: pod, Source: c.source, Addr: netip.AddrPortFrom(c.target, appPort), Timeout: patient}
		batch := newBatch(t, probe.TCPHalfOpen)
		var group sync.WaitGroup
		check := func(res probe.Result) {
			if res.Verdict != probe.Connected {
				t.Errorf("%+v", res)
			}
		}
		for range 10 {
			group.Go(func() {
				for range probes / 20 {
					check(probe.Kinds()[probe.TCPHalfOpen].Probe(t.Context(), target))
				}
			})
			group.Add(probes / 20)
			starts := slices.Repeat([]probe.Start{{Ctx: t.Context(), Target: target, Done: func(res probe.Result) { check(res); group.Done() }}}, probes/20)
			batch.Start(starts)
		}
		group.Wait()
		for name, want := range map[string]int{"syns": probes, "resets": probes, "others": 0} {
			if out := l.Target.Run(t, "nft", "list", "counter", "inet", "t", name); !strings.Contains(out, fmt.Sprintf("packets %d ", want)) {
				t.Errorf("%s: want %d %s of the source's kernel: %s", c.network, want, name, out)
			}
		}
		var last net.Conn
		var err error
		l.Source.Do(t, func() { last, err = net.Dial(c.network, target.Addr.String()) })
		if err != nil {
			t.Fatal(err)
		}
		first, err := app.Accept()
		if err != nil {
			t.Fatal(err)
		}
		if first.RemoteAddr().String() != last.LocalAddr().String() {
			t.Errorf("%s: the application was given a connection of a probe", c.network)
		}
		_, _ = first.Close(), last.Close()
		l.reset(t)
	}
}

// A connection that nothing answers at first is seen when its SYN is sent
// again, as by kernels.
func TestHalfOpenRetransmits(t *testing.T) {
	n := netns.New(t, "retransmit")
	runTCP(t, n, "127.0.0.1:8000", func(conn *net.TCPConn) { _, _ = conn.Read(make([]byte, 1)) })
	for way, f := range ways(t, probe.TCPHalfOpen) {
		n.RunInput(t, "table inet t { chain c { type filter hook input priority 0;\ntcp dport 8000 limit rate 1/hour burst 1 packets drop\n}\n}\n", "nft", "-f", "-")
		if res := probeBy(t, n, f, at(loopback, 8000)); res.Verdict != probe.Connected || res.Latency < brief {
			t.Errorf("%s: %+v", way, res)
		}
		n.Run(t, "nft", "flush", "ruleset")
	}
}

// What the target sends to others, and what somebody forges without knowing
// the sequence number, is no answer.
func TestHalfOpenAgainstForgery(t *testing.T) {
	l := newLab(t)
	l.Target.RunInput(t, "table inet t { chain c { type filter hook input priority 0;\ntcp dport 5432 drop\n}\n}\n", "nft", "-f", "-")
	for _, c := range []struct {
		name string
		// forge makes the answers to a SYN.
		forge func(forger)
		want  probe.Verdict
	}{
		{"none", func(forger) {}, probe.Dropped},
		{"only wrong", forger.wrong, probe.Dropped},
		{"a right one after wrong ones", func(f forger) { f.wrong(); f.segment(f.port, f.seq+1, 0x12) }, probe.Connected},
		{"a right reset after wrong ones", func(f forger) { f.wrong(); f.segment(f.port, f.seq+1, 0x14) }, probe.Refused},
		{"a right ICMP error after wrong ones", func(f forger) { f.wrong(); f.icmp(f.port, f.seq) }, probe.Rejected},
	} {
		for way, probing := range ways(t, probe.TCPHalfOpen) {
			t.Run(c.name+" "+way, func(t *testing.T) {
				f := newForger(t, l.Target)
				done := make(chan struct{})
				go func() {
					defer close(done)
					if f.await() {
						c.forge(f.forger)
					}
				}()
				target := at(netns.TargetV4, appPort)
				if c.want == probe.Dropped {
					target = dropTimeout(target)
				}
				if res := probeBy(t, l.Source, probing, target); res.Verdict != c.want {
					t.Errorf("got %+v, want %s", res, c.want)
				}
				<-done
			})
		}
	}
}

// Without the capability the prober says what to enable.
func TestWithoutNetRaw(t *testing.T) {
	n := netns.New(t, "caps")
	n.Sysctl(t, "ipv4.ping_group_range", pingForbidden)
	for kind, want := range map[probe.Kind]string{probe.TCPHalfOpen: "NET_RAW", probe.ICMP: "net.ipv4.ping_group_range", probe.MeshICMP: "net.ipv4.ping_group_range"} {
		for _, ip := range []netip.Addr{loopback, netip.IPv6Loopback()} {
			for way, f := range ways(t, kind) {
				var res probe.Result
				var err error
				n.Do(t, func() {
					if err = dropNetRaw(); err == nil {
						target := at(ip, 80)
						target.Timeout = patient
						res = f(t.Context(), target)
					}
				})
				if err != nil {
					t.Fatal(err)
				}
				if res.Verdict != probe.Unsupported || !strings.Contains(res.Evidence, want) {
					t.Errorf("%s %s to %s: %+v", kind, way, ip, res)
				}
			}
		}
	}
}

// dropNetRaw takes the capability from this thread, for good.
func dropNetRaw() error {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		return err
	}
	for _, set := range []*uint32{&data[0].Effective, &data[0].Permitted, &data[0].Inheritable} {
		*set &^= 1 << unix.CAP_NET_RAW
	}
	return unix.Capset(&header, &data[0])
}
