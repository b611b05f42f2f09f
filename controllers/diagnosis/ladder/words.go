// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package ladder

import (
	"fmt"
	"strings"

	"github.com/netladder/netladder/api/v1alpha1"
)

func more(n int) string {
	if n <= 0 {
		return ""
	}
	return fmt.Sprintf(" and %d more", n)
}

// saw is what a probe saw, in brackets.
func (s *Seen) saw() string {
	switch {
	case s.Text != "":
		return " (" + string(s.Verdict) + ": " + s.Text + ")"
	case s.Verdict != "":
		return " (" + string(s.Verdict) + ")"
	}
	return ""
}

// between names two nodes, always in the same order.
func between(a, b string) string {
	return min(a, b) + " and " + max(a, b)
}

// rungs lists rungs as a sentence has them.
func rungs(list []v1alpha1.Rung) string {
	texts := make([]string, len(list))
	for i, r := range list {
		texts[i] = string(r)
	}
	if n := len(texts); n > 1 {
		return strings.Join(texts[:n-1], ", ") + " or " + texts[n-1]
	}
	return strings.Join(texts, "")
}
