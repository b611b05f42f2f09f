// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package netns

import (
	"errors"
	"net/netip"

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
	options Options
}

// New returns a Registry that holds no pods.
func New(o Options) (*Registry, error) { return &Registry{options: o}, nil }

// Update makes the Registry hold exactly these pods. What it holds of others
// is closed: at once, or when who is inside has left.
func (r *Registry) Update(_ []Pod) {}

// Pod returns the network namespace of one of the pods of Update. It does not
// wait for a pod that was not found: it is looked for again in the background.
// An error is an *Error.
func (r *Registry) Pod(_ string) (*Namespace, error) { return nil, errors.ErrUnsupported }

// Host returns the network namespace of the node. An error is an *Error.
func (r *Registry) Host() (*Namespace, error) { return nil, errors.ErrUnsupported }

// PodEntry returns the pod's namespace as a place where probes start; it is
// looked up in each use.
func (r *Registry) PodEntry(_ string) probe.Entry { return nil }

// HostEntry is PodEntry for the node.
func (r *Registry) HostEntry() probe.Entry { return nil }

// Close closes all descriptors. The Registry is not used afterwards.
func (r *Registry) Close() {}
