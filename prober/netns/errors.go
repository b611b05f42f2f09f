// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package netns

import "errors"

// Reason says in one word why there is no namespace, or why it could not be
// used.
type Reason string

// The reasons of an Error.
const (
	// ReasonNotFound: no process of the pod runs on this node.
	ReasonNotFound Reason = "NotFound"
	// ReasonPending: the pod was not looked for yet; the next attempt knows
	// more.
	ReasonPending Reason = "Pending"
	// ReasonNotWanted: the pod is not among those that Update named last.
	ReasonNotWanted Reason = "NotWanted"
	// ReasonSandboxedRuntime: the pod's runtime keeps its addresses where no
	// other process can get at them.
	ReasonSandboxedRuntime Reason = "SandboxedRuntime"
	// ReasonHostNetwork: the pod has no network namespace of its own.
	ReasonHostNetwork Reason = "HostNetwork"
	// ReasonWrongAddress: the pod has processes here, but none of their
	// namespaces has the pod's addresses.
	ReasonWrongAddress Reason = "WrongAddress"
	// ReasonNamespaceChanged: the pod's sandbox was replaced, and with it its
	// namespace.
	ReasonNamespaceChanged Reason = "NamespaceChanged"
	// ReasonNotPermitted: the prober lacks a right; the message names it.
	ReasonNotPermitted Reason = "NotPermitted"
	// ReasonUnsupported: the kernel cannot say what was asked.
	ReasonUnsupported Reason = "Unsupported"
	// ReasonFailed: a system call failed as it should not.
	ReasonFailed Reason = "Failed"
)

// Error is why there is no namespace, or why it could not be used.
type Error struct {
	// Reason in one word.
	Reason Reason
	// Message is one line that says what to do about it. It holds nothing that
	// a workload wrote.
	Message string
	// Err is the cause, if there is one.
	Err error
}

// Error returns the message and the cause.
func (e *Error) Error() string {
	if e.Err == nil {
		return e.Message
	}
	return e.Message + ": " + e.Err.Error()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// ReasonOf returns the reason of an error of this package, and the empty one
// for any other.
func ReasonOf(err error) Reason {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Reason
	}
	return ""
}
