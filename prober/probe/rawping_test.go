// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package probe_test

import (
	"encoding/binary"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/netladder/netladder/prober/probe"
	"github.com/netladder/netladder/test/netns"
)

// strangerID is the identifier of somebody else's ping.
const strangerID = 7777

// A raw socket is given what others' pings of the same target get: replies and
// errors. Neither counts, and neither hides the probe's own.
func TestRawPingAmongOthers(t *testing.T) {
	l := newLab(t)
	l.Source.Sysctl(t, "ipv4.ping_group_range", pingForbidden)
	for _, c := range []struct {
		name, rules string
		target      netip.Addr
		want        probe.Verdict
	}{
		{"their replies", "icmp id 7777 accept\nicmp type echo-request drop", netns.TargetV4, probe.Dropped},
		{"their errors", "icmp id 7777 reject with icmp admin-prohibited\nicmp type echo-request drop", netns.TargetV4, probe.Dropped},
		{"their errors before the own reply", "icmp id 7777 reject with icmp admin-prohibited", netns.TargetV4, probe.Connected},
		{"their replies before the own error", "icmp id 7777 accept\nicmp type echo-request reject with icmp admin-prohibited", netns.TargetV4, probe.Rejected},
		{"v6: their replies", "icmpv6 id 7777 accept\nicmpv6 type echo-request drop", netns.TargetV6, probe.Dropped},
		{"v6: their errors", "icmpv6 id 7777 reject with icmpv6 admin-prohibited\nicmpv6 type echo-request drop", netns.TargetV6, probe.Dropped},
		{"v6: their errors before the own reply", "icmpv6 id 7777 reject with icmpv6 admin-prohibited", netns.TargetV6, probe.Connected},
	} {
		t.Run(c.name, func(t *testing.T) {
			nft(router, "forward", c.rules)(t, l)
			defer l.reset(t)
			stop := pingAlong(t, l.Source, c.target)
			target := at(c.target, 0)
			if c.want == probe.Dropped {
				target = dropTimeout(target)
			}
			res := probeIn(t, l.Source, probe.ICMP, target)
			stop()
			if res.Verdict != c.want {
				t.Errorf("got %+v, want %s", res, c.want)
			}
		})
	}
}

// pingAlong pings a target again and again, until stopped.
func pingAlong(t *testing.T, n *netns.NS, target netip.Addr) (stop func()) {
	t.Helper()
	domain, proto, typ := unix.AF_INET, unix.IPPROTO_ICMP, byte(8)
	var to unix.Sockaddr
	if target.Is4() {
		to = &unix.SockaddrInet4{Addr: target.As4()}
	} else {
		domain, proto, typ = unix.AF_INET6, unix.IPPROTO_ICMPV6, 128
		to = &unix.SockaddrInet6{Addr: target.As16()}
	}
	var fd int
	var err error
	n.Do(t, func() { fd, err = unix.Socket(domain, unix.SOCK_RAW|unix.SOCK_CLOEXEC, proto) })
	if err != nil {
		t.Fatal(err)
	}
	request := []byte{typ, 0, 0, 0, strangerID >> 8, strangerID & 0xff, 0, 1}
	binary.BigEndian.PutUint16(request[2:], internetChecksum(request))
	end, ended := make(chan struct{}), make(chan struct{})
	if err := unix.Sendto(fd, request, 0, to); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(ended)
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-end:
				return
			case <-tick.C:
				_ = unix.Sendto(fd, request, 0, to) // the socket returns errors of earlier ones
			}
		}
	}()
	return func() { close(end); <-ended; _ = unix.Close(fd) }
}
