// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"context"
	"time"
)

// probeTCP connects and resets.
func probeTCP(ctx context.Context, t Target) Result {
	r := begin(t)
	if res, ok := r.aim(ctx); !ok {
		return res
	}
	s, f := r.dial(ctx, overTCP)
	defer s.close()
	if f != nil {
		return r.fail(f)
	}
	return r.connected(s)
}

// connected makes the Result of a TCP probe that connected.
func (r *run) connected(s *sock) Result {
	if s.connect == 0 {
		s.connect = time.Since(s.began)
	}
	r.phase("connect", s.connect)
	return r.end(diagnosis{verdict: Connected, evidence: "connected"})
}
