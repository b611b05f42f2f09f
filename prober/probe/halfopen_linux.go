// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package probe

import "context"

// probeTCPHalfOpen sends a SYN and takes the answer for it.
func probeTCPHalfOpen(_ context.Context, t Target) Result {
	return begin(t).end(diagnosis{verdict: Unsupported, evidence: "half-open probes are not made yet"})
}

// probeUDP sends one datagram and waits for any answer.
func probeUDP(_ context.Context, t Target) Result {
	return begin(t).end(diagnosis{verdict: Unsupported, evidence: "UDP probes are not made yet"})
}

// probeICMP pings.
func probeICMP(ctx context.Context, t Target) Result { return probeMeshICMP(ctx, t) }
