// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

// Rung of the network, on the ladder from a name to the wire.
type Rung string

const (
	// RungDNS: the name is looked up at the servers of the cluster.
	RungDNS Rung = "DNS"
	// RungEndpoints: a Service has endpoints, and they answer.
	RungEndpoints Rung = "Endpoints"
	// RungService: a Service's own address leads to its endpoints.
	RungService Rung = "Service"
	// RungPolicy: NetworkPolicies.
	RungPolicy Rung = "Policy"
	// RungListener: a process listens at the target.
	RungListener Rung = "Listener"
	// RungApplication: what answers is the application, and it is well.
	RungApplication Rung = "Application"
	// RungPodNetwork: pods of the two nodes reach each other.
	RungPodNetwork Rung = "PodNetwork"
	// RungOverlay: the tunnel between the two nodes.
	RungOverlay Rung = "Overlay"
	// RungMTU: large packets get through where small ones do.
	RungMTU Rung = "MTU"
	// RungUnderlay: the nodes themselves reach each other.
	RungUnderlay Rung = "Underlay"
	// RungNode: the node is there.
	RungNode Rung = "Node"
	// RungUndetermined: none of the above can be told apart.
	RungUndetermined Rung = "Undetermined"
)

// PathDiagnosis says why a path fails. A rung other than Undetermined is named
// only where what was seen leaves no other.
type PathDiagnosis struct {
	// rung of the network that is broken; Undetermined where those that may be
	// cannot be told apart.
	// +kubebuilder:validation:Enum=DNS;Endpoints;Service;Policy;Listener;Application;PodNetwork;Overlay;MTU;Underlay;Node;Undetermined
	// +required
	Rung Rung `json:"rung"`

	// reason, one of the documented reasons, such as PolicyDenies.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	Reason string `json:"reason"`

	// message: one sentence that names the objects and the next step.
	// +kubebuilder:validation:MaxLength=1024
	// +optional
	Message string `json:"message,omitempty"`

	// candidates: the rungs that may be broken, where the rung is Undetermined.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=8
	// +kubebuilder:validation:items:Enum=DNS;Endpoints;Service;Policy;Listener;Application;PodNetwork;Overlay;MTU;Underlay;Node
	Candidates []Rung `json:"candidates,omitempty"`

	// policies that decide, as far as the check may see them.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=8
	Policies []DecidingPolicy `json:"policies,omitempty"`
}

// PolicyDirection is the direction of a NetworkPolicy, seen from the pods that
// it selects.
// +kubebuilder:validation:Enum=Ingress;Egress
type PolicyDirection string

const (
	// PolicyIngress is to the pods that a policy selects.
	PolicyIngress PolicyDirection = "Ingress"
	// PolicyEgress is from them.
	PolicyEgress PolicyDirection = "Egress"
)

// DecidingPolicy is a NetworkPolicy that decides whether something gets through.
type DecidingPolicy struct {
	// namespace of the policy.
	// +required
	// +kubebuilder:validation:MaxLength=63
	Namespace string `json:"namespace"`

	// name of the policy; absent where the check may not see it: its namespace
	// then stands for all policies there.
	// +kubebuilder:validation:MaxLength=253
	// +optional
	Name string `json:"name,omitempty"`

	// direction in which it decides.
	// +required
	Direction PolicyDirection `json:"direction"`

	// managedBy: what will overwrite a change by hand, such as "Helm release
	// shop"; absent where nothing is known to.
	// +kubebuilder:validation:MaxLength=256
	// +optional
	ManagedBy string `json:"managedBy,omitempty"`
}
