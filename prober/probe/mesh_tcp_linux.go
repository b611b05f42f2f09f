// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/netladder/netladder/prober/echo/wire"
)

// probeMeshTCP connects to an echo server and asks who it is.
func probeMeshTCP(ctx context.Context, t Target) Result {
	r := begin(t)
	if res, ok := r.check(); !ok {
		return res
	}
	s, f := r.dial(ctx, overTCP)
	defer s.close()
	if f != nil {
		return r.fail(f)
	}
	r.phase("connect", s.connect)
	began := time.Now()
	nonce := newNonce()
	var buf [wire.Size]byte
	if f = s.write(wire.AppendRequest(buf[:0], wire.Request{Nonce: nonce})); f != nil {
		return r.fail(f)
	}
	if f = s.readFull(buf[:wire.Size]); f != nil {
		return r.fail(f)
	}
	r.phase("exchange", time.Since(began))
	reply, err := wire.ParseReply(buf[:])
	if err == nil && reply.Nonce != nonce {
		err = errNonce
	}
	if err != nil {
		return r.end(diagnosis{verdict: ProtocolError, evidence: "no echo reply: " + err.Error()})
	}
	return r.end(judgeIdentity(reply, t.EchoUID))
}

// errNonce: a well-formed reply to another request.
var errNonce = errors.New("the nonce is not the request's")

// judgeIdentity compares who answered with who should have.
func judgeIdentity(reply wire.Reply, want string) diagnosis {
	if reply.PodUID != want {
		return diagnosis{
			verdict:  WrongIdentity,
			evidence: fmt.Sprintf("answered by echo pod %s on node %s, expected %s", reply.PodUID, reply.Node, want),
		}
	}
	return diagnosis{verdict: Connected, evidence: "the echo pod answered"}
}
