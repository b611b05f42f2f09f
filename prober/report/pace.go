// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package report

import "time"

const (
	defaultHeartbeat = 60 * time.Second
	minHeartbeat     = 10 * time.Second
	maxHeartbeat     = time.Hour
	firstBackoff     = 500 * time.Millisecond
	// firstWithin bounds how long the first report waits: until every pair had
	// its turn, but not for those whose probes hang.
	firstWithin = 16 * time.Second
	// reclaimAfter bounds how often two writers of one status alternate.
	reclaimAfter = 10 * time.Second
)

// MaxBackoff is the longest pause between two tries to reach the API server.
// The heartbeat tells how many probers there are: when it comes back, all of
// them try within that pause, and no more than some hundred a second should.
func MaxBackoff(heartbeat time.Duration) time.Duration {
	return min(max(heartbeat/12, 5*time.Second), 30*time.Second)
}

// pace decides when to write. It is pure: times come in and go out.
type pace struct {
	minInterval time.Duration
	heartbeat   time.Duration
	// jitter returns a number in [0,1).
	jitter func() float64

	assigned bool // there is something to report about
	reported bool // this process wrote a status
	dirty    bool // something changed since the last write
	urgent   bool // and must not wait until new pairs were attempted
	// firstBy is until when the first report waits for attempts; settleBy, by
	// the key of a group, is the same for the news of that group.
	firstBy     time.Time
	settleBy    map[string]time.Time
	lastWrite   time.Time
	heartbeatAt time.Time
	retryAt     time.Time
	backoff     time.Duration
	// again are the times, the next one first, at which to report once more
	// although nothing changed, because the API server came back.
	again []time.Time
	// dueSince is when the oldest change that is not written yet could have
	// been; zero without any.
	dueSince time.Time
}

// assign takes in a new assignment. The pairs of each group will have been
// attempted within the time given by its key.
func (p *pace) assign(now time.Time, heartbeat time.Duration, settle map[string]time.Duration) {
	if heartbeat <= 0 {
		heartbeat = defaultHeartbeat
	}
	p.heartbeat = min(max(heartbeat, minHeartbeat), maxHeartbeat)
	p.assigned, p.dirty = true, true
	before := p.settleBy
	p.settleBy = make(map[string]time.Time, len(settle))
	first := time.Duration(0)
	for group, within := range settle {
		first = max(first, min(within, firstWithin))
		p.settleBy[group] = now.Add(within)
		// Whoever waits already need not wait for longer.
		if by := before[group]; by.After(now) && by.Before(p.settleBy[group]) {
			p.settleBy[group] = by
		}
	}
	if !p.firstBy.After(now) {
		p.firstBy = now.Add(first)
	}
}

// withdraw takes in that there is no assignment any more.
func (p *pace) withdraw() {
	p.assigned, p.dirty, p.urgent, p.dueSince = false, false, false, time.Time{}
}

// due returns when to write next, false for not before something happens.
// settled: every pair has been attempted; news: the keys of the groups whose
// progress was not written yet.
func (p *pace) due(settled bool, news []string) (time.Time, bool) {
	if !p.assigned {
		return time.Time{}, false
	}
	at := p.heartbeatAt
	if p.dirty || !p.reported {
		change := p.lastWrite.Add(p.minInterval)
		if by := p.patience(settled, news); by.After(change) {
			change = by
		}
		if !p.reported || change.Before(at) {
			at = change
		}
	}
	if p.retryAt.After(at) {
		at = p.retryAt
	}
	return at, true
}

// patience is until when to wait for more first attempts. A group waits for
// its own pairs and not for those of others, which may hang for long.
func (p *pace) patience(settled bool, news []string) time.Time {
	switch {
	case settled, p.reported && p.urgent:
		return time.Time{}
	case !p.reported:
		return p.firstBy
	}
	var earliest time.Time
	wait := func(by time.Time) {
		if earliest.IsZero() || by.Before(earliest) {
			earliest = by
		}
	}
	for _, group := range news {
		wait(p.settleBy[group])
	}
	if len(news) > 0 {
		return earliest
	}
	for _, by := range p.settleBy {
		wait(by)
	}
	return earliest
}

// begin notes that a write starts now; what changes from here on is for the
// next one.
func (p *pace) begin(now time.Time) {
	if p.dirty && p.dueSince.IsZero() {
		p.dueSince = now
	}
	p.dirty, p.urgent = false, false
}

// end notes how a write ended.
func (p *pace) end(now time.Time, ok bool) {
	p.lastWrite = now
	if ok {
		about := func(d time.Duration) time.Time { return now.Add(time.Duration((0.9 + 0.2*p.jitter()) * float64(d))) }
		if p.backoff > 0 {
			// Others may have been away as well. A controller that begins anew counts
			// as heard only what it sees change: it hears from us again soon, and once
			// more if it takes long to begin, whatever else we report meanwhile.
			soon := MaxBackoff(p.heartbeat)
			p.again = []time.Time{about(soon), about(3 * soon)}
		}
		p.reported, p.backoff, p.retryAt, p.dueSince = true, 0, time.Time{}, time.Time{}
		for len(p.again) > 0 && !p.again[0].After(now) {
			p.again = p.again[1:]
		}
		p.heartbeatAt = about(p.heartbeat)
		if len(p.again) > 0 && p.again[0].Before(p.heartbeatAt) {
			p.heartbeatAt = later(p.again[0], now.Add(p.minInterval))
		}
		return
	}
	p.backoff = min(max(2*p.backoff, firstBackoff), MaxBackoff(p.heartbeat))
	p.retryAt = now.Add(time.Duration((0.5 + 0.5*p.jitter()) * float64(p.backoff)))
	// What could not be written is as urgent as anything.
	p.dirty = p.dirty || !p.dueSince.IsZero()
	p.urgent = p.urgent || p.dirty
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// reclaim notes that somebody else overwrote the status.
func (p *pace) reclaim(now time.Time) {
	if !p.reported || p.dirty {
		return
	}
	p.dirty, p.urgent = true, true
	if at := p.lastWrite.Add(reclaimAfter); at.After(now) && at.After(p.retryAt) {
		p.retryAt = at
	}
}

// unreported is for how long a change has been waiting that could have been
// written.
func (p *pace) unreported(now time.Time) time.Duration {
	if p.dueSince.IsZero() {
		return 0
	}
	return now.Sub(p.dueSince)
}
