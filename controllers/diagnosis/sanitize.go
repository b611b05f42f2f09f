// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package diagnosis

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/netladder/netladder/api/v1alpha1"
)

// Limits of strings in status, in bytes.
const (
	maxEvidence = 256
	maxMessage  = 1024
	maxTarget   = 320
)

// printable returns s with everything that is not a printable character
// replaced, in at most limit bytes. Whatever a prober sends ends up in
// terminals and web pages.
func printable(s string, limit int) string {
	if len(s) <= limit && plainASCII(s) {
		return s
	}
	s = s[:min(len(s), limit*utf8.UTFMax)]
	s = strings.Map(func(r rune) rune {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, s)
	return cut(s, limit)
}

func plainASCII(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// cut shortens s to at most limit bytes, at a character's boundary and with
// an ellipsis.
func cut(s string, limit int) string {
	const ellipsis = "…"
	if len(s) <= limit {
		return s
	}
	end := limit - len(ellipsis)
	for end > 0 && !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end] + ellipsis
}

// word is true for a name as verdicts and reasons have it.
func word(s string, limit int) bool {
	if s == "" || len(s) > limit {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') && (c < '0' || c > '9') {
			return false
		}
	}
	return true
}

// verdictOf returns a reported verdict, even one that is newer than this
// controller, or nothing if it is not a word.
func verdictOf(v v1alpha1.Verdict) v1alpha1.Verdict {
	if !word(string(v), 32) {
		return ""
	}
	return v
}

// reasonOf returns a reported reason, or the most general one.
func reasonOf(reason string) string {
	if !word(reason, 64) {
		return v1alpha1.ReasonProbeFailed
	}
	return reason
}
