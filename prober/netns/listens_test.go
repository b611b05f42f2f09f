// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package netns

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
	"pgregory.net/rapid"

	testnetns "github.com/netladder/netladder/test/netns"
)

// newListening returns a namespace with the pod's addresses, as a Registry
// gives it.
func newListening(t testing.TB) (*testnetns.NS, *Namespace) {
	t.Helper()
	pod := newPodNet(t, podV4, podV6)
	fake := newFakeProc(t)
	fake.add(t, 20, cgroupOf(uidA), 5, path(pod))
	r := newRegistry(t, fake.root)
	r.Update(v4Pod(uidA))
	return pod, mustFind(t, r, uidA)
}

// bound opens a socket in the namespace, bound to an address; a TCP one
// listens.
type bound struct {
	typ     int
	addr    string // with its port
	v6only  int    // of an IPv6 socket
	device  string
	connect string // a peer; UDP
	quiet   bool   // a TCP socket that does not listen
}

func (s bound) open() (fd int, err error) {
	addr := netip.MustParseAddrPort(s.addr)
	domain, sa := unix.AF_INET, sockaddr(addr)
	if addr.Addr().Is6() {
		domain = unix.AF_INET6
	}
	if fd, err = unix.Socket(domain, s.typ|unix.SOCK_CLOEXEC, 0); err != nil {
		return -1, err
	}
	defer func() {
		if err != nil {
			_ = unix.Close(fd)
		}
	}()
	if domain == unix.AF_INET6 {
		if err = unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, s.v6only); err != nil {
			return -1, err
		}
	}
	if s.device != "" {
		if err = unix.BindToDevice(fd, s.device); err != nil {
			return -1, err
		}
	}
	if err = unix.Bind(fd, sa); err == nil && s.connect != "" {
		err = unix.Connect(fd, sockaddr(netip.MustParseAddrPort(s.connect)))
	}
	if err == nil && s.typ == unix.SOCK_STREAM && !s.quiet {
		err = unix.Listen(fd, 1)
	}
	return fd, err
}

func sockaddr(addr netip.AddrPort) unix.Sockaddr {
	if addr.Addr().Is4() {
		return &unix.SockaddrInet4{Port: int(addr.Port()), Addr: addr.Addr().As4()}
	}
	return &unix.SockaddrInet6{Port: int(addr.Port()), Addr: addr.Addr().As16()}
}

func TestListens(t *testing.T) {
	pod, ns := newListening(t)
	const tcp, udp = unix.SOCK_STREAM, unix.SOCK_DGRAM
	for _, tc := range []struct {
		name   string
		socket bound
		v4, v6 bool
	}{
		{"exact", bound{typ: tcp, addr: "10.88.0.7:80"}, true, false},
		{"exact, IPv6", bound{typ: tcp, addr: "[fd88::7]:80"}, false, true},
		{"wildcard", bound{typ: tcp, addr: "0.0.0.0:80"}, true, false},
		{"IPv6 wildcard", bound{typ: tcp, addr: "[::]:80"}, true, true},
		{"IPv6 wildcard, V6ONLY", bound{typ: tcp, addr: "[::]:80", v6only: 1}, false, true},
		{"mapped address", bound{typ: tcp, addr: "[::ffff:10.88.0.7]:80"}, true, false},
		{"mapped wildcard", bound{typ: tcp, addr: "[::ffff:0.0.0.0]:80"}, true, false},
		{"mapped loopback", bound{typ: tcp, addr: "[::ffff:127.0.0.1]:80"}, false, false},
		{"loopback", bound{typ: tcp, addr: "127.0.0.1:80"}, false, false},
		{"IPv6 loopback", bound{typ: tcp, addr: "[::1]:80"}, false, false},
		{"another port", bound{typ: tcp, addr: "0.0.0.0:81"}, false, false},
		{"a port below", bound{typ: tcp, addr: "0.0.0.0:79"}, false, false},
		{"bound only", bound{typ: tcp, addr: "0.0.0.0:80", quiet: true}, false, false},
		{"the pod's device", bound{typ: tcp, addr: "0.0.0.0:80", device: "eth0"}, true, false},
		{"the loopback device", bound{typ: tcp, addr: "[::]:80", device: "lo"}, false, false},
		{"UDP exact", bound{typ: udp, addr: "10.88.0.7:80"}, true, false},
		{"UDP wildcard", bound{typ: udp, addr: "0.0.0.0:80"}, true, false},
		{"UDP IPv6 wildcard", bound{typ: udp, addr: "[::]:80"}, true, true},
		{"UDP IPv6 wildcard, V6ONLY", bound{typ: udp, addr: "[::]:80", v6only: 1}, false, true},
		{"UDP mapped", bound{typ: udp, addr: "[::ffff:10.88.0.7]:80"}, true, false},
		{"UDP loopback", bound{typ: udp, addr: "127.0.0.1:80"}, false, false},
		{"UDP connected", bound{typ: udp, addr: "127.0.0.1:80", connect: "127.0.0.1:9"}, false, false},
		{"UDP wildcard, connected", bound{typ: udp, addr: "10.88.0.7:80", connect: "10.88.0.7:9"}, false, false},
		{"UDP another port", bound{typ: udp, addr: "0.0.0.0:81"}, false, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var fd int
			var err error
			pod.Do(t, func() { fd, err = tc.socket.open() })
			must(t, err)
			defer func() { _ = unix.Close(fd) }()
			protocol, other := "TCP", "UDP"
			if tc.socket.typ == udp {
				protocol, other = other, protocol
			}
			ask := func(addr netip.Addr, protocol string, want bool) {
				t.Helper()
				got, err := ns.Listens(netip.AddrPortFrom(addr, 80), protocol)
				must(t, err)
				if got != want {
					t.Errorf("Listens(%v, %s) = %v, want %v", addr, protocol, got, want)
				}
			}
			ask(podV4, protocol, tc.v4)
			ask(podV6, protocol, tc.v6)
			ask(netip.AddrFrom16(podV4.As16()), protocol, tc.v4)
			ask(podV4, other, false)
			ask(podV6, other, false)
		})
	}
}

// What real servers open: Go's are MPTCP where the kernel has it.
func TestListensToAServer(t *testing.T) {
	pod, ns := newListening(t)
	var l net.Listener
	var err error
	pod.Do(t, func() { l, err = net.Listen("tcp", ":0") })
	must(t, err)
	port := l.Addr().(*net.TCPAddr).AddrPort().Port()
	for _, addr := range []netip.Addr{podV4, podV6} {
		got, err := ns.Listens(netip.AddrPortFrom(addr, port), "TCP")
		must(t, err)
		if !got {
			t.Errorf("%v is not served", addr)
		}
	}
	must(t, l.Close())
	got, err := ns.Listens(netip.AddrPortFrom(podV4, port), "TCP")
	must(t, err)
	if got {
		t.Error("served after it was closed")
	}
}

// A socket elsewhere is none of the pod's.
func TestListensInsideOnly(t *testing.T) {
	_, ns := newListening(t)
	var lc net.ListenConfig
	l, err := lc.Listen(context.Background(), "tcp", "127.0.0.1:0")
	must(t, err)
	defer func() { _ = l.Close() }()
	addr := l.Addr().(*net.TCPAddr).AddrPort()
	got, err := ns.Listens(addr, "TCP")
	must(t, err)
	if got {
		t.Error("a socket outside is seen")
	}
}

func TestListensRefuses(t *testing.T) {
	_, ns := newListening(t)
	for _, tc := range []struct {
		addr     netip.AddrPort
		protocol string
	}{
		{netip.AddrPortFrom(podV4, 80), "SCTP"}, {netip.AddrPortFrom(podV4, 80), "tcp"}, {netip.AddrPortFrom(podV4, 80), ""},
		{netip.AddrPortFrom(podV4, 0), "TCP"}, {netip.AddrPort{}, "TCP"},
	} {
		_, err := ns.Listens(tc.addr, tc.protocol)
		wantReason(t, err, ReasonUnsupported)
	}
}

// Others with many sockets cost nothing; somebody with too many on the port
// itself is told apart from somebody who does not listen.
func TestListensIsBounded(t *testing.T) {
	pod, ns := newListening(t)
	var fds []int
	t.Cleanup(func() {
		for _, fd := range fds {
			_ = unix.Close(fd)
		}
	})
	fill := func(address string, port, n int) {
		var err error
		pod.Do(t, func() {
			for i := 0; i < n && err == nil; i++ {
				var fd int
				if fd, err = unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0); err != nil {
					return
				}
				fds = append(fds, fd)
				if err = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1); err == nil {
					err = unix.Bind(fd, sockaddr(netip.AddrPortFrom(netip.MustParseAddr(address), uint16(port))))
				}
			}
		})
		must(t, err)
	}
	raiseLimit(t, maxSockets*2+1000)
	fill("127.0.0.1", 81, 200)
	fill("127.0.0.1", 80, maxSockets)
	got, err := ns.Listens(netip.AddrPortFrom(podV4, 80), "UDP")
	must(t, err)
	if got {
		t.Error("served by loopback")
	}
	fill("127.0.0.1", 80, 1)
	_, err = ns.Listens(netip.AddrPortFrom(podV4, 80), "UDP")
	if !errors.Is(err, errTooMany) {
		t.Errorf("got %v", err)
	}
}

// raiseLimit lets the test open this many descriptors.
func raiseLimit(t testing.TB, n uint64) {
	t.Helper()
	var limit unix.Rlimit
	must(t, unix.Getrlimit(unix.RLIMIT_NOFILE, &limit))
	if limit.Cur >= n {
		return
	}
	old := limit
	limit.Cur, limit.Max = n, max(limit.Max, n)
	must(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &limit))
	t.Cleanup(func() { _ = unix.Setrlimit(unix.RLIMIT_NOFILE, &old) })
}

// message is what the kernel answers for one socket.
func message(family byte, addr netip.Addr, port uint16, iface uint32, attributes ...byte) []byte {
	b := make([]byte, sizeofDiagMessage)
	b[0] = family
	binary.BigEndian.PutUint16(b[4:], port)
	copy(b[8:], addr.AsSlice())
	binary.NativeEndian.PutUint32(b[40:], iface)
	return append(b, attributes...)
}

func attribute(number uint16, value ...byte) []byte {
	b := binary.NativeEndian.AppendUint16(nil, uint16(4+len(value)))
	b = binary.NativeEndian.AppendUint16(b, number)
	b = append(b, value...)
	return append(b, make([]byte, (4-len(value)%4)%4)...)
}

func TestParseDiagMessage(t *testing.T) {
	any6 := netip.IPv6Unspecified()
	shutdown, v6only := attribute(8, 0), attribute(attrV6Only, 1)
	for _, tc := range []struct {
		name string
		b    []byte
		want localSocket
		ok   bool
	}{
		{"IPv4", message(unix.AF_INET, podV4, 80, 0), localSocket{addr: podV4, port: 80}, true},
		{"IPv6", message(unix.AF_INET6, any6, 80, 3), localSocket{addr: any6, port: 80, v6: true, iface: 3}, true},
		{"attributes", message(unix.AF_INET6, any6, 80, 0, append(shutdown, v6only...)...), localSocket{addr: any6, port: 80, v6: true, v6only: true}, true},
		{"not only", message(unix.AF_INET6, any6, 80, 0, attribute(attrV6Only, 0)...), localSocket{addr: any6, port: 80, v6: true}, true},
		{"without padding at the end", message(unix.AF_INET6, any6, 80, 0, v6only[:5]...), localSocket{addr: any6, port: 80, v6: true, v6only: true}, true},
		{"cut off", message(unix.AF_INET, podV4, 80, 0)[:sizeofDiagMessage-1], localSocket{}, false},
		{"an attribute of no length", message(unix.AF_INET, podV4, 80, 0, 0, 0, 11, 0), localSocket{}, false},
		{"an attribute that goes on", message(unix.AF_INET, podV4, 80, 0, attribute(8, 1, 2, 3)[:6]...), localSocket{}, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, ok := parseDiagMessage(tc.b)
			if got != tc.want || ok != tc.ok {
				t.Errorf("got %+v, %v, want %+v, %v", got, ok, tc.want, tc.ok)
			}
		})
	}
	rapid.Check(t, func(t *rapid.T) { parseDiagMessage(rapid.SliceOf(rapid.Byte()).Draw(t, "message")) })
}

func TestNetlinkErrno(t *testing.T) {
	for code, want := range map[int32]error{0: nil, 5: nil, -int32(unix.ENOENT): unix.ENOENT} {
		if err := netlinkErrno(binary.NativeEndian.AppendUint32(nil, uint32(code))); !errors.Is(err, want) {
			t.Errorf("%d: %v", code, err)
		}
	}
	if netlinkErrno([]byte{1}) == nil {
		t.Error("an answer that is cut off is no error")
	}
	wantReason(t, diagError(fmt.Errorf("reading sockets: %w", unix.ENOENT)), ReasonUnsupported)
	wantReason(t, diagError(os.ErrDeadlineExceeded), ReasonFailed)
	if err := diagError(fmt.Errorf("x: %w", unix.ENOENT)); !strings.Contains(err.Error(), "udp_diag") {
		t.Errorf("%v does not say what to do", err)
	}
}

func BenchmarkListens(b *testing.B) {
	_, ns := newListening(b)
	for b.Loop() {
		if _, err := ns.Listens(netip.AddrPortFrom(podV4, 80), "TCP"); err != nil {
			b.Fatal(err)
		}
	}
}
