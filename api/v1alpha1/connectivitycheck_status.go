// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// State of a pair of source and target, and of a whole path.
// +kubebuilder:validation:Enum=Pending;Passing;Degraded;Failing;Unknown
type State string

const (
	// StatePending: assigned, and not attempted yet; a path: not all of its pairs
	// since it is as it is now.
	StatePending State = "Pending"
	// StatePassing: it works as declared.
	StatePassing State = "Passing"
	// StateDegraded: it works, but slower than maxLatency, or at least one in
	// ten of the last 20 probes was bad.
	StateDegraded State = "Degraded"
	// StateFailing: failureThreshold rounds in a row were bad.
	StateFailing State = "Failing"
	// StateUnknown: nothing can be said; the reason says why.
	StateUnknown State = "Unknown"
)

// ConnectivityCheckStatus is what was observed of a check.
type ConnectivityCheckStatus struct {
	// observedGeneration is the generation of the spec this status is about.
	// +optional
	// +kubebuilder:validation:Minimum=0
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// conditions: Ready is True while all paths are as declared, False while one
	// fails, else Unknown. Accepted is False while a path cannot be probed as it is
	// written. Fresh is False while a prober that is needed is silent. Throttled is
	// True while a path is tested less often than interval says.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=8
	// +kubebuilder:validation:XValidation:rule="self.all(c, c.lastTransitionTime >= timestamp('1900-01-01T00:00:00Z') && c.lastTransitionTime < timestamp('2200-01-01T00:00:00Z'))",message="lastTransitionTime must be a time from 1900 to 2199, for example 2026-01-31T12:00:00Z"
	Conditions []metav1.Condition `json:"conditions,omitempty"`

	// summary of the paths for a person who lists checks.
	// +optional
	Summary *Summary `json:"summary,omitempty"`

	// paths: one entry for each path of the spec.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=64
	Paths []PathStatus `json:"paths,omitempty"`
}

// Summary is the whole check in two short strings.
type Summary struct {
	// passing paths of all, for example 3/4. Degraded paths count as passing.
	// +kubebuilder:validation:MaxLength=16
	// +optional
	Passing string `json:"passing,omitempty"`

	// broken: the names of the paths that fail, separated by commas, and after
	// "unknown: " those of which nothing can be said; cut at 64 characters.
	// +kubebuilder:validation:MaxLength=64
	// +optional
	Broken string `json:"broken,omitempty"`

	// rung of the network on which the first of the paths that fail and have a
	// diagnosis is broken; Undetermined only if none of them is told apart.
	// +kubebuilder:validation:Enum=DNS;Endpoints;Service;Policy;Listener;Application;PodNetwork;Overlay;MTU;Underlay;Node;Undetermined
	// +optional
	Rung Rung `json:"rung,omitempty"`
}

// PathStatus is what was observed of one path.
type PathStatus struct {
	// name of the path.
	// +required
	// +kubebuilder:validation:MaxLength=63
	Name string `json:"name"`

	// accepted is false when the path cannot be probed as it is written; the
	// reason and the message say why.
	// +optional
	Accepted bool `json:"accepted"`

	// state of the path: Failing if any pair is, else Pending while the path is
	// new and not all of its pairs were attempted, else Degraded if any pair
	// is, else Unknown if no pair passes, else Passing.
	// +required
	State State `json:"state"`

	// reason for the state, one of the documented reasons.
	// +kubebuilder:validation:MaxLength=64
	// +optional
	Reason string `json:"reason,omitempty"`

	// message: one sentence that names the objects and the next step.
	// +kubebuilder:validation:MaxLength=1024
	// +optional
	Message string `json:"message,omitempty"`

	// lastTransitionTime: when the state last changed.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Format=date-time
	// +kubebuilder:validation:Pattern=`^(19|20|21)[0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]Z$`
	LastTransitionTime metav1.Time `json:"lastTransitionTime,omitempty,omitzero"`

	// pairs: how many pairs are in which state.
	// +optional
	Pairs PairCounts `json:"pairs,omitempty"`

	// coverage: how many of all pairs are assigned now.
	// +optional
	Coverage *Coverage `json:"coverage,omitempty"`

	// latency of the good probes, over the recent rounds of all sources.
	// +optional
	Latency *Latency `json:"latency,omitempty"`

	// worstPairs: up to 10 pairs that do not pass, the worst first.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=10
	WorstPairs []WorstPair `json:"worstPairs,omitempty"`

	// diagnosis: why the path fails, where that is known.
	// +optional
	Diagnosis *PathDiagnosis `json:"diagnosis,omitempty"`
}

// PairCounts counts pairs by state.
type PairCounts struct {
	// pending: assigned, and not attempted yet.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=100000000
	Pending int32 `json:"pending,omitempty"`
	// passing: working as declared.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=100000000
	Passing int32 `json:"passing,omitempty"`
	// degraded: working, but slow or with losses.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=100000000
	Degraded int32 `json:"degraded,omitempty"`
	// failing: failureThreshold rounds in a row were bad.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=100000000
	Failing int32 `json:"failing,omitempty"`
	// unknown: nothing can be said.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=100000000
	Unknown int32 `json:"unknown,omitempty"`
}

// Total is the number of all pairs.
func (c PairCounts) Total() int32 {
	return c.Pending + c.Passing + c.Degraded + c.Failing + c.Unknown
}

// Coverage says how much of a path is tested at once, and how long the
// rotation takes to test all of it.
type Coverage struct {
	// assignedPairs: the pairs that the probers hold now.
	// +kubebuilder:validation:Minimum=0
	AssignedPairs int64 `json:"assignedPairs"`

	// possiblePairs: all pairs that the path means.
	// +kubebuilder:validation:Minimum=0
	PossiblePairs int64 `json:"possiblePairs"`

	// fullAfter: how long until each possible pair was tested at least once.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MinLength=2
	// +kubebuilder:validation:MaxLength=25
	// +kubebuilder:validation:Pattern=`^([0-9]{1,6}h)?([0-9]{1,2}m)?([0-9]{1,3}([.][0-9]{1,9})?(s|ms|us|µs|ns))?$`
	FullAfter *metav1.Duration `json:"fullAfter,omitempty"`
}

// Latency is a distribution in two numbers.
type Latency struct {
	// p50: half of the probes were at most this slow.
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MinLength=2
	// +kubebuilder:validation:MaxLength=25
	// +kubebuilder:validation:Pattern=`^([0-9]{1,6}h)?([0-9]{1,2}m)?([0-9]{1,3}([.][0-9]{1,9})?(s|ms|us|µs|ns))?$`
	P50 metav1.Duration `json:"p50"`
	// p99: 99 of 100 probes were at most this slow.
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MinLength=2
	// +kubebuilder:validation:MaxLength=25
	// +kubebuilder:validation:Pattern=`^([0-9]{1,6}h)?([0-9]{1,2}m)?([0-9]{1,3}([.][0-9]{1,9})?(s|ms|us|µs|ns))?$`
	P99 metav1.Duration `json:"p99"`
}

// WorstPair is one pair that does not pass.
type WorstPair struct {
	// source: the name of the node whose prober or host dialled; for a pod its
	// name, with its namespace where that is not the check's.
	// +kubebuilder:validation:MaxLength=320
	Source string `json:"source"`

	// sourceNode: the name of the node that the source is on.
	// +kubebuilder:validation:MaxLength=253
	// +optional
	SourceNode string `json:"sourceNode,omitempty"`

	// target: what it dialled, for people: a node's name for a mesh (with the
	// protocol where the path tests several), a pod's name and port where that
	// may be shown, else address and port, or a DNS name.
	// +kubebuilder:validation:MaxLength=320
	Target string `json:"target"`

	// targetNode: the name of the node that the target is, or is on, where that
	// is known.
	// +kubebuilder:validation:MaxLength=253
	// +optional
	TargetNode string `json:"targetNode,omitempty"`

	// state of the pair.
	State State `json:"state"`

	// verdict: the most telling one of the recent bad probes.
	// +kubebuilder:validation:MaxLength=32
	// +optional
	Verdict Verdict `json:"verdict,omitempty"`

	// reason why the state is Unknown.
	// +kubebuilder:validation:MaxLength=64
	// +optional
	Reason string `json:"reason,omitempty"`

	// evidence: what was seen on the wire.
	// +kubebuilder:validation:MaxLength=256
	// +optional
	Evidence string `json:"evidence,omitempty"`

	// since: when the pair came into this state.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Format=date-time
	// +kubebuilder:validation:Pattern=`^(19|20|21)[0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]Z$`
	Since metav1.Time `json:"since,omitempty,omitzero"`
}
