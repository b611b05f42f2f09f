// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package netns

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Topology is source – router – target, in IPv4 and IPv6. The router's links
// are named source and target, the others eth0. ICMP errors are not rate
// limited, and neighbours that do not answer are given up in a fraction of a
// second instead of three.
type Topology struct {
	Source, Router, Target *NS
}

// Addresses of a Topology.
var (
	SourceV4 = netip.MustParseAddr("10.77.1.2")
	SourceV6 = netip.MustParseAddr("fd77:1::2")
	// RouterV4 and RouterV6 are the router's on the source's link.
	RouterV4 = netip.MustParseAddr("10.77.1.1")
	RouterV6 = netip.MustParseAddr("fd77:1::1")
	TargetV4 = netip.MustParseAddr("10.77.2.2")
	TargetV6 = netip.MustParseAddr("fd77:2::2")
	// GoneV4 and GoneV6 are on the target's link and belong to nobody.
	GoneV4 = netip.MustParseAddr("10.77.2.99")
	GoneV6 = netip.MustParseAddr("fd77:2::99")
	// NeighbourV4 and NeighbourV6 are on the source's link and belong to
	// nobody.
	NeighbourV4 = netip.MustParseAddr("10.77.1.99")
	NeighbourV6 = netip.MustParseAddr("fd77:1::99")
	// NowhereV4 and NowhereV6 are addresses to which the router has no route.
	NowhereV4 = netip.MustParseAddr("10.99.9.9")
	NowhereV6 = netip.MustParseAddr("fd99::9")
)

// NewTopology makes one.
func NewTopology(t testing.TB) *Topology {
	t.Helper()
	topo := &Topology{Source: New(t, "source"), Router: New(t, "router"), Target: New(t, "target")}
	topo.Router.IP(t, `
link add source type veth peer name eth0 netns `+topo.Source.Name+`
link add target type veth peer name eth0 netns `+topo.Target.Name+`
addr add 10.77.1.1/24 dev source
addr add fd77:1::1/64 dev source nodad
addr add 10.77.2.1/24 dev target
addr add fd77:2::1/64 dev target nodad
link set source up
link set target up
`)
	topo.Source.IP(t, `
addr add 10.77.1.2/24 dev eth0
addr add fd77:1::2/64 dev eth0 nodad
link set eth0 up
route add default via 10.77.1.1
route add ::/0 via fd77:1::1
`)
	topo.Target.IP(t, `
addr add 10.77.2.2/24 dev eth0
addr add fd77:2::2/64 dev eth0 nodad
link set eth0 up
route add default via 10.77.2.1
route add ::/0 via fd77:2::1
`)
	topo.Router.Sysctl(t, "ipv4.ip_forward", "1")
	topo.Router.Sysctl(t, "ipv6.conf.all.forwarding", "1")
	for _, n := range []*NS{topo.Source, topo.Router, topo.Target} {
		n.unlimitICMP(t)
	}
	for _, dev := range []string{"source", "target"} {
		topo.Router.impatient(t, dev)
	}
	topo.Source.impatient(t, "eth0")
	topo.await(t, netip.AddrPortFrom(TargetV4, 1))
	topo.await(t, netip.AddrPortFrom(TargetV6, 1))
	return topo
}

// await waits until the target refuses a connection: packets go both ways.
func (topo *Topology) await(t testing.TB, closed netip.AddrPort) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		var err error
		topo.Source.Do(t, func() {
			var conn net.Conn
			if conn, err = (&net.Dialer{Timeout: time.Second}).DialContext(ctx, "tcp", closed.String()); err == nil {
				err = errors.Join(errors.New("a closed port is open"), conn.Close())
			}
		})
		if errors.Is(err, unix.ECONNREFUSED) {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("the topology does not come up: %v", err)
		case <-tick.C:
		}
	}
}

// unlimitICMP lifts the limits that would hide errors of a burst of tests.
func (n *NS) unlimitICMP(t testing.TB) {
	t.Helper()
	// The mask, not the rate: a rate of 0 also empties the bucket from which
	// "no route" is answered, which has a limit of its own (5, then 1/s).
	n.Sysctl(t, "ipv4.icmp_ratemask", "0")
	n.Sysctl(t, "ipv6.icmp.ratelimit", "0")
	// Of the namespace on recent kernels only, and generous by default.
	n.Do(t, func() {
		_ = os.WriteFile(sysctlPath("ipv4.icmp_msgs_per_sec"), []byte("100000"), 0)
		_ = os.WriteFile(sysctlPath("ipv4.icmp_msgs_burst"), []byte("10000"), 0)
	})
}

// impatient shortens the wait for a neighbour that does not answer.
func (n *NS) impatient(t testing.TB, dev string) {
	t.Helper()
	for _, family := range []string{"ipv4", "ipv6"} {
		n.Sysctl(t, family+".neigh."+dev+".retrans_time_ms", "50")
	}
}
