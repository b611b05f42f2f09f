// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"context"
	"crypto/rand"
	"encoding/binary"
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
	run run
	// sock is a TCP socket that is bound and nothing else: it keeps everybody
	// else from the source port.
	sock   sock
	done   func(Result)
	result Result
	phases [1]Phase

	// refused is why there is no socket.
	socket  *synSocket
	refused *fault

	syn syn
	// to is the address of the target for the raw socket.
	to unix.Sockaddr
	// next is when the SYN is sent again, after a further pause, or the
	// deadline.
	next  time.Time
	pause time.Duration
	// denied: the source's own host refused to send. lost: it may have lost an
	// answer.
	denied, lost bool
}

// probeTCPHalfOpen sends a SYN and takes the answer for it.
func probeTCPHalfOpen(ctx context.Context, t Target) (res Result) {
	r := begin(t)
	if res, ok := r.aim(ctx); !ok {
		return res
	}
	b, err := newHalfOpens()
	if err != nil {
		return r.end(diagnosis{verdict: LocalError, evidence: err.Error()})
	}
	defer b.close()
	h := &halfOpen{run: *r, done: func(end Result) { res = end }}
	h.sock = newSock(ctx, overRawTCP, r.target.origin(), r.target.Addr, r.timeout())
	b.ready(h)
	b.launch()
	if b.landed() {
		b.watch()
	}
	return res
}

// prepare fills in what the SYN says, and whom it is sent to.
func (h *halfOpen) prepare() *fault {
	s, source := &h.sock, h.socket.key.source
	sa, err := kernelAddr(s.fd, netip.AddrPortFrom(s.target.Addr(), 0))
	if err != nil {
		return s.localFault("connect", err)
	}
	h.to = sa
	from := origin{source: source}
	if err := from.bind(s.fd); err != nil {
		return s.localFault("bind", err)
	}
	name, err := unix.Getsockname(s.fd)
	if err != nil {
		return s.localFault("getsockname", err)
	}
	h.syn = syn{
		source: netip.AddrPortFrom(source.WithZone(""), sockaddrPort(name)),
		target: netip.AddrPortFrom(s.target.Addr().WithZone(""), s.target.Port()),
		seq:    h.socket.sequence(),
	}
	return nil
}

// plan says when something is to be done next, now that the SYN was sent.
func (h *halfOpen) plan() {
	if h.pause == 0 {
		h.pause, h.next = firstRetransmission, h.sock.began
	}
	h.next = h.next.Add(h.pause)
	h.pause *= 2
	if deadline := h.sock.deadline(); deadline.Before(h.next) {
		h.next = deadline
	}
}

// answered judges the flags of what the target sent.
func (h *halfOpen) answered(flags byte) {
	after := time.Since(h.sock.began)
	if flags&flagRST != 0 {
		h.result = h.run.judge(diagnosis{verdict: Refused, evidence: "TCP reset after " + milliseconds(after)})
		return
	}
	h.run.phase("connect", after)
	h.result = h.run.end(diagnosis{verdict: Connected, evidence: "the target answered the SYN"})
}

// failed judges what else came, or what did not.
func (h *halfOpen) failed(f *fault) {
	d := classify(*f)
	switch {
	case notPermitted(f):
		d = diagnosis{verdict: Unsupported, evidence: "raw sockets are not permitted, which half-open probes need: the prober must run at level Full (capability NET_RAW)"}
	case f.kind == faultTimeout && h.lost:
		d = diagnosis{verdict: LocalError, evidence: "receive: more came than could be read: an answer may be lost"}
	case f.kind == faultTimeout && h.denied:
		// The full connection would not be told of a packet filter on its own
		// host: nothing else came.
		d.evidence += ": a packet filter of the source's own host forbids it"
	}
	h.result = h.run.judge(d)
}

// randomBits returns 32 of them.
func randomBits() uint32 {
	var b [4]byte
	// It never fails: crypto/rand ends the program if the kernel has none.
	_, _ = rand.Read(b[:])
	return binary.BigEndian.Uint32(b[:])
}
