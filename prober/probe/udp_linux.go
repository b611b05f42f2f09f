// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"context"
	"fmt"
	"time"

	"github.com/netladder/netladder/prober/echo/wire"
)

// probeMeshUDP asks an echo server who it is by one datagram.
func probeMeshUDP(ctx context.Context, t Target) Result {
	r := begin(t)
	if res, ok := r.check(); !ok {
		return res
	}
	s, f := dial(ctx, overUDP, t.Addr, t.Timeout)
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
