// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package diagnosis

import (
	"net/netip"
	"time"

	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/netladder/netladder/controllers/plan"
	"github.com/netladder/netladder/controllers/policy"
)

// ProgrammingTime is how long after a change of a policy, a pod or a namespace
// that decides the network plugin may take before what is seen is held against
// it.
const ProgrammingTime = time.Minute

// Policies lends what is known of the NetworkPolicies of the cluster.
type Policies interface {
	// Read calls f with a view that nothing changes before f returns. What f
	// returns are the namespaces that it looked into, for as long as Read is not
	// called again: whatever changes there asks for another judgement.
	Read(f func(PolicyView) (namespaces []string))
}

// PolicyView is what is known at one moment.
type PolicyView interface {
	// Index of policies, pods and namespaces; nil while they are not all known.
	Index() *policy.Index
	// PodAt is the pod with an address of its own; nil without one.
	PodAt(netip.Addr) *plan.Pod
	// NodeAt is the name of the node with an address; empty without one.
	NodeAt(netip.Addr) string
	// ServiceAt is the Service with a ClusterIP; nil without one.
	ServiceAt(netip.Addr) *plan.Service
	// PolicyChanges are those of a namespace in the last ProgrammingTime, sorted
	// by name.
	PolicyChanges(namespace string) []PolicyChange
	// PodChangedAt is when the labels, addresses or named ports of a pod last
	// changed, if in the last ProgrammingTime, else zero. That it came is no
	// change.
	PodChangedAt(types.UID) time.Time
	// NamespaceChangedAt is the same about the labels of a namespace.
	NamespaceChangedAt(name string) time.Time
}

// PolicyChange is a change of one policy in the last ProgrammingTime; of several,
// from before the first to after the last.
type PolicyChange struct {
	// At is when it last changed.
	At time.Time
	// Before and After; nil if there was, or is, no such policy.
	Before, After *networkingv1.NetworkPolicy
}
