// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package ladder

// slow: policies admit the pair, and something that decides changed a moment
// ago. That is what is left where nothing else was found. While the servers of
// the cluster's DNS were not all looked at, it is not: one of them may be down.
func slow(p *Pair) *Finding {
	if p.Slow == nil || p.isDNS() && p.DNS != nil && !p.lookBehind(p.DNS.Endpoints, p.serverDown).known {
		return nil
	}
	return p.Slow
}
