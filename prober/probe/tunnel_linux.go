// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"context"
	"encoding/binary"
	"fmt"
	"time"
)

const (
	vxlanHeaderSize    = 8
	ethernetHeaderSize = 14
	// vxlanHasVNI is the only flag of a VXLAN header (RFC 7348).
	vxlanHasVNI = 0x08
	// etherTypeExperimental is for local experiments (IEEE 802): no host takes
	// such a frame for anything.
	etherTypeExperimental = 0x88b5
)

// probeTunnel pings the peer's address inside the tunnel, through the tunnel
// of the source's own kernel: the device, its tables, the way between the
// nodes and the other end are tested as what pods send is. If no reply comes
// in half of the time it pings once more, and knocks at the VXLAN port of the
// other end: from there the network may say why.
func probeTunnel(ctx context.Context, t Target) Result {
	r := begin(t)
	if res, ok := r.check(); !ok {
		return res
	}
	t.Timeout /= 2
	began, f := begin(t).exchangeEcho(ctx, echo{nonce: newNonce(), payload: icmpPayloadSize})
	if f == nil {
		return r.throughTunnel(began)
	}
	if notPermitted(f) {
		return r.pingForbidden()
	}
	if f.kind == faultLocal || f.kind == faultCanceled {
		return r.fail(f)
	}
	knock := begin(t).knock(ctx)
	defer knock.close()
	again, f := begin(t).exchangeEcho(ctx, echo{nonce: newNonce(), payload: icmpPayloadSize})
	if f == nil {
		return r.throughTunnel(again)
	}
	return r.end(judgeTunnel(t.Tunnel, classify(*f), knock.answer()))
}

func (r *run) throughTunnel(began time.Time) Result {
	r.phase("exchange", time.Since(began))
	return r.end(diagnosis{verdict: Connected, evidence: "echo reply through the tunnel"})
}

// judgeTunnel puts together what became of the ping and of the knock, which is
// nil where there was none.
func judgeTunnel(end TunnelEnd, ping diagnosis, knock *fault) diagnosis {
	if knock == nil {
		return ping
	}
	if knock.kind == faultCanceled || knock.kind == faultTimeout {
		if ping.verdict == Dropped {
			ping.evidence += fmt.Sprintf("; UDP %s is silent too, which open ports also are", end.Endpoint)
		}
		return ping
	}
	told := classify(*knock)
	// What an ICMP error about the ping itself says is about more than the port.
	if ping.verdict != Dropped && ping.verdict != Unreachable || told.verdict == LocalError {
		return ping
	}
	switch told.verdict {
	case Refused:
		told.evidence = "nothing on the peer takes VXLAN: " + told.evidence
	case TooBig:
		return ping
	}
	told.evidence = fmt.Sprintf("no echo reply through the tunnel; UDP %s: %s", end.Endpoint, told.evidence)
	return told
}

// knock is a frame for nobody on its way to the peer's VXLAN port; nil where
// none is sent.
type knock struct {
	*sock
	fault *fault
}

// knock sends one.
func (r *run) knock(ctx context.Context) *knock {
	end := r.target.Tunnel
	if !end.Endpoint.IsValid() {
		return nil
	}
	k := &knock{}
	k.sock, k.fault = dial(ctx, overUDP, origin{entry: r.target.Entry, source: end.Local.Unmap()}, end.Endpoint, r.timeout())
	if k.fault == nil {
		k.fault = k.write(frameForNobody(end.VNI))
	}
	return k
}

// answer is what the network has to say against it; nil for nothing.
func (k *knock) answer() *fault {
	if k == nil || k.fault != nil {
		return k.failed()
	}
	var buf [1]byte
	_, f := k.read(buf[:])
	return f
}

func (k *knock) failed() *fault {
	if k == nil {
		return nil
	}
	return k.fault
}

// close closes the socket, if there is one.
func (k *knock) close() {
	if k != nil {
		k.sock.close()
	}
}

// frameForNobody is a VXLAN packet with a frame that the other end throws
// away: no host has the locally administered address that it is for.
func frameForNobody(vni uint32) []byte {
	nonce := newNonce()
	b := make([]byte, vxlanHeaderSize+ethernetHeaderSize, vxlanHeaderSize+ethernetHeaderSize+len(nonce))
	b[0] = vxlanHasVNI
	binary.BigEndian.PutUint32(b[4:], vni<<8)
	to, from, typ := b[8:14], b[14:20], b[20:22]
	copy(to, nonce[:6])
	copy(from, nonce[6:12])
	for _, mac := range [][]byte{to, from} {
		mac[0] = mac[0]&^0x01 | 0x02 // unicast, locally administered
	}
	binary.BigEndian.PutUint16(typ, etherTypeExperimental)
	return append(b, nonce[:]...)
}
