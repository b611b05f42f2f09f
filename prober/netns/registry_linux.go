// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package netns

import (
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"

	"github.com/netladder/netladder/prober/probe"
)

// Pod is a pod of this node that probes start in, or whose listeners are
// looked at.
type Pod struct {
	// UID of the pod in the API.
	UID string
	// IPs of the pod; its namespace is the one that has them all.
	IPs []netip.Addr
	// Sandboxed is true where the pod's RuntimeClass keeps its addresses
	// elsewhere: it is never looked for.
	Sandboxed bool
}

// Options of a Registry.
type Options struct {
	// ProcRoot is where the proc filesystem of the node's PID namespace is
	// mounted; /proc if empty.
	ProcRoot string
	// Log takes what is found and what leaves.
	Log logr.Logger
}

// Registry holds the network namespaces of this node's pods, and the node's
// own. Its methods may be called from any goroutine.
type Registry struct {
	locator locator // its procfs is the searcher's
	log     logr.Logger
	closing chan struct{}
	wake    chan struct{} // a look is due earlier than the searcher thinks
	done    sync.WaitGroup
	scans   atomic.Int64 // how many there were

	mu        sync.Mutex
	pods      map[string]*entry
	host      *Namespace
	closed    bool
	searching bool
	notBefore time.Time // when the next scan may begin
}

// entry is what is known of one pod.
type entry struct {
	pod Pod
	ns  *Namespace // nil if it was not found
	err *Error     // why it was not found
	// search is closed when the look that is due has ended; nil if none is.
	search   chan struct{}
	due      time.Time
	failures int
}

// lookWait bounds how long Pod waits for a pod that was never looked for.
const lookWait = 250 * time.Millisecond

// New returns a Registry that holds no pods.
func New(o Options) (*Registry, error) {
	h, err := newHome()
	if err != nil {
		return nil, err
	}
	if o.ProcRoot == "" {
		o.ProcRoot = "/proc"
	}
	return &Registry{
		locator: locator{procfs: procfs{root: o.ProcRoot}, home: h}, log: o.Log,
		closing: make(chan struct{}), wake: make(chan struct{}, 1), pods: map[string]*entry{},
	}, nil
}

// Update makes the Registry hold exactly these pods, and looks for the new
// ones. What it holds of others is closed: at once, or when who is inside has
// left.
func (r *Registry) Update(pods []Pod) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return
	}
	now := time.Now()
	wanted := make(map[string]*entry, len(pods))
	for _, pod := range pods {
		e := r.pods[pod.UID]
		if e == nil {
			e = &entry{}
		}
		wanted[pod.UID] = e
		if e.pod.UID == pod.UID && e.pod.Sandboxed == pod.Sandboxed && slices.Equal(e.pod.IPs, pod.IPs) {
			continue
		}
		e.pod = Pod{UID: pod.UID, IPs: slices.Clone(pod.IPs), Sandboxed: pod.Sandboxed}
		if pod.Sandboxed {
			e.settle()
			e.release(errSandboxed)
			continue
		}
		e.failures, e.err = 0, nil
		e.look(now)
	}
	for uid, e := range r.pods {
		if wanted[uid] == nil {
			e.settle()
			e.release(errNotWanted)
		}
	}
	r.pods = wanted
	r.searchLocked()
}

// Pod returns the network namespace of one of the pods of Update. It waits a
// moment for a pod that was never looked for, or whose process has just ended;
// never for one that was not found: it is looked for again in the background.
// An error is an *Error.
func (r *Registry) Pod(uid string) (*Namespace, error) {
	r.mu.Lock()
	e := r.pods[uid]
	if e == nil {
		r.mu.Unlock()
		return nil, errNotWanted
	}
	ns, search := e.ns, (<-chan struct{})(e.search)
	if ns != nil && search == nil {
		r.mu.Unlock()
		if ns.current() {
			return ns, nil
		}
		search = r.lost(e, ns)
		r.mu.Lock()
	}
	err := e.err
	r.mu.Unlock()
	if err != nil {
		return nil, err
	}
	return r.await(e, search)
}

// await waits for a look that is due, and returns what it found.
func (r *Registry) await(e *entry, search <-chan struct{}) (*Namespace, error) {
	if search != nil {
		timer := time.NewTimer(lookWait)
		defer timer.Stop()
		select {
		case <-search:
		case <-timer.C:
			return nil, errPending
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case e.err != nil:
		return nil, e.err
	case e.ns == nil || e.search != nil:
		return nil, errPending
	default:
		return e.ns, nil
	}
}

// lost has a pod looked for again whose process left its namespace.
func (r *Registry) lost(e *entry, ns *Namespace) <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	if e.ns == ns && e.search == nil && r.pods[e.pod.UID] == e {
		e.look(time.Now())
		r.searchLocked()
	}
	return e.search
}

// Host returns the network namespace of the node. An error is an *Error.
func (r *Registry) Host() (*Namespace, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return nil, errClosed
	}
	if r.host != nil {
		return r.host, nil
	}
	s, err := r.locator.host()
	if err != nil {
		return nil, err
	}
	r.host = newNamespace(r.locator.home, s, nil)
	return r.host, nil
}

// Close lets go of everything. The Registry is not used afterwards.
func (r *Registry) Close() {
	r.mu.Lock()
	if r.closed {
		r.mu.Unlock()
		return
	}
	r.closed = true
	close(r.closing)
	for _, e := range r.pods {
		e.settle()
		e.release(errNotWanted)
	}
	r.pods = nil
	if r.host != nil {
		r.host.release(errClosed)
	}
	r.mu.Unlock()
	r.done.Wait()
	r.locator.home.close()
}

// PodEntry returns the pod's namespace as a place where probes start; it is
// looked up in each use.
func (r *Registry) PodEntry(uid string) probe.Entry {
	return lookup(func() (*Namespace, error) { return r.Pod(uid) })
}

// HostEntry is PodEntry for the node.
func (r *Registry) HostEntry() probe.Entry { return lookup(r.Host) }

// lookup is a namespace that is looked up in each use.
type lookup func() (*Namespace, error)

// Do implements probe.Entry.
func (l lookup) Do(f func() error) error {
	ns, err := l()
	if err != nil {
		return err
	}
	return ns.Do(f)
}

// ResolvConf implements probe.Entry.
func (l lookup) ResolvConf() ([]byte, error) {
	ns, err := l()
	if err != nil {
		return nil, err
	}
	return ns.ResolvConf()
}
