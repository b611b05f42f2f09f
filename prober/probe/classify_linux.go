// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"fmt"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"
)

// icmpError is one entry of a socket's error queue.
type icmpError struct {
	errno     unix.Errno
	origin    uint8 // SO_EE_ORIGIN_*
	typ, code uint8
	info      uint32 // the largest packet that passes, where one was too big
	offender  netip.Addr
}

// faultKind says how an exchange ended.
type faultKind uint8

const (
	// faultLocal: a call failed at once, before anything could come back.
	faultLocal faultKind = iota
	// faultRemote: something came back.
	faultRemote
	// faultTimeout: nothing came back in time.
	faultTimeout
	// faultCanceled: the caller's context ended.
	faultCanceled
	// faultClosed: the peer ended the stream too early.
	faultClosed
)

// fault is why an exchange did not succeed: all that classification needs.
type fault struct {
	kind      faultKind
	transport transport
	target    netip.Addr
	op        string // socket, setsockopt, connect, send or receive
	errno     unix.Errno
	detail    string // instead of errno where there is none
	queue     []icmpError
	after     time.Duration // since connect(2)
	timeout   time.Duration
	connected time.Duration // how long the TCP handshake took; zero without
}

// diagnosis is what a fault means.
type diagnosis struct {
	verdict  Verdict
	offender netip.Addr
	evidence string
}

// classify gives a fault its verdict: ICMP type and code first, offender
// second, then the errno.
func classify(f fault) diagnosis {
	for _, e := range f.queue {
		if e.origin == unix.SO_EE_ORIGIN_ICMP || e.origin == unix.SO_EE_ORIGIN_ICMP6 {
			return f.classifyICMP(e)
		}
	}
	switch f.kind {
	case faultCanceled:
		return diagnosis{verdict: LocalError, evidence: f.op + ": canceled before an answer came"}
	case faultTimeout:
		return diagnosis{verdict: Dropped, evidence: f.stage() + "no answer within " + f.timeout.String()}
	case faultClosed:
		return diagnosis{verdict: ProtocolError, evidence: f.stage() + "closed by the peer before its answer was complete"}
	case faultLocal:
		return f.classifyLocal()
	default:
		return f.classifyRemote()
	}
}

// classifyLocal is for what the own kernel said at once.
func (f fault) classifyLocal() diagnosis {
	errno := f.errno
	if errno == 0 {
		for _, e := range f.queue {
			errno = e.errno
		}
	}
	verdict, why := LocalError, "the probe could not be made"
	if f.op == "bind" && errno == unix.EADDRNOTAVAIL {
		why = "not the pod's network namespace any more"
	}
	if f.op != "connect" && f.op != "send" {
		return diagnosis{verdict: verdict, evidence: f.op + ": " + f.cause(errno) + ": " + why}
	}
	switch errno {
	case unix.EPERM:
		verdict, why = LocalDenied, "a packet filter of the source's own host forbids it"
	case unix.EACCES:
		verdict, why = LocalDenied, "prohibited by the source's own host"
	case unix.EHOSTUNREACH:
		verdict, why = LocalDenied, "declared unreachable by the source's own host"
	case unix.EINVAL:
		verdict, why = LocalDenied, "blackhole route on the source's own host"
	case unix.ENETUNREACH:
		verdict, why = Unreachable, "the source has no route"
	case unix.ECONNREFUSED:
		verdict, why = Refused, "refused at once"
	}
	return diagnosis{verdict: verdict, evidence: f.op + ": " + f.cause(errno) + ": " + why}
}

// classifyRemote is for an errno that came with an answer, or with the end of
// the kernel's own patience.
func (f fault) classifyRemote() diagnosis {
	verdict := LocalError
	switch f.errno {
	case unix.ECONNREFUSED:
		verdict = Refused
		if f.connected > 0 {
			// Not a reset: an ICMP port unreachable whose sender is not kept.
			verdict = Rejected
		}
	case unix.ECONNRESET, unix.EPIPE:
		verdict = Reset
	case unix.ETIMEDOUT:
		verdict = Dropped
	case unix.EHOSTUNREACH, unix.ENETUNREACH, unix.EHOSTDOWN:
		verdict = Unreachable
	case unix.ENOPROTOOPT:
		verdict = ProtocolUnreachable
	case unix.EPROTO:
		verdict = ProtocolError
	case unix.EPERM, unix.EACCES:
		verdict = LocalDenied
	}
	return diagnosis{verdict: verdict, evidence: f.stage() + f.op + ": " + f.cause(f.errno) + " after " + milliseconds(f.after)}
}

// classifyICMP is for an ICMP error.
func (f fault) classifyICMP(e icmpError) diagnosis {
	meaning, family := icmpMeaning(e.typ, e.code), "ICMP"
	if e.origin == unix.SO_EE_ORIGIN_ICMP6 {
		meaning, family = icmpv6Meaning(e.typ, e.code), "ICMPv6"
	}
	verdict, from := meaning.verdict, "an unknown sender"
	if e.offender.IsValid() {
		from = e.offender.String()
	}
	if e.offender.IsValid() && e.offender == f.target.WithZone("") {
		from += ", the target"
		// Only UDP answers a closed port by ICMP, and IP in IP where no tunnel is
		// for it; for anything else it is a filter at the target that says so.
		if meaning.port && (f.transport == overUDP || f.transport == overIPIP) {
			verdict = Refused
		}
	}
	name := meaning.name
	if verdict == TooBig && e.info > 0 {
		name += fmt.Sprintf(", at most %d bytes", e.info)
	}
	return diagnosis{
		verdict:  verdict,
		offender: e.offender,
		evidence: fmt.Sprintf("%s%s %d/%d (%s) from %s after %s", f.stage(), family, e.typ, e.code, name, from, milliseconds(f.after)),
	}
}

// stage says how far the exchange had come.
func (f fault) stage() string {
	if f.connected == 0 {
		return ""
	}
	return "connected after " + milliseconds(f.connected) + ", then "
}

func (f fault) cause(errno unix.Errno) string {
	if errno == 0 {
		return f.detail
	}
	if name := unix.ErrnoName(errno); name != "" {
		return name
	}
	return errno.Error()
}

// milliseconds writes a duration the way people read latencies.
func milliseconds(d time.Duration) string {
	return fmt.Sprintf("%.1f ms", float64(d)/float64(time.Millisecond))
}
