// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// maxEvidence is how many bytes of evidence a Result carries.
const maxEvidence = 256

// run is one probe from its beginning to its Result.
type run struct {
	began  time.Time
	target Target
	phases []Phase
	// resolved is how long it took to find the address of a host name.
	resolved time.Duration
	// names is how many names a lookup asked for.
	names int
	// notAfter is when the server's certificate ends.
	notAfter time.Time
}

// begin starts the clock of a probe.
func begin(t Target) *run { return &run{began: time.Now(), target: t} }

// check refuses a target that no socket could be made for.
func (r *run) check() (Result, bool) {
	switch {
	case r.target.Timeout <= 0:
		return r.end(diagnosis{verdict: LocalError, evidence: "the timeout must be greater than zero"}), false
	case !r.target.Addr.Addr().IsValid():
		return r.end(diagnosis{verdict: LocalError, evidence: "the target has no valid address"}), false
	case r.target.Source.IsValid() && r.target.Source.Unmap().Is4() != r.target.Addr.Addr().Unmap().Is4():
		return r.end(diagnosis{verdict: LocalError, evidence: "the source and the target are of different IP families"}), false
	default:
		return Result{}, true
	}
}

// phase notes how long a part took.
func (r *run) phase(name string, d time.Duration) {
	r.phases = append(r.phases, Phase{Name: name, Duration: d})
}

// end makes the Result.
func (r *run) end(d diagnosis) Result {
	latency := time.Since(r.began)
	return Result{
		Verdict:  d.verdict,
		Latency:  latency,
		Phases:   r.phases,
		Offender: d.offender,
		Evidence: printable(d.evidence),
		NotAfter: r.notAfter,
		Queries:  r.names,
		Late:     max(0, latency-r.target.Timeout),
	}
}

// fail makes the Result of a fault.
func (r *run) fail(f *fault) Result { return r.judge(classify(*f)) }

// judge makes the Result of a diagnosis; where time went into finding the
// address, it says so.
func (r *run) judge(d diagnosis) Result {
	if r.resolved > 0 {
		d.evidence = "resolved after " + milliseconds(r.resolved) + ", then " + d.evidence
	}
	return r.end(d)
}

// timeout is what is left for the target.
func (r *run) timeout() time.Duration {
	if r.resolved == 0 {
		return r.target.Timeout
	}
	return max(r.target.Timeout-r.resolved, time.Millisecond)
}

// dial opens a socket to the target.
func (r *run) dial(ctx context.Context, tr transport) (*sock, *fault) {
	return dial(ctx, tr, r.target.origin(), r.target.Addr, r.timeout())
}

// printable keeps evidence to one line of at most maxEvidence printable ASCII
// bytes.
func printable(s string) string {
	clean := len(s) <= maxEvidence
	for i := 0; clean && i < len(s); i++ {
		clean = s[i] >= ' ' && s[i] <= '~'
	}
	if clean {
		return s
	}
	b := []byte(s[:min(len(s), maxEvidence)])
	for i, c := range b {
		if c < ' ' || c > '~' {
			b[i] = '?'
		}
	}
	return string(b)
}

// fault starts a fault of this socket.
func (s *sock) fault(kind faultKind, op string, errno unix.Errno) *fault {
	f := &fault{
		kind: kind, op: op, errno: errno, transport: s.transport,
		target: s.target.Addr(), timeout: s.timeout, connected: s.connect,
	}
	if !s.began.IsZero() {
		f.after = time.Since(s.began)
	}
	return f
}

// localFault is for a call that failed at once.
func (s *sock) localFault(op string, err error) *fault {
	f := s.fault(faultLocal, op, 0)
	if !errors.As(err, &f.errno) {
		f.detail = err.Error()
	}
	if s.fd >= 0 {
		f.queue = s.errorQueue()
	}
	return f
}

// callFault is for a failed send or receive. What fails at once on a datagram
// is the own host's doing; on a stream it is what came back.
func (s *sock) callFault(op string, err error) *fault {
	f := s.localFault(op, err)
	if s.transport == overTCP || op == "receive" {
		f.kind = faultRemote
	}
	return f
}

// waitFault is for a wait that the poller ended.
func (s *sock) waitFault(op string, err error) *fault {
	switch {
	case s.ctx.Err() != nil:
		return s.fault(faultCanceled, op, 0)
	case errors.Is(err, unix.ETIMEDOUT) || isTimeout(err):
		return s.fault(faultTimeout, op, 0)
	default:
		return s.localFault(op, fmt.Errorf("waiting: %w", err))
	}
}

func isTimeout(err error) bool {
	var timeout interface{ Timeout() bool }
	return errors.As(err, &timeout) && timeout.Timeout()
}

// newNonce returns 128 random bits.
func newNonce() (nonce [16]byte) {
	// It never fails: crypto/rand ends the program if the kernel has none.
	_, _ = rand.Read(nonce[:])
	return nonce
}
