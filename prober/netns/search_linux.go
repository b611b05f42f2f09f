// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package netns

import (
	"slices"
	"time"
)

// How often processes are looked through. A scan reads two small files of each
// process on the node: some 10 µs each.
const (
	// minRetry and maxRetry bound how long a pod that was not found waits for
	// the next look; it doubles each time.
	minRetry = time.Second
	maxRetry = 30 * time.Second
	// minGap and maxGap bound the time between two scans, which is gapFactor
	// times what the last one took: some 5 % of a core at most.
	minGap    = 100 * time.Millisecond
	maxGap    = 10 * time.Second
	gapFactor = 20
)

var (
	errNotWanted = &Error{Reason: ReasonNotWanted, Message: "the pod is not assigned to this prober any more"}
	errPending   = &Error{Reason: ReasonPending, Message: "the pod is being looked for: the next attempt knows more"}
	errSandboxed = &Error{Reason: ReasonSandboxedRuntime,
		Message: "the pod's runtime class keeps its network inside a sandbox: probe it from outside, with from.probers"}
	errChanged = &Error{Reason: ReasonNamespaceChanged,
		Message: "the pod's sandbox was replaced while it was in use: the next attempt uses the new one"}
)

// look makes a look due now, that callers wait for.
func (e *entry) look(now time.Time) {
	e.due = now
	if e.search == nil {
		e.search = make(chan struct{})
	}
}

// settle ends the look that is due.
func (e *entry) settle() {
	if e.search != nil {
		close(e.search)
		e.search = nil
	}
}

// release lets go of the namespace and says why there is none.
func (e *entry) release(why *Error) {
	if e.ns != nil {
		e.ns.release(why)
		e.ns = nil
	}
	e.err = why
}

// missing says whether the pod is to be looked for.
func (e *entry) missing() bool {
	return e.search != nil || e.ns == nil && !e.pod.Sandboxed
}

// searchLocked has somebody look for what is missing: one goroutine, which
// ends when nothing is.
func (r *Registry) searchLocked() {
	if _, missing := r.nextLocked(); !missing {
		return
	}
	if r.searching {
		select {
		case r.wake <- struct{}{}:
		default: // it was told already
		}
		return
	}
	r.searching = true
	r.done.Go(r.search)
}

// nextLocked returns when the next look is due.
func (r *Registry) nextLocked() (due time.Time, missing bool) {
	for _, e := range r.pods {
		if e.missing() && (!missing || e.due.Before(due)) {
			due, missing = e.due, true
		}
	}
	return due, missing
}

// search scans as often as something is due, but not more often than gap
// allows, until nothing is missing.
func (r *Registry) search() {
	for {
		r.mu.Lock()
		due, missing := r.nextLocked()
		if !missing || r.closed {
			r.searching = false
			r.mu.Unlock()
			return
		}
		if due.Before(r.notBefore) {
			due = r.notBefore
		}
		r.mu.Unlock()
		if wait := time.Until(due); wait > 0 {
			r.sleep(wait)
			continue
		}
		began := time.Now()
		r.scan()
		ended := time.Now()
		r.mu.Lock()
		r.notBefore = ended.Add(min(max(gapFactor*ended.Sub(began), minGap), maxGap))
		r.mu.Unlock()
	}
}

// sleep waits, or until something is due earlier or the Registry closes.
func (r *Registry) sleep(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-r.wake:
	case <-r.closing:
	}
}

// look is one pod of one scan.
type look struct {
	entry  *entry
	pod    Pod
	search chan struct{} // what the entry waited for; nil if nobody waits
}

// scan looks once for all pods that are missing, due or not.
func (r *Registry) scan() {
	looks := map[string]look{}
	r.mu.Lock()
	for uid, e := range r.pods {
		if e.missing() {
			looks[uid] = look{entry: e, pod: e.pod, search: e.search}
		}
	}
	r.mu.Unlock()

	r.scans.Add(1)
	host, err := r.locator.hostID()
	var found map[string][]candidate
	if err == nil {
		found, err = r.locator.procfs.scan(func(uid string) bool { _, wanted := looks[uid]; return wanted })
	}
	for uid, l := range looks {
		if err != nil {
			r.settle(l, nil, worse(notFound(), err))
			continue
		}
		s, failure := r.locator.locate(l.pod, found[uid], host)
		r.settle(l, s, failure)
	}
}

// settle takes in what a scan found of a pod, if it still is what was looked
// for.
func (r *Registry) settle(l look, s *sandbox, failure *Error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e := l.entry
	if r.pods[l.pod.UID] != e || e.search != l.search || !slices.Equal(e.pod.IPs, l.pod.IPs) {
		if s != nil {
			s.close()
		}
		return
	}
	defer e.settle()
	log := r.log.WithValues("pod", l.pod.UID)
	if s == nil {
		e.release(failure)
		e.due = time.Now().Add(min(minRetry<<min(e.failures, 10), maxRetry))
		e.failures++
		log.V(1).Info("no network namespace", "reason", failure.Reason, "message", failure.Message, "next", time.Until(e.due))
		return
	}
	e.err, e.failures = nil, 0
	if e.ns != nil && e.ns.id == s.id {
		e.ns.hold(s)
		return
	}
	e.release(errChanged)
	e.err = nil
	e.ns = newNamespace(r.locator.home, s, func(pid int) (*process, error) { return r.locator.procfs.member(pid, l.pod.UID) })
	log.V(1).Info("network namespace found", "inode", s.id.ino, "pid", s.holder.pid)
}
