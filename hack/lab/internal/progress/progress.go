// Package progress tells a person what a long command is doing and how long each part took.
package progress

import (
	"fmt"
	"io"
	"sync"
	"time"
)

// Printer writes one line for each finished step. It is safe for concurrent use.
type Printer struct {
	mu  sync.Mutex
	out io.Writer
}

// New returns a Printer that writes to out.
func New(out io.Writer) *Printer { return &Printer{out: out} }

// Step runs do and prints what it was and how long it took; an error is returned as it is and printed by the caller.
func (p *Printer) Step(what string, do func() error) error {
	start := time.Now()
	if err := do(); err != nil {
		p.Say("FAIL  %s (%s)", what, since(start))
		return err
	}
	p.Say("ok    %s (%s)", what, since(start))
	return nil
}

// Say prints one line.
func (p *Printer) Say(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, _ = fmt.Fprintf(p.out, format+"\n", args...)
}

func since(start time.Time) time.Duration { return time.Since(start).Round(100 * time.Millisecond) }
