// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"context"
	"errors"
	"net/netip"
	"time"
)

// Canary says whether something in a network namespace takes every TCP
// connection that is begun in there, as the sidecar of a service mesh does. It
// dials an address that is reserved for documentation and that nobody has. The
// source decides the IP family: IPv4 where it is the zero value. An error
// means that nothing is known.
func Canary(ctx context.Context, entry Entry, source netip.Addr, timeout time.Duration) (intercepted bool, err error) {
	const discard = 9
	nobody := netip.AddrFrom4([4]byte{192, 0, 2, 1}) // RFC 5737
	if source.Unmap().Is6() {
		nobody = netip.AddrFrom16([16]byte{0x20, 0x01, 0x0d, 0xb8, 15: 1}) // RFC 3849
	}
	res := probeTCP(ctx, Target{Entry: entry, Source: source, Addr: netip.AddrPortFrom(nobody, discard), Timeout: timeout})
	if res.Verdict == LocalError {
		return false, errors.New("looking for interception: " + res.Evidence)
	}
	return res.Verdict == Connected, nil
}
