// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package netns

// Ready is Pod for callers that must not wait: nil where Pod would, and where
// it would return an error.
func (r *Registry) Ready(uid string) *Namespace {
	r.mu.Lock()
	e := r.pods[uid]
	if e == nil || e.ns == nil || e.search != nil {
		r.mu.Unlock()
		return nil
	}
	ns := e.ns
	r.mu.Unlock()
	if !ns.current() {
		r.lost(e, ns)
		return nil
	}
	return ns
}

// Held returns how many namespaces are open, the node's included.
func (r *Registry) Held() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	held := 0
	for _, e := range r.pods {
		if e.ns != nil {
			held++
		}
	}
	if r.host != nil && !r.closed {
		held++
	}
	return held
}
