// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"context"
	"encoding/binary"
	"errors"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"
)

// firstRetransmission is after what time the SYN is sent again; each further
// wait is twice as long. It is what kernels do, so that a lost packet counts
// here as it does for a full connection: with a timeout of a second or less it
// does.
const firstRetransmission = time.Second

// halfOpen is one half-open probe: a SYN from a raw socket. What answers it
// finds no connection in the source's kernel, which resets it at once. So the
// target's application never gets a connection to accept, however late the
// probe itself is woken.
type halfOpen struct {
	rawSock
	// hold is a TCP socket that is bound and nothing else: it keeps everybody
	// else from the source port; -1 for none.
	hold int
	syn  syn
	// flags of the answer.
	flags byte
	// denied: the source's own host refused to send.
	denied bool
}

// probeTCPHalfOpen sends a SYN and takes the answer for it.
func probeTCPHalfOpen(ctx context.Context, t Target) Result {
	r := begin(t)
	if res, ok := r.aim(ctx); !ok {
		return res
	}
	h := newHalfOpen(ctx, r)
	defer h.close()
	f := h.open()
	if f != nil && notPermitted(f) {
		return r.end(diagnosis{verdict: Unsupported, evidence: "raw sockets are not permitted, which half-open probes need: the prober must run at level Full (capability NET_RAW)"})
	}
	if f == nil {
		f = h.exchange()
	}
	return h.result(r, f)
}

func newHalfOpen(ctx context.Context, r *run) *halfOpen {
	h := &halfOpen{hold: -1}
	h.sock = newSock(ctx, overRawTCP, r.target.origin(), r.target.Addr, r.timeout())
	h.take = func(packet []byte) (ok bool) {
		h.flags, ok = h.syn.answer(packet)
		return ok
	}
	h.mine = func(packet []byte) bool { return h.syn.sent(packet) }
	return h
}

// open makes both sockets.
func (h *halfOpen) open() *fault {
	if h.ctx.Err() != nil {
		return h.fault(faultCanceled, "connect", 0)
	}
	domain, level, option := h.family()
	if op, err := h.sockets(domain); err != nil {
		return h.localFault(op, err)
	}
	port, err := h.reserve()
	if err != nil {
		return h.localFault("bind", err)
	}
	h.syn.seq = newSequence()
	h.syn.target = netip.AddrPortFrom(h.target.Addr().WithZone(""), h.target.Port())
	if err := h.filter(port); err != nil {
		return h.localFault("setsockopt", err)
	}
	if err := unix.SetsockoptInt(h.fd, level, option, 1); err != nil {
		return h.localFault("setsockopt", err)
	}
	if err := h.from.bind(h.fd); err != nil {
		return h.localFault("bind", err)
	}
	return h.connectRaw(port)
}

// sockets makes the two in one visit to the namespace.
func (h *halfOpen) sockets(domain int) (op string, err error) {
	op = "enter the network namespace"
	err = h.from.do(func() (err error) {
		op = "socket"
		const flags = unix.SOCK_NONBLOCK | unix.SOCK_CLOEXEC
		if h.fd, err = unix.Socket(domain, unix.SOCK_RAW|flags, unix.IPPROTO_TCP); err == nil {
			h.hold, err = unix.Socket(domain, unix.SOCK_STREAM|flags, unix.IPPROTO_TCP)
		}
		return err
	})
	return op, err
}

// reserve takes a free port of the source.
func (h *halfOpen) reserve() (uint16, error) {
	from := h.from
	if !from.source.IsValid() {
		from.source = netip.IPv4Unspecified()
		if h.v6 {
			from.source = netip.IPv6Unspecified()
		}
	}
	if err := from.bind(h.hold); err != nil {
		return 0, err
	}
	name, err := unix.Getsockname(h.hold)
	if err != nil {
		return 0, err
	}
	return sockaddrPort(name), nil
}

// connectRaw lets the kernel choose the route, and with it the source address,
// and see to it that only what the target sends is received.
func (h *halfOpen) connectRaw(port uint16) *fault {
	sa, err := kernelAddr(h.fd, netip.AddrPortFrom(h.target.Addr(), 0))
	if err != nil {
		return h.localFault("connect", err)
	}
	if err := unix.Connect(h.fd, sa); err != nil {
		return h.localFault("connect", err)
	}
	name, err := unix.Getsockname(h.fd)
	if err != nil {
		return h.localFault("getsockname", err)
	}
	h.syn.source = netip.AddrPortFrom(sockaddrIP(name), port)
	// What came before there was a filter must not fill the buffer.
	h.look()
	h.queue = nil
	return h.register()
}

// exchange sends the SYN until something comes.
func (h *halfOpen) exchange() *fault {
	var buf [64]byte
	segment := h.syn.append(buf[:0])
	h.began = time.Now()
	pause, next := firstRetransmission, h.began
	for {
		if err := h.send(segment); err != nil {
			// The full connection would not be told of a packet filter on its
			// own host: what follows may be an ICMP error, or nothing.
			if h.denied = errors.Is(err, unix.EPERM); !h.denied {
				return h.localFault("send", err)
			}
		}
		if f := h.arm(); f != nil {
			return f
		}
		next = next.Add(pause)
		pause *= 2
		last := !next.Before(h.deadline())
		if last {
			next = h.deadline()
		}
		if f, late := h.await(next); last || !late {
			return f
		}
	}
}

// result judges what came.
func (h *halfOpen) result(r *run, f *fault) Result {
	after := time.Since(h.began)
	switch {
	case f != nil:
		d := classify(*f)
		if d.verdict == Dropped && h.denied {
			d.evidence += ": a packet filter of the source's own host forbids it"
		}
		return r.judge(d)
	case h.flags&flagRST != 0:
		return r.judge(diagnosis{verdict: Refused, evidence: "TCP reset after " + milliseconds(after)})
	default:
		r.phase("connect", after)
		return r.end(diagnosis{verdict: Connected, evidence: "the target answered the SYN"})
	}
}

// close gives both sockets back.
func (h *halfOpen) close() {
	h.sock.close()
	if h.hold >= 0 {
		_ = unix.Close(h.hold)
	}
}

// filter lets through what answers the SYN: whatever else the target sends to
// this network namespace must not fill the buffer. In IPv6 a raw socket gets
// no IP header.
func (h *halfOpen) filter(port uint16) error {
	load, size, skip := uint16(unix.BPF_IND), uint16(unix.BPF_H), unix.SockFilter{Code: unix.BPF_LDX | unix.BPF_MSH | unix.BPF_B}
	if h.v6 {
		skip = unix.SockFilter{Code: unix.BPF_LDX | unix.BPF_IMM}
	}
	jump := uint16(unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K)
	program := []unix.SockFilter{
		skip,
		{Code: unix.BPF_LD | size | load, K: 0},
		{Code: jump, K: uint32(h.target.Port()), Jf: 5},
		{Code: unix.BPF_LD | size | load, K: 2},
		{Code: jump, K: uint32(port), Jf: 3},
		{Code: unix.BPF_LD | unix.BPF_W | load, K: 8},
		{Code: jump, K: h.syn.seq + 1, Jf: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: uint32(len(h.buf))},
		{Code: unix.BPF_RET | unix.BPF_K, K: 0},
	}
	return unix.SetsockoptSockFprog(h.fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]})
}

// newSequence returns 32 random bits.
func newSequence() uint32 {
	nonce := newNonce()
	return binary.BigEndian.Uint32(nonce[:4])
}
