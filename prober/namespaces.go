// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package prober

import (
	"net/netip"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/prober/netns"
	"github.com/netladder/netladder/prober/probe"
)

// namespaces are the network namespaces of this node's pods and of the node.
type namespaces interface {
	// Update makes it hold exactly those of these pods.
	Update(pods []netns.Pod)
	// Pod and Host return a namespace, or why there is none now. Pod may wait
	// a fraction of a second for one that is being looked for; Ready does not,
	// and returns nil instead.
	Pod(uid string) (namespace, error)
	Ready(uid string) namespace
	Host() (namespace, error)
	// Held is how many are open.
	Held() int
	// Close lets go of all of them.
	Close()
}

// namespace is where probes start, and where listeners are looked for.
type namespace interface {
	probe.Entry
	// Listens reports whether a socket takes what is sent to an address; the
	// protocol is TCP or UDP.
	Listens(addr netip.AddrPort, protocol string) (bool, error)
}

// registry is the real ones.
type registry struct{ *netns.Registry }

// Pod implements namespaces.
func (r registry) Pod(uid string) (namespace, error) {
	n, err := r.Registry.Pod(uid)
	if err != nil {
		return nil, err
	}
	return n, nil
}

// Host implements namespaces.
func (r registry) Host() (namespace, error) {
	n, err := r.Registry.Host()
	if err != nil {
		return nil, err
	}
	return n, nil
}

// Ready implements namespaces.
func (r registry) Ready(uid string) namespace {
	if n := r.Registry.Ready(uid); n != nil {
		return n
	}
	return nil
}

// podsOf lists the pods of an assignment as the registry knows them.
func podsOf(spec *v1alpha1.ProbeAssignmentSpec) []netns.Pod {
	pods := make([]netns.Pod, 0, len(spec.Pods))
	for i := range spec.Pods {
		p := &spec.Pods[i]
		if p.UID == "" {
			continue
		}
		pod := netns.Pod{UID: p.UID, Sandboxed: p.Sandboxed}
		for _, text := range p.IPs {
			if ip, err := netip.ParseAddr(text); err == nil {
				pod.IPs = append(pod.IPs, ip.Unmap())
			}
		}
		pods = append(pods, pod)
	}
	return pods
}

// origin stands in a probe.Target for where the probe starts, until it does: a
// pod that has just started may not be found before, and one that is gone must
// not be entered. It also tells the agent's own probes what a Target does not
// say.
type origin struct {
	spaces namespaces
	// uid of the pod; empty for the node.
	uid string
	// protocol of the target; kinds Listener and HostControl.
	protocol v1alpha1.Protocol
	// listener is the UID of the pod whose sockets are looked at; kind Listener.
	listener string
	// canary of the pod, nil where no verdict hangs on it.
	canary *canary
	// deny is true where the path is to be blocked; layer7 where more than a
	// connection is tried.
	deny, layer7 bool
}

// Do implements probe.Entry.
func (o *origin) Do(f func() error) error {
	n, err := o.enter()
	if err != nil {
		return err
	}
	return n.Do(f)
}

// ResolvConf implements probe.Entry.
func (o *origin) ResolvConf() ([]byte, error) {
	n, err := o.enter()
	if err != nil {
		return nil, err
	}
	return n.ResolvConf()
}

func (o *origin) enter() (namespace, error) {
	if o.uid == "" {
		return o.spaces.Host()
	}
	return o.spaces.Pod(o.uid)
}

// ready is enter for callers that must not wait: nil where there is nothing to
// enter yet.
func (o *origin) ready() namespace {
	if o.uid != "" {
		return o.spaces.Ready(o.uid)
	}
	if n, err := o.spaces.Host(); err == nil {
		return n
	}
	return nil
}

// cannotEnter makes the Result of a namespace that is not there. None of it
// speaks against the path.
func cannotEnter(err error) probe.Result {
	r := probe.Result{Verdict: probe.LocalError, Evidence: err.Error()}
	switch netns.ReasonOf(err) {
	case netns.ReasonSandboxedRuntime:
		r.Verdict, r.Reason = probe.Unsupported, v1alpha1.ReasonSandboxedRuntime
	case netns.ReasonHostNetwork, netns.ReasonNotPermitted, netns.ReasonUnsupported:
		r.Verdict = probe.Unsupported
	}
	return r
}
