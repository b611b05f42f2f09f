// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package diagnosis

import (
	"fmt"

	"github.com/netladder/netladder/api/v1alpha1"
)

// maxQueries is more than a search list can make of one name.
const maxQueries = 64

// addQueries takes in what a trusted source's lookups cost.
func (t *tally) addQueries(c *claim) {
	said := &c.said.Pairs
	if c.group.Kind != v1alpha1.ProbeDNS || !c.src.trusted() || said.Passing+said.Degraded == 0 {
		return
	}
	t.queries = max(t.queries, min(c.said.Queries, maxQueries))
}

// lookupMessage says what the search list costs where it costs anything.
func (t *tally) lookupMessage() string {
	return fmt.Sprintf("a lookup takes %d queries here, because the search list goes first; the full name with a trailing dot takes 1", t.queries)
}
