// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

// Package words helps to put what was found into sentences.
package words

import (
	"fmt"
	"strings"
)

// Plural chooses by number; the form for many may hold one %d.
func Plural(n int, one, many string) string {
	if n == 1 {
		return one
	}
	if strings.Contains(many, "%d") {
		return fmt.Sprintf(many, n)
	}
	return many
}
