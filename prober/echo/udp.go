// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package echo

import (
	"context"
	"errors"
	"net"

	"github.com/netladder/netladder/prober/echo/wire"
)

// serveUDP answers datagrams one after the other.
func (b *Bound) serveUDP(context.Context) error {
	var in [wire.Size + 1]byte // one more, to see that a datagram is too long
	out := make([]byte, 0, wire.Size)
	for {
		n, from, err := b.udp.ReadFromUDPAddrPort(in[:])
		if err != nil {
			if errors.Is(err, net.ErrClosed) {
				return nil
			}
			// Such as an ICMP error about an answer: the next one may work.
			if isTemporary(err) {
				continue
			}
			return err
		}
		request, err := wire.ParseRequest(in[:n])
		if err != nil {
			b.metrics.drop(reasonMalformed)
			continue
		}
		if reason := b.limiter.admit(from.Addr()); reason != "" {
			b.metrics.drop(reason)
			continue
		}
		b.metrics.request(protocolUDP)
		out = wire.AppendReply(out[:0], b.reply(request))
		if _, err = b.udp.WriteToUDPAddrPort(out, from); err != nil {
			b.metrics.drop(reasonIncomplete)
		}
	}
}

func (b *Bound) reply(r wire.Request) wire.Reply {
	return wire.Reply{Nonce: r.Nonce, PodUID: b.server.PodUID, Node: b.server.NodeName}
}
