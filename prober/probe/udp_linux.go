// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"context"
	"fmt"
	"time"

	"github.com/netladder/netladder/prober/echo/wire"
)

// udpPayload is what a UDP probe sends: something that no protocol takes for a
// command and that whoever sees it can look up.
const udpPayload = "netladder\n"

// probeUDP sends one datagram. Any answer of the target will do.
func probeUDP(ctx context.Context, t Target) Result {
	r := begin(t)
	if res, ok := r.aim(ctx); !ok {
		return res
	}
	s, f := r.dial(ctx, overUDP)
	defer s.close()
	if f == nil {
		f = s.write([]byte(udpPayload))
	}
	if f == nil {
		var buf [1]byte
		_, f = s.read(buf[:])
	}
	switch {
	case f == nil:
		r.phase("exchange", time.Since(s.began))
		return r.end(diagnosis{verdict: Connected, evidence: "a datagram came back"})
	case f.kind == faultTimeout && !t.SilenceDenies:
		return r.judge(diagnosis{verdict: Inconclusive, evidence: "no answer within " + f.timeout.String() + ", and by UDP there need not be one"})
	default:
		return r.fail(f)
	}
}

// probeMeshUDP asks an echo server who it is by one datagram.
func probeMeshUDP(ctx context.Context, t Target) Result {
	r := begin(t)
	if res, ok := r.check(); !ok {
		return res
	}
	s, f := r.dial(ctx, overUDP)
	defer s.close()
	if f != nil {
		return r.fail(f)
	}
	nonce := newNonce()
	var buf [wire.Size + 1]byte // one more, to see that a datagram is too long
	if f = s.write(wire.AppendRequest(buf[:0], wire.Request{Nonce: nonce})); f != nil {
		return r.fail(f)
	}
	for strange := 0; ; {
		n, f := s.read(buf[:])
		if f != nil {
			if f.kind == faultTimeout && strange > 0 {
				return r.end(diagnosis{verdict: ProtocolError, evidence: fmt.Sprintf("%d datagrams came that are no echo reply", strange)})
			}
			return r.fail(f)
		}
		// A datagram that answers something else proves nothing: wait on.
		reply, err := wire.ParseReply(buf[:n])
		if err != nil || reply.Nonce != nonce {
			strange++
			continue
		}
		r.phase("exchange", time.Since(s.began))
		return r.end(judgeIdentity(reply, t.EchoUID))
	}
}
