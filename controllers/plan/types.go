// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

// Package plan turns checks and a view of the cluster into what each node's
// prober has to do. It is pure: no client, no clock, no I/O; the same input
// gives the same output whatever the order in which it came.
//
// The flow is Resolve (one check: which paths can be probed, from where to
// where) and Assign (one node: its part of all checks). Build composes both
// for a whole cluster; Engine keeps what they gave and says which nodes and
// checks a change touches, so that a change costs what it touches.
package plan

import (
	"net/netip"

	"k8s.io/apimachinery/pkg/types"

	"github.com/netladder/netladder/api/v1alpha1"
)

// EchoPort is the port on which echo pods answer TCP and UDP probes.
const EchoPort = v1alpha1.EchoPort

// WindowSize is how many peers of a mesh one assignment holds at most.
const WindowSize = 32

// Node is what the plan needs to know of a node. Readiness, cordon and age
// are deliberately absent: they never enter the plan.
type Node struct {
	// Name of the node.
	Name string
	// UID of the Node object.
	UID types.UID
	// Labels of the node.
	Labels map[string]string
	// Prober is true while the node has a prober pod, in whatever condition.
	Prober bool
	// Echo is the node's echo pod, nil without one that has an IP.
	Echo *Echo
	// Canary is the node's canary pod, nil without one that has an IP.
	Canary *Canary
	// IPs of the node's own: its InternalIP addresses, one of each family.
	IPs []netip.Addr
	// Tunnels are the node's ends of the overlay, one of each family inside.
	Tunnels []Tunnel
}

// Pod is what the plan needs to know of a workload pod: one that has an IP,
// has not ended and is not being deleted.
type Pod struct {
	// UID of the pod.
	UID types.UID
	// Key is namespace and name.
	Key types.NamespacedName
	// Labels of the pod.
	Labels map[string]string
	// Node that it runs on.
	Node string
	// IPs of the pod, one of each family, in the order of its status.
	IPs []netip.Addr
	// HostNetwork is true for a pod that shares its node's network namespace.
	HostNetwork bool
	// Sandboxed is true where the pod's RuntimeClass keeps its addresses out of
	// reach of other processes.
	Sandboxed bool
	// Ports that containers name, those of init containers that keep running
	// included.
	Ports []ContainerPort
}

// ContainerPort is a named port of a pod.
type ContainerPort struct {
	// Name of the port.
	Name string
	// Port number.
	Port int32
	// Protocol is TCP or UDP; others are left out.
	Protocol v1alpha1.Protocol
}

// Namespace is what the plan needs to know of a namespace.
type Namespace struct {
	// Name of the namespace.
	Name string
	// Labels of the namespace.
	Labels map[string]string
}

// Echo is an echo pod.
type Echo struct {
	// UID of the pod.
	UID types.UID
	// IPs of the pod, one of each family, in the order of its status.
	IPs []netip.Addr
}

// Service is what the plan needs to know of a Service and its EndpointSlices.
type Service struct {
	// Key is namespace and name.
	Key types.NamespacedName
	// ClusterIPs of the Service; empty for a headless one.
	ClusterIPs []netip.Addr
	// Headless is true for clusterIP None.
	Headless bool
	// ExternalName that the Service stands for; empty for other types.
	ExternalName string
	// LoadBalancer is true for that type of Service.
	LoadBalancer bool
	// Ingress and IngressNames are what the load balancer is reached by from
	// outside, in the order of the status.
	Ingress      []netip.Addr
	IngressNames []string
	// LocalOnly is true for externalTrafficPolicy Local.
	LocalOnly bool
	// Ports: those for TCP and UDP.
	Ports []ServicePort
}

// ServicePort is one port of a Service.
type ServicePort struct {
	// Name of the port; empty when the Service has one unnamed port.
	Name string
	// Port number of the Service.
	Port int32
	// Protocol of the port; empty for TCP.
	Protocol v1alpha1.Protocol
	// NodePort number; 0 without one.
	NodePort int32
	// Nodes with an endpoint behind the port, sorted and unique, where the
	// Service is LocalOnly; empty otherwise.
	Nodes []string
	// Endpoints behind the port, ready or serving, sorted and unique.
	Endpoints []netip.AddrPort
	// On has the node of each of Endpoints as an EndpointSlice names it, which
	// anybody may have written; empty where it names none, nil where none does.
	On []string
}

// Resolved is what one check means on the cluster as it is.
type Resolved struct {
	// Check is namespace and name.
	Check types.NamespacedName
	// Paths in the order of the spec.
	Paths []ResolvedPath

	// groups and proofs of all paths, sorted by key.
	groups []*Group
	// ips at which it was looked for pods.
	ips []netip.Addr
	// demands of the paths; nil where a target has no budget.
	demands []*demand
}

// ResolvedPath is one path of a Resolved check.
type ResolvedPath struct {
	// Name of the path.
	Name string
	// Accepted is false when the path cannot be probed as it is written.
	Accepted bool
	// Reason and Message say why it is not accepted, or why there is nothing
	// to probe at the moment; empty otherwise.
	Reason, Message string
	// Groups that the sources are assigned; empty when there is nothing to
	// probe.
	Groups []*Group
	// Proofs are the groups that prove what a Deny path's Groups say, in the
	// assignments of the same and of the targets' nodes; empty for Allow.
	Proofs []*Group
	// Undisclosed are the namespaces of targets about whose pods this check may
	// not learn anything, sorted: nothing proves a Deny to them.
	Undisclosed []string
	// Lacking are the source nodes that cannot be tested because a pod of
	// Netladder's own is missing there, sorted; paths to the canary pods only.
	Lacking []string
	// Coverage of Groups together; nil without groups.
	Coverage *v1alpha1.Coverage
	// Stretched where budgets do not allow for the interval of the check; nil
	// elsewhere. Budgets of a node are not in it: only its assignment says how
	// often that tests the path.
	Stretched *Stretched
}

// Group is one kind of probe of one path, over all of its sources. In the
// assignment of each of them it becomes the ProbeGroup with the same key.
type Group struct {
	// Key of the group: check namespace, check name, path name and kind,
	// separated by slashes.
	Key string
	// Kind of probe.
	Kind v1alpha1.ProbeKind
	// Content is the first part of ProbeGroup.Hash.
	Content string
	// Sources are the names of the nodes whose prober holds the group, sorted.
	// A prober holds no Wire group while there is no echo pod to aim at.
	// Read-only: groups share it.
	Sources []string

	sources  *nodeSet
	probe    *compiledProbe
	perRound int
	// stretch of the interval, in powers of two.
	stretch int
	// scope, mesh and ring of a mesh; ring is nil for scope SameNode.
	scope v1alpha1.MeshScope
	mesh  *meshView
	ring  *ring
	// spread of the targets, where they are addresses.
	spread *spread
	// pods that probes start in, where they do.
	pods *podSources
	// own is what each node tests of its own, where that is all there is.
	own map[string]*ownPairs
	// notOwn is true where a node must not be aimed at itself.
	notOwn bool
	// wire and listeners of a proof.
	wire      *wire
	listeners map[string]*listeners
	// protocol of the targets; empty for TCP.
	protocol v1alpha1.Protocol
	// service that the targets are addresses of, where what is behind it matters
	// to a climb; nil elsewhere.
	service *serviceRef
	// hostname and port of a target by name that comes from a Service; empty
	// otherwise.
	hostname string
}

// Assignment is what one node's prober has to do.
type Assignment struct {
	// Node is the name of the node, and of the ProbeAssignment.
	Node string
	// Spec to write.
	Spec v1alpha1.ProbeAssignmentSpec
	// LeftOut because of the size limit, sorted by key.
	LeftOut []LeftOut
}

// LeftOut says what did not fit into an assignment.
type LeftOut struct {
	// GroupKey of the group.
	GroupKey string
	// Kept of the members that were Wanted; 0 kept means that the group was
	// dropped.
	Kept, Wanted int
}
