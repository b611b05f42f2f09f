// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package probe_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/netladder/netladder/prober/probe"
	"github.com/netladder/netladder/test/netns"
)

// respond answers the peers of a namespace until the test ends.
func respond(t *testing.T, n *netns.NS, peers ...netip.Addr) *probe.IPIPResponder {
	t.Helper()
	r, err := probe.NewIPIPResponder(enter(t, n))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	r.Expect(peers)
	return r
}

func TestIPIP(t *testing.T) {
	l := newLab(t)
	here := respond(t, l.Source, netns.TargetV4)
	there := respond(t, l.Target, netns.SourceV4)
	for _, c := range []struct {
		name string
		do   func(*testing.T, *lab)
		want probe.Verdict
		says string
		// Whether each side hears the other, who asks too.
		here, there bool
	}{
		{"open", nothing, probe.Connected, "the prober there replied by IP in IP", true, true},
		{"dropped there", nft(router, "forward", "ip protocol 4 ip daddr 10.77.2.2 drop"), probe.Dropped, "no answer within", true, false},
		{"dropped back", nft(router, "forward", "ip protocol 4 ip daddr 10.77.1.2 drop"), probe.Dropped, "no answer within", false, true},
		{"dropped both ways", nft(router, "forward", "ip protocol 4 drop"), probe.Dropped, "no answer within", false, false},
		{"prohibited", func(t *testing.T, l *lab) { t.Helper(); l.Router.IP(t, "route add prohibit 10.77.2.2/32") }, probe.Rejected, "from 10.77.1.1", true, false},
		{"dropped by the own host", nft(source, "output", "ip protocol 4 drop"), probe.LocalDenied, "EPERM", true, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			here.Expect(nil) // what was heard before is forgotten
			there.Expect(nil)
			here.Expect([]netip.Addr{netns.TargetV4})
			there.Expect([]netip.Addr{netns.SourceV4})
			c.do(t, l)
			defer func() { l.reset(t); l.Router.IP(t, "route flush type prohibit") }()
			probeIn(t, l.Target, probe.IPIP, inside(t, l.Target, netns.SourceV4))
			res := probeIn(t, l.Source, probe.IPIP, inside(t, l.Source, netns.TargetV4))
			if res.Verdict != c.want || !strings.Contains(res.Evidence, c.says) {
				t.Errorf("got %s: %s\nwant %s: %s", res.Verdict, res.Evidence, c.want, c.says)
			}
			if got := !here.Heard(netns.TargetV4).IsZero(); got != c.here {
				t.Errorf("heard here: %v", got)
			}
			if got := !there.Heard(netns.SourceV4).IsZero(); got != c.there {
				t.Errorf("heard there: %v", got)
			}
		})
	}
}

// inside aims from a namespace, briefly.
func inside(t *testing.T, n *netns.NS, to netip.Addr) probe.Target {
	t.Helper()
	target := dropTimeout(at(to, 0))
	target.Entry = enter(t, n)
	return target
}

// Where a host tracks connections, what one side sends lets in the other:
// nobody says that the way is open.
func TestIPIPWhereConnectionsAreTracked(t *testing.T) {
	const any = "ct state new accept"
	for _, c := range []struct {
		name  string
		where func(*lab) *netns.NS
		rules string
		says  string
	}{
		{"here", source, any, "the own host tracks"},
		{"there", target, any, "the other host tracks"},
		// What is new is dropped: that it is not seen is the fault.
		{"there, by a firewall", target, "ct state established accept\nip protocol 4 drop", "the other host tracks"},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := newLab(t)
			respond(t, l.Source, netns.TargetV4)
			respond(t, l.Target, netns.SourceV4)
			nft(c.where, "input", c.rules)(t, l)
			probeIn(t, l.Target, probe.IPIP, inside(t, l.Target, netns.SourceV4))
			res := probeIn(t, l.Source, probe.IPIP, inside(t, l.Source, netns.TargetV4))
			if res.Verdict != probe.Inconclusive || !strings.Contains(res.Evidence, c.says) {
				t.Errorf("got %s: %s\nwant Inconclusive: %s", res.Verdict, res.Evidence, c.says)
			}
		})
	}
}

// Without a prober there the kernel says that it knows no such protocol, which
// is nothing against the way.
func TestIPIPWithoutResponder(t *testing.T) {
	l := newLab(t)
	if res := probeIn(t, l.Source, probe.IPIP, inside(t, l.Source, netns.TargetV4)); res.Verdict != probe.Inconclusive || !strings.Contains(res.Evidence, "no prober answers there: ICMP 3/2") {
		t.Errorf("got %+v", res)
	}
	if res := probeIn(t, l.Source, probe.IPIP, inside(t, l.Source, netns.TargetV6)); res.Verdict != probe.Unsupported {
		t.Errorf("IPv6: got %+v", res)
	}
}

// Strangers are not answered, nor is anybody answered too often, nor anything
// that is no request.
func TestIPIPResponderIsCareful(t *testing.T) {
	l := newLab(t)
	respond(t, l.Target, netns.GoneV4)
	if res := probeIn(t, l.Source, probe.IPIP, inside(t, l.Source, netns.TargetV4)); res.Verdict != probe.Dropped {
		t.Errorf("a stranger: got %+v", res)
	}
	r := respond(t, l.Target, netns.SourceV4)
	l.Target.RunInput(t, "table inet t { chain c { type filter hook output priority 0;\nip protocol 4 counter\n}\n}\n", "nft", "-f", "-")
	send := func(packet []byte) {
		var err error
		l.Source.Do(t, func() {
			var fd int
			if fd, err = unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 4); err == nil {
				err = unix.Sendto(fd, packet, 0, &unix.SockaddrInet4{Addr: netns.TargetV4.As4()})
				_ = unix.Close(fd)
			}
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	request := append([]byte{0x45, 0, 0, 44, 0, 0, 0, 0, 1, 253, 0xff, 0xff, 10, 77, 1, 2, 10, 77, 2, 2}, "NLIP\x01\x00\x00\x000123456789abcdef"...)
	for _, at := range []int{0, 9, 20, 25, 26} { // version, protocol, magic, flags
		wrong := append([]byte(nil), request...)
		wrong[at] ^= 0x10
		send(wrong)
	}
	send(request[:len(request)-1])
	send(append(request, 0))
	send(nil)
	if at := r.Heard(netns.SourceV4); !at.IsZero() {
		t.Error("something that is no message was heard")
	}
	reply := append([]byte(nil), request...)
	reply[24] = 2
	send(reply)
	for until := time.Now().Add(patient); r.Heard(netns.SourceV4).IsZero(); time.Sleep(time.Millisecond) {
		if time.Now().After(until) {
			t.Fatal("a reply is not heard")
		}
	}
	if out := l.Target.Run(t, "nft", "list", "ruleset"); !strings.Contains(out, "counter packets 0 ") {
		t.Errorf("something was answered: %s", out)
	}
	began := time.Now()
	for range 400 {
		send(request)
	}
	// One that asks itself is answered later than all of these.
	for until := time.Now().Add(patient); ; {
		if res := probeIn(t, l.Source, probe.IPIP, inside(t, l.Source, netns.TargetV4)); res.Verdict == probe.Connected {
			break
		}
		if time.Now().After(until) {
			t.Fatal("no request is answered")
		}
	}
	var packets int
	_, counter, _ := strings.Cut(l.Target.Run(t, "nft", "list", "ruleset"), "counter ")
	if _, err := fmt.Sscanf(counter, "packets %d", &packets); err != nil {
		t.Fatal(err)
	}
	if most := 40 + 1 + int(20*time.Since(began).Seconds()); packets == 0 || packets > most {
		t.Errorf("%d answers to 400 requests, want at most %d", packets, most)
	}
}
