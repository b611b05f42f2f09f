// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package probe

import "context"

// probeTCP connects and resets.
func probeTCP(ctx context.Context, t Target) Result {
	r := begin(t)
	if res, ok := r.check(); !ok {
		return res
	}
	s, f := dial(ctx, overTCP, t.Addr, t.Timeout)
	if f != nil {
		res := r.fail(f)
		s.close()
		return res
	}
	r.phase("connect", s.connect)
	res := r.end(diagnosis{verdict: Connected, evidence: "connected"})
	s.close()
	return res
}
