// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"slices"

	"k8s.io/apimachinery/pkg/types"
)

// ledger keeps what all checks ask of each target, and by how much their paths
// have to be stretched for that. What it says depends on the demands alone, in
// whatever order they came.
type ledger struct {
	budget   rate
	demands  map[types.NamespacedName][]*demand
	accounts map[account]*balance
	// touched are accounts that are over budget, or were, and changed.
	touched map[*balance]struct{}
	// changed are the checks whose demands were replaced.
	changed map[types.NamespacedName]struct{}
}

// balance of one account.
type balance struct {
	sum     rate
	demands []*demand
	level   level
}

func newLedger(b Budgets) *ledger {
	return &ledger{
		budget:   b.target(),
		demands:  map[types.NamespacedName][]*demand{},
		accounts: map[account]*balance{},
		touched:  map[*balance]struct{}{},
		changed:  map[types.NamespacedName]struct{}{},
	}
}

// replace what a check asks for; one that is gone asks for nothing.
func (l *ledger) replace(check types.NamespacedName, demands []*demand) {
	old := l.demands[check]
	for i, d := range demands {
		if d != nil && i < len(old) && old[i].same(d) {
			// It keeps its place; only what it is called may have changed.
			old[i].at, old[i].path = d.at, d.path
			demands[i], old[i] = old[i], nil
			continue
		}
		if d != nil {
			d.check = check
			l.add(d)
		}
	}
	for _, d := range old {
		if d != nil {
			l.remove(d)
		}
	}
	l.changed[check] = struct{}{}
	if len(demands) == 0 {
		delete(l.demands, check)
		return
	}
	l.demands[check] = demands
}

// share says how many endpoints a Service has now.
func (l *ledger) share(s *Service) {
	for i := range s.Ports {
		a, times := serviceAccount(s.Key, &s.Ports[i])
		b := l.accounts[a]
		if b == nil || b.demands[0].times == times {
			continue
		}
		l.touch(b)
		for _, d := range b.demands {
			d.times = times
			if d.stretch > 0 { // is told its budget
				l.changed[d.check] = struct{}{}
			}
		}
	}
}

func (l *ledger) add(d *demand) {
	d.each(func(a account) {
		b := l.accounts[a]
		if b == nil {
			b = &balance{}
			l.accounts[a] = b
		}
		b.sum += d.rate
		b.demands = append(b.demands, d)
		l.touch(b)
	})
}

func (l *ledger) remove(d *demand) {
	d.each(func(a account) {
		b := l.accounts[a]
		l.touch(b)
		b.sum -= d.rate
		i := slices.Index(b.demands, d)
		last := len(b.demands) - 1
		b.demands[i], b.demands[last] = b.demands[last], nil
		b.demands = b.demands[:last]
		if len(b.demands) == 0 {
			delete(l.accounts, a)
		}
	})
}

// touch notes an account that is over budget before or after a change. With
// one endpoint no account has less than one budget.
func (l *ledger) touch(b *balance) {
	if b.sum > l.budget.withSlack() {
		l.touched[b] = struct{}{}
	}
}

// settle works out what changed and returns the checks of which that is to be
// told: those whose demands were replaced, and those that others made slower
// or let be faster.
func (l *ledger) settle() map[types.NamespacedName]struct{} {
	again := map[*demand]struct{}{}
	for b := range l.touched {
		b.level = level{}
		asked := make([]rate, len(b.demands))
		times := int64(1)
		for i, d := range b.demands {
			asked[i], times = d.rate, max(times, d.times)
		}
		b.level = levelOf(asked, l.budget.withSlack()*rate(times))
		for _, d := range b.demands {
			again[d] = struct{}{}
		}
	}
	changed := l.changed
	for d := range again {
		by := 0
		d.each(func(a account) { by = max(by, l.accounts[a].level.stretch(d.rate)) })
		if by != d.stretch {
			d.stretch = by
			changed[d.check] = struct{}{}
		}
	}
	clear(l.touched)
	l.changed = map[types.NamespacedName]struct{}{}
	return changed
}
