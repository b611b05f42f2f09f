// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// ProbeAssignmentStatus is what the node's prober reports. The controller
// treats all of it as hostile input.
type ProbeAssignmentStatus struct {
	// podUID of the prober that wrote this status.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	PodUID string `json:"podUID,omitempty"`

	// heartbeat: the prober's clock when it wrote this status. Only that it
	// changes matters, not its value.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Format=date-time
	// +kubebuilder:validation:Pattern=`^(19|20|21)[0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]Z$`
	Heartbeat *metav1.Time `json:"heartbeat,omitempty"`

	// groups: the counts of each group.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=2048
	Groups []GroupStatus `json:"groups,omitempty"`

	// notPassing: pairs that are Failing, Degraded or Unknown, in this order.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=50
	NotPassing []PairStatus `json:"notPassing,omitempty"`

	// cut: how many more pairs do not pass than notPassing can hold.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=100000000
	Cut int32 `json:"cut,omitempty"`

	// rungs: what was seen on the ladder because of the pairs that are bad now.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=128
	Rungs []RungStatus `json:"rungs,omitempty"`
}

// RungStatus is what one step of a climb saw. Steps are shared by all pairs
// that need them: source, rung, probe and target identify one.
type RungStatus struct {
	// source: where the step was made: absent for the prober pod, Host for the
	// node's own network, else the UID of a pod.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	Source string `json:"source,omitempty"`

	// rung that the step is on. The string is open: what a controller does not
	// know it does not use.
	// +kubebuilder:validation:MaxLength=32
	Rung Rung `json:"rung"`

	// probe that was made.
	// +kubebuilder:validation:MaxLength=32
	Probe ProbeKind `json:"probe"`

	// target as in notPassing, without a source: node name and IP family
	// ("node3/IPv4") for a node or its echo pod, else address and port.
	// +kubebuilder:validation:MaxLength=320
	Target string `json:"target"`

	// verdict of the last time.
	// +kubebuilder:validation:MaxLength=32
	Verdict Verdict `json:"verdict"`

	// evidence: what was seen on the wire.
	// +optional
	// +kubebuilder:validation:MaxLength=160
	Evidence string `json:"evidence,omitempty"`

	// at is when the last time began, by the prober's clock: it is no evidence
	// of what began to fail later.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Format=date-time
	// +kubebuilder:validation:Pattern=`^(19|20|21)[0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9][.][0-9]{6}Z$`
	At *metav1.MicroTime `json:"at,omitempty"`
}

// GroupStatus counts the pairs of a group.
type GroupStatus struct {
	// key of the group.
	// +kubebuilder:validation:MaxLength=512
	Key string `json:"key"`

	// hash of the group these counts are about.
	// +kubebuilder:validation:MaxLength=64
	Hash string `json:"hash"`

	// pairs by state; they add up to the pairs of the group.
	Pairs PairCounts `json:"pairs"`

	// p50Microseconds: median of the recent good probes; 0 without any.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=3600000000
	P50Microseconds int64 `json:"p50Microseconds,omitempty"`

	// p99Microseconds: 99th percentile of the recent good probes.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=3600000000
	P99Microseconds int64 `json:"p99Microseconds,omitempty"`

	// queries: how many names of the search list one lookup asks for until it
	// has its answer, the most of all pairs; absent for other kinds than DNS.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=64
	Queries int32 `json:"queries,omitempty"`
}

// PairStatus is one pair that does not pass.
type PairStatus struct {
	// group: the key of its group.
	// +kubebuilder:validation:MaxLength=512
	Group string `json:"group"`

	// target identifies the pair within its group: node name and IP family
	// ("node3/IPv4") for a mesh kind, the name for DNS, name and port for a
	// hostname, the address where there is no port, and address and port else
	// ("10.1.2.3:53", "10.1.2.3:53/UDP"). Where the source is a pod, its UID and
	// '>' stand before it.
	// +kubebuilder:validation:MaxLength=320
	Target string `json:"target"`

	// state: Failing, Degraded or Unknown.
	State State `json:"state"`

	// streak: how many bad rounds in a row.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=2147483647
	Streak int32 `json:"streak,omitempty"`

	// verdict: the most telling one of the recent bad probes.
	// +optional
	// +kubebuilder:validation:MaxLength=32
	Verdict Verdict `json:"verdict,omitempty"`

	// reason why the state is Unknown; of a Failing pair, the cause where the
	// prober found one on its own node.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	Reason string `json:"reason,omitempty"`

	// evidence: what was seen on the wire.
	// +optional
	// +kubebuilder:validation:MaxLength=256
	Evidence string `json:"evidence,omitempty"`

	// badSince: when the first of the bad probes in a row began, by the prober's
	// clock. What was seen before is no evidence of why.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Format=date-time
	// +kubebuilder:validation:Pattern=`^(19|20|21)[0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9][.][0-9]{6}Z$`
	BadSince *metav1.MicroTime `json:"badSince,omitempty"`

	// since: when the pair came into this state, by the prober's clock.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Format=date-time
	// +kubebuilder:validation:Pattern=`^(19|20|21)[0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]Z$`
	Since *metav1.Time `json:"since,omitempty"`
}
