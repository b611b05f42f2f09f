// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package suggest

import "strings"

// maxLength of a text that is compared, in bytes: the longest label key. A
// longer one is near nothing.
const maxLength = 317

// near is the number of edits between two texts, and whether they are so few
// that one was probably meant as the other. An edit is a character that is
// added, left out or another, or two neighbours that are swapped.
func near(a, b string) (edits int, ok bool) {
	if a == b {
		return 0, true
	}
	shorter := min(len(a), len(b))
	var limit int
	switch {
	case max(len(a), len(b)) > maxLength || digitsApart(a, b):
		return 0, false
	case strings.EqualFold(plain(a), plain(b)):
		return 1, true
	case shorter < 3:
		return 0, false
	case shorter < 6:
		limit = 1
	case shorter < 9:
		limit = 2
	default:
		limit = 3
	}
	if len(a)-len(b) > limit || len(b)-len(a) > limit {
		return 0, false
	}
	edits = distance(strings.ToLower(a), strings.ToLower(b))
	return edits, edits <= limit
}

// plain is a text without what separates its words: payment_api and
// payment-api are often taken for each other.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '-' || r == '_' || r == '.' {
			return -1
		}
		return r
	}, s)
}

// digitsApart is true for two texts that differ in their digits alone: web-1 is
// no slip for web-2.
func digitsApart(a, b string) bool {
	undigit := func(s string) string {
		return strings.Map(func(r rune) rune {
			if r >= '0' && r <= '9' {
				return -1
			}
			return r
		}, s)
	}
	return undigit(a) == undigit(b)
}

// distance of optimal string alignment, over bytes: labels are ASCII.
func distance(a, b string) int {
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			other := 1
			if a[i-1] == b[j-1] {
				other = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+other)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}
