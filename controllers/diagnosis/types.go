// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

// Package diagnosis says what the paths of a check are, from what the probers
// report, what is known of the nodes and what was said before. It is pure: no
// client, no clock; the same input gives the same output whatever the order
// in which it came. All of a ProbeAssignment's status is hostile input.
//
// One file holds one step: believe.go which report counts, mask.go what
// excuses a bad result, pairs.go what each source's pairs are, proof.go what
// proves that a Deny pair is blocked, canary.go which nodes enforce policies, path.go what a path is, name.go who is
// named how, message.go the sentence about it, worst.go the pairs that are
// shown, conditions.go the whole check.
package diagnosis

import (
	"net/netip"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/controllers/diagnosis/causes"
	"github.com/netladder/netladder/controllers/plan"
)

// Input is all that a check is judged by. Summarize changes none of it.
type Input struct {
	// Check that is judged; only spec and metadata are read.
	Check *v1alpha1.ConnectivityCheck
	// Resolved is what the plan made of the check; nil while it has not.
	Resolved *plan.Resolved
	// Reports by source node. A source without one is not assigned yet.
	Reports map[string]*Report
	// Nodes by name, sources and targets. A node that is absent is gone.
	Nodes map[string]*NodeFacts
	// Pods are the workload pods by UID that are sources or targets in Reports.
	// A pod that is absent is gone.
	Pods map[string]*WorkloadPod
	// Disclosing holds the namespaces, besides the check's own, whose label lets
	// this check see what is learned of their pods. Of others it is shown no
	// more than their name. It does not matter for checks in Settings.Namespace.
	Disclosing map[string]bool
	// Policies of the cluster; nil where they are not known and never will be.
	Policies Policies
	// Services that the check's paths aim at, and the cluster's DNS. One that is
	// absent is not known.
	Services map[types.NamespacedName]*ServiceFacts
	// DNS is the Service of the cluster's DNS; empty where it is not known.
	DNS types.NamespacedName
	// Canary is what is known of the policies around the canary pods.
	Canary CanaryPolicies
	// NotEnforcing are the nodes of which the canary pods show that they do not
	// enforce policies, by direction.
	NotEnforcing map[v1alpha1.PolicyDirection]map[string]bool
	// Previous is the status as it was last persisted, so that the judgement
	// survives a restart of the controller.
	Previous v1alpha1.ConnectivityCheckStatus
	// Now is the time of the judgement.
	Now time.Time
	// APIAvailableSince is when the controller last found the API server
	// again after it could not reach it (or when it started). Nobody can have
	// reported before, so no silence is counted from earlier than this. Zero
	// means always.
	APIAvailableSince time.Time
	// Settings, zero values mean the defaults.
	Settings Settings
}

// Settings are the patience of the judgement.
type Settings struct {
	// Grace is how long something that is young or just came back excuses bad
	// results, and how long a Service may be without endpoints; default 30 s.
	Grace time.Duration
	// Namespace is Netladder's own: its checks are shown every name. Others are
	// shown those of their own namespace, and of the namespaces that disclose
	// to it.
	Namespace string
}

// Report is one node's assignment with what the controller itself observed
// about it, in the controller's own time.
type Report struct {
	// Assignment: spec as last applied or read, and status as reported.
	Assignment *v1alpha1.ProbeAssignment
	// SeenAt is when the controller last saw status.heartbeat or
	// status.podUID change; before any change, when it first saw the object.
	SeenAt time.Time
	// HeardAt is when the controller last saw them change; zero before any
	// change: what was there when it first looked may be of any age.
	HeardAt time.Time
	// ChangedAt is when the controller last changed the pairs of the spec;
	// before any change, when it first saw the object.
	ChangedAt time.Time
	// GroupsChangedAt is when the controller last changed each group of the
	// spec, by key; a group that is not in it did not change since the
	// controller started. Where it is nil, ChangedAt stands for all.
	GroupsChangedAt map[string]time.Time
	// LeftOut is what the assignment had no room for, as the plan said.
	LeftOut []plan.LeftOut
}

// NodeFacts is what is known of a node.
type NodeFacts struct {
	// Ready is the node's Ready condition; anything but True is not ready.
	Ready bool
	// ReadySince is when the node last became Ready; zero if it is not.
	ReadySince time.Time
	// NotReadySince is when the node last stopped being Ready, as far as
	// known; zero if never, or if nobody saw it.
	NotReadySince time.Time
	// CreatedAt is when the Node object was created.
	CreatedAt time.Time
	// Gone is true when the Node object is deleted or being deleted.
	Gone bool
	// Prober is the node's prober pod, nil without one. Of two, as in a
	// rollout, the one that is not terminating.
	Prober *PodFacts
	// Echo is the node's echo pod, likewise.
	Echo *PodFacts
	// Canary is the node's canary pod, likewise.
	Canary *PodFacts
}

// PodFacts is what is known of one of Netladder's own pods.
type PodFacts struct {
	// UID of the pod.
	UID string
	// Running is true while its container runs.
	Running bool
	// Ready is the pod's Ready condition.
	Ready bool
	// Terminating is true from when deletion was asked for.
	Terminating bool
	// StartedAt is when its container last started; before that, when the pod
	// was created.
	StartedAt time.Time
	// ReadySince is when the pod last became Ready; zero if it is not.
	ReadySince time.Time
	// NotReadySince is when the pod last stopped being Ready, or was created
	// without being so; zero if it is.
	NotReadySince time.Time
}

// WorkloadPod is what is known of a pod that is not Netladder's own.
type WorkloadPod struct {
	// Namespace and Name of the pod.
	Namespace, Name string
	// Node that it runs on.
	Node string
	// Terminating is true from when deletion was asked for.
	Terminating bool
	// StartedAt is when the last of its containers to start did; before that,
	// when the pod was created.
	StartedAt time.Time
}

// ServiceFacts is what is known of a Service.
type ServiceFacts struct {
	// Service as the plan knows it.
	*plan.Service
	// Selector of its pods; empty without one.
	Selector map[string]string
	// NotReady are addresses in its EndpointSlices that are not ready, a few of
	// so many as NotReadyCount says.
	NotReady      []netip.Addr
	NotReadyCount int
	// Local is true for internalTrafficPolicy Local, Sticky for sessionAffinity
	// ClientIP.
	Local, Sticky bool
}

// Summary is what Summarize found.
type Summary struct {
	// Paths in the order of the spec.
	Paths []v1alpha1.PathStatus
	// Conditions Accepted, Ready and Fresh, without lastTransitionTime, which
	// depends on the status they are put into.
	Conditions []metav1.Condition
	// Enforcement of policies, for each path to the canary pods that is tested,
	// in the order of the spec.
	Enforcement []Enforcement
	// Causes of the paths that fail, as far as they are known.
	Causes []causes.Found
	// Stale names the nodes whose silence nothing explains, sorted.
	Stale []string
	// Deadline is the earliest time at which the same input would be judged
	// differently because time passed; zero if it never would.
	Deadline time.Time
}
